// SPDX-License-Identifier: GPL-3.0-or-later
// The sidecar as Max runs it, but for a stand-in of max-api, plays a file through a relay that loses 5 % to a server, while
// r and w change. What it counts is what the relay's log says; what it wrote goes to a file, which pytest holds to the bounce.
"use strict";

const assert = require("node:assert/strict");
const { fork } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const test = require("node:test");
const { setTimeout: sleep } = require("node:timers/promises");

const { Relay } = require("./relay.js");
const { COUNTS } = require("../../../max_patches/LiveBand/javascript/tables.js");

const SCRIPTS = path.resolve(__dirname, "../../../max_patches/LiveBand/javascript");
const STAND_IN = path.resolve(__dirname, "../stand_in/node_modules");
const given = process.env.LIVEBAND_CONVERSATION ? JSON.parse(process.env.LIVEBAND_CONVERSATION) : null;
const RATE = 48000, BLOCK = 480, STEP = 12000, FADE = 960, FRAME = 1920, PATIENCE_MS = 60000;

/** Samples [channel][n] of a float32 WAV file. */
function readWav(file) {
  const bytes = fs.readFileSync(file);
  let at = 12, channels = 0;
  while (bytes.toString("latin1", at, at + 4) !== "data") {
    if (bytes.toString("latin1", at, at + 4) === "fmt ") channels = bytes.readUInt16LE(at + 10);
    at += 8 + bytes.readUInt32LE(at + 4);
  }
  const length = bytes.readUInt32LE(at + 4) / (4 * channels);
  return Array.from({ length: channels }, (_, channel) =>
    Float32Array.from({ length }, (_, i) => bytes.readFloatLE(at + 8 + 4 * (i * channels + channel))));
}

function writeWav(file, rows) {
  const length = rows[0].length, size = 4 * rows.length * length, bytes = Buffer.alloc(44 + size);
  bytes.write("RIFF", 0, "latin1"); bytes.writeUInt32LE(36 + size, 4); bytes.write("WAVEfmt ", 8, "latin1");
  bytes.writeUInt32LE(16, 16); bytes.writeUInt16LE(3, 20); bytes.writeUInt16LE(rows.length, 22); bytes.writeUInt32LE(RATE, 24);
  bytes.writeUInt32LE(4 * rows.length * RATE, 28); bytes.writeUInt16LE(4 * rows.length, 32); bytes.writeUInt16LE(32, 34);
  bytes.write("data", 36, "latin1"); bytes.writeUInt32LE(size, 40);
  rows.forEach((row, channel) => row.forEach((value, i) => bytes.writeFloatLE(value, 44 + 4 * (i * rows.length + channel))));
  fs.writeFileSync(file, bytes);
}

/** In the first window's grid, from position 0: which stem packets the relay keeps from the sidecar. */
function fate({ position, end, sequence }) {
  if (position >= 30000 && end < 50000 && sequence % 17 === 3) return "lost"; // every copy of it
  if (end > 66000 && position < 90000 && !fate.released.has(1)) return "held"; // batch 5 comes late
  if (end > 126000 && position < 150000 && !fate.released.has(2)) return "held"; // batch 10 too late
  return null;
}
fate.released = new Set();

/** What the relay's log says of a batch [id, start, length, deadline, last] of a stream: by when were its samples delivered? */
function outcome(batch, delivered) {
  const there = (before) => {
    const map = new Uint8Array(batch.length);
    for (const { position, end, playhead } of delivered) {
      if (playhead < before) map.fill(1, Math.max(0, position - batch.start), Math.max(0, Math.min(batch.length, end - batch.start)));
    }
    return map.reduce((sum, one) => sum + one, 0);
  };
  if (there(batch.deadline) === batch.length) return "on_time";
  if (there(batch.deadline) > 0) return "partial";
  return there(batch.last) === batch.length ? "late" : "dropped";
}

