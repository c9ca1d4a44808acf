// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");

const LIB = "../../../max_patches/LiveBand/javascript/lib";
const { encode, decode } = require(`${LIB}/osc.js`);
const { windowOf, sizes, anticipationMs, batchAt } = require(`${LIB}/window.js`);
const { Batches } = require(`${LIB}/batches.js`);
const { Writer } = require(`${LIB}/writer.js`);
const { Sidecar } = require(`${LIB}/sidecar.js`);
const { Listener } = require(`${LIB}/listener.js`);
const tables = require("../../../max_patches/LiveBand/javascript/tables.js");

test("messages come back as they went", () => {
  const values = [-5, 2 ** 40, 0.5, "Am7", Buffer.from([1, 2, 3, 4, 5])];
  const packet = encode("/lb/a/x", "ihfsb", values);
  assert.equal(packet.length % 4, 0);
  assert.deepEqual(decode(packet), [{ address: "/lb/a/x", values }]);
  const size = Buffer.alloc(4);
  size.writeInt32BE(packet.length);
  const bundle = Buffer.concat([Buffer.from("#bundle\0"), Buffer.alloc(8), size, packet]);
  assert.deepEqual(decode(bundle), decode(packet));
});

test("bytes of strangers are refused, never a crash", () => {
  for (const packet of [Buffer.alloc(0), Buffer.from("/a"), Buffer.from("/a\0\0,i\0\0\0"), Buffer.from("/a\0\0,b\0\0\xff\xff\xff\xff", "latin1"),
    Buffer.from("#bundle\0aaaaaaaa\0\0\xff\xff", "latin1"), Buffer.from("junk\0\0\0\0")]) {
    assert.throws(() => decode(packet), RangeError);
    const listener = new Listener();
    assert.deepEqual(listener.heard(packet).map(({ out }) => out.slice(0, 2)), [["error", "here"]]);
    assert.deepEqual([listener.heard(packet), listener.refusals.count], [[], 2], "told once, counted twice");
  }
});

test("a window is held in its range and its zones follow the seed: [c + w r T, c + (w + 1) r T)", () => {
  assert.deepEqual(windowOf({ w: 7, r: "no", T: 2 }), { w: 1, r: 0.125, T: 2, fade: 20 });
  const window = windowOf({ w: 1, r: 0.125, T: 2 });
  assert.deepEqual(sizes(window, 48000), { step: 12000, fade: 960 });
  assert.equal(anticipationMs(window, 48000), 520);
  for (const w of [-1, 0, 1]) {
    const batch = batchAt(3, 48000, { ...window, w }, 48000);
    assert.deepEqual([batch.start, batch.start + batch.length], [48000 + w * 12000, 48000 + (w + 1) * 12000]);
  }
});

/** A batch of 100 samples from `start` on with a tail of 10, played ahead by a step. */
const small = (id, start) => ({ id, cursor: start - 100, start, length: 100, fade: 10, deadline: start, last: start + 100 });
const ramp = (start, length) => [Float32Array.from({ length }, (_, i) => start + i)];

test("pieces in any order make a batch; what is missing at the deadline is partial, what comes whole behind it late", () => {
  const batches = new Batches(1);
  [1, 2, 3, 4].forEach((id) => batches.expect(small(id, 100 * id)));
  batches.place(150, ramp(150, 60));
  batches.place(100, ramp(100, 50));
  const [first] = batches.take(50);
  assert.deepEqual([first.outcome, first.samples[0][0], first.samples[0][109]], ["on_time", 100, 209]);
  assert.deepEqual(batches.take(200).map((one) => [one.batch.id, one.outcome]), [[2, "partial"]]);
  assert.deepEqual(batches.take(300), []);
  batches.place(300, ramp(300, 100));
  const [late] = batches.take(340);
  assert.deepEqual([late.outcome, late.from], ["late", 340]);
  batches.take(400);
  assert.deepEqual(batches.take(500).map((one) => one.outcome), ["dropped"]);
  assert.deepEqual(batches.counts, { on_time: 1, partial: 1, late: 1, dropped: 1 });
  assert.equal(batches.place(420, ramp(420, 10)), true);
});

test("batches that go on from each other are the signal itself, and fade where a neighbour is missing", () => {
  const writer = new Writer(), signal = Float32Array.from({ length: 400 }, (_, i) => Math.sin(i / 9));
  const buffer = new Float32Array(400);
  const put = (start) => {
    const samples = [signal.slice(start, start + 110)], map = new Uint8Array(110).fill(1);
    const out = writer.write({ batch: small(0, start), from: start, samples, map });
    buffer.set(out.samples[0], out.position);
  };
  put(0);
  put(100);
  for (let i = 10; i < 200; i += 1) assert.ok(Math.abs(buffer[i] - signal[i]) < 1e-6, `sample ${i}`);
  assert.ok(Math.abs(buffer[209]) < Math.abs(signal[209]) / 5);
  assert.equal(writer.write({ batch: small(0, 200), from: 200, samples: null }), null);
  put(300);
  assert.ok(Math.abs(buffer[300]) < 0.15);
  assert.ok(Math.abs(buffer[311] - signal[311]) < 1e-6);
});

test("what a patch says wrongly is answered in words", () => {
  const sidecar = new Sidecar();
  for (const [what, values, words] of [["set", ["colour", 1], /no control colour/], ["port", [0], /1 to 65535/], ["session", ["a b"], /letters/],
    ["r", ["fast"], /a number/], ["dance", [], /does not know/], ["protocol", ["smtp"], /liveband or rtap/]]) {
    assert.throws(() => sidecar.told(what, values, 0), (error) => error instanceof RangeError && words.test(error.message), what);
  }
});

test("every control of the table goes out under its own address once the session plays", () => {
  const sidecar = new Sidecar();
  sidecar.told("run", [1], 0);
  const answer = (address, tags, values) => sidecar.heard(encode(address, tags, values), 1);
  answer("/lb/welcome", "iiss", [1, 0, "server", "cookie"]);
  answer("/lb/pong", "i", [0]);
  assert.equal(decode(sidecar.tick(2).find(({ send }) => send && decode(send)[0].address === "/lb/open").send)[0].values[5], "manual");
  answer("/lb/max/opened", "iffi", [0, 24960, 0, 7]);
  for (const control of Object.keys(tables.CONTROLS)) {
    const [{ send }] = sidecar.told("set", [control, 1], 3);
    assert.equal(decode(send)[0].address, `/lb/max/set/${control}`);
  }
});
