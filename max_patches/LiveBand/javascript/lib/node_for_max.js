// SPDX-License-Identifier: GPL-3.0-or-later
// The one file that knows Max: handlers in, outlets out, one socket, a tick of 5 ms. Max brings the module max-api.
"use strict";

const Max = require("max-api");
const { Endpoint } = require("./endpoint.js");

const TICK_MS = 5;

/** Gives a sidecar ({settings, answersFrom, refusals, told, heard, tick}) its socket, its clock and the patch. */
function run(sidecar) {
  const said = new Set(); // complaints since the patch set something; each is made once
  const now = () => performance.now();
  const act = (steps) => {
    for (const { send, out } of steps) {
      const { host, port } = sidecar.settings;
      if (send) endpoint.send(send, { host, port, listensAt: sidecar.listensAt || 0, answersFrom: sidecar.answersFrom });
      if (out) Max.outlet(...out);
    }
  };
  const complain = (error) => {
    if (said.has(error.message)) return;
    said.add(error.message);
    Max.outlet("error", "here", error.message);
    Max.post(error.message, Max.POST_LEVELS.WARN);
  };
  const guarded = (work) => {
    try {
      act(work());
    } catch (error) {
      complain(error);
    }
  };
  const endpoint = new Endpoint({
    heard: (packet) => guarded(() => sidecar.heard(packet, now())),
    foreign: (words) => guarded(() => sidecar.refusals.add(words)),
    failed: complain,
  });
  Max.addHandler(Max.MESSAGE_TYPES.ALL, (handled, ...message) => {
    const [what, ...values] = message;
    if (what !== "mix") said.clear();
    if (typeof what === "string") guarded(() => sidecar.told(what, values, now()));
  });
  setInterval(() => guarded(() => sidecar.tick(now())), TICK_MS);
}

module.exports = { run };
