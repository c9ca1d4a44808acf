// SPDX-License-Identifier: GPL-3.0-or-later
// The same over the OSC of the published Max patch: each step the context of the last one goes out as a batch in chunks of
// floats, and a batch of the stem comes back. Mono. Holds no clock and no socket.
"use strict";

const osc = require("./osc.js");
const { Batches } = require("./batches.js");
const { batchAt, sizes } = require("./window.js");
const { CONTROLS } = require("../tables.js");

const CHUNK = 2048;
const STEMS = ["bass", "drums", "guitar", "piano"];

function floats(address, whole, samples) {
  return osc.encode(address, "i".repeat(whole.length) + "f".repeat(samples.length), [...whole, ...samples]);
}

class Rtap {
  /** config: {stem, rateHz, window}. */
  constructor(config) {
    Object.assign(this, { config, window: config.window, wanted: null, batches: new Batches(1), lost: 0, late: 0 });
    Object.assign(this, { greeted: false, cursor: null, heard: [], got: new Map(), refused: 0, playhead: 0 });
  }

  get isPlaying() {
    return this.greeted;
  }

  counts() {
    const { newest, counts } = this.batches;
    return { batch: newest, ...counts, lost_packets: this.lost, late_packets: this.late };
  }

  change(window) {
    this.wanted = window;
  }

  /** Mix [channel][n] that was heard from `position` on. */
  mix(position, samples, nowMs) {
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

  hear(packet) {
    let messages = [];
    try {
      messages = osc.decode(packet);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
    return messages.flatMap(({ address, values }) => {
      if (address === "/ready") return [{ say: ["link", "ready"] }];
      if (address === "/batch_dropped") return this._refuse(values[0]);
      if (STEMS.includes(address.slice(1))) this._place(values);
      return [];
    });
  }

  _greet() {
    this.greeted = true;
    return [osc.encode("/load_model"), ...this._tellWindow(), this._tellStem()].map((send) => ({ send }));
  }

  _tellStem() {
    return osc.encode("/predict_instruments", "iiii", STEMS.map((stem) => Number(stem === this.config.stem)));
  }

  _tellWindow() {
    const { fade } = sizes(this.window, this.config.rateHz);
    return [
      osc.encode("/update_r", "f", [this.window.r]),
      osc.encode("/w", "f", [this.window.w]),
      osc.encode("/update_fade", "f", [fade]),
      osc.encode("/update_package_size", "i", [CHUNK]),
    ];
  }

  _step(end) {
    const step = sizes(this.window, this.config.rateHz).step;
    const id = this.batches.newest + 1;
    const overshoot = end - this.cursor;
    const context = this.heard.slice(this.heard.length - overshoot - step, this.heard.length - overshoot);
    this.heard = this.heard.slice(this.heard.length - overshoot);
    const batch = { ...batchAt(id, this.cursor, this.window, this.config.rateHz), fade: 0 };
    this.batches.expect(batch);
    const total = Math.ceil(context.length / CHUNK);
    this.got.set(id, { batch, chunks: new Set(), total: 0 });
    const done = Array.from({ length: total }, (_, chunk) =>
      ({ send: floats("/context", [id, chunk, total], context.slice(chunk * CHUNK, (chunk + 1) * CHUNK)) }));
    if (this.wanted) {
      this.window = this.wanted;
      this.wanted = null;
      done.push(...this._tellWindow().map((send) => ({ send })));
    }
    this.cursor += sizes(this.window, this.config.rateHz).step;
    return done;
  }

  /** Chunks of one batch are equally long, the last one excepted. */
  _place([id, chunk, total, ...samples]) {
    const entry = this.got.get(id);
    if (!entry) {
      this.late += 1;
      return;
    }
    entry.total = total;
    entry.chunks.add(chunk);
    const { start, length } = entry.batch;
    const offset = chunk === total - 1 ? length - samples.length : chunk * samples.length;
    this.batches.place(start + offset, [Float32Array.from(samples)]);
  }

  _refuse(id) {
    this.refused += 1;
    return [{ say: ["link", `batch ${id} was dropped by the server`] }];
  }

  _forget(batch) {
    const entry = this.got.get(batch.id);
    if (entry) this.lost += entry.total - entry.chunks.size;
    this.got.delete(batch.id);
  }
}

/** Stems that both know. */
const PLAYED = STEMS.filter((stem) => CONTROLS.stem.choices.includes(stem));

module.exports = { Rtap, CHUNK, PLAYED };
