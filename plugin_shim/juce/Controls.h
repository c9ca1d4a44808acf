// SPDX-License-Identifier: GPL-3.0-or-later
// The host's parameters: those of the control table under their names, and what only a plug-in needs.
#pragma once

#include <juce_audio_processors/juce_audio_processors.h>

#include <array>
#include <vector>

#include "Parameter.h"
#include "liveband/protocol.h"

namespace liveband::plugin {

/// Seeds a host can set: every one survives the host's normalised floats exactly.
inline constexpr int kMaxSeed = (1 << 24) - 1;

/// Below it `bpm` means: not told.
inline constexpr double kLeastBpm = 10.0;

/// Pointers into the processor's parameters, which own them.
struct Controls {
    /// By Control, as the table says.
    std::array<Parameter*, protocol::kControls.size()> table{};
    Parameter* bypass = nullptr;
    /// For hosts without a playhead: tempo (0: not told), where in the song it begins, and its metre.
    Parameter* bpm = nullptr;
    Parameter* position_s = nullptr;
    Parameter* beats_per_bar = nullptr;
    /// What is heard while no band plays: silence (0), or what comes in (1).
    Parameter* when_lost = nullptr;

    Parameter& operator[](protocol::Control control) const { return *table[static_cast<std::size_t>(control)]; }
    /// In the control's own unit; choices as their number.
    double value(protocol::Control control) const { return (*this)[control].get(); }
    /// Every one, as hosts see them, in their order.
    std::vector<Parameter*> all() const;
    /// Triggers go back to 0, and hosts are told.
    void release() const;
};

/// Adds them all in an order that only ever grows at its end: hosts remember places.
Controls addControls(juce::AudioProcessor& processor);

}  // namespace liveband::plugin
