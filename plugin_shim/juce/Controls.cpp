// SPDX-License-Identifier: GPL-3.0-or-later
#include "Controls.h"

#include <memory>

namespace liveband::plugin {
namespace {

using juce::String;
using Kind = Trait::Kind;

String text(std::string_view view) {
    return {view.data(), view.size()};
}

String titled(const String& name) {
    const auto words = name.replaceCharacter('_', ' ');
    return words.substring(0, 1).toUpperCase() + words.substring(1);
}

/// Rows of the table that came before the plug-in's own parameters; those added since come after them, so that no
/// parameter ever changes its place.
constexpr std::size_t kFirstRows = 13;

/// Digits that tell two positions of a knob apart, and no more.
int digits(const protocol::ControlInfo& info) {
    const double span = info.maximum - info.minimum;
    return span <= 2.0 ? 2 : span <= 100.0 ? 1 : 0;
}

Kind kindOf(std::string_view kind) {
    if (kind == "choice") return Kind::kChoice;
    if (kind == "trigger") return Kind::kTrigger;
    if (kind == "bool") return Kind::kSwitch;
    return kind == "int" ? Kind::kWhole : Kind::kNumber;
}

Trait traitOf(const protocol::ControlInfo& info) {
    Trait trait;
    trait.kind = kindOf(info.kind);
    trait.minimum = static_cast<float>(info.minimum);
    trait.maximum = static_cast<float>(info.maximum);
    if (trait.kind == Kind::kWhole) trait.maximum = juce::jmin(static_cast<float>(kMaxSeed), trait.maximum);
    trait.initial = static_cast<float>(info.initial);
    trait.unit = text(info.unit);
    trait.places = digits(info);
    for (std::size_t index = 0; index < info.choices; ++index)
        trait.choices.add(text(protocol::kChoices[info.first_choice + index]));
    // What a host must not move while it plays: it changes the latency.
    trait.automatable = info.acts != "epoch";
    return trait;
}

Parameter* add(juce::AudioProcessor& processor, const String& identity, const String& name, Trait trait) {
    auto* made = new Parameter(identity, name, std::move(trait));
    processor.addParameter(made);  // which owns it
    return made;
}

}  // namespace

Controls addControls(juce::AudioProcessor& processor) {
    Controls controls;
    const auto addRows = [&](std::size_t first, std::size_t end) {
        for (std::size_t index = first; index < end; ++index) {
            const auto& info = protocol::kControls[index];
            const auto name = text(info.name);
            controls.table[index] = add(processor, name, titled(name), traitOf(info));
        }
    };
    addRows(0, kFirstRows);
    controls.bypass = add(processor, "bypass", "Bypass", {Kind::kSwitch, 0.0f, 1.0f, 0.0f, {}, 0, {}, true});
    controls.bpm = add(processor, "bpm", "BPM", {Kind::kNumber, 0.0f, 400.0f, 0.0f, {}, 3, {}, true});
    controls.position_s =
        add(processor, "position", "Position", {Kind::kNumber, 0.0f, 3600.0f, 0.0f, "s", 3, {}, true});
    controls.beats_per_bar =
        add(processor, "beats_per_bar", "Beats per bar", {Kind::kWhole, 1.0f, 16.0f, 4.0f, {}, 0, {}, true});
    controls.when_lost = add(processor, "when_lost", "When lost",
                             {Kind::kChoice, 0.0f, 1.0f, 0.0f, {}, 0, juce::StringArray{"silence", "dry"}, true});
    addRows(kFirstRows, protocol::kControls.size());
    return controls;
}

std::vector<Parameter*> Controls::all() const {
    std::vector<Parameter*> every(table.begin(), table.begin() + kFirstRows);
    every.insert(every.end(), {bypass, bpm, position_s, beats_per_bar, when_lost});
    every.insert(every.end(), table.begin() + kFirstRows, table.end());
    return every;
}

void Controls::release() const {
    for (auto* parameter : table) parameter->release();
}

}  // namespace liveband::plugin
