// SPDX-License-Identifier: GPL-3.0-or-later
// What the patch says to the sidecar, and what the sidecar says to the patch. Pure: no clock, no socket, no Max.
"use strict";

const osc = require("./osc.js");
const { isPort } = require("./endpoint.js");
const { Refusals } = require("./refusals.js");
const { Rtap } = require("./rtap.js");
const { CHANNELS, Streaming } = require("./streaming.js");
const { TOLD, setControl, tell } = require("./told.js");
const { windowOf } = require("./window.js");
const { Writer } = require("./writer.js");
const { CONTROLS, COUNTS, PORT, PROTOCOLS, WINDOW } = require("../tables.js");

const LARGEST_LIST = 512;
const RTAP_REPLY_PORT = 8000;
const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

class Sidecar {
  constructor() {
    this.settings = { host: "127.0.0.1", port: PORT, session: "max", protocol: PROTOCOLS[0], rate: 48000, reply: RTAP_REPLY_PORT };
    this.wished = {}; // of the window, as the patch said it
    this.controls = new Map(); // as the patch set them; told again whenever the session begins
    this.engine = null;
    this.refusals = new Refusals();
    this.writer = new Writer();
    this.shown = "";
  }

  /** One message of the patch; gives what is to be done: {send}, {out: list for the patch}. Throws RangeError with words. */
  told(what, values, nowMs) {
    if (what === "mix") return this._mix(values, nowMs);
    if (what in WINDOW) return this._window(what, values[0]);
    if (what in this.settings) return this._setting(what, values[0]);
    if (what === "run") return this._run(Number(values[0]));
    if (what === "set") return this._set(...values);
    if (what === "panic") return this._speaks() ? [{ send: osc.encode("/lb/panic") }] : [];
    if (TOLD.includes(what)) return this._speaks() ? [{ send: tell(this.settings.session, what, values) }] : [];
    throw new RangeError(`the sidecar does not know ${what}`);
  }

  /** The port that answers come to; 0 is any. */
  get listensAt() {
    return this.settings.protocol === PROTOCOLS[0] ? 0 : this.settings.reply;
  }

  /** The port that answers come from; 0 is any: over rtap the server may answer through another socket. */
  get answersFrom() {
    return this.settings.protocol === PROTOCOLS[0] ? this.settings.port : 0;
  }

  heard(packet, nowMs) {
    return this.engine ? this._done(this.refusals.hear(packet, (message) => this.engine.hear(message, nowMs))) : [];
  }

  tick(nowMs) {
    return this.engine ? this._done(this.engine.tick(this.playhead || 0, nowMs)) : [];
  }

  _speaks() {
    return this.engine !== null && this.settings.protocol === PROTOCOLS[0];
  }

  _mix([position, channels, ...samples], nowMs) {
    if (!this.engine) return [];
    const length = samples.length / channels;
    if (!Number.isInteger(length) || length < 1) throw new RangeError("mix: a position, the channels, then planar samples");
    const rows = Array.from({ length: CHANNELS }, (_, channel) => {
      const row = Math.min(channel, channels - 1);
      return Float32Array.from(samples.slice(row * length, (row + 1) * length));
    });
    this.playhead = position + length;
    return this._done(this.engine.mix(position, rows, nowMs));
  }

  _window(name, value) {
    if (!Number.isFinite(Number(value))) throw new RangeError(`${name}: a number is wanted, not ${value}`);
    this.wished[name] = Number(value);
    if (!this.engine) return [];
    const window = windowOf(this.wished, this.settings.protocol);
    this.engine.change(window);
    return this._heldBack(window);
  }

  /** Says so where the patch wished for an r that its w does not permit. */
  _heldBack({ w, r }) {
    const isHeld = r < windowOf(this.wished).r;
    return isHeld ? [{ out: ["error", "here", `r is held at ${r} with w ${w}: over rtap (w + 1) r is at most 0.5`] }] : [];
  }

  _setting(name, value) {
    if (name === "session" && !NAME.test(String(value))) throw new RangeError("session: letters, digits, _ . -, at most 64");
    if (name === "protocol" && !PROTOCOLS.includes(value)) throw new RangeError(`protocol: ${PROTOCOLS.join(" or ")}`);
    const number = Number(value);
    if ((name === "port" || name === "reply") && !isPort(number)) throw new RangeError(`${name}: 1 to 65535`);
    if (name === "rate" && !(number >= 8000 && number <= 384000)) throw new RangeError("rate: 8000 to 384000");
    const settled = ["port", "rate", "reply"].includes(name) ? number : String(value);
    const changed = this.settings[name] !== settled;
    this.settings[name] = settled;
    return changed && this.engine ? this._run(1) : [];
  }

  _set(control, value) {
    if (!(control in CONTROLS)) setControl("", control, value);
    if (CONTROLS[control].kind !== "trigger") this.controls.set(control, value);
    return this._speaks() && this.engine.isPlaying ? [{ send: setControl(this.settings.session, control, value) }] : [];
  }

  _run(on) {
    const leave = this._speaks() ? [{ send: osc.encode("/lb/close", "s", [this.settings.session]) }] : [];
    this.engine = null;
    if (!on) return [...leave, { out: ["link", "stopped"] }];
    const stem = CONTROLS.stem.choices[this.controls.get("stem") ?? CONTROLS.stem.initial] ?? this.controls.get("stem");
    const { session, rate, protocol } = this.settings;
    const config = { session, stem, rateHz: rate, window: windowOf(this.wished, protocol) };
    this.engine = protocol === PROTOCOLS[0] ? new Streaming(config) : new Rtap(config);
    this.writer = new Writer();
    return [...leave, { out: ["link", "knocks"] }, ...this._heldBack(config.window)];
  }

  _done(steps) {
    const done = steps.flatMap((step) => {
      if (step.say) return [{ out: step.say }, ...(step.say[1] === "plays" ? this._again() : [])];
      return step.decision ? this._write(step.decision) : [step];
    });
    const counts = Object.values(this._counts());
    if (String(counts) !== this.shown) {
      this.shown = String(counts);
      done.push({ out: ["counts", ...counts] });
    }
    return done;
  }

  /** A session that begins stands at its defaults: what the patch has set is set again. */
  _again() {
    return [...this.controls].map(([control, value]) => ({ send: setControl(this.settings.session, control, value) }));
  }

  _counts() {
    const counts = { ...this.engine.counts(), refused: this.refusals.count };
    return Object.fromEntries(COUNTS.map((name) => [name, counts[name]]));
  }

  _write(decision) {
    const written = this.writer.write(decision);
    const told = [{ out: ["batch", decision.batch.id, decision.outcome, decision.batch.start, decision.batch.length] }];
    if (!written) return told;
    const rows = Array.from({ length: CHANNELS }, (_, channel) => written.samples[Math.min(channel, written.samples.length - 1)]);
    rows.forEach((row, channel) => {
      for (let at = 0; at < row.length; at += LARGEST_LIST) {
        told.push({ out: ["write", written.position + at, channel, ...row.subarray(at, at + LARGEST_LIST)] });
      }
    });
    return told;
  }
}

module.exports = { Sidecar };
