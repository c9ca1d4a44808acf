// SPDX-License-Identifier: GPL-3.0-or-later
// The one file that knows Max: handlers in, outlets out, one UDP socket, a tick of 5 ms. Max brings the module max-api.
"use strict";

const dgram = require("node:dgram");
const Max = require("max-api");

const TICK_MS = 5;
const RECEIVE_BYTES = 4 << 20; // the system may give less

/** Gives a sidecar ({settings, told, heard, tick}) its socket, its clock and the patch. */
function run(sidecar) {
  const socket = dgram.createSocket({ type: "udp4", recvBufferSize: RECEIVE_BYTES });
  const now = () => performance.now();
  const act = (steps) => {
    for (const { send, out } of steps) {
      if (send) socket.send(send, sidecar.settings.port, sidecar.settings.host);
      if (out) Max.outlet(...out);
    }
  };
  const complain = (error) => {
    Max.outlet("error", "here", error.message);
    Max.post(error.message, Max.POST_LEVELS.WARN);
  };
  const guarded = (work) => {
    try {
      act(work());
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      complain(error);
    }
  };
  socket.on("message", (packet) => guarded(() => sidecar.heard(packet, now())));
  socket.on("error", complain);
  socket.bind(0);
  Max.addHandler(Max.MESSAGE_TYPES.ALL, (handled, ...message) => {
    const [what, ...values] = message;
    if (typeof what === "string") guarded(() => sidecar.told(what, values, now()));
  });
  setInterval(() => guarded(() => sidecar.tick(now())), TICK_MS);
}

module.exports = { run };
