// SPDX-License-Identifier: GPL-3.0-or-later
// What a patch says in words, as messages to a session: a control, a chord, a chart. And what a session says, as words.
"use strict";

const osc = require("./osc.js");
const { ADDRESSES, CONTROLS, STATUS } = require("../tables.js");

const TOLD = Object.entries(ADDRESSES)
  .filter(([pattern, { direction, arguments: list }]) =>
    direction === "in" && /^\/lb\/<session>\/\w+$/.test(pattern) && !list.includes("b:"))
  .map(([pattern]) => pattern.split("/")[3]);

/** The packet for `set <control> <value>`. Throws RangeError for a control that the table lacks. */
function setControl(session, control, value) {
  if (!(control in CONTROLS)) {
    throw new RangeError(`there is no control ${control}: ${Object.keys(CONTROLS).join(", ")}`);
  }
  const values = value === undefined ? [] : [value];
  return osc.encode(`/lb/${session}/set/${control}`, values.map(osc.tagOf).join(""), values);
}

/** The packet for `chord Am7` and its like; the words of a text are joined. */
function tell(session, what, values) {
  if (!TOLD.includes(what)) throw new RangeError(`there is no ${what}: ${TOLD.join(", ")}`);
  const asText = ADDRESSES[`/lb/<session>/${what}`].arguments.startsWith("l:");
  const sent = asText ? [values.join(" ")] : values;
  return osc.encode(`/lb/${session}/${what}`, sent.map(osc.tagOf).join(""), sent);
}

/** What a message is to a patch: ["status", name, value], ["error", code, text], ["link", words], or null. */
function asWords({ address, values }) {
  const [, , session, kind, name] = address.split("/");
  if (kind === "status" && STATUS.includes(name)) return ["status", name, values[0]];
  if (address === "/lb/error") return ["error", ...values];
  if (kind === "closed") return ["link", `${session} is closed: ${values[0]}`];
  return null;
}

module.exports = { TOLD, setControl, tell, asWords };
