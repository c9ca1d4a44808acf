// SPDX-License-Identifier: GPL-3.0-or-later
// The page: builds itself from the server's table of controls, opens what is to be heard, shows what happens.
import { element, knob, choices, toggle, press, typed, title } from "./knobs.js";
import { Meters, Trace } from "./pictures.js";
import { describe } from "./words.js";

const LIVE_BLOCK = 256;
const MOMENT = "page";
const TAP_GAP_S = 2.5;
const SHOWN_MS = 8000;
const FIGURES = ["state", "stem", "model", "mode", "peer", "latency_ms", "recency_gap_ms", "headroom_ms", "step_ms", "quality", "late_frames"];
const PLAIN = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

const by = (id) => document.getElementById(id);
const wire = new Worker("wire.js", { type: "module" });
const meters = new Meters(by("meters"), ["in", "band", "out"]);
const trace = new Trace(by("trace"));
const widgets = {};                    // by the name of the control
const values = {};                     // of all controls, numbers or words
const touched = new Set();             // what differs from the server's defaults
const seen = { state: "connecting", status: {}, controls: values, model: "", reason: "", heard: false };
let table = {}, spec = null, epoch = 0;
let there = false;                     // whether the program that the page is of is at the other end
let source = null;                     // {kind, name, stream | recording, frames}
let opened = null, context = null, node = null, mediaSource = null;
let position = 0, lag = null, typedLag = null, missing = 0, missed = 0, recording = false, bandLength = 0, taps = [];

function say(what) { wire.postMessage({ do: "say", what }); }

function complain(text) {
  by("said").textContent = text;
  by("said").hidden = false;
  clearTimeout(complain.timer);
  complain.timer = setTimeout(() => { by("said").hidden = true; }, SHOWN_MS);
}

// Controls

function changed(control, value) {
  values[control.name] = value;
  touched.add(control.name);
  if (control.name === "mix") node?.port.postMessage({ mix: value });
  if (control.acts === "epoch") { if (opened) open(); }
  else if (opened) say({ type: "set", control: control.name, value });
  if (control.name === "anticipation" || control.name === "mode") showTiming();
}

function build(controls) {
  for (const id of ["stems", "choices", "limits", "modes", "epochs", "model_knobs", "port_knobs", "take"]) by(id).replaceChildren();
  table = Object.fromEntries(controls.map((control) => [control.name, control]));
  for (const control of controls) {
    const named = control.choices.length ? control.choices[control.default] : control.default;
    if (!(control.name in values)) values[control.name] = named;
    const change = (value) => changed(control, value);
    const place = (id, widget, ...around) => {
      widgets[control.name] = widget;
      widget.show(values[control.name]);
      by(id).append(around.length ? element("div", { class: "choice" }, ...around, widget.element) : widget.element);
    };
    const name = element("span", { class: "name" }, title(control.name));
    if (control.kind === "choice") {
      if (control.acts === "epoch") place("modes", choices(control, change));
      else if (control.name === "stem") place("stems", choices(control, change));
      else place("choices", choices(control, change), name);
    } else if (control.kind === "bool") place("take", toggle(control, change));
    else if (control.kind === "trigger") place("take", press(control.name, control.meaning, () => opened && say({ type: "set", control: control.name, value: 1 })));
    else if (control.acts === "epoch") place("epochs", typed(control, change, control.unit), name);
    else if (control.kind === "int") place("take", typed(control, change), name);
    else if (control.acts === "port") place("port_knobs", knob(control, change));
    else if (control.unit === "BPM") place("limits", typed(control, change), name);
    else place("model_knobs", knob(control, change));
  }
  const lagField = typed({ name: "lag", meaning: "how far the band is behind what you play, in ms; empty: as short as it is measured to be possible here", minimum: 0, maximum: 2000 }, (ms) => {
    typedLag = Number.isNaN(ms) ? null : ms;
    if (opened && source.kind === "live") open();
  }, "auto");
  lagField.element.id = "lag";
  by("epochs").append(element("div", { class: "choice" }, element("span", { class: "name" }, "Lag"), lagField.element));
  by("epochs").append(press("Measure", "measure anew how long sound is on its way; the band begins anew", () => { lag = null; if (opened && source.kind === "live") open(); }).element);
  by("take").append(press("Roll", "another take", () => {
    const seed = Math.floor(Math.random() * 100000);
    widgets.seed.show(seed);
    changed(table.seed, seed);
  }).element);
  const keep = press("Keep", "keep this moment of the band's memory", () => opened && say({ type: "keep", name: MOMENT }));
  const recall = press("Recall", "go on from the kept moment", () => opened && say({ type: "recall", name: MOMENT }));
  by("take").append(keep.element, recall.element);
}

