// SPDX-License-Identifier: GPL-3.0-or-later
// The protocol of the published patch, with a peer written from its description: it answers a batch with the context it got.
"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");

const LIB = "../../../max_patches/LiveBand/javascript/lib";
const { decode, encode } = require(`${LIB}/osc.js`);
const { Sidecar } = require(`${LIB}/sidecar.js`);

test("contexts go out in chunks, stems come back as batches, r and w act at the next step", () => {
  const sidecar = new Sidecar(), out = [], sent = [], stems = [];
  const act = (steps) => {
    for (const step of steps) {
      if (step.out) out.push(step.out);
      if (step.send) sent.push(...decode(step.send));
    }
  };
  for (const [what, value] of [["protocol", "rtap"], ["rate", 8000], ["T", 1], ["r", 0.5], ["w", 1], ["fade", 0], ["run", 1]]) act(sidecar.told(what, [value], 0));
  /** The peer: when all chunks of a batch are there, it sends them back, but for the batches that it drops or loses. */
  const answer = () => {
    const chunks = new Map();
    for (const { address, values } of sent.splice(0)) {
      stems.push(address);
      if (address !== "/context") continue;
      const [id, , total, ...samples] = values;
      chunks.set(id, [...(chunks.get(id) || []), samples]);
      if (chunks.get(id).length < total) continue;
      if (id === 3) act(sidecar.heard(encode("/batch_dropped", "i", [id]), 0));
      else chunks.get(id).forEach((piece, chunk) =>
        (id === 2 && chunk === 1) || act(sidecar.heard(encode("/bass", "iii" + "f".repeat(piece.length), [id, chunk, total, ...piece]), 0)));
    }
  };
  let position = 0;
  const play = (blocks) => {
    for (let i = 0; i < blocks; i += 1, position += 400) {
      act(sidecar.told("mix", [position, 1, ...Array.from({ length: 400 }, (_, n) => (position + n) / 65536)], 0));
      answer();
      act(sidecar.tick(0));
    }
  };
  play(40);
  act(sidecar.told("r", [0.25], 0));
  act(sidecar.told("w", [0], 0));
  play(30);
  const told = out.filter(([what]) => what === "batch").map(([, id, outcome, start, length]) => [id, outcome, start, length])
    .sort(([one], [other]) => one - other);
  assert.deepEqual(told.slice(0, 3), [[1, "on_time", 8000, 4000], [2, "partial", 12000, 4000], [3, "dropped", 16000, 4000]]);
  const fresh = told.filter(([, , , length]) => length === 2000);
  assert.ok(fresh.length > 3 && fresh.every(([, outcome]) => outcome === "on_time"));
  assert.deepEqual(fresh.slice(1).map(([, , start], i) => start - fresh[i][2]), fresh.slice(1).map(() => 2000));
  let batch = [];
  for (const [what, from, channel, ...samples] of out) {
    if (what === "batch") batch = [channel, samples[1]];
    const first = samples.findIndex((value) => value !== 0);
    const place = from + first - (batch[1] === 4000 ? 8000 : 2000);
    if (what === "write" && channel === 0 && batch[0] === "on_time") assert.ok(Math.abs(samples[first] - place / 65536) < 1e-4, `${from}`);
  }
  for (const address of ["/load_model", "/update_r", "/w", "/update_fade", "/update_package_size", "/predict_instruments", "/context"]) assert.ok(stems.includes(address), address);
  const counts = out.filter(([what]) => what === "counts").at(-1);
  assert.deepEqual(counts.slice(3, 6), [1, 0, 1], "partial, late, dropped");
});
