// SPDX-License-Identifier: GPL-3.0-or-later
// Hello, welcome, cookie, ping, pong: who says this is in. Asks again while nobody answers.
"use strict";

const osc = require("./osc.js");
const { MAJOR, MINOR } = require("../tables.js");

const AGAIN_MS = 500;
const STAY_MS = 10000;

class Door {
  constructor(client) {
    Object.assign(this, { client, state: "outside", cookie: "", nextMs: -Infinity });
  }

  get isIn() {
    return this.state === "in";
  }

  /** Packets that are due. */
  tick(nowMs) {
    if (nowMs < this.nextMs) return [];
    this.nextMs = nowMs + (this.isIn ? STAY_MS : AGAIN_MS);
    if (this.isIn) return [osc.encode("/lb/ping", "i", [1])];
    if (this.state === "welcomed") return this._enter();
    return [osc.encode("/lb/hello", "iis", [MAJOR, MINOR, this.client])];
  }

  /** Packets that answer a message of the server's. */
  hear({ address, values }) {
    if (address === "/lb/welcome" && !this.isIn) {
      this.state = "welcomed";
      this.cookie = values[3];
      return this._enter();
    }
    if (address === "/lb/pong") this.state = "in";
    return [];
  }

  /** The server does not know us any more. */
  leave() {
    Object.assign(this, { state: "outside", nextMs: -Infinity });
  }

  _enter() {
    return [osc.encode("/lb/cookie", "s", [this.cookie]), osc.encode("/lb/ping", "i", [0])];
  }
}

module.exports = { Door };
