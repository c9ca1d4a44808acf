// SPDX-License-Identifier: GPL-3.0-or-later
// A UDP relay between the sidecar and the server that loses, holds and logs what goes through it.
"use strict";

const dgram = require("node:dgram");
const { setTimeout: sleep } = require("node:timers/promises");

const { decode } = require("../../../max_patches/LiveBand/javascript/lib/osc.js");

/** Numbers in [0, 1), the same for the same seed (Mulberry32). */
function draws(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function audioOf(packet, channels) {
  const messages = decode(packet);
  const [{ address, values }] = messages.length ? messages : [{ address: "", values: [] }];
  if (!/\/(stem|audio)$/.test(address)) return { address };
  const [stream, sequence, position, format, blob] = values;
  return { address, stream, sequence, position, format, end: position + blob.length / (4 * channels) };
}

class Relay {
  /** loss: share of all packets, both ways; `fate(entry)`: "lost", "held" or nothing, for packets of the stem. */
  constructor({ port, loss, seed, channels, fate }) {
    Object.assign(this, { port, loss, channels, fate, draw: draws(seed), log: [], held: [], playhead: 0, newest: 0 });
    this.awaited = new Map(); // stem packets that were lost and may be sent again, and since when
    const options = { type: "udp4", recvBufferSize: 4 << 20 };
    this.front = dgram.createSocket(options);
    this.back = dgram.createSocket(options);
    this.front.on("message", (packet, from) => {
      this.client = from.port;
      this._pass("in", packet, (data) => this.back.send(data, this.port, "127.0.0.1"));
    });
    this.back.on("message", (packet) => this._pass("out", packet, (data) => this.front.send(data, this.client, "127.0.0.1")));
  }

  async open() {
    await new Promise((resolve) => this.front.bind(0, "127.0.0.1", resolve));
    await new Promise((resolve) => this.back.bind(0, "127.0.0.1", resolve));
    return this.front.address().port;
  }

  /** Whether something that was lost may come again soon. */
  get isAwaiting() {
    for (const [sequence, sinceMs] of this.awaited) if (Date.now() - sinceMs > 2000) this.awaited.delete(sequence);
    return this.awaited.size > 0;
  }

  /** What was held goes on, at a pace that no socket's buffer overflows from. */
  async release() {
    while (this.held.length) {
      for (const { entry, send } of this.held.splice(0, 8)) {
        Object.assign(entry, { fate: "passed", playhead: this.playhead });
        send();
      }
      await sleep(2);
    }
  }

  close() {
    this.front.close();
    this.back.close();
  }

  _pass(direction, packet, send) {
    const entry = { direction, ...audioOf(packet, this.channels), playhead: this.playhead };
    this.log.push(entry);
    const isStem = direction === "out" && "sequence" in entry;
    if (isStem) this.newest = Math.max(this.newest, entry.end);
    const meant = isStem ? this.fate(entry) : null;
    entry.fate = meant !== "lost" && this.draw() < this.loss ? "lost" : meant || "passed";
    if (isStem && entry.fate !== meant) {
      if (entry.fate === "passed") this.awaited.delete(entry.sequence);
      else if (!this.awaited.has(entry.sequence)) this.awaited.set(entry.sequence, Date.now());
    }
    const isHeld = entry.fate === "held" && this.held.some((one) => one.entry.sequence === entry.sequence);
    if (isHeld) entry.fate = "lost"; // asked for again, and one copy is held already
    if (entry.fate === "held") this.held.push({ entry, send: () => send(packet) });
    if (entry.fate === "passed") send(packet);
  }
}

module.exports = { Relay, draws };
