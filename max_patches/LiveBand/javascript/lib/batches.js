// SPDX-License-Identifier: GPL-3.0-or-later
// Which batches are complete, and what becomes of those that are not. Pieces are placed by position, in any order.
"use strict";

const OUTCOMES = ["on_time", "partial", "late", "dropped"];

class Batches {
  /** `channels` of what comes. Counts go on for ever. */
  constructor(channels) {
    this.channels = channels;
    this.counts = Object.fromEntries(OUTCOMES.map((name) => [name, 0]));
    this.newest = 0;
    this.open = [];
    this.pieces = [];
    this.closedTo = -Infinity;
    this.first = Infinity; // where the first zone begins
  }

  /** A batch is awaited from now on. */
  expect(batch) {
    this.newest = batch.id;
    this.first = Math.min(this.first, batch.start);
    this.open.push(batch);
  }

  /** Samples [channel][n] that belong to `position`, and to the batch `id` alone if it is given. Returns whether they came too late for their batch. */
  place(position, samples, id = null) {
    const end = position + samples[0].length;
    this.pieces.push({ position, end, samples, id });
    return end > this.first && end <= this.closedTo;
  }

  /**
   * What is decided when the playhead stands at `playhead`: [{batch, outcome, from, samples, map}]. `from` is the first
   * position that is still worth writing, `map` has 1 where a sample came; what was dropped has neither.
   */
  take(playhead) {
    const done = [];
    for (const batch of this.open) {
      const held = this._gather(batch);
      const outcome = this._outcome(batch, held, playhead);
      if (outcome) done.push(this._close(batch, outcome, outcome === "dropped" ? null : held, playhead));
      batch.overdue = playhead >= batch.deadline;
    }
    this.open = this.open.filter((batch) => !batch.outcome);
    const needed = Math.min(...this.open.map((batch) => batch.start), this.closedTo);
    this.pieces = this.pieces.filter((piece) => piece.end > needed);
    return done;
  }

  /** Written as soon as it is whole with its tail, at the deadline with what has come, afterwards only if it is whole. */
  _outcome(batch, held, playhead) {
    const isWhole = held.there === batch.length;
    if (playhead < batch.deadline) return isWhole && held.hasTail ? "on_time" : null;
    if (playhead >= batch.last) return "dropped";
    if (isWhole) return batch.overdue ? "late" : "on_time";
    return held.there > 0 && !batch.overdue ? "partial" : null;
  }

  /** Nothing more will come for what is open. */
  giveUp() {
    const done = this.open.map((batch) => this._close(batch, "dropped", null, batch.start));
    this.open = [];
    this.pieces = [];
    this.closedTo = -Infinity;
    this.first = Infinity;
    return done;
  }

  _gather(batch) {
    const length = batch.length + batch.fade;
    const samples = Array.from({ length: this.channels }, () => new Float32Array(length));
    const map = new Uint8Array(length);
    for (const piece of this.pieces) {
      const first = Math.max(piece.position, batch.start);
      const end = Math.min(piece.end, batch.start + length);
      if (first >= end || (piece.id !== null && piece.id !== batch.id)) continue;
      map.fill(1, first - batch.start, end - batch.start);
      samples.forEach((row, channel) => {
        const source = piece.samples[Math.min(channel, piece.samples.length - 1)];
        row.set(source.subarray(first - piece.position, end - piece.position), first - batch.start);
      });
    }
    const count = (first, end) => map.subarray(first, end).reduce((sum, one) => sum + one, 0);
    return { samples, map, there: count(0, batch.length), hasTail: count(batch.length) === batch.fade };
  }

  _close(batch, outcome, held, playhead) {
    batch.outcome = outcome;
    this.counts[outcome] += 1;
    this.closedTo = Math.max(this.closedTo, batch.start + batch.length);
    const inside = outcome !== "on_time" && playhead < batch.start + batch.length;
    return { batch, outcome, from: inside ? Math.max(batch.start, playhead) : batch.start, ...held };
  }
}

module.exports = { Batches, OUTCOMES };
