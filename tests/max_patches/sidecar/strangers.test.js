// SPDX-License-Identifier: GPL-3.0-or-later
// Who is no server, and what no server would say: left out, counted, told once, and the sidecar goes on.
"use strict";

const assert = require("node:assert/strict");
const { fork } = require("node:child_process");
const dgram = require("node:dgram");
const { once } = require("node:events");
const path = require("node:path");
const test = require("node:test");

const SCRIPTS = path.resolve(__dirname, "../../../max_patches/LiveBand/javascript");
const { decode, encode } = require(`${SCRIPTS}/lib/osc.js`);
const { Receiver } = require(`${SCRIPTS}/lib/packets.js`);
const { Sidecar } = require(`${SCRIPTS}/lib/sidecar.js`);
const { COUNTS } = require(`${SCRIPTS}/tables.js`);

const opened = encode("/lb/max/opened", "iffi", [0, 24960, 0, 7]);

async function socketAt(address, port = 0) {
  const socket = dgram.createSocket("udp4");
  socket.bind(port, address);
  await once(socket, "listening");
  return socket;
}

/** A sidecar that was told to run, and what it says from then on. */
function running(settings) {
  const sidecar = new Sidecar(), sent = [], said = [];
  const act = (steps) => {
    for (const { send, out } of steps) {
      if (send) sent.push(...decode(send));
      if (out) said.push(out);
    }
  };
  const tell = (what, ...values) => act(sidecar.told(what, values, 0));
  for (const [what, value] of [...Object.entries(settings), ["run", 1]]) tell(what, value);
  const counts = () => Object.fromEntries(COUNTS.map((name, i) => [name, said.filter(([what]) => what === "counts").at(-1)[1 + i]]));
  return { sidecar, sent, said, tell, counts, hear: (...message) => act(sidecar.heard(encode(...message), 0)), tick: (nowMs) => act(sidecar.tick(nowMs)) };
}

test("nobody but the server is heard, from this machine alone, and an /opened that nobody asked for ends nothing", async () => {
  // Before: bound to every address, one datagram from anybody ended the process with a TypeError.
  const server = await socketAt("127.0.0.1"), stranger = await socketAt("127.0.0.1");
  const env = { ...process.env, NODE_PATH: path.resolve(__dirname, "../stand_in/node_modules") };
  const child = fork(path.join(SCRIPTS, "liveband.remote.js"), { env }), said = [], exits = [];
  child.on("message", (list) => said.push(list));
  child.on("exit", (code) => exits.push(code));
  const until = async (good) => {
    while (!good()) {
      assert.deepEqual(exits, [], JSON.stringify(said));
      await Promise.race([once(child, "message"), once(child, "exit")]);
    }
  };
  try {
    for (const [what, value] of [["port", server.address().port], ["run", 1]]) child.send([what, value]);
    const [, { port }] = await once(server, "message");
    (await socketAt("127.0.0.2", port)).close(); // fails where the sidecar has the port of every address
    const refused = (pattern) => said.some(([kind, , words]) => kind === "error" && pattern.test(words));
    stranger.send(opened, port, "127.0.0.1");
    await until(() => refused(/127\.0\.0\.1, who is not the server/));
    server.send(opened, port, "127.0.0.1");
    await until(() => refused(/nothing was asked/));
    await until(() => said.some(([kind, ...counts]) => kind === "counts" && counts[COUNTS.indexOf("refused")] === 2));
    assert.ok(!said.some(([kind, words]) => kind === "link" && words.startsWith("plays")));
  } finally {
    child.kill();
    server.close();
    stranger.close();
  }
});

test("a sequence that leaps is not awaited packet by packet, and what leaps for good is followed", () => {
  // Before: a Map of two thousand million gaps, 18 s and 1.4 GB for one packet.
  const receiver = new Receiver("max", 7, 1), blob = Buffer.alloc(4);
  const take = (sequence) => receiver.take([7, sequence, sequence, 0, blob], 0, 0);
  const loud = [NaN, Infinity, -9].flatMap((value) => [...Buffer.from(Float32Array.of(value).buffer)]);
  assert.deepEqual([...receiver.take([7, 0, 0, 0, Buffer.from(loud)], 0, 0).samples[0]], [0, 0, -2]);
  assert.equal(take(100000), null);
  assert.ok(take(1));
  assert.deepEqual([receiver.missing.size, receiver.lost, receiver.next], [0, 0, 2]);
  assert.equal(take(2 ** 31 - 2), null);
  assert.ok(take(2 ** 31 - 1), "two in a row");
  assert.deepEqual([receiver.missing.size, receiver.lost], [0, 2 ** 31 - 3]);
  const other = new Receiver("max", 7, 1);
  for (let n = 1; n <= 3; n += 1) other.take([7, 2000 * n, 0, 0, blob], 0, 0);
  assert.ok(other.missing.size <= 2048);
});

