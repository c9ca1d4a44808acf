// SPDX-License-Identifier: GPL-3.0-or-later
#include "Words.h"

#include <bitset>
#include <string_view>
#include <utility>

namespace liveband::plugin {
namespace {

juce::String whoPlays(const Status& seen, const Situation& here) {
    const auto name = friendlyName(seen.model);
    if (name.isEmpty()) return here.stem;
    return name + juce::String::fromUTF8(" \xc2\xb7 ") + here.stem;
}

juce::String meanwhile(const Situation& here) {
    return here.dry_when_lost ? "until then your own sound passes" : "until then it is silent";
}

/// Of a band that plays: what the user should know, the most pressing first.
Shown playing(const Status& seen, const Situation& here) {
    Shown shown{BridgeState::kPlaying, "Playing", whoPlays(seen, here), false, false};
    if (here.bypassed) {
        shown.words = "Bypassed";
        shown.detail = "your own sound passes, and the band goes on listening";
    } else if (here.frozen) {
        shown.detail << ", frozen: plays on from what it has heard";
    } else if (here.deaf) {
        shown.detail << ", not listening: press Listen";
    } else if (here.hears_side) {
        shown.detail << ", hears the side chain";
    }
    return shown;
}

Shown late(const Status& seen, const Situation& here) {
    Shown shown{BridgeState::kLate, seen.text, {}, false, false};
    if (seen.pending_latency_samples > seen.latency_samples) {
        shown.words = "Stop the host once";
        shown.detail = "the band needs more latency, which a host learns only while it stands";
        return shown;
    }
    shown.words = seen.band == protocol::State::kLate ? "Parts are missing" : "Silent until it keeps up";
    shown.detail = juce::String(seen.late_frames + seen.skipped_frames) + " of " +
                   juce::String(seen.frames + seen.skipped_frames) +
                   " frames came late: this machine is too slow. Close other programs, or choose Aligned";
    juce::ignoreUnused(here);
    return shown;
}

Shown absent(const Status& seen, const Situation& here) {
    if (here.starting)
        return {BridgeState::kConnecting, "The band is coming", "the first start takes some seconds", false, false};
    if (seen.state == BridgeState::kNoServer)
        return {BridgeState::kNoServer, "Nobody is playing yet", "press Start the band, or run: liveband serve", false,
                true};
    return {BridgeState::kLost, "The band is gone", "it does not come back by itself: press Start the band", false,
            true};
}

Shown usual(const Status& seen, const Situation& here) {
    switch (seen.state) {
        case BridgeState::kPlaying:
            return playing(seen, here);
        case BridgeState::kLate:
            return late(seen, here);
        case BridgeState::kLost:
            return {BridgeState::kLost,
                    seen.band == protocol::State::kRecovering ? "The band fell over" : "The band is gone",
                    "waiting for it to come back, " + meanwhile(here), false, false};
        case BridgeState::kRefused:
            return {BridgeState::kRefused, "The band cannot play here", seen.text, true, false};
        case BridgeState::kConnecting:
            return {BridgeState::kConnecting, "The band takes its place",
                    "a large model needs some seconds; " + meanwhile(here), false, false};
        case BridgeState::kListening:
            if (here.deaf)
                return {BridgeState::kListening, "Not listening", "press Listen, so that the band hears you", false,
                        false};
            if (!here.hears)
                return {BridgeState::kListening, "Listening", "nothing comes in yet: play, or send sound to this track",
                        false, false};
            return {BridgeState::kListening, here.hears_side ? "Listening to the side chain" : "Listening",
                    "play on: " + whoPlays(seen, here) + " comes in soon", false, false};
        case BridgeState::kNoServer:
        case BridgeState::kStopped:
            break;
    }
    return {BridgeState::kStopped, "Stopped", "the host has taken the plug-in out of the signal", false, false};
}

}  // namespace

juce::String chordName(double number) {
    constexpr int kMasks = 4096, kPitches = 12, kMost = kMasks * (kPitches + 1);
    if (!(number >= 1.0 && number <= kMost)) return {};
    const int bass = (static_cast<int>(number) - 1) / kMasks - 1;
    const auto mask = static_cast<unsigned>((static_cast<int>(number) - 1) % kMasks);
    if (mask == 0) return "N";
    const auto nameOf = [](std::string_view view) { return juce::String(view.data(), view.size()); };
    const auto count = [](unsigned tones) { return static_cast<int>(std::bitset<kPitches>(tones).count()); };
    auto best = std::pair{0, false};
    juce::String name;
    for (int root = 0; root < kPitches; ++root) {
        const auto note = nameOf(protocol::kNotes[static_cast<std::size_t>(root)]);
        if (name.isEmpty() && (mask >> root & 1u) != 0) name = note;
        for (const auto& kind : protocol::kChordKinds) {
            const unsigned tones = (kind.tones << root | kind.tones >> (kPitches - root)) % kMasks;
            const auto rank = std::pair{count(tones & mask) - 2 * count(tones & ~mask), root == bass};
            if (rank <= best) continue;
            best = rank;
            name = note + nameOf(kind.name);
            if (bass >= 0 && bass != root) name << "/" << nameOf(protocol::kNotes[static_cast<std::size_t>(bass)]);
        }
    }
    return name;
}

juce::String heardWords(const Status& seen) {
    juce::StringArray heard;
    if (seen.heard_bpm > 0.0 && seen.heard_bpm < 1000.0) heard.add(juce::String(seen.heard_bpm, 1) + " bpm");
    if (seen.heard_beat >= 1.0 && seen.heard_beat < 65.0)
        heard.add("beat " + juce::String(static_cast<int>(seen.heard_beat)));
    if (const auto chord = chordName(seen.heard_chord); chord.isNotEmpty()) heard.add(chord);
    if (heard.isEmpty()) return {};
    return "hears " + heard.joinIntoString(juce::String::fromUTF8(" \xc2\xb7 "));
}

juce::String friendlyName(const std::string& model) {
    const auto name = juce::String(model);
    if (name.startsWith("test:")) return "Test band (" + name.substring(5) + ")";
    return name.isEmpty() ? juce::String() : "LiveBand " + name;
}

Shown describe(const Status& seen, const Situation& here) {
    const bool gone = seen.state == BridgeState::kNoServer || (seen.state == BridgeState::kLost && here.gone_for_long);
    Shown shown;
    if (gone)
        shown = absent(seen, here);
    else if (!here.prepared && seen.state != BridgeState::kRefused)
        shown = {BridgeState::kConnecting, "Waiting for the host", "its audio has not started yet", false, false};
    else
        shown = usual(seen, here);
    if (here.notice.isNotEmpty()) {
        // What went wrong, and what comes of it.
        const bool comes_back = shown.light == BridgeState::kLost && !shown.offer_start;
        shown.detail = comes_back ? here.notice + ": " + shown.detail : here.notice;
        shown.trouble = true;
    }
    return shown;
}

}  // namespace liveband::plugin
