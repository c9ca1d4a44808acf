// SPDX-License-Identifier: GPL-3.0-or-later
// The one file that knows Max: handlers in, outlets out, one UDP socket, a tick of 5 ms. Max brings the module max-api.
"use strict";

const dgram = require("node:dgram");
const Max = require("max-api");

const TICK_MS = 5;
const RECEIVE_BYTES = 4 << 20; // the system may give less

/** Gives a sidecar ({settings, told, heard, tick}) its socket, its clock and the patch. */
function run(sidecar) {
  let socket = null, bound = null;
  const now = () => performance.now();
  const act = (steps) => {
    for (const { send, out } of steps) {
      if (send) listening().send(send, sidecar.settings.port, sidecar.settings.host);
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
  /** The socket, another one where answers are to come to another port. */
  const listening = () => {
    const wanted = sidecar.listensAt || 0;
    if (bound !== wanted) {
      if (socket) socket.close();
      bound = wanted;
      socket = dgram.createSocket({ type: "udp4", recvBufferSize: RECEIVE_BYTES });
      socket.on("message", (packet) => guarded(() => sidecar.heard(packet, now())));
      socket.on("error", complain);
      socket.bind(wanted);
    }
    return socket;
  };
  Max.addHandler(Max.MESSAGE_TYPES.ALL, (handled, ...message) => {
    const [what, ...values] = message;
    if (typeof what === "string") guarded(() => sidecar.told(what, values, now()));
  });
  setInterval(() => guarded(() => sidecar.tick(now())), TICK_MS);
}

module.exports = { run };
