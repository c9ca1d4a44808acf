// SPDX-License-Identifier: GPL-3.0-or-later
// The one class of parameters: what differs between them is values.
#pragma once

#include <juce_audio_processors/juce_audio_processors.h>

#include <atomic>

namespace liveband::plugin {

/// What a parameter is.
struct Trait {
    enum class Kind { kNumber, kWhole, kSwitch, kTrigger, kChoice };
    Kind kind = Kind::kNumber;
    float minimum = 0.0f, maximum = 1.0f, initial = 0.0f;
    juce::String unit;
    int places = 0;             // digits behind the point that are shown
    juce::StringArray choices;  // of a choice, whose value is its number
    bool automatable = true;
};

/// A parameter that keeps the number its host gave to the bit, also one between two places of a switch: a host that
/// reads it again, or restores a state, finds what it set. `get` gives the place.
class Parameter final : public juce::RangedAudioParameter {
  public:
    Parameter(const juce::String& identity, const juce::String& name, Trait trait);

    /// In its own unit; a choice as its number.
    double get() const noexcept { return static_cast<double>(convertFrom0to1(getValue())); }
    bool isOn() const noexcept { return get() >= 0.5; }
    const Trait& trait() const noexcept { return trait_; }
    bool isTrigger() const noexcept { return trait_.kind == Trait::Kind::kTrigger; }
    /// Whether a trigger was pulled since this was asked last, however short; the audio thread.
    bool takePull() noexcept { return pulled_.exchange(false, std::memory_order_relaxed); }
    /// A trigger goes back to 0, and its host is told.
    void release() {
        if (isTrigger() && getValue() > 0.0f) setValueNotifyingHost(0.0f);
    }

    const juce::NormalisableRange<float>& getNormalisableRange() const override { return range_; }
    float getValue() const override { return value_.load(std::memory_order_relaxed); }
    void setValue(float normalised) override;
    float getDefaultValue() const override { return convertTo0to1(trait_.initial); }
    int getNumSteps() const override;
    bool isDiscrete() const override { return isBoolean() || trait_.kind == Trait::Kind::kChoice; }
    bool isBoolean() const override { return trait_.kind == Trait::Kind::kSwitch || isTrigger(); }
    juce::String getText(float normalised, int most_letters) const override;
    float getValueForText(const juce::String& text) const override;

  private:
    const Trait trait_;
    const juce::NormalisableRange<float> range_;
    std::atomic<float> value_;
    std::atomic<bool> pulled_{false};
};

}  // namespace liveband::plugin
