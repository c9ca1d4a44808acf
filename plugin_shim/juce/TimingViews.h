// SPDX-License-Identifier: GPL-3.0-or-later
// The pieces of the window that tell of time: how far ahead the band writes, and where in the bar the music is.
#pragma once

#include <array>

#include "Views.h"

namespace liveband::plugin {

/// How far ahead the band writes. A slider where the user chooses it; where the mode does, what it chose and why.
class AheadView final : public juce::Component {
  public:
    explicit AheadView(juce::RangedAudioParameter& parameter, const juce::String& meaning);
    /// `ahead_ms`: what is in force, NaN if unknown.
    void show(Mode mode, double ahead_ms);
    void paint(juce::Graphics&) override;
    void resized() override;

  private:
    bool isChosen() const { return mode_ == Mode::kBounce || mode_ == Mode::kManual; }

    KeySlider slider_;
    juce::ParameterAttachment attachment_;
    Mode mode_ = Mode::kLive;
    juce::String why_;
};

/// A light for each beat, and the tempo, which can be typed where the host tells none.
class TempoView final : public juce::Component {
  public:
    explicit TempoView(juce::RangedAudioParameter& bpm);
    void show(const MusicTime& time);
    void paint(juce::Graphics&) override;
    void resized() override;

  private:
    static constexpr int kMostLights = 12;
    int lit() const;

    juce::ParameterAttachment attachment_;
    juce::Label tempo_;
    MusicTime time_;
};

}  // namespace liveband::plugin
