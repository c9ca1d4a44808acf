// SPDX-License-Identifier: GPL-3.0-or-later
// The pieces of the window.
#pragma once

#include <juce_audio_processors/juce_audio_processors.h>

#include <array>
#include <functional>

#include "Theme.h"
#include "Words.h"

namespace liveband::plugin {

/// A slider that takes arrows, page keys, home (its default) and return (type a value).
class KeySlider final : public juce::Slider {
  public:
    bool keyPressed(const juce::KeyPress& key) override;
    void focusGained(FocusChangeType) override { repaint(); }
    void focusLost(FocusChangeType) override { repaint(); }
    void lookAndFeelChanged() override;
    void enablementChanged() override;

  private:
    void keepFocus();
};

/// A turning knob with its name above and its value below.
class Knob final : public juce::Component {
  public:
    Knob(juce::RangedAudioParameter& parameter, const juce::String& name, const juce::String& meaning);
    void setKnown(bool known);
    /// The value from which its arc grows.
    void setArcFrom(double value) { slider_.getProperties().set("from", value); }
    void paint(juce::Graphics&) override;
    void resized() override;

  private:
    juce::String name_, meaning_;
    KeySlider slider_;
    juce::SliderParameterAttachment attachment_;
    bool known_ = true;
};

/// One of a few, side by side.
class Choice final : public juce::Component {
  public:
    /// `words`: what is shown for each choice, and what it means.
    Choice(juce::RangedAudioParameter& parameter, const std::vector<std::pair<juce::String, juce::String>>& words);
    void resized() override;

  private:
    juce::OwnedArray<juce::TextButton> buttons_;
    std::unique_ptr<juce::ParameterAttachment> attachment_;
};

/// A light and the state in words; below it what to do, or who plays, or what went wrong.
class StatusView final : public juce::Component, public juce::SettableTooltipClient {
  public:
    void show(const Shown& shown);
    const Shown& shown() const { return shown_; }
    void paint(juce::Graphics&) override;

  private:
    Shown shown_;
};

/// Time left before each frame was needed, of the last seconds.
class HeadroomTrace final : public juce::Component {
  public:
    void push(double headroom_ms, bool playing, std::uint64_t late_frames, std::uint64_t frames);
    void paint(juce::Graphics&) override;

  private:
    static constexpr std::size_t kPoints = 240;
    std::array<float, kPoints> points_{};
    std::size_t next_ = 0, filled_ = 0;
    std::uint64_t late_ = 0, frames_ = 0;
    bool playing_ = false;
};

/// Two pairs of level bars, in and out.
class Meters final : public juce::Component {
  public:
    /// Linear peaks since the last call: in left, in right, out left, out right.
    void push(const std::array<float, 4>& peaks);
    void paint(juce::Graphics&) override;

  private:
    std::array<float, 4> shown_db_{-90.0f, -90.0f, -90.0f, -90.0f}, held_db_{-90.0f, -90.0f, -90.0f, -90.0f};
};

}  // namespace liveband::plugin