test("a file through the sidecar, 5 % loss, r and w changed while it runs", { skip: given === null && "pytest starts it, with a server" }, async () => {
  const mix = readWav(given.mix);
  const relay = new Relay({ port: given.port, loss: 0.05, seed: 18, channels: 2, fate });
  const port = await relay.open();
  const child = fork(path.join(SCRIPTS, "liveband.remote.js"), { env: { ...process.env, NODE_PATH: STAND_IN } });
  const heard = mix.map((row) => new Float32Array(row.length + 4 * STEP));
  const said = [], batches = [], epochs = [];
  let counts = null, fed = 0;
  child.on("message", ([what, ...values]) => {
    if (what === "write") heard[values[1]].set(values.slice(2).slice(0, Math.max(0, heard[0].length - values[0])), values[0]);
    else if (what === "batch") batches.push({ id: values[0], outcome: values[1], start: values[2], length: values[3], epoch: epochs.length - 1 });
    else if (what === "counts") counts = Object.fromEntries(COUNTS.map((name, i) => [name, values[i]]));
    else if (what === "link" && values[0].startsWith("plays")) epochs.push({ words: values[0], base: fed });
    else said.push([what, ...values]);
  });
  const until = async (good, what) => {
    for (const end = Date.now() + PATIENCE_MS; !good(); await sleep(2)) assert.ok(Date.now() < end, `${what} never came: ${JSON.stringify([said, counts])}`);
  };
  const tell = (...list) => child.send(list);
  /** Ten milliseconds of mix, as soon as the stem that can be there by then was seen, whether it was passed on or not. */
  const feed = async (ahead) => {
    const samples = mix.flatMap((row) => [...row.subarray(fed, fed + BLOCK)]);
    relay.playhead = fed + BLOCK;
    tell("mix", fed, 2, ...samples);
    fed += BLOCK;
    const { base } = epochs.at(-1);
    await Promise.all([sleep(10), until(() => relay.newest + base >= fed + ahead - 4 * FRAME || fed - base < 6 * FRAME, "the stem")]);
  };
  try {
    for (const [what, value] of [["port", port], ["session", "relayed"], ["rate", RATE], ["r", 0.125], ["T", 2], ["w", 1], ["fade", 20], ["run", 1]]) tell(what, value);
    await until(() => epochs.length === 1, "the opening");
    while (fed < 15 * STEP) {
      await feed(2 * STEP);
      for (const [number, at] of [[1, 78000], [2, 145000]]) {
        if (fed >= at && !fate.released.has(number)) {
          fate.released.add(number);
          await relay.release();
          await sleep(200);
        }
      }
    }
    for (const [what, value, ahead, steps] of [["r", 0.0625, STEP, 9], ["w", 0, STEP / 2, 9]]) {
      const [known, { length: before }] = [epochs.length, relay.log];
      await sleep(200); // all that is under way arrives
      tell(what, value);
      relay.newest = 0;
      for (let tries = 0; epochs.length === known; tries += 1) {
        assert.ok(tries < 400 && fed < mix[0].length - 20 * STEP / 2, `${what} never acted: ${JSON.stringify([said.slice(-20), counts, relay.log.filter((one) => !("stream" in one)).slice(-30)])}`);
        tell("mix", fed, 2, ...mix.flatMap((row) => [...row.subarray(fed, fed + BLOCK)]));
        fed += BLOCK;
        relay.playhead = fed;
        await sleep(tries < 40 ? 10 : 100); // the server may need its time to open it anew
      }
      relay.newest = 0;
      assert.ok(relay.log.length > before);
      while (fed - epochs.at(-1).base < steps * STEP / 2 + 3000) await feed(ahead);
    }
    await sleep(300);
    judge();
    writeWav(given.heard, heard.map((row) => row.subarray(0, fed)));
    fs.writeFileSync(given.record, JSON.stringify({ log: relay.log, batches, epochs, fed, counts, said }));
  } finally {
    child.disconnect();
    relay.close();
  }

  function judge() {
    const streams = [...new Set(relay.log.filter((one) => one.direction === "out" && "stream" in one).map((one) => one.stream))];
    let lost = 0;
    assert.equal(streams.length, 3, "one stream for each window");
    streams.forEach((stream, index) => {
      const all = relay.log.filter((one) => one.direction === "out" && one.stream === stream);
      const passed = all.filter((one) => one.fate === "passed");
      const came = new Set(passed.map((one) => one.sequence));
      const newest = Math.max(...came);
      lost += new Set(all.map((one) => one.sequence).filter((sequence) => sequence < newest && !came.has(sequence))).size;
      epochs[index].stream = stream;
    });
    assert.ok(lost > 5, "the relay lost some for good");
    const base = epochs[0].base;
    const delivered = relay.log.filter((one) => one.stream === streams[0] && one.direction === "out" && one.fate === "passed")
      .map((one) => ({ ...one, position: one.position + base, end: one.end + base }));
    const first = batches.filter((one) => one.epoch === 0);
    for (const batch of first) {
      const deadline = batch.start;
      assert.equal(batch.outcome, outcome({ ...batch, deadline, last: deadline + STEP }, delivered), `batch ${batch.id}`);
    }
    for (const kind of ["on_time", "partial", "late", "dropped"]) {
      assert.ok(first.some((one) => one.outcome === kind), `none is ${kind}`);
      assert.equal(counts[kind], batches.filter((one) => one.outcome === kind).length);
    }
    assert.equal(counts.lost_packets, lost);
    const closed = first.filter((one) => one.outcome === "partial" || one.outcome === "dropped")
      .map((one) => ({ to: one.start + one.length, at: one.outcome === "partial" ? one.start : one.start + STEP }));
    const firsts = new Map();
    for (const one of delivered) if (!firsts.has(one.sequence)) firsts.set(one.sequence, one);
    const late = [...firsts.values()].filter((one) => closed.some(({ to, at }) => one.end <= to && one.playhead >= at));
    assert.ok(late.length > 10);
    assert.equal(counts.late_packets, late.length);
    batches.sort((one, other) => one.id - other.id);
    assert.deepEqual(batches.map((one) => one.id), batches.map((_, i) => i + 1), "each batch is told once");
    assert.deepEqual([...new Set(batches.map((one) => one.length))], [STEP, STEP / 2]);
    const lead = (epoch) => batches.filter((one) => one.epoch === epoch).map((one) => (one.start - epochs[epoch].base) / one.length);
    assert.deepEqual(lead(2), lead(2).map((_, i) => i + 1), "w 0 writes where the playhead stands");
    assert.deepEqual(lead(1), lead(1).map((_, i) => i + 2), "w 1 writes a step ahead of it");
  }
});