// What this model does not take is dim, as in the plug-in's window.
function fit() {
  if (!spec) return;
  const able = new Set((spec.controls ?? []).map((control) => control.name ?? control));
  for (const control of Object.values(table)) {
    if (control.name === "stem") widgets.stem.only(spec.stems ?? table.stem.choices);
    else if (control.acts === "model") widgets[control.name]?.enable(able.has(control.name));
  }
}

// What it is told

const CHORDS_WAIT = "chords count bars: they wait until you type the tempo, or tap it";
const told = { chart: by("chart"), key: by("key"), style: by("style"), bpm: by("bpm"), first_beat_s: by("first") };

// What has no field here: told as the command line had it.
const beside = {};

function known() {
  const knows = { ...beside };
  for (const name of ["bpm", "first_beat_s"]) {
    const value = Number(told[name].value.replace(",", "."));
    if (told[name].value.trim() && Number.isFinite(value)) knows[name] = value;
  }
  for (const name of ["chart", "key", "style"]) if (told[name].value.trim()) knows[name] = told[name].value.trim();
  if (knows.chart && !(knows.bpm > 0)) {
    delete knows.chart;
    complain(CHORDS_WAIT);
  }
  return knows;
}

// The band takes a chart with a tempo alone: it comes and goes along with it.
function tempo(bpm) {
  const chart = told.chart.value.trim();
  if (chart && !(bpm > 0)) complain(CHORDS_WAIT);
  return chart ? { bpm, chart: bpm > 0 ? chart : "" } : { bpm };
}

function tell(name) {
  const number = name === "bpm" || name === "first_beat_s";
  const text = told[name].value.trim(), value = number ? Number(text.replace(",", ".") || (name === "bpm" ? 0 : NaN)) : text;
  const fine = !number || Number.isFinite(value);
  told[name].setAttribute("aria-invalid", number && text !== "" && !fine);
  if (fine && opened) say({ type: "know", ...(name === "bpm" ? tempo(value) : { [name]: name === "key" && !text ? "?" : value }) });
}
for (const name of Object.keys(told)) told[name].addEventListener("change", () => tell(name));

// The words that may stand where the cursor is, behind what is typed already.
let styles = [];
function suggest() {
  const begun = told.style.value.replace(/[^,|]*$/, "");
  const before = begun && !begun.endsWith(" ") ? begun + " " : begun;
  by("styles").replaceChildren(...styles.map((word) => new Option("", before + word)));
}
told.style.addEventListener("input", suggest);

by("tap").addEventListener("click", () => {
  const at = (audible() / (opened?.rate_hz ?? 48000));
  if (!opened) { complain("choose what it hears first, then tap along"); return; }
  if (taps.length && at - taps.at(-1) > TAP_GAP_S) taps = [];
  taps.push(at);
  if (taps.length < 2) return;
  const middle = (taps.length - 1) / 2, mean = taps.reduce((a, b) => a + b) / taps.length;
  const spread = taps.reduce((sum, _, i) => sum + (i - middle) ** 2, 0);
  const beat = taps.reduce((sum, tap, i) => sum + (i - middle) * (tap - mean), 0) / spread;
  if (!(beat > 0.15 && beat < 3)) return;
  told.bpm.value = (60 / beat).toFixed(2);
  told.first_beat_s.value = (mean - middle * beat).toFixed(3);
  say({ type: "know", ...tempo(60 / beat), first_beat_s: mean - middle * beat });
});

