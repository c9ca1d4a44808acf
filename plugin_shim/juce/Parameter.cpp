// SPDX-License-Identifier: GPL-3.0-or-later
#include "Parameter.h"

#include <cmath>

namespace liveband::plugin {
namespace {

using Kind = Trait::Kind;
using Range = juce::NormalisableRange<float>;

/// Numbers are not rounded on their way through a host; all others stand at whole numbers.
Range rangeOf(const Trait& trait) {
    if (trait.kind == Kind::kNumber) return {trait.minimum, trait.maximum};
    Range whole{trait.minimum, trait.maximum,
                [](float start, float end, float normalised) { return start + normalised * (end - start); },
                [](float start, float end, float value) { return (value - start) / (end - start); },
                [](float start, float end, float value) {
                    return static_cast<float>(juce::roundToInt(juce::jlimit(start, end, value)));
                }};
    whole.interval = 1.0f;
    return whole;
}

/// What was typed; 0 for what is no number ("nan" would go through every limit).
float typedNumber(const juce::String& typed) {
    const float value = typed.getFloatValue();
    return std::isnan(value) ? 0.0f : value;
}

bool typedSwitch(const juce::String& typed) {
    const auto word = typed.trim().toLowerCase();
    return word == "on" || word == "yes" || word == "true" || word.getIntValue() != 0;
}

}  // namespace

Parameter::Parameter(const juce::String& identity, const juce::String& name, Trait trait)
    : RangedAudioParameter(
          juce::ParameterID{identity, 1}, name,
          juce::AudioProcessorParameterWithIDAttributes{}.withLabel(trait.unit).withAutomatable(trait.automatable)),
      trait_(std::move(trait)),
      range_(rangeOf(trait_)),
      value_(convertTo0to1(trait_.initial)) {}

void Parameter::setValue(float normalised) {
    const float before = getValue();
    const float now = std::isnan(normalised) ? before : juce::jlimit(0.0f, 1.0f, normalised);
    value_.store(now, std::memory_order_relaxed);
    if (isTrigger() && before < 0.5f && now >= 0.5f) pulled_.store(true, std::memory_order_relaxed);
}

int Parameter::getNumSteps() const {
    if (trait_.kind == Kind::kNumber) return AudioProcessorParameterWithID::getNumSteps();
    return juce::roundToInt(trait_.maximum - trait_.minimum) + 1;
}

juce::String Parameter::getText(float normalised, int most_letters) const {
    const float value = convertFrom0to1(normalised);
    juce::String text(value, trait_.places);
    if (isBoolean()) text = value >= 0.5f ? "On" : "Off";
    if (trait_.kind == Kind::kWhole) text = juce::String(juce::roundToInt(value));
    if (trait_.kind == Kind::kChoice) text = trait_.choices[juce::roundToInt(value)];
    return most_letters > 0 ? text.substring(0, most_letters) : text;
}

float Parameter::getValueForText(const juce::String& text) const {
    if (isBoolean()) return typedSwitch(text) ? 1.0f : 0.0f;
    if (trait_.kind == Kind::kWhole) return convertTo0to1(static_cast<float>(text.getIntValue()));
    if (trait_.kind == Kind::kChoice) return convertTo0to1(static_cast<float>(trait_.choices.indexOf(text)));
    return convertTo0to1(typedNumber(text));
}

}  // namespace liveband::plugin
