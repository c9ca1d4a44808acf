// SPDX-License-Identifier: GPL-3.0-or-later
// Batches as they are to lie in the buffer: each blends with the tail of the one before, and leaves a tail itself. Where
// no neighbour comes, the same ramps are a fade from and to silence.
"use strict";

/** The share of what comes at sample i of a fade; that of what goes is the rest. */
function share(i, fade) {
  return (i + 1) / (fade + 1);
}

/** Holes fade out before and in behind, over `ramp` samples: in place. */
function fadeHoles(samples, map, ramp) {
  const length = map.length;
  const gain = new Float32Array(length).fill(1);
  let since = Infinity;
  for (let i = 0; i < length; i += 1) {
    since = map[i] ? since + 1 : 0;
    if (since < ramp) gain[i] = Math.min(gain[i], since / ramp);
  }
  since = Infinity;
  for (let i = length - 1; i >= 0; i -= 1) {
    since = map[i] ? since + 1 : 0;
    if (since < ramp) gain[i] = Math.min(gain[i], since / ramp);
  }
  for (const row of samples) row.forEach((value, i) => (row[i] = value * gain[i]));
}

class Writer {
  constructor() {
    this.tail = null; // {position, samples}: what of the last batch goes on into the next zone, ramped down
  }

  /** One batch, from `from` on: {position, samples [channel][n]} to be put into the buffer, or null. */
  write({ batch, from, samples, map }) {
    if (!samples) return null;
    const { start, length, fade } = batch;
    if (map.includes(0)) fadeHoles(samples, map, Math.max(1, Math.min(fade, 240)));
    const skipped = Math.min(length, Math.max(0, from - start));
    const before = this.tail && this.tail.position === start && skipped === 0 ? this.tail.samples : null;
    const out = samples.map((row, channel) => {
      const piece = row.slice(skipped);
      for (let i = 0; i < fade; i += 1) {
        piece[i] = piece[i] * share(i, fade) + (before ? before[channel][i] : 0);
        const last = length - skipped + i;
        piece[last] *= 1 - share(i, fade);
      }
      return piece;
    });
    this.tail = { position: start + length, samples: out.map((row) => row.slice(length - skipped)) };
    return { position: start + skipped, samples: out };
  }
}

module.exports = { Writer, fadeHoles };
