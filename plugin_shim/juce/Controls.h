// SPDX-License-Identifier: GPL-3.0-or-later
// The host's parameters: those of the control table under their names, and what only a plug-in needs.
#pragma once

#include <juce_audio_processors/juce_audio_processors.h>

#include <array>

#include "liveband/protocol.h"

namespace liveband::plugin {

/// Seeds a host can set: every one survives the host's normalised floats exactly.
inline constexpr int kMaxSeed = (1 << 24) - 1;

/// Below it `bpm` means: not told.
inline constexpr double kLeastBpm = 10.0;

/// Pointers into the processor's parameters, which own them.
struct Controls {
    /// By Control; an AudioParameterChoice, Float, Int or Bool as the table says.
    std::array<juce::RangedAudioParameter*, protocol::kControls.size()> table{};
    juce::AudioParameterBool* bypass = nullptr;
    /// For hosts without a playhead: tempo (0: not told), where in the song it begins, and its metre.
    juce::AudioParameterFloat* bpm = nullptr;
    juce::AudioParameterFloat* position_s = nullptr;
    juce::AudioParameterInt* beats_per_bar = nullptr;
    /// What is heard while no band plays: silence, or what comes in.
    juce::AudioParameterChoice* when_lost = nullptr;

    juce::RangedAudioParameter& operator[](protocol::Control control) const {
        return *table[static_cast<std::size_t>(control)];
    }
    /// In the control's own unit; choices as their number.
    double value(protocol::Control control) const {
        const auto& parameter = (*this)[control];
        return parameter.convertFrom0to1(parameter.getValue());
    }
};

/// Adds them all in an order that only ever grows at its end: hosts remember places.
Controls addControls(juce::AudioProcessor& processor);

/// Every parameter by its identity: what a saved state holds.
std::vector<juce::RangedAudioParameter*> saved(const Controls& controls);

}  // namespace liveband::plugin