// What is heard

// A file is heard with its band, who plays hears the band alone; unless somebody has chosen.
function blend(mix) {
  if (touched.has("mix")) return;
  values.mix = mix;
  widgets.mix.show(mix);
}

async function listen(getStream, name) {
  try {
    const stream = await getStream();
    if (!stream.getAudioTracks().length) {
      stream.getTracks().forEach((track) => track.stop());
      throw new Error("this tab shares no sound: tick its box for audio");
    }
    await close();
    stream.getVideoTracks().forEach((track) => { track.enabled = false; });
    source = { kind: "live", name, stream };
    blend(table.mix.default);
    stream.getAudioTracks()[0].addEventListener("ended", () => source?.stream === stream && close());
    lag = null;
    await open();
  } catch (error) {
    complain(`${name}: ${error.message}`);
  }
}

by("microphone").addEventListener("click", () => listen(() => navigator.mediaDevices.getUserMedia({ audio: PLAIN }), "Microphone"));
by("tab").addEventListener("click", () => listen(() => navigator.mediaDevices.getDisplayMedia({ audio: PLAIN, video: true }), "Tab audio"));
by("file").addEventListener("click", () => by("chosen").click());
by("chosen").addEventListener("change", async () => {
  const file = by("chosen").files[0];
  by("chosen").value = "";
  if (!file) return;
  if (!there) { complain("the page's program is gone: nothing is handed over"); return; }
  by("source_name").textContent = `${file.name}: on its way ...`;
  try {
    const answer = await fetch("recording", { method: "POST", body: file });
    if (!answer.ok) throw new Error((await answer.text()).trim());
    const { recording: number, frames } = await answer.json();
    await close();
    source = { kind: "file", name: file.name, recording: number, frames };
    blend(0.5);
    await open();
  } catch (error) {
    by("source_name").textContent = "nothing yet";
    complain(`${file.name}: ${error.message}`);
  }
});

// Open the session anew; what it is played with follows when the server has opened it.
async function open() {
  epoch += 1;
  const live = source.kind === "live";
  if (live) {
    if (!context) { context = new AudioContext({ latencyHint: "interactive" }); await context.resume(); }
  }
  const mode = !live && values.mode === "live" ? "bounce" : values.mode;
  const kept = ["stem", "seed", "mode", "anticipation", "reset", "mix"];
  const controls = Object.fromEntries([...touched].filter((name) => !kept.includes(name)).map((name) => [name, values[name]]));
  const wish = { type: "open", epoch, stem: values.stem, mode, seed: Math.round(values.seed), controls, knows: known() };
  if ((mode === "bounce" || mode === "manual") && touched.has("anticipation")) wish.anticipation_ms = values.anticipation;
  say(live ? { ...wish, rate_hz: context.sampleRate } : { ...wish, recording: source.recording });
  seen.state = "opening";
}

async function play(answer) {
  if (answer.epoch !== epoch || !source) return;
  opened = answer;
  const live = source.kind === "live";
  wire.postMessage({ do: "opened", now: { epoch, rate: opened.rate_hz, file: !live } });
  const wanted = typedLag !== null ? Math.round((typedLag * opened.rate_hz) / 1000) : lag;
  const begin = { epoch, latency: opened.latency_samples, lag: live ? wanted : 0, end: opened.frames };
  setRecording(false);
  trace.clear();
  widgets.mode.show(opened.mode);
  [position, missing, missed, taps, bandLength] = [0, 0, 0, [], 0];
  if (live && node) {
    node.port.postMessage({ begin });
  } else {
    await build_graph(live, begin);
  }
  by("source_name").textContent = source.name;
  by("bar").hidden = live;
  by("stop").disabled = false;
  by("play").hidden = live;
  by("render").disabled = live;
  by("record").disabled = !live;
  if (!live) setPlaying(true);
  showTiming();
}

