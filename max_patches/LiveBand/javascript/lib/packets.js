// SPDX-License-Identifier: GPL-3.0-or-later
// Audio in packets: cut and kept for those who missed them; received, counted, and asked for again.
"use strict";

const osc = require("./osc.js");
const { MAX_PACKET_BYTES } = require("../tables.js");

const AGAIN = 256;
const AHEAD = 512;
const KEPT = 2048;
const MOST_REQUESTS = 4;
const REQUEST_EVERY_MS = 20;
const LOUDEST = 2;

/** Samples [channel][n] as a blob, float32, planar, little-endian. */
function toBlob(samples, first, end) {
  const blob = Buffer.alloc(4 * samples.length * (end - first));
  samples.forEach((row, channel) => {
    for (let i = first; i < end; i += 1) blob.writeFloatLE(row[i], 4 * (channel * (end - first) + i - first));
  });
  return blob;
}

/** A sample that came: held within twice full scale, silent if it is no number. */
function bounded(value) {
  return Number.isFinite(value) ? Math.min(LOUDEST, Math.max(-LOUDEST, value)) : 0;
}

function fromBlob(blob, channels) {
  const length = blob.length / (4 * channels);
  if (!Number.isInteger(length) || length < 1 || blob.length > MAX_PACKET_BYTES) throw new RangeError("a blob that is no whole samples, or longer than a packet");
  return Array.from({ length: channels }, (_, channel) =>
    Float32Array.from({ length }, (_, i) => bounded(blob.readFloatLE(4 * (channel * length + i)))));
}

class Sender {
  constructor(session, stream, channels) {
    this.address = `/lb/${session}/audio`;
    Object.assign(this, { stream, channels, sequence: 0, position: 0, kept: new Map() });
    const empty = osc.encode(this.address, "iihib", [0, 0, 0, 0, Buffer.alloc(0)]).length;
    this.most = Math.floor((MAX_PACKET_BYTES - empty - 3) / (4 * channels));
  }

  /** Packets for the next samples [channel][n]. */
  push(samples) {
    const packets = [];
    for (let at = 0; at < samples[0].length; at += this.most) {
      const end = Math.min(samples[0].length, at + this.most);
      const values = [this.stream, this.sequence, this.position, AHEAD, toBlob(samples, at, end)];
      this.kept.set(this.sequence, values);
      this.kept.delete(this.sequence - KEPT);
      packets.push(osc.encode(this.address, "iihib", values));
      this.sequence += 1;
      this.position += end - at;
    }
    return packets;
  }

  /** What is still kept of the sequences asked for. */
  again(first, last) {
    const packets = [];
    for (let sequence = first; sequence <= last && sequence < first + KEPT; sequence += 1) {
      const values = this.kept.get(sequence);
      if (values) {
        const again = [...values];
        again[3] = AHEAD + AGAIN;
        packets.push(osc.encode(this.address, "iihib", again));
      }
    }
    return packets;
  }
}

class Receiver {
  /** Counts packets by sequence: a gap is asked for again until `patience` samples later, then lost. */
  constructor(session, stream, channels) {
    Object.assign(this, { address: `/lb/${session}/resend`, stream, channels, next: 0, missing: new Map(), lost: 0, late: 0 });
    this.far = null; // the sequence that would make a leap over more than is kept a true one, as in RFC 3550, A.1
  }

  /** {position, samples}, or null for one that came before, or that leaps too far for the first time. */
  take([, sequence, position, , blob], playhead, nowMs) {
    const samples = fromBlob(blob, this.channels);
    if (sequence - this.next > KEPT) {
      if (sequence !== this.far) {
        this.far = sequence + 1;
        return null;
      }
      this.lost += sequence - this.next;
      this.next = sequence;
    }
    if (sequence >= this.next) {
      for (let gap = this.next; gap < sequence; gap += 1) this.missing.set(gap, { since: playhead, askMs: nowMs, tries: 0 });
      this.next = sequence + 1;
      this._giveUp(this.missing.size - KEPT);
    } else if (!this.missing.delete(sequence)) return null;
    return { position, samples };
  }

  /** The oldest `count` of what is missing are lost. */
  _giveUp(count) {
    for (const sequence of [...this.missing.keys()].slice(0, Math.max(0, count))) {
      this.missing.delete(sequence);
      this.lost += 1;
    }
  }

  /** Requests for what is missing now; what is missing for longer than `patience` samples is lost. */
  requests(playhead, patience, nowMs) {
    const wanted = [];
    for (const [sequence, gap] of this.missing) {
      if (playhead - gap.since > patience) {
        this.missing.delete(sequence);
        this.lost += 1;
      } else if (nowMs >= gap.askMs && gap.tries < MOST_REQUESTS) {
        gap.tries += 1;
        gap.askMs = nowMs + REQUEST_EVERY_MS;
        wanted.push(osc.encode(this.address, "iii", [this.stream, sequence, sequence]));
      }
    }
    return wanted;
  }
}

module.exports = { Sender, Receiver, bounded };
