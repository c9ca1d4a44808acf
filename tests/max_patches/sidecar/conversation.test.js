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

const LOOKS = [[STEP, 1], [STEP / 2, 1], [STEP / 2, 0]]; // length of a step and w of each window that is played through

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
  let counts = null, fed = 0, nonsense = 0;
  child.on("message", ([what, ...values]) => {
    if (what === "write") heard[values[1]].set(values.slice(2).slice(0, Math.max(0, heard[0].length - values[0])), values[0]);
    else if (what === "batch") batches.push({ id: values[0], outcome: values[1], start: values[2], length: values[3], epoch: epochs.length - 1 });
    else if (what === "counts") counts = Object.fromEntries(COUNTS.map((name, i) => [name, values[i]]));
    else if (what === "link" && values[0].startsWith("plays")) epochs.push({ words: values[0], base: fed });
    else if (what === "error" && /nonsense/.test(values[1])) nonsense += 1;
    else if (what !== "post") said.push([what, ...values]);
  });
  const until = async (good, what) => {
    for (const end = Date.now() + PATIENCE_MS; !good(); await sleep(2)) assert.ok(Date.now() < end, `${what} never came: ${JSON.stringify([said, counts])}`);
  };
  const tell = (...list) => child.send(list);
  /** The sidecar has done all that it was told: it answers nonsense with an error. */
  const done = async () => {
    const before = nonsense;
    tell("nonsense");
    await until(() => nonsense > before, "an answer");
  };
  /** Nothing is under way: so what the relay logs at a playhead was decided there by the sidecar too. */
  const settle = async () => {
    let length;
    do {
      length = relay.log.length;
      await sleep(4);
      await done();
      await done();
    } while (relay.log.length > length || (relay.isAwaiting && relay.held.length === 0));
  };
  const put = async () => {
    const samples = mix.flatMap((row) => [...row.subarray(fed, fed + BLOCK)]);
    fed += BLOCK;
    relay.playhead = fed;
    tell("mix", fed - BLOCK, 2, ...samples);
    await done();
  };
  /** Ten milliseconds of mix, and the stem that can be there by then. */
  const feed = async (ahead) => {
    await put();
    const { base } = epochs.at(-1);
    await until(() => relay.newest + base >= fed + ahead - 4 * FRAME || fed - base < 6 * FRAME, "the stem");
    await settle();
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
          await settle();
        }
      }
    }
    for (const [what, value, ahead] of [["r", 0.0625, STEP], ["w", 0, STEP / 2]]) {
      const [known, { length: before }] = [epochs.length, relay.log];
      await settle();
      tell(what, value);
      relay.newest = 0;
      for (let tries = 0; epochs.length === known; tries += 1) {
        assert.ok(tries < 400 && fed < mix[0].length - 20 * STEP / 2, `${what} never acted: ${JSON.stringify([said.slice(-20), counts, relay.log.filter((one) => !("stream" in one)).slice(-30)])}`);
        await put();
        await sleep(tries < 40 ? 10 : 100); // the server may need its time to open it anew
      }
      relay.newest = 0;
      assert.ok(relay.log.length > before);
      while (fed - epochs.at(-1).base < 9 * STEP / 2 + 3000) await feed(ahead);
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
    batches.sort((one, other) => one.id - other.id);
    assert.deepEqual(batches.map((one) => one.id), batches.map((_, i) => i + 1), "each batch is told once");
    const streams = [...new Set(relay.log.filter((one) => one.direction === "out" && "stream" in one).map((one) => one.stream))];
    assert.equal(streams.length, LOOKS.length, "one stream for each window");
    const total = { lost: 0, late: 0 };
    LOOKS.forEach(([length, w], epoch) => {
      const mine = batches.filter((one) => one.epoch === epoch);
      const base = mine[0].start - (w + 1) * length;
      Object.assign(epochs[epoch], { stream: streams[epoch], base });
      mine.forEach((one, i) => {
        assert.deepEqual([one.length, one.start], [length, base + (w + 1 + i) * length], `batch ${one.id} is w steps ahead of its own`);
        one.deadline = one.start - w * length + length;
        one.last = one.deadline + length;
      });
      const ofStream = relay.log.filter((one) => one.direction === "out" && one.stream === streams[epoch])
        .map((one) => ({ ...one, position: one.position + base, end: one.end + base }));
      const firsts = new Map();
      for (const one of ofStream) if (one.fate === "passed" && !firsts.has(one.sequence)) firsts.set(one.sequence, one);
      const delivered = [...firsts.values()];
      for (const one of mine) assert.equal(one.outcome, outcome(one, delivered), `batch ${one.id}`);
      const newest = Math.max(...firsts.keys());
      total.lost += new Set(ofStream.map((one) => one.sequence).filter((sequence) => sequence < newest && !firsts.has(sequence))).size;
      const closed = mine.filter((one) => one.outcome !== "on_time" && one.outcome !== "late")
        .map((one) => ({ to: one.start + one.length, at: one.outcome === "partial" ? one.deadline : one.last }));
      total.late += delivered.filter((one) => one.end > mine[0].start && closed.some(({ to, at }) => one.end <= to && one.playhead >= at)).length;
    });
    for (const kind of ["on_time", "partial", "late", "dropped"]) {
      assert.ok(batches.some((one) => one.outcome === kind), `none is ${kind}`);
      assert.equal(counts[kind], batches.filter((one) => one.outcome === kind).length);
    }
    assert.ok(total.lost > 5 && total.late > 10, JSON.stringify(total));
    assert.deepEqual([counts.lost_packets, counts.late_packets], [total.lost, total.late]);
  }
});
