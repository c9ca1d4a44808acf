// SPDX-License-Identifier: GPL-3.0-or-later
#include "Controls.h"

#include <cmath>
#include <memory>

namespace liveband::plugin {
namespace {

using juce::NormalisableRange;
using juce::ParameterID;
using juce::String;

String text(std::string_view view) {
    return {view.data(), view.size()};
}

String titled(std::string_view name) {
    const auto words = text(name).replaceCharacter('_', ' ');
    return words.substring(0, 1).toUpperCase() + words.substring(1);
}

/// Rows of the table that came before the plug-in's own parameters; those added since come after them, so that no
/// parameter ever changes its place.
constexpr std::size_t kFirstRows = 13;

/// What was typed; 0 for what is no number ("nan" would go through every limit).
float typedNumber(const String& typed) {
    const float value = typed.getFloatValue();
    return std::isnan(value) ? 0.0f : value;
}

/// Digits that tell two positions of a knob apart, and no more.
int digits(const protocol::ControlInfo& info) {
    const double span = info.maximum - info.minimum;
    return span <= 2.0 ? 2 : span <= 100.0 ? 1 : 0;
}

std::unique_ptr<juce::RangedAudioParameter> parameterOf(const protocol::ControlInfo& info) {
    const ParameterID id{text(info.name), 1};
    const auto name = titled(info.name);
    // What a host must not move while it plays: it changes the latency.
    const bool automatable = info.acts != "epoch";
    if (info.kind == "choice") {
        juce::StringArray choices;
        for (std::size_t index = 0; index < info.choices; ++index)
            choices.add(text(protocol::kChoices[info.first_choice + index]));
        return std::make_unique<juce::AudioParameterChoice>(
            id, name, choices, static_cast<int>(info.initial),
            juce::AudioParameterChoiceAttributes{}.withAutomatable(automatable));
    }
    if (info.kind == "bool" || info.kind == "trigger")
        return std::make_unique<juce::AudioParameterBool>(id, name, info.initial != 0.0);
    if (info.kind == "int")
        return std::make_unique<juce::AudioParameterInt>(id, name, static_cast<int>(info.minimum),
                                                         juce::jmin(kMaxSeed, static_cast<int>(info.maximum)),
                                                         static_cast<int>(info.initial));
    const int places = digits(info);
    // A range without an interval: nothing is rounded on its way through the host.
    return std::make_unique<juce::AudioParameterFloat>(
        id, name, NormalisableRange<float>(static_cast<float>(info.minimum), static_cast<float>(info.maximum)),
        static_cast<float>(info.initial),
        juce::AudioParameterFloatAttributes{}
            .withLabel(text(info.unit))
            .withAutomatable(automatable)
            .withStringFromValueFunction([places](float value, int) { return String(value, places); })
            .withValueFromStringFunction(typedNumber));
}

template <class Parameter>
Parameter* add(juce::AudioProcessor& processor, std::unique_ptr<Parameter> parameter) {
    auto* raw = parameter.get();
    processor.addParameter(parameter.release());
    return raw;
}

}  // namespace

Controls addControls(juce::AudioProcessor& processor) {
    Controls controls;
    const auto addRows = [&](std::size_t first, std::size_t end) {
        for (std::size_t index = first; index < end; ++index)
            controls.table[index] = add(processor, parameterOf(protocol::kControls[index]));
    };
    addRows(0, kFirstRows);
    controls.bypass =
        add(processor, std::make_unique<juce::AudioParameterBool>(ParameterID{"bypass", 1}, "Bypass", false));
    controls.bpm =
        add(processor, std::make_unique<juce::AudioParameterFloat>(
                           ParameterID{"bpm", 1}, "BPM", NormalisableRange<float>(0.0f, 400.0f), 0.0f,
                           juce::AudioParameterFloatAttributes{}
                               .withStringFromValueFunction([](float value, int) { return String(value, 3); })
                               .withValueFromStringFunction(typedNumber)));
    controls.position_s =
        add(processor, std::make_unique<juce::AudioParameterFloat>(
                           ParameterID{"position", 1}, "Position", NormalisableRange<float>(0.0f, 3600.0f), 0.0f,
                           juce::AudioParameterFloatAttributes{}
                               .withLabel("s")
                               .withStringFromValueFunction([](float value, int) { return String(value, 3); })
                               .withValueFromStringFunction(typedNumber)));
    controls.beats_per_bar = add(processor, std::make_unique<juce::AudioParameterInt>(ParameterID{"beats_per_bar", 1},
                                                                                      "Beats per bar", 1, 16, 4));
    controls.when_lost =
        add(processor, std::make_unique<juce::AudioParameterChoice>(ParameterID{"when_lost", 1}, "When lost",
                                                                    juce::StringArray{"silence", "dry"}, 0));
    addRows(kFirstRows, protocol::kControls.size());
    return controls;
}

std::vector<juce::RangedAudioParameter*> saved(const Controls& controls) {
    std::vector<juce::RangedAudioParameter*> all;
    for (std::size_t index = 0; index < controls.table.size(); ++index)
        if (protocol::kControls[index].kind != "trigger") all.push_back(controls.table[index]);
    all.insert(all.end(),
               {controls.bypass, controls.bpm, controls.position_s, controls.beats_per_bar, controls.when_lost});
    return all;
}

}  // namespace liveband::plugin
