// SPDX-License-Identifier: GPL-3.0-or-later
// A worker that holds the line to the server, so that drawing the page delays no audio. Audio passes between it and the
// audio thread; words pass between it and the page. It keeps what is to be downloaded. Nothing is heard or said before
// the other end has proved that it knows the secret: the port may be another program's by now.
import { Track, wav } from "./tracks.js";

const MIX = 1, STEM = 2;
const HEAD_BYTES = 16;
const MOST_UNSENT_BYTES = 1 << 20;
const LOOK_AHEAD_S = 2;   // a file is rendered so far ahead of what is heard: a knob acts that much later
const FEED_S = 4;
const ALL = 2 ** 50;
const FIRST_PAUSE_MS = 250, LONGEST_PAUSE_MS = 2000;

const TRY_AGAIN_LATER = 1013;

let address, secret, line, port, pause = FIRST_PAUSE_MS;
let proved = false;
let now = null;           // what was opened: {epoch, rate, file}
let tracks = {};          // of the file, or of what is recorded
let recordedFrom = null;
let playhead = 0, fed = 0, all = false, asked = 0, unsent = 0;

function connect() {
  const nonce = hex(crypto.getRandomValues(new Uint8Array(16)));
  const here = line = new WebSocket(`${address}?${nonce}`);
  const wanted = proof(nonce);
  let gone = false;
  proved = false;
  line.binaryType = "arraybuffer";
  line.onmessage = async ({ data }) => {
    if (proved) { typeof data === "string" ? postMessage(JSON.parse(data)) : take(data); return; }
    const right = await wanted;
    if (gone || here !== line) return;
    if (proved) { here.onmessage({ data }); return; }
    const hello = typeof data === "string" ? JSON.parse(data) : {};
    if (hello.type !== "hello" || hello.proof !== right) { here.close(); return; }
    [proved, pause] = [true, FIRST_PAUSE_MS];
    postMessage(hello);
  };
  line.onclose = ({ code }) => {
    [gone, proved] = [true, false];
    postMessage({ type: "gone", full: code === TRY_AGAIN_LATER });
    setTimeout(connect, pause);
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  };
}

const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

async function proof(nonce) {
  const bytes = (text) => new TextEncoder().encode(text);
  const key = await crypto.subtle.importKey("raw", bytes(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return hex(await crypto.subtle.sign("HMAC", key, bytes(nonce)));
}

function say(message) {
  if (proved && line.readyState === WebSocket.OPEN) line.send(JSON.stringify(message));
}

function take(data) {
  const view = new DataView(data);
  const [kind, channels, epoch] = [view.getUint16(0, true), view.getUint16(2, true), view.getUint32(4, true)];
  const position = Number(view.getBigInt64(8, true));
  const samples = (data.byteLength - HEAD_BYTES) / 4 / channels;
  const planes = Array.from({ length: channels }, (_, c) => new Float32Array(data, HEAD_BYTES + 4 * c * samples, samples));
  if (!now || epoch !== now.epoch) return;
  if (now.file) {
    tracks[kind === MIX ? "input" : "band"].put(position, planes);
    feed();
    return;
  }
  if (recordedFrom !== null) tracks.band.put(position - recordedFrom, planes);
  port?.postMessage({ epoch, kind, position, planes });
}

function send({ epoch, position, planes }) {
  if (recordedFrom !== null) tracks.input.put(position - recordedFrom, planes);
  if (!proved || line.readyState !== WebSocket.OPEN) return;
  if (line.bufferedAmount > MOST_UNSENT_BYTES) { unsent += 1; return; }
  const samples = planes[0].length;
  const data = new ArrayBuffer(HEAD_BYTES + 4 * planes.length * samples), view = new DataView(data);
  view.setUint16(0, MIX, true);
  view.setUint16(2, planes.length, true);
  view.setUint32(4, epoch, true);
  view.setBigInt64(8, BigInt(position), true);
  planes.forEach((plane, channel) => new Float32Array(data, HEAD_BYTES + 4 * channel * samples, samples).set(plane));
  line.send(data);
}

// A file: what is to be heard soon goes to the audio thread, and the server is told how far it may go.
function feed() {
  const until = Math.min(tracks.band.length, tracks.input.length, playhead + FEED_S * now.rate);
  if (until > fed) {
    port?.postMessage({ epoch: now.epoch, kind: MIX, position: fed, planes: tracks.input.part(fed, until) });
    port?.postMessage({ epoch: now.epoch, kind: STEM, position: fed, planes: tracks.band.part(fed, until) });
    fed = until;
  }
  const wanted = all ? ALL : Math.floor(playhead + LOOK_AHEAD_S * now.rate);
  if (wanted > asked + 0.1 * now.rate) {
    asked = wanted;
    say({ type: "more", position: wanted });
  }
}

function fromAudio(data) {
  if (data.planes) send(data);
  else if (data.heard) { if (recordedFrom !== null) tracks.heard.put(data.position - recordedFrom, data.heard); }
  else if ("lag" in data) say({ type: "lag", samples: data.lag });
  else if ("playhead" in data && now?.file) { playhead = data.playhead; feed(); }
}

const told = {
  connect(message) { [address, secret] = [message.address, message.secret]; connect(); },
  say(message) { say(message.what); },
  audio(message) {
    port = message.port;
    port.onmessage = ({ data }) => fromAudio(data);
    if (now?.file) feed();
  },
  opened(message) {
    now = message.now;
    recordedFrom = null;
    [playhead, fed, asked, all, unsent] = [0, 0, 0, false, 0];
    if (now.file) tracks = { input: new Track(), band: new Track() };
  },
  closed() { now = null; port = undefined; recordedFrom = null; },
  all() { all = true; feed(); },
  seek(message) { playhead = fed = message.position; feed(); },
  record(message) {
    if (message.from !== null) tracks = { input: new Track(), band: new Track(), heard: new Track() };
    recordedFrom = message.from;
  },
  download(message) {
    const track = tracks[message.what];
    const blob = track && track.length ? wav(track, message.rate) : null;
    postMessage({ type: "wav", what: message.what, blob });
  },
  kept() {
    postMessage({ type: "kept_tracks", seconds: Object.values(tracks).map((t) => t.length), band: tracks.band?.length ?? 0, unsent });
  },
};

onmessage = ({ data }) => told[data.do](data);
