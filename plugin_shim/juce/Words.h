// SPDX-License-Identifier: GPL-3.0-or-later
// What the window says: the state in words, and what to do next. Plain functions of what is known.
#pragma once

#include <juce_core/juce_core.h>

#include "liveband/bridge.h"

namespace liveband::plugin {

/// What the plug-in knows beyond the bridge's status.
struct Situation {
    bool prepared = false;       // the host has given audio
    bool starting = false;       // the server was started from here and is not there yet
    bool gone_for_long = false;  // lost, and not back after some seconds
    bool bypassed = false;
    bool frozen = false, deaf = false;  // freeze is on, listen is off
    bool hears = true;                  // something comes in
    bool hears_side = false;            // from the side chain, not the main input
    bool dry_when_lost = false;
    juce::String stem;    // who plays: `bass`
    juce::String notice;  // what went wrong here, empty if nothing did
};

/// What is shown.
struct Shown {
    BridgeState light = BridgeState::kStopped;
    juce::String words, detail;
    bool trouble = false;  // the detail tells of something that went wrong
    bool offer_start = false;
};

/// The music's time as the band is told it.
struct MusicTime {
    bool known = false, playing = false, typed = false;  // typed: by the user, not by the host
    double bpm = 0.0, beat = 0.0;                        // beats since the bar began
    int beats_per_bar = 4;
};

Shown describe(const Status& seen, const Situation& here);

/// What the band hears of the music by itself: `hears 96.2 bpm · beat 3 · Am7`; empty when it hears nothing that it is sure of.
juce::String heardWords(const Status& seen);

/// The label of a chord number, see protocol::offset::chord, as lbserver/protocol/chord_names.py gives it; empty for unknown.
juce::String chordName(double number);

/// A model's name as a musician reads it: `tiny` is `LiveBand tiny`, `test:copy` is `Test band (copy)`.
juce::String friendlyName(const std::string& model);

}  // namespace liveband::plugin
