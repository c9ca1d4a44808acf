// SPDX-License-Identifier: GPL-3.0-or-later
// What a performer does while the music goes on: stop and come in, be counted in, tap, go on with the next section.
#pragma once

#include "Controls.h"
#include "Views.h"

namespace liveband::plugin {

class StageView final : public juce::Component {
  public:
    explicit StageView(const Controls& controls);
    /// Whether the chart has been told: only then there is a section to go on with.
    void setChart(bool told) { next_.setEnabled(told); }
    void paint(juce::Graphics&) override;
    void resized() override;

  private:
    juce::TextButton tacet_{"Tacet"}, mute_{"Mute"}, count_in_{"Count in"}, tap_{"Tap"}, next_{"Next section"};
    KeySlider fade_;
    Choice quantise_;
    juce::ButtonParameterAttachment tacet_attachment_, mute_attachment_;
    juce::ParameterAttachment fade_attachment_;
    juce::Rectangle<float> act_at_;
};

}  // namespace liveband::plugin
