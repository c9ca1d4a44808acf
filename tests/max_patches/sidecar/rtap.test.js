// SPDX-License-Identifier: GPL-3.0-or-later
// The protocol of the published patch: with a peer written from its description, which answers a batch with what it heard, and,
// where pytest started one, with the real server.
"use strict";

const assert = require("node:assert/strict");
const { fork } = require("node:child_process");
const path = require("node:path");
const test = require("node:test");
const { setTimeout: sleep } = require("node:timers/promises");

const SCRIPTS = path.resolve(__dirname, "../../../max_patches/LiveBand/javascript");
const { decode, encode } = require(`${SCRIPTS}/lib/osc.js`);
const { Sidecar } = require(`${SCRIPTS}/lib/sidecar.js`);
const given = process.env.LIVEBAND_RTAP ? JSON.parse(process.env.LIVEBAND_RTAP) : null;

const STEP = 33075, FADE = 882, BLOCK = 441;
const sound = (position) => 0.2 * Math.sin(position / 40) * Math.sin(position / 9000);

test("contexts go out in chunks, stems come back as batches, r and w act at the next step", () => {
  const sidecar = new Sidecar(), out = [], sent = [], seen = new Set(), heard = new Map();
  const act = (steps) => {
    for (const step of steps) {
      if (step.out) out.push(step.out);
      if (step.send) sent.push(...decode(step.send));
    }
  };
  for (const [what, value] of [["protocol", "rtap"], ["rate", 44100], ["r", 0.125], ["w", 1], ["run", 1]]) act(sidecar.told(what, [value], 0));
  const peer = { r: 0, w: 0, cursor: 0, fade: 0 };
  /** The peer: a whole batch is answered with the sound of its zone, 2000 floats a chunk; of some it loses a chunk, or all. */
  const answer = () => {
    for (const { address, values } of sent.splice(0)) {
      seen.add(address);
      if (address === "/update_r") peer.r = values[0];
      if (address === "/w") peer.w = values[0];
      if (address === "/update_fade") peer.fade = Math.floor(values[0] * 44100 + 0.01);
      if (address !== "/context") continue;
      const [id, start, total, ...samples] = values;
      const batch = heard.get(id) || new Map();
      heard.set(id, batch.set(start, samples.length));
      if (batch.size < total) continue;
      const step = Math.floor(peer.r * 6 * 44100 + 0.01);
      assert.equal([...batch.values()].reduce((sum, count) => sum + count, 0), step);
      peer.cursor += step;
      if (id === 3) act(sidecar.heard(encode("/batch_dropped", "i", [id]), 0));
      else if (id !== 4) {
        const zone = peer.cursor + peer.w * step - peer.fade, length = step + peer.fade, chunks = Math.ceil(length / 2000);
        for (let chunk = 0; chunk < chunks; chunk += 1) {
          const piece = Array.from({ length: Math.min(2000, length - chunk * 2000) }, (_, i) => sound(zone + chunk * 2000 + i));
          if (id !== 2 || chunk !== 5) act(sidecar.heard(encode("/bass", "iii" + "f".repeat(piece.length), [id, chunk, chunks, ...piece]), 0));
        }
      }
    }
  };
  let position = 0;
  const play = (steps) => {
    for (const end = position + steps * STEP; position < end; position += BLOCK) {
      act(sidecar.told("mix", [position, 1, ...Array.from({ length: BLOCK }, (_, n) => sound(position + n))], 0));
      answer();
    }
  };
  play(7);
  act(sidecar.told("r", [0.0625], 0));
  act(sidecar.told("w", [0], 0));
  play(3);
  const told = out.filter(([what]) => what === "batch").map(([, id, outcome, start, length]) => [id, outcome, start, length])
    .sort(([one], [other]) => one - other);
  assert.deepEqual(told.slice(0, 3).map((one) => one.slice(0, 3)), [[1, "on_time", 2 * STEP - FADE], [2, "partial", 3 * STEP - FADE], [3, "dropped", 4 * STEP - FADE]]);
  assert.ok(told.some(([, , , length]) => length === Math.floor(STEP / 2)));
  let batch = [];
  for (const [what, from, channel, ...samples] of out) {
    if (what === "batch") batch = [channel, samples[0]];
    const middle = what === "write" && batch[0] === "on_time" && from > batch[1] + FADE && from < batch[1] + STEP / 2 - 600;
    if (middle) assert.ok(Math.abs(samples[0] - sound(from)) < 1e-6, `${batch} ${from}`);
  }
  for (const address of ["/load_model", "/update_r", "/w", "/update_fade", "/update_package_size", "/predict_instruments", "/context"]) assert.ok(seen.has(address), address);
  const counts = out.filter(([what]) => what === "counts").at(-1);
  assert.deepEqual(counts.slice(3, 7), [1, 0, 2, 1], "partial, late, dropped, lost chunks");
});

test("at another rate it says what is wanted", () => {
  const sidecar = new Sidecar();
  for (const [what, value] of [["protocol", "rtap"], ["rate", 48000], ["run", 1]]) sidecar.told(what, [value], 0);
  const said = [0, 1].flatMap((n) => sidecar.told("mix", [n, 1, 0], 0)).map(({ out }) => out).filter((one) => one && one[0] === "error");
  assert.deepEqual(said.map((one) => one[1]), ["here"]);
});

test("the real server plays a stem by it", { skip: given === null && "pytest starts it, with a server" }, async () => {
  const child = fork(path.join(SCRIPTS, "liveband.remote.js"), { env: { ...process.env, NODE_PATH: path.resolve(__dirname, "../stand_in/node_modules") } });
  const tell = (...list) => child.send(list);
  const heard = new Float32Array(45 * STEP), batches = [], said = [];
  child.on("message", ([what, ...values]) => {
    if (what === "write" && values[1] === 0) heard.set(values.slice(2), values[0]);
    else if (what === "batch") batches.push(values);
    else said.push([what, ...values]);
  });
  try {
    for (const [what, value] of [["protocol", "rtap"], ["port", given.port], ["reply", given.reply], ["rate", 44100], ["r", 0.03125], ["w", 1], ["run", 1]]) tell(what, value);
    // test:copy plays the mix later by its own frame and the ten that it writes ahead: eleven of 1920 samples at 48 kHz. A batch whose
    // context lost a chunk on its way has a hole there, and does not count.
    const lag = (11 * 1920 * 44100) / 48000;
    const isCopy = ([, outcome, start, length]) => outcome === "on_time" && start > 2 * lag &&
      heard.subarray(start, start + length).every((value, i) => Math.abs(value - sound(start + i - lag)) < 2e-3);
    let fed = 0;
    while (batches.filter(isCopy).length < 3) {
      assert.ok(fed < 40 * STEP, JSON.stringify([batches, said.slice(-5)]));
      tell("mix", fed, 1, ...Array.from({ length: BLOCK }, (_, n) => sound(fed + n)));
      fed += BLOCK;
      await sleep(15);
    }
  } finally {
    child.disconnect();
  }
});