test("a stem outside of the buffer or with other arguments is left out", () => {
  const { sidecar, hear, tick, said, counts } = running({});
  hear("/lb/welcome", "iiss", [1, 0, "server", "cookie"]);
  hear("/lb/pong", "i", [0]);
  tick(1);
  hear("/lb/max/opened", "iff", [0, 24960, 0]);
  hear("/lb/max/opened", "iffi", [0, 24960, 0, 7]);
  hear("/lb/max/opened", "iffi", [0, 24960, 0, 8]);
  assert.equal(sidecar.engine.receiver.stream, 7);
  for (const [sequence, position] of [[0, 2 ** 40], [1, -9], [2, 0]]) hear("/lb/max/stem", "iihib", [7, sequence, position, 0, Buffer.alloc(80)]);
  hear("/lb/max/stem", "iihis", [7, 3, 0, 0, "sound"]);
  assert.equal(sidecar.engine.batches.pieces.length, 1);
  assert.equal(counts().refused, 5);
  assert.equal(said.filter(([kind]) => kind === "error").length, 4, "the two outside of the buffer are told once");
});

test("rtap: chunks that are no part of their batch stay out, and what is too loud or no number is held", () => {
  // Before: a chunk numbered a million stayed for ever and lost_packets went below zero; NaN and any loudness were written.
  const STEP = 4134, FADE = 882, BLOCK = 689, SIZE = 1254;
  const { sidecar, hear, tell, said, counts } = running({ protocol: "rtap", rate: 44100, r: 1 / 64, w: 1 });
  let position = 0;
  const play = (blocks) => {
    for (const end = position + blocks * BLOCK; position < end; position += BLOCK) tell("mix", position, 1, ...new Array(BLOCK).fill(0));
  };
  const chunk = (address, numbers, samples) => hear(address, "iii" + "f".repeat(samples.length), [...numbers, ...samples]);
  const sound = (value, length = SIZE) => new Array(length).fill(value);
  play(7);
  assert.equal(sidecar.engine.got.get(1).batch.length + sidecar.engine.got.get(1).batch.fade, STEP + FADE);
  const wrong = [[1, 1000000, 4], [1, 4, 4], [1, -1, 4], [1, 0, 400], [99, 0, 4], [-1, 0, 4], [1, 0, 0]];
  for (const numbers of wrong) chunk("/bass", numbers, sound(0.5));
  chunk("/drums", [1, 0, 4], sound(0.5));
  chunk("/bass", [1, 0, 4], sound(Infinity));
  chunk("/bass", [1, 0, 5], sound(0.5));
  chunk("/bass", [1, 0, 4], sound(0.5));
  chunk("/bass", [1, 1, 4], sound(NaN));
  chunk("/bass", [1, 2, 4], sound(-1e30));
  hear("/bass", "iiis", [1, 3, 4, "sound"]);
  hear("/batch_dropped", "s", ["nonsense"]);
  assert.equal(sidecar.engine.batches.pieces.length, 3);
  chunk("/bass", [1, 3, 4], sound(0.25));
  play(1);
  const written = said.filter(([what, , channel]) => what === "write" && channel === 0).flatMap(([, , , ...samples]) => samples);
  assert.ok(written.length >= STEP && written.every((value) => Math.abs(value) <= 2));
  assert.ok(written.includes(-2));
  play(4 * 6);
  assert.equal(sidecar.engine.batches.pieces.length, 0);
  assert.deepEqual([counts().on_time, counts().lost_packets, counts().refused], [1, 0, wrong.length + 3]);
});

test("rtap: an r that w does not permit is held, and the patch is told", () => {
  // Before: the server kept its old r, the sidecar stepped with the new one, and the batches lay elsewhere than they belong.
  const { sidecar, said, tell } = running({ protocol: "rtap", rate: 44100, r: 0.5, w: 1 });
  const told = () => said.splice(0).filter(([what, , words]) => what === "error" && /r is held at/.test(words)).length;
  assert.deepEqual([sidecar.engine.window.r, told()], [0.25, 1]);
  tell("w", 0);
  assert.deepEqual([sidecar.engine.wanted.r, told()], [0.5, 0]);
  tell("w", 1);
  assert.deepEqual([sidecar.engine.wanted.r, told()], [0.25, 1]);
  tell("r", 0.125);
  assert.deepEqual([sidecar.engine.wanted.r, told()], [0.125, 0]);
  tell("protocol", "liveband");
  tell("r", 0.5);
  assert.deepEqual([sidecar.engine.wanted.r, told()], [0.5, 0], "LiveBand's own protocol has no such bound");
});
