// SPDX-License-Identifier: GPL-3.0-or-later
// What a state is called, as the plug-in's window says it (plugin_shim/juce/Words.cpp): [light, words, detail, offer to start].

export const friendly = (model) => (!model ? "" : model.startsWith("test:") ? `Test band (${model.slice(5)})` : `LiveBand ${model}`);

export function describe(seen) {
  const who = [friendly(seen.model), seen.stem, seen.status.quality].filter(Boolean).join(" · ");
  const figures = seen.status;
  const late = (figures.late_frames ?? 0) + (figures.skipped_frames ?? 0);
  const all = (figures.frames ?? 0) + (figures.skipped_frames ?? 0);
  const slow = `${late} of ${all} frames came late: this machine is too slow. Close other programs, or choose Aligned`;
  switch (seen.state) {
    case "gone": return ["trouble", "The page's program is gone", "run liveband jam --browser again, and open the address that it prints", false];
    case "no_server": return ["", "Nobody is playing yet", "press Start the band, or run: liveband serve", true];
    case "starting": return ["warning", "The band is coming", "the first start takes some seconds", false];
    case "ready": return ["ready", "Ready", `choose what it hears: ${who} plays along`, false];
    case "lost": return ["trouble", "The band is gone", "waiting for it to come back, until then it is silent", true];
    case "recovering": return ["trouble", "The band fell over", "waiting for it to come back, until then it is silent", false];
    case "quarantined": case "closed": return ["trouble", "The band cannot play here", seen.reason || figures.reason || "", false];
    case "opening": return ["warning", "The band takes its place", "a large model needs some seconds; until then it is silent", false];
    case "measuring": return ["warning", "The band takes its place", "measuring how long sound is on its way here", false];
    case "late": return ["warning", "Parts are missing", slow, false];
    case "missing": return ["warning", "Parts are missing", "sound is longer on its way than it was measured: press Measure, or type a longer lag", false];
    case "faded": return ["warning", "Silent until it keeps up", slow, false];
    case "listening":
      if (!seen.controls.listen) return ["ready", "Not listening", "press Listen, so that the band hears you", false];
      return ["ready", "Listening", seen.heard ? `play on: ${who} comes in soon` : "nothing comes in yet: play", false];
    default: {
      const frozen = seen.controls.freeze ? ", frozen: plays on from what it has heard" : "";
      return ["on", seen.state === "playing" ? "Playing" : "Rendered", who + frozen, false];
    }
  }
}
