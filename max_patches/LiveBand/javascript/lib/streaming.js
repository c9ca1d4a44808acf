// SPDX-License-Identifier: GPL-3.0-or-later
// A session over LiveBand's own OSC: the mix goes out as it is heard, the stem comes ahead and is gathered in batches.
// Holds no clock and no socket: each call gives what is to be done, as {send: packet} or {say: words}.
"use strict";

const osc = require("./osc.js");
const { Door } = require("./door.js");
const { Batches } = require("./batches.js");
const { Sender, Receiver } = require("./packets.js");
const { anticipationMs, batchAt, sizes } = require("./window.js");
const { asWords } = require("./told.js");
const { RING_SECONDS } = require("../tables.js");

const CHANNELS = 2;
const BLOCK = 480;
const OPEN_AGAIN_MS = 1000;

class Streaming {
  /** config: {session, stem, rateHz, window}. */
  constructor(config) {
    Object.assign(this, { config, window: config.window, wanted: null, door: new Door("Max"), batches: new Batches(CHANNELS) });
    Object.assign(this, { sender: null, receiver: null, base: 0, cursor: 0, opening: -Infinity, asked: 0, next: null, lost: 0, late: 0 });
    Object.assign(this, { playhead: 0, stepped: false, reopening: false });
  }

  get isPlaying() {
    return this.sender !== null;
  }

  counts() {
    const { newest, counts } = this.batches;
    const now = this.receiver || { lost: 0, late: 0 };
    return { batch: newest, ...counts, lost_packets: this.lost + now.lost, late_packets: this.late + now.late };
  }

  /** Another r, w, T or fade, from the next step on at which nothing is under way. */
  change(window) {
    this.wanted = window;
  }

  /** Mix [channel][n] that was heard from `position` on. */
  mix(position, samples, nowMs) {
    const end = position + samples[0].length;
    const done = [];
    if (this.sender) {
      if (position !== this.base + this.sender.position) this._end();
      else done.push(...this.sender.push(samples).map((send) => ({ send })));
    }
    while (this.sender && !this.reopening && end >= this.cursor) this._step();
    return [...done, ...this.tick(end, nowMs)];
  }

  /** Time goes on; the playhead stands at `playhead`. */
  tick(playhead, nowMs) {
    this.playhead = playhead;
    const done = this.door.tick(nowMs).map((send) => ({ send }));
    if (this.receiver) {
      const patience = 2 * sizes(this.window, this.config.rateHz).step;
      done.push(...this.receiver.requests(playhead, patience, nowMs).map((send) => ({ send })));
    }
    const decided = this.batches.take(playhead);
    const isBetween = this.stepped && this.batches.open.length === 0;
    this.reopening = this.reopening || Boolean(this.sender && this.wanted && isBetween);
    const wants = !this.sender || this.reopening;
    if (wants && this.door.isIn && nowMs >= this.opening + OPEN_AGAIN_MS) done.push(this._open(nowMs));
    return [...done, ...decided.map((decision) => ({ decision }))];
  }

  /** A message of the server's, with the arguments of the table. */
  hear(message, nowMs) {
    const mine = `/lb/${this.config.session}/`;
    const { address, values } = message;
    const done = this.door.hear(message).map((send) => ({ send }));
    if (address === `${mine}opened`) return [...done, this._opened(values)];
    if (address === `${mine}stem` && this.receiver && values[0] === this.receiver.stream) {
      const piece = this.receiver.take(values, this.playhead, nowMs);
      if (!piece) return done;
      const from = this.base + piece.position;
      if (piece.position < 0 || from > this.playhead + RING_SECONDS * this.config.rateHz) {
        throw new RangeError("a piece of the stem that lies outside of the buffer is left out");
      }
      if (this.batches.place(from, piece.samples)) this.receiver.late += 1;
      return done;
    }
    if (address === `${mine}resend` && this.sender && values[0] === this.sender.stream) {
      return [...done, ...this.sender.again(values[1], values[2]).map((send) => ({ send }))];
    }
    if (address === `${mine}closed`) this._end();
    if (address === "/lb/error" && values[0] === "unauthorised") this.door.leave();
    const words = asWords(message);
    return words ? [...done, { say: words }] : done;
  }

  _open(nowMs) {
    this.opening = nowMs;
    this.asked += 1;
    this.next = this.wanted || this.window;
    const { session, stem, rateHz } = this.config;
    const values = [session, stem, rateHz, CHANNELS, BLOCK, "manual", anticipationMs(this.next, rateHz)];
    return { send: osc.encode("/lb/open", "ssiiisf", values) };
  }

  _opened([latency, anticipation, , stream]) {
    if (this.asked === 0) throw new RangeError("/opened is left out: nothing was asked to be opened");
    this.asked -= 1;
    this._end();
    this.wanted = this.wanted === this.next ? null : this.wanted;
    this.window = this.next;
    this.sender = new Sender(this.config.session, stream, CHANNELS);
    this.receiver = new Receiver(this.config.session, stream, CHANNELS);
    this.base = this.playhead;
    this.cursor = this.base + sizes(this.window, this.config.rateHz).step;
    const { rateHz } = this.config;
    const asked = (anticipationMs(this.window, rateHz) * rateHz) / 1000;
    const short = latency > 0 || anticipation < asked - 1;
    const words = short
      ? `plays, but writes ${Math.round(anticipation)} samples ahead where ${Math.round(asked)} are wanted: take a smaller r or w`
      : "plays";
    return { say: ["link", words] };
  }

  _step() {
    this.batches.expect(batchAt(this.batches.newest + 1, this.cursor, this.window, this.config.rateHz));
    this.cursor += sizes(this.window, this.config.rateHz).step;
    this.stepped = true;
  }

  /** The present stream is over; what it owes is dropped. */
  _end() {
    if (this.receiver) {
      this.lost += this.receiver.lost + this.receiver.missing.size;
      this.late += this.receiver.late;
    }
    this.batches.giveUp();
    Object.assign(this, { sender: null, receiver: null, opening: -Infinity, stepped: false, reopening: false });
  }
}

module.exports = { Streaming, CHANNELS };