async function build_graph(live, begin) {
  if (!live) {
    await dismantle();
    context = new AudioContext({ sampleRate: opened.rate_hz, latencyHint: "playback" });
    await context.resume();
  }
  await context.audioWorklet.addModule("worklet.js");
  node = new AudioWorkletNode(context, "band", {
    numberOfInputs: 1, numberOfOutputs: 1, outputChannelCount: [2],
    processorOptions: { ...begin, live, block: LIVE_BLOCK, mix: values.mix },
  });
  node.onprocessorerror = () => complain("the browser's audio thread stopped: choose again what it hears");
  node.port.onmessage = ({ data }) => reported(data);
  const channel = new MessageChannel();
  node.port.postMessage({ wire: channel.port1 }, [channel.port1]);
  wire.postMessage({ do: "audio", port: channel.port2 }, [channel.port2]);
  if (live) {
    mediaSource = context.createMediaStreamSource(source.stream);
    mediaSource.connect(node);
  }
  node.connect(context.destination);
}

async function dismantle() {
  node?.port.postMessage({ stop: true });
  mediaSource?.disconnect();
  node?.disconnect();
  const old = context;
  [context, node, mediaSource] = [null, null, null];
  if (old) await old.close();
}

async function close() {
  widgets.mode?.show(values.mode);
  if (opened) say({ type: "close" });
  source?.stream?.getTracks().forEach((track) => track.stop());
  [source, opened] = [null, null];
  setRecording(false);
  await dismantle();
  for (const id of ["stop", "record", "render"]) by(id).disabled = true;
  by("play").hidden = true;
  by("bar").hidden = true;
  by("source_name").textContent = "nothing: choose what it hears";
  by("time").textContent = "";
  showTiming();
}
by("stop").addEventListener("click", close);

let playing = false;
function setPlaying(on) {
  playing = on;
  by("play").textContent = on ? "Pause" : "Play";
  node?.port.postMessage({ play: on });
}
by("play").addEventListener("click", () => {
  if (!playing && opened?.frames && position >= opened.frames) seek(0);
  setPlaying(!playing);
});

function seek(to) {
  const until = Math.min(to, Math.max(0, bandLength - 1));
  position = until;
  node?.port.postMessage({ seek: until });
  wire.postMessage({ do: "seek", position: until });
}
by("bar").addEventListener("click", (event) => {
  const frames = opened?.frames;
  if (frames) seek(Math.floor((event.offsetX / by("bar").clientWidth) * frames));
});

function reported(data) {
  if (data.ended) { setPlaying(false); return; }
  if (!("peaks" in data)) return;
  meters.hear(data.peaks);
  seen.heard ||= data.peaks[0] > 0.001;
  position = data.position;
  if (source?.kind === "live") lag = data.lag;
  missed = data.missing - missing > 0 ? Math.min(30, missed + 10) : Math.max(0, missed - 1);
  missing = data.missing;
}

const audible = () => position - (source?.kind === "live" ? lag ?? 0 : 0);

// Recording

function setRecording(on) {
  if (recording === on) return;
  recording = on;
  by("record").textContent = on ? "Stop recording" : "Record";
  by("record").classList.add("armed");
  by("record").setAttribute("aria-pressed", on);
  node?.port.postMessage({ record: on });
  wire.postMessage({ do: "record", from: on ? position : null });
}
by("record").addEventListener("click", () => setRecording(!recording));
by("render").addEventListener("click", () => { wire.postMessage({ do: "all" }); by("render").disabled = true; });
for (const what of ["band", "input", "heard"]) {
  by(`save_${what}`).addEventListener("click", () => wire.postMessage({ do: "download", what, rate: opened?.rate_hz ?? saveRate }));
}
let saveRate = 48000;

