// SPDX-License-Identifier: GPL-3.0-or-later
// Audio that is kept, and made into a WAV file of 32-bit floats, in which every bit stays as it came.

const FIRST_SAMPLES = 1 << 18;

export class Track {
  constructor() {
    this.planes = [];
    this.length = 0;
  }

  // Samples from a position on; what lies before 0 is left out, a hole is silence.
  put(position, planes) {
    const first = Math.max(0, -position), end = position + planes[0].length;
    if (end <= 0) return;
    while (this.planes.length < planes.length) this.planes.push(new Float32Array(FIRST_SAMPLES));
    if (end > this.planes[0].length) {
      const room = Math.max(end, 2 * this.planes[0].length);
      this.planes = this.planes.map((old) => { const plane = new Float32Array(room); plane.set(old); return plane; });
    }
    planes.forEach((plane, channel) => this.planes[channel].set(plane.subarray(first), position + first));
    this.length = Math.max(this.length, end);
  }

  // Copies of a part.
  part(from, until) {
    return this.planes.map((plane) => plane.slice(from, until));
  }
}

export function wav(track, rate) {
  const channels = track.planes.length, frames = track.length, bytes = 4 * channels * frames;
  const head = new DataView(new ArrayBuffer(58));
  const text = (at, word) => [...word].forEach((letter, i) => head.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  head.setUint32(4, 50 + bytes, true);
  text(8, "WAVEfmt ");
  head.setUint32(16, 18, true);
  head.setUint16(20, 3, true);              // IEEE float
  head.setUint16(22, channels, true);
  head.setUint32(24, rate, true);
  head.setUint32(28, 4 * channels * rate, true);
  head.setUint16(32, 4 * channels, true);
  head.setUint16(34, 32, true);
  head.setUint16(36, 0, true);
  text(38, "fact");
  head.setUint32(42, 4, true);
  head.setUint32(46, frames, true);
  text(50, "data");
  head.setUint32(54, bytes, true);
  const samples = new Float32Array(channels * frames);
  track.planes.forEach((plane, channel) => {
    for (let i = 0; i < frames; i++) samples[i * channels + channel] = plane[i];
  });
  return new Blob([head.buffer, samples.buffer], { type: "audio/wav" });
}
