// SPDX-License-Identifier: GPL-3.0-or-later
// The same over the OSC of the published Max patch (`liveband serve --osc-compat rtap`): each step the context of the last one
// goes out as a batch in chunks of floats, and a batch of the stem comes back, whose fade lies before its step. Mono, 44.1 kHz,
// T 6 s. Holds no clock and no socket.
"use strict";

const osc = require("./osc.js");
const { Batches } = require("./batches.js");
const { bounded } = require("./packets.js");
const { batchAt, sizes } = require("./window.js");

const CHUNK = 2048;
const RATE_HZ = 44100;
const CONTEXT_S = 6;
const STEMS = ["bass", "drums", "guitar", "piano"];

function floats(address, whole, samples) {
  return osc.encode(address, "i".repeat(whole.length) + "f".repeat(samples.length), [...whole, ...samples]);
}

class Rtap {
  /** config: {stem, rateHz, window}. */
  constructor(config) {
    const window = { ...config.window, T: CONTEXT_S };
    Object.assign(this, { config, window, wanted: null, batches: new Batches(1), lost: 0, late: 0 });
    Object.assign(this, { greeted: false, cursor: null, heard: [], got: new Map(), playhead: 0 });
  }

  get isPlaying() {
    return this.greeted;
  }

  counts() {
    const { newest, counts } = this.batches;
    return { batch: newest, ...counts, lost_packets: this.lost, late_packets: this.late };
  }

  change(window) {
    this.wanted = { ...window, T: CONTEXT_S };
  }

  /** Mix [channel][n] that was heard from `position` on. */
  mix(position, samples, nowMs) {
    if (this.config.rateHz !== RATE_HZ) {
      const words = ["error", "here", `rtap plays at ${RATE_HZ} Hz: set Max's audio to it`];
      const isNews = !this.greeted;
      this.greeted = true;
      return isNews ? [{ say: words }] : [];
    }
    const done = this.greeted ? [] : this._greet();
    const mono = Float32Array.from(samples[0], (_, i) => samples.reduce((sum, row) => sum + row[i], 0) / samples.length);
    this.heard.push(...mono);
    if (this.cursor === null) this.cursor = position + sizes(this.window, this.config.rateHz).step;
    const end = position + mono.length;
    while (end >= this.cursor) done.push(...this._step(end));
    return [...done, ...this.tick(end, nowMs)];
  }

  tick(playhead) {
    this.playhead = playhead;
    const decided = this.batches.take(playhead);
    for (const { batch } of decided) this._forget(batch);
    return decided.map((decision) => ({ decision }));
  }

  /** A message of the server's. Throws RangeError for numbers that are none of a batch. */
  hear({ address, values }) {
    if (address === "/ready") return [{ say: ["link", "ready"] }];
    if (address === "/batch_dropped") return [{ say: ["link", `batch ${this._number(values[0])} was dropped by the server`] }];
    if (address === `/${this.config.stem}`) this._place(values);
    return [];
  }

  _greet() {
    this.greeted = true;
    return [{ send: osc.encode("/load_model") }];
  }

  _tellStem() {
    return osc.encode("/predict_instruments", "iiii", STEMS.map((stem) => Number(stem === this.config.stem)));
  }

  _tellWindow() {
    const { fade } = sizes(this.window, this.config.rateHz);
    return [
      osc.encode("/update_r", "f", [this.window.r]),
      osc.encode("/w", "f", [this.window.w]),
      osc.encode("/update_fade", "f", [fade / this.config.rateHz]),
      osc.encode("/update_package_size", "i", [CHUNK]),
    ];
  }

  _step(end) {
    const step = sizes(this.window, this.config.rateHz).step;
    const id = this.batches.newest + 1;
    const overshoot = end - this.cursor;
    const context = this.heard.slice(this.heard.length - overshoot - step, this.heard.length - overshoot);
    this.heard = this.heard.slice(this.heard.length - overshoot);
    const batch = batchAt(id, this.cursor, this.window, this.config.rateHz);
    for (const name of ["start", "deadline", "last"]) batch[name] -= batch.fade;
    this.batches.expect(batch);
    const total = Math.ceil(context.length / CHUNK);
    this.got.set(id, { batch, chunks: new Set(), total: null });
    const settings = [...this._tellWindow(), this._tellStem()]; // with each batch: nothing here is acknowledged
    const chunks = Array.from({ length: total }, (_, chunk) =>
      floats("/context", [id, chunk * CHUNK, total], context.slice(chunk * CHUNK, (chunk + 1) * CHUNK)));
    if (this.wanted) {
      this.window = this.wanted;
      this.wanted = null;
    }
    this.cursor += sizes(this.window, this.config.rateHz).step;
    return [...settings, ...chunks].map((send) => ({ send }));
  }

  /** A batch that was asked for. */
  _number(id) {
    if (!Number.isInteger(id) || id < 1 || id > this.batches.newest) throw new RangeError("a batch that was not asked for is left out");
    return id;
  }

  /** Chunks of one batch are equally long, the last one excepted, and are the batch together. */
  _place([id, chunk, total, ...samples]) {
    const entry = this.got.get(this._number(id));
    if (!entry) {
      this.late += 1;
      return;
    }
    const { start, length, fade } = entry.batch;
    const whole = length + fade;
    const isLast = chunk === total - 1;
    const size = isLast && total > 1 ? (whole - samples.length) / (total - 1) : samples.length;
    const isWhole = [chunk, total, size].every(Number.isInteger) && samples.every((one) => typeof one === "number");
    const isOfBatch = isWhole && chunk >= 0 && chunk < total && total === (entry.total ?? total) && total === Math.ceil(whole / size) &&
      samples.length === (isLast ? whole - (total - 1) * size : size);
    if (!isOfBatch) throw new RangeError("a chunk that is no part of its batch is left out: is r, w or the fade another one there?");
    if (entry.chunks.has(chunk)) return;
    entry.total = total;
    entry.chunks.add(chunk);
    const offset = chunk * size;
    this.batches.place(start + offset, [Float32Array.from(samples, (value) => bounded(value))], id);
  }

  _forget(batch) {
    const entry = this.got.get(batch.id);
    if (entry && entry.total) this.lost += entry.total - entry.chunks.size;
    this.got.delete(batch.id);
  }
}

module.exports = { Rtap };
