// SPDX-License-Identifier: GPL-3.0-or-later
// liveband.buffer.js in a context that stands in for Max's js object: Buffer, outlet, jsarguments.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const test = require("node:test");
const vm = require("node:vm");

const SCRIPT = path.resolve(__dirname, "../../../max_patches/LiveBand/javascript/liveband.buffer.js");
const { RING_SECONDS } = require("../../../max_patches/LiveBand/javascript/tables.js");

test("the ring is read where the playhead went, cleared behind it and written ahead of it, around its end too", () => {
  const rate = 8000, ring = rate * RING_SECONDS, buffers = {}, said = [];
  class Buffer {
    constructor(name) {
      this.rows = [0, 1].map(() => new Float32Array(ring));
      buffers[name] = this;
    }
    peek(channel, at, count) {
      return Array.from(this.rows[channel - 1].subarray(at, at + count));
    }
    poke(channel, at, samples) {
      this.rows[channel - 1].set(samples, at);
    }
  }
  const max = vm.createContext({ Buffer, jsarguments: ["liveband.buffer.js", "mix", "stem"], outlet: (_, ...list) => said.push(list) });
  vm.runInContext(fs.readFileSync(SCRIPT, "utf8"), max);
  max.rate(rate);
  buffers.mix.rows.forEach((row, channel) => row.forEach((_, i) => (row[i] = channel * 1e6 + i)));
  buffers.stem.rows.forEach((row) => row.fill(1));
  const start = ring - 700;
  max.playhead(start);
  max.playhead(100);
  let position = start;
  for (const [what, from, channels, ...samples] of said) {
    const count = samples.length / channels;
    assert.deepEqual([what, from, channels], ["mix", position, 2]);
    assert.deepEqual([samples[0], samples[count]], [position % ring, 1e6 + (position % ring)]);
    position += count;
  }
  assert.equal(position, ring + 100);
  assert.deepEqual([start - 1, start, ring - 1, 0, 99, 100].map((at) => buffers.stem.rows[1][at]), [1, 0, 0, 0, 0, 1]);
  max.write(2 * ring - 2, 0, 5, 6, 7, 8);
  assert.deepEqual([ring - 2, ring - 1, 0, 1].map((at) => buffers.stem.rows[0][at]), [5, 6, 7, 8]);
  max.playhead(90); // set back: nothing is read twice
  assert.equal(said.at(-1)[1] + (said.at(-1).length - 3) / 2, ring + 100);
});
