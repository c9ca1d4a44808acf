// SPDX-License-Identifier: GPL-3.0-or-later
// Inside Max (js or v8): reads what was recorded since the last tick, writes what the sidecar gives, and clears behind the
// playhead. Both buffers are rings under one playhead; positions count on where the playhead begins anew.
autowatch = 0;
inlets = 1;
outlets = 1;

var LARGEST = 512;
var CHANNELS = 2;
var mix = new Buffer(jsarguments[1]);
var stem = new Buffer(jsarguments[2]);
var ring = 0; // samples; 0 until the rate is known
var position = -1; // up to where the mix was given to the sidecar
var RING_SECONDS = 20;

function rate(hz) {
  ring = Math.floor(hz * RING_SECONDS);
  position = -1;
}

// The playhead's place in the ring, in samples.
function playhead(place) {
  if (!ring) return;
  var here = Math.floor(place) % ring;
  if (position < 0) {
    position = here;
    return;
  }
  var fresh = (here - (position % ring) + ring) % ring;
  if (fresh > ring / 2) return; // it stands, or was set back
  while (fresh > 0) {
    var at = position % ring;
    var count = Math.min(fresh, LARGEST, ring - at);
    var message = ["mix", position, CHANNELS];
    var silence = [];
    for (var channel = 1; channel <= CHANNELS; channel += 1) message = message.concat(mix.peek(channel, at, count));
    for (var i = 0; i < count; i += 1) silence.push(0);
    for (channel = 1; channel <= CHANNELS; channel += 1) stem.poke(channel, at, silence);
    outlet.apply(this, [0].concat(message));
    position += count;
    fresh -= count;
  }
}

// From the sidecar: samples of one channel, from a position on.
function write(from, channel) {
  var samples = Array.prototype.slice.call(arguments, 2);
  if (!ring) return;
  var at = from % ring;
  var first = Math.min(samples.length, ring - at);
  stem.poke(channel + 1, at, samples.slice(0, first));
  if (first < samples.length) stem.poke(channel + 1, 0, samples.slice(first));
}
