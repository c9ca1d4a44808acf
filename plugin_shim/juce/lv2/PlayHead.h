// SPDX-License-Identifier: GPL-3.0-or-later
// Where an LV2 host's transport stands, out of the events it sends when that changes.
#pragma once

#include <juce_audio_processors/juce_audio_processors.h>
#include <lv2/atom/atom.h>

#include "HostMap.h"

namespace liveband::plugin::lv2 {

class PlayHead final : public juce::AudioPlayHead {
  public:
    PlayHead(const HostMap& map, double rate_hz);
    /// Reads what came with a block; null, and what is no position, is nothing.
    void read(const LV2_Atom_Sequence* events);
    /// As the block told it; nothing if it told nothing.
    juce::Optional<PositionInfo> getPosition() const override { return info_; }

  private:
    void take(const LV2_Atom_Object& position);

    const double rate_hz_;
    const AtomTypes types_;
    const LV2_URID sequence_, object_, blank_, position_, bar_, beat_, bar_beat_, beat_unit_, beats_per_bar_, bpm_,
        frame_, speed_;
    juce::Optional<PositionInfo> info_;
};

}  // namespace liveband::plugin::lv2
