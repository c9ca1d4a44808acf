// SPDX-License-Identifier: GPL-3.0-or-later
// The window protocol as numbers: T seconds of context, steps of r T, written w steps ahead of what was heard.
"use strict";

const { PROTOCOLS, WINDOW } = require("../tables.js");

const UNHEARD = 0.5; // of the window, at most, over rtap

/** A window from settings of a patch; values out of range are held at its ends, over rtap also r where (w + 1) r is too much. */
function windowOf(settings, protocol = PROTOCOLS[0]) {
  const held = {};
  for (const [name, { minimum, maximum, initial }] of Object.entries(WINDOW)) {
    const value = Number(settings[name] ?? initial);
    held[name] = Number.isFinite(value) ? Math.min(maximum, Math.max(minimum, value)) : initial;
  }
  const w = Math.round(held.w);
  const most = protocol === PROTOCOLS[0] || w < 0 ? held.r : UNHEARD / (w + 1);
  return { ...held, w, r: Math.min(held.r, most) };
}

/** Samples of a step and of a cross-fade. */
function sizes(window, rateHz) {
  const step = Math.max(1, Math.floor(window.r * window.T * rateHz + 0.01));
  return { step, fade: Math.min(Math.round((window.fade / 1000) * rateHz), Math.floor(step / 2)) };
}

/**
 * How far ahead the band must write, so that the zone of a batch and its tail are there when the mix up to the batch's
 * cursor was heard.
 */
function anticipationMs(window, rateHz) {
  const { step, fade } = sizes(window, rateHz);
  return (1000 * ((window.w + 1) * step + fade)) / rateHz;
}

/**
 * A batch: what is decided at `cursor`. It is to be written to [start, start + length), with a tail of `fade` that the
 * next one blends with. Before `deadline` it is on time, before `last` late; then it is given up.
 */
function batchAt(id, cursor, window, rateHz) {
  const { step, fade } = sizes(window, rateHz);
  return { id, cursor, start: cursor + window.w * step, length: step, fade, deadline: cursor + step, last: cursor + 2 * step };
}

module.exports = { windowOf, sizes, anticipationMs, batchAt };