function save({ what, blob }) {
  if (!blob) { complain("nothing is recorded yet"); return; }
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: `liveband_${what}.wav` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

// What is shown

const ms = (samples) => ((1000 * samples) / (opened?.rate_hz ?? 48000)).toFixed(1);

function showTiming() {
  if (!opened) { by("timing_line").textContent = ""; return; }
  const ahead = `ahead ${ms(opened.anticipation_samples)} ms`;
  if (source.kind === "file") by("timing_line").textContent = `in time with the file · ${ahead}`;
  else if (lag === null) by("timing_line").textContent = `measuring · ${ahead}`;
  else by("timing_line").textContent = `lag ${ms(lag)} ms, of it latency ${ms(opened.latency_samples)} ms · ${ahead}`;
}

function showState() {
  for (const [id, name] of [["microphone", "Microphone"], ["tab", "Tab audio"], ["file", null]]) {
    by(id).setAttribute("aria-pressed", source !== null && (source.kind === "file" ? id === "file" : source.name === name));
  }
  const shown = { ...seen, stem: values.stem };
  if (source && !opened && seen.state === "ready") shown.state = "opening";
  if (opened && source.kind === "live" && seen.state === "playing") {
    if (lag === null) shown.state = "measuring";
    else if (missed > 5) shown.state = "missing";
  }
  const [light, words, detail, offer] = describe(shown);
  by("light").className = `light ${light}`;
  by("words").textContent = words;
  by("detail").textContent = detail;
  by("start").hidden = !offer;
}

function showTempo() {
  const bpm = Number(told.bpm.value), first = Number(told.first_beat_s.value || NaN);
  const lamps = by("beats");
  const beats = opened && bpm > 0 && Number.isFinite(first);
  const typedTempo = bpm > 0 ? `${bpm.toFixed(1)} bpm (typed)` : null;
  const hostTempo = Number.isFinite(seen.status.tempo) && seen.status.tempo ? `${seen.status.tempo.toFixed(1)} bpm` : null;
  let cue = "";
  if (beats) {
    if (lamps.children.length !== 4) lamps.replaceChildren(...[0, 1, 2, 3].map(() => element("i")));
    const count = Math.floor(((audible() / opened.rate_hz - first) * bpm) / 60);
    [...lamps.children].forEach((lamp, i) => lamp.classList.toggle("on", count >= 0 && i === count % 4));
    if (count >= 0) cue = `bar ${Math.floor(count / 4) + 1} · `;
  } else lamps.replaceChildren();
  by("tempo_line").textContent = cue + (typedTempo ?? hostTempo ?? "no tempo: type one");
}

function showFile() {
  if (source?.kind !== "file" || !opened) return;
  const frames = opened.frames ?? Math.max(bandLength, 1);
  by("rendered").style.width = `${Math.min(100, (100 * bandLength) / frames)}%`;
  by("heard").style.width = `${Math.min(100, (100 * position) / frames)}%`;
  const clock = (samples) => { const s = Math.floor(samples / opened.rate_hz); return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`; };
  by("time").textContent = `${clock(Math.min(position, frames))} of ${clock(frames)}`;
}

// A line of the log without its JSON.
function plain(line) {
  try {
    const { time, level, logger, text, ...rest } = JSON.parse(line);
    return [String(time).slice(11, 19), level, text, ...Object.entries(rest).map(([name, value]) => `${name}=${value}`)].join("  ");
  } catch {
    return line;
  }
}

function showServer({ sessions, health, server, log }) {
  const rows = Object.entries(sessions);
  by("server_line").textContent = `${server.name || "no server"}${server.model ? ` · ${server.model}` : ""} · ${health.status}${health.reason ? `: ${health.reason}` : ""} · ${rows.length} session${rows.length === 1 ? "" : "s"}`;
  by("session_names").replaceChildren(element("tr", {}, ...["session", ...FIGURES].map((name) => element("th", {}, title(name.replace(/_ms$/, ", ms"))))));
  by("sessions").replaceChildren(...rows.map(([name, figures]) => element("tr", {}, element("td", {}, name), ...FIGURES.map((figure) => {
    const value = figures[figure];
    return element("td", {}, value === null || value === undefined ? "–" : typeof value === "number" && !Number.isInteger(value) ? value.toFixed(1) : String(value));
  }))));
  const pre = by("log"), atEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 4;
  pre.textContent = log.map(plain).join("\n");
  if (atEnd) pre.scrollTop = pre.scrollHeight;
}

function showKept({ band, unsent }) {
  bandLength = band;
  const some = band > 0, live = source?.kind === "live";
  for (const what of ["band", "input", "heard"]) by(`save_${what}`).disabled = !some || recording || (what === "heard" && source?.kind === "file");
  if (opened) saveRate = opened.rate_hz;
  const length = `${(band / saveRate).toFixed(1)} s`;
  by("record_line").textContent = (recording ? `recording: ${length}` : some ? `${length} ${live ? "recorded" : "rendered"}` : "") + (unsent ? `; ${unsent} blocks were not sent: the line is too slow` : "");
}

by("start").addEventListener("click", () => { say({ type: "start" }); seen.state = "starting"; seen.starting = performance.now(); showState(); });
by("server").addEventListener("toggle", () => say({ type: "watch", on: by("server").open }));

function headroom() {
  const status = seen.status;
  if (source?.kind === "file") { by("trace_line").textContent = "a file waits for its stem: nothing is late"; return; }
  const plays = opened && ["playing", "late", "faded"].includes(seen.state);
  trace.add(plays ? status.headroom_ms : NaN, plays ? status.round_trip_ms : NaN);
  const late = (status.late_frames ?? 0) + (status.skipped_frames ?? 0);
  const frames = (status.frames ?? 0) + (status.skipped_frames ?? 0);
  by("trace_line").textContent = !opened || !Number.isFinite(status.headroom_ms) ? "" : `${status.headroom_ms.toFixed(1)} ms, ${late ? `${late} of ${frames}` : "none"} late · latency ${(status.round_trip_ms ?? 0).toFixed(1)} ms${missing && source.kind === "live" ? ` · ${ms(missing)} ms missing` : ""}`;
}

const hear = {
  hello({ controls, begin, styles: words }) {
    styles = words;
    suggest();
    there = true;
    for (const [name, value] of Object.entries(begin)) {
      if (name in told) { if (!told[name].value) told[name].value = value; }
      else if (!(name in values)) {
        const control = controls.find((each) => each.name === name);
        if (!control) { beside[name] = value; continue; }
        values[name] = value;
        if (value !== (control.choices.length ? control.choices[control.default] : control.default)) touched.add(name);
      }
    }
    build(controls);
    fit();
    if (by("server").open) say({ type: "watch", on: true });
  },
  description(message) { [spec, seen.model] = [message.spec, message.model]; fit(); },
  opened: play,
  state({ state, reason, status, promise }) {
    if (opened && source) {
      Object.assign(opened, promise);
      if (source.kind === "live" && lag !== null && lag < opened.latency_samples) { lag = null; open(); }
    }
    const starting = seen.state === "starting" && ["no_server", "lost"].includes(state) && performance.now() - seen.starting < 60000;
    if (!starting) seen.state = state;
    [seen.reason, seen.status] = [reason, status];
    headroom();
    wire.postMessage({ do: "kept" });
  },
  server: showServer,
  rendered({ samples }) { opened.frames = samples; node?.port.postMessage({ end: samples }); },
  kept() { complain("this moment is kept: Recall brings it back"); },
  recalled() { complain("back at the kept moment"); },
  error({ text }) { if (seen.state === "starting") seen.state = "no_server"; complain(text); },
  gone({ full }) {
    there = false;
    [seen.state, seen.status] = ["gone", {}];
    if (source) { close(); complain("the line to the page's program broke: choose again what it hears"); }
    if (full) complain("as many pages are open as may be: close one");
  },
  wav: save,
  kept_tracks: showKept,
};
wire.onmessage = ({ data }) => hear[data.type]?.(data);
const secret = location.hash.slice(1);
if (secret) wire.postMessage({ do: "connect", address: new URL("socket", location.href).href.replace(/^http/, "ws"), secret });
else by("detail").textContent = by("said").textContent = "the end of the address is missing: open it as liveband jam --browser printed it";
by("said").hidden = Boolean(secret);

function draw() {
  meters.draw();
  trace.draw();
  showState();
  showTiming();
  showTempo();
  showFile();
  requestAnimationFrame(draw);
}
requestAnimationFrame(draw);
