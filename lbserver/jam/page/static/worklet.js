// SPDX-License-Identifier: GPL-3.0-or-later
// On the audio thread: what is heard goes out with its position, the stem is put where its position says, never where it
// arrives. Live, it plays `lag` samples behind what is heard, constant for the epoch; a file waits for its stem.
"use strict";

const QUANTUM = 128;
const FADE_S = 0.008;
const SMOOTH_S = 0.02;
const REPORT_S = 0.05;
const MEASURE_S = 1.5;  // of arrivals, before the lag is fixed
const SPARE_S = 0.02;
const STALL_S = 0.25;   // a file goes on when so much is there

// Audio by position; what is not there is not a number.
class Ring {
  constructor(length) {
    this.length = length;
    this.planes = [new Float32Array(length).fill(NaN), new Float32Array(length).fill(NaN)];
  }
  clear() { for (const plane of this.planes) plane.fill(NaN); }
  put(position, planes, from) {
    const first = Math.max(0, from - position);
    planes.slice(0, 2).forEach((given, channel) => {
      const plane = this.planes[channel];
      for (let i = first; i < given.length; i++) plane[(position + i) % this.length] = given[i];
    });
    if (planes.length === 1) for (let i = first; i < planes[0].length; i++) this.planes[1][(position + i) % this.length] = planes[0][i];
  }
  at(channel, position) { return position < 0 ? NaN : this.planes[channel][position % this.length]; }
  has(position) { return position >= 0 && !Number.isNaN(this.planes[0][position % this.length]); }
  forget(position) { if (position >= 0) for (const plane of this.planes) plane[position % this.length] = NaN; }
}

class Band extends AudioWorkletProcessor {
  constructor({ processorOptions: given }) {
    super();
    this.live = given.live;
    this.block = given.block;
    this.mix = new Ring(1 << (this.live ? 18 : 20));
    this.stem = new Ring(1 << (this.live ? 18 : 20));
    this.wet = this.wanted = given.mix;
    this.recording = false;
    this.playing = false;
    this.begin(given);
    this.port.onmessage = ({ data }) => this.told(data);
    this.reportAt = 0;
    this.peaks = [0, 0, 0];
  }

  begin({ epoch, latency, lag, end }) {
    this.epoch = epoch;
    this.latency = latency;
    this.end = end;                       // of a file, as far as it is known
    this.position = 0;
    this.lag = lag === null ? null : Math.max(lag, latency);
    this.needs = [];
    this.measuredFrom = null;
    this.missing = 0;
    this.slack = null;                    // samples to spare of the last block that came
    this.level = 0;
    this.last = [0, 0];
    this.stalled = true;
    this.pending = [[], []];
    this.mix.clear();
    this.stem.clear();
  }

  told(message) {
    if (message.wire) { this.wire = message.wire; this.wire.onmessage = ({ data }) => this.arrived(data); }
    if (message.begin) this.begin(message.begin);
    if ("mix" in message) this.wanted = message.mix;
    if ("play" in message) this.playing = message.play;
    if ("record" in message) this.recording = message.record;
    if ("seek" in message) { this.position = message.seek; this.mix.clear(); this.stem.clear(); this.stalled = true; }
    if ("end" in message) this.end = message.end;
    if ("stop" in message) this.stopped = true;
  }

  arrived({ epoch, kind, position, planes }) {
    if (epoch !== this.epoch) return;
    if (!this.live) {
      (kind === 1 ? this.mix : this.stem).put(position, planes, this.position);
      return;
    }
    if (this.lag === null) this.measure(position, planes[0].length);
    else this.slack = position + this.lag - this.position;
    this.stem.put(position, planes, this.lag === null ? 0 : Math.max(0, this.position - this.lag));
  }

  // The lag that the slowest block of the first ones would have needed, and some to spare; then it stays.
  measure(position, length) {
    this.measuredFrom ??= currentTime;
    if (position + length > 0) this.needs.push(this.position + QUANTUM - Math.max(0, position));
    if (currentTime - this.measuredFrom < MEASURE_S || this.needs.length < 10) return;
    const worst = Math.max(...this.needs) + Math.round(SPARE_S * sampleRate);
    this.lag = Math.max(this.latency, Math.ceil(worst / QUANTUM) * QUANTUM, 0);
    this.wire.postMessage({ lag: this.lag });
  }

  process(inputs, outputs) {
    if (this.stopped) return false;
    const out = outputs[0], frames = out[0].length;
    if (this.live) this.hear(inputs[0], frames);
    const behind = this.live ? this.lag ?? 0 : 0;
    const runs = this.live || this.goes(frames);
    const step = 1 / (FADE_S * sampleRate), glide = 1 / (SMOOTH_S * sampleRate);
    for (let i = 0; i < frames; i++) {
      const at = this.position + i - behind;
      const there = runs && (!this.live || this.lag !== null) && this.stem.has(at);
      if (!there && this.live && this.lag !== null && at >= 0) this.missing++;
      this.level = Math.min(1, Math.max(0, this.level + (there ? step : -step)));
      this.wet += Math.min(glide, Math.max(-glide, this.wanted - this.wet));
      for (let channel = 0; channel < 2; channel++) {
        if (there) this.last[channel] = this.stem.at(channel, at);
        const band = this.last[channel] * this.level;
        const heard = runs ? this.mix.at(channel, at) || 0 : 0;
        const sum = (1 - this.wet) * heard + this.wet * band;
        if (out[channel]) out[channel][i] = sum;
        this.peaks[0] = Math.max(this.peaks[0], Math.abs(heard));
        this.peaks[1] = Math.max(this.peaks[1], Math.abs(band));
        this.peaks[2] = Math.max(this.peaks[2], Math.abs(sum));
      }
      if (runs) this.stem.forget(at);
      if (runs && !this.live) this.mix.forget(at);
    }
    if (this.recording && this.wire) {
      this.wire.postMessage({ heard: out.map((plane) => plane.slice()), position: this.position });
    }
    if (runs) this.position += frames;
    if (!this.live && this.playing && this.end !== null && this.position >= this.end) {
      this.playing = false;
      this.port.postMessage({ ended: true });
    }
    if (currentTime >= this.reportAt) this.report();
    return true;
  }

  hear(input, frames) {
    const left = input[0] ?? new Float32Array(frames), right = input[1] ?? left;
    this.mix.put(this.position, [left, right], 0);
    [left, right].forEach((plane, channel) => this.pending[channel].push(...plane));
    if (this.pending[0].length < this.block || !this.wire) return;
    const planes = this.pending.map((plane) => Float32Array.from(plane));
    const position = this.position + frames - planes[0].length;
    this.wire.postMessage({ epoch: this.epoch, position, planes });
    this.pending = [[], []];
  }

  // Whether a file's next frames are there; after a stall only when some more are.
  goes(frames) {
    if (!this.playing) return false;
    const last = (this.end ?? Infinity) - 1;
    const ahead = this.stalled ? Math.round(STALL_S * sampleRate) : frames;
    this.stalled = this.position > last || !this.stem.has(Math.min(this.position + ahead, last));
    return !this.stalled;
  }

  report() {
    this.reportAt = currentTime + REPORT_S;
    this.port.postMessage({
      peaks: this.peaks, position: this.position, lag: this.lag, missing: this.missing, slack: this.slack, stalled: this.stalled,
    });
    this.peaks = [0, 0, 0];
    if (!this.live && this.wire) this.wire.postMessage({ playhead: this.position });
  }
}

registerProcessor("band", Band);
