// SPDX-License-Identifier: GPL-3.0-or-later
// Level meters and the trace of headroom and latency, drawn as in the plug-in's window.

const COLOUR = Object.fromEntries(
  ["ground", "panel", "raised", "edge", "text", "muted", "faint", "accent", "warning", "trouble"].map((name) => [
    name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim(),
  ]),
);
const FLOOR_DB = -60, FALL_DB = 1.2, HOLD_FRAMES = 90;
const TRACE_LENGTH = 300;             // half a minute, ten a second

function cleared(canvas) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return [pen, width, height];
}

const decibels = (peak) => (peak > 0 ? Math.max(FLOOR_DB, 20 * Math.log10(peak)) : FLOOR_DB);

export class Meters {
  constructor(canvas, names) {
    this.canvas = canvas;
    this.names = names;
    this.levels = names.map(() => FLOOR_DB);
    this.holds = names.map(() => [FLOOR_DB, 0]);
  }
  hear(peaks) {
    peaks.forEach((peak, i) => {
      this.levels[i] = Math.max(this.levels[i], decibels(peak));
      if (this.levels[i] >= this.holds[i][0]) this.holds[i] = [this.levels[i], HOLD_FRAMES];
    });
  }
  draw() {
    const [pen, width, height] = cleared(this.canvas);
    const tall = height - 18, wide = Math.min(22, (width - 8) / this.names.length - 6), step = width / this.names.length;
    pen.font = "11px Inter, sans-serif";
    pen.textAlign = "center";
    this.names.forEach((name, i) => {
      const left = step * (i + 0.5) - wide / 2;
      const share = (level) => (tall * (level - FLOOR_DB)) / -FLOOR_DB;
      pen.fillStyle = COLOUR.raised;
      pen.beginPath(); pen.roundRect(left, 0, wide, tall, 3); pen.fill();
      const level = share(Math.min(0, this.levels[i]));
      if (level > 0.5) {
        pen.fillStyle = this.levels[i] > -0.5 ? COLOUR.trouble : COLOUR.accent;
        pen.beginPath(); pen.roundRect(left, tall - level, wide, level, 3); pen.fill();
      }
      const [held, frames] = this.holds[i];
      if (held > FLOOR_DB) { pen.fillStyle = COLOUR.text; pen.fillRect(left, tall - share(Math.min(0, held)), wide, 2); }
      this.holds[i] = frames > 0 ? [held, frames - 1] : [this.levels[i], 0];
      this.levels[i] = Math.max(FLOOR_DB, this.levels[i] - FALL_DB);
      pen.fillStyle = COLOUR.muted;
      pen.fillText(name, step * (i + 0.5), height - 4);
    });
  }
}

export class Trace {
  constructor(canvas) {
    this.canvas = canvas;
    this.values = [];
  }
  // Headroom and latency in ms; either may be no number.
  add(headroom, latency) {
    this.values.push([headroom, latency]);
    if (this.values.length > TRACE_LENGTH) this.values.shift();
  }
  clear() { this.values = []; }
  draw() {
    const [pen, width, height] = cleared(this.canvas);
    const known = this.values.flat().filter(Number.isFinite);
    const high = Math.max(10, ...known), low = Math.min(0, ...known);
    const y = (value) => 2 + ((high - value) / (high - low)) * (height - 4);
    const x = (i) => (i * width) / (TRACE_LENGTH - 1);
    const line = (which) => {
      pen.beginPath();
      let on = false;
      this.values.forEach((pair, i) => {
        if (!Number.isFinite(pair[which])) { on = false; return; }
        pen[on ? "lineTo" : "moveTo"](x(i), y(pair[which]));
        on = true;
      });
    };
    const heads = this.values.map((pair) => pair[0]);
    const first = heads.findIndex(Number.isFinite);
    if (first >= 0) {
      pen.beginPath();
      pen.moveTo(x(first), y(0));
      heads.forEach((value, i) => Number.isFinite(value) && pen.lineTo(x(i), y(value)));
      pen.lineTo(x(heads.length - 1), y(0));
      pen.fillStyle = "#52d6b42e";
      pen.fill();
    }
    pen.strokeStyle = COLOUR.edge; pen.lineWidth = 1;
    pen.beginPath(); pen.moveTo(0, y(0)); pen.lineTo(width, y(0)); pen.stroke();
    pen.lineWidth = 1.6; pen.lineJoin = "round";
    pen.strokeStyle = COLOUR.muted; line(1); pen.stroke();
    pen.strokeStyle = COLOUR.accent; line(0); pen.stroke();
  }
}
