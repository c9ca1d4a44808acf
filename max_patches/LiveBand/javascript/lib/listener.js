// SPDX-License-Identifier: GPL-3.0-or-later
// Watches sessions: says hello, subscribes, gives on what comes. Pure: no clock, no socket, no Max.
"use strict";

const osc = require("./osc.js");
const { Door } = require("./door.js");
const { isPort } = require("./endpoint.js");
const { Refusals } = require("./refusals.js");
const { asWords } = require("./told.js");
const { PORT } = require("../tables.js");

const SUBSCRIBE_MS = 5000;
const SESSION = /^[A-Za-z0-9_.*?[\]{},!-]{1,64}$/;

class Listener {
  constructor() {
    this.settings = { host: "127.0.0.1", port: PORT, session: "*" };
    this.door = new Door("Max");
    this.refusals = new Refusals();
    this.subscribeMs = -Infinity;
  }

  /** The port that answers come from. */
  get answersFrom() {
    return this.settings.port;
  }

  /** One message of the patch. Throws RangeError with words. */
  told(what, values) {
    if (!(what in this.settings)) throw new RangeError(`the listener knows ${Object.keys(this.settings).join(", ")}, not ${what}`);
    if (what === "session" && !SESSION.test(String(values[0]))) throw new RangeError("session: a name, or a pattern such as *");
    if (what === "port" && !isPort(Number(values[0]))) throw new RangeError("port: 1 to 65535");
    this.settings[what] = what === "port" ? Number(values[0]) : String(values[0]);
    this.subscribeMs = -Infinity;
    if (what !== "session") this.door.leave();
    return [];
  }

  tick(nowMs) {
    const packets = this.door.tick(nowMs);
    if (this.door.isIn && nowMs >= this.subscribeMs + SUBSCRIBE_MS) {
      this.subscribeMs = nowMs;
      packets.push(osc.encode(`/lb/${this.settings.session}/subscribe`));
    }
    return packets.map((send) => ({ send }));
  }

  heard(packet) {
    return this.refusals.hear(packet, (message) => {
      const was = this.door.isIn;
      const sent = this.door.hear(message).map((send) => ({ send }));
      if (message.address === "/lb/error" && message.values[0] === "unauthorised") this.door.leave();
      const words = asWords(message);
      const news = this.door.isIn && !was ? [{ out: ["link", "listens"] }] : [];
      return [...sent, ...news, ...(words ? [{ out: words }] : [])];
    });
  }
}

module.exports = { Listener };
