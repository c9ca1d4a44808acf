// SPDX-License-Identifier: GPL-3.0-or-later
// What came and was left out: counted, told once in words. No packet ends the sidecar.
"use strict";

const { decode } = require("./osc.js");
const { ADDRESSES } = require("../tables.js");

const MOST_TOLD = 64;

const FITS = {
  i: Number.isInteger,
  h: Number.isSafeInteger,
  f: Number.isFinite,
  s: (value) => typeof value === "string",
  b: Buffer.isBuffer,
  v: (value) => ["string", "number", "boolean"].includes(typeof value),
};

const FROM_SERVER = Object.entries(ADDRESSES)
  .filter(([, { direction }]) => direction !== "in")
  .map(([pattern, { arguments: list }]) => ({
    pattern,
    list,
    address: new RegExp(`^${pattern.replace(/<\w+>/g, "[^/]+")}$`),
    kinds: list.split(" ").map((one) => one[0]),
  }));

/** The message, if its arguments are those of the table; messages that the table lacks are left as they are. */
function checked(message) {
  const known = FROM_SERVER.find(({ address }) => address.test(message.address));
  if (known && !known.kinds.every((kind, i) => FITS[kind](message.values[i]))) {
    throw new RangeError(`${known.pattern} is left out: its arguments are not ${known.list}`);
  }
  return message;
}

class Refusals {
  constructor() {
    Object.assign(this, { count: 0, told: new Set() });
  }

  /** What `act` gives for each message of a packet. */
  hear(packet, act) {
    return this._try(() => decode(packet)).flatMap((one) => (one.address ? this._try(() => act(checked(one))) : [one]));
  }

  /** Something was left out. */
  add(words) {
    this.count += 1;
    if (this.told.has(words) || this.told.size >= MOST_TOLD) return [];
    this.told.add(words);
    return [{ out: ["error", "here", words] }];
  }

  _try(work) {
    try {
      return work();
    } catch (error) {
      return this.add(error.message);
    }
  }
}

module.exports = { Refusals, checked };
