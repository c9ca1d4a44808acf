// SPDX-License-Identifier: GPL-3.0-or-later
#include "SavedState.h"

#include <cmath>

#include "Chunk.h"
#include "Moments.h"
#include "liveband/msgpack.h"

namespace liveband::plugin {
namespace {

constexpr std::size_t kLongestChart = 4096, kLongestKey = 64;
constexpr int kWidest = 4096;

std::string identity(const juce::RangedAudioParameter& parameter) {
    return parameter.getParameterID().toStdString();
}

bool isSessionName(const std::string& name) {
    return name.size() <= 64 && name.find_first_not_of(
                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                    "0123456789_.-") == std::string::npos;
}

}  // namespace

std::string save(const Controls& controls, const Notes& notes) {
    auto values = msgpack::Value::map();
    for (const auto* parameter : saved(controls)) {
        const double value = static_cast<double>(parameter->convertFrom0to1(parameter->getValue()));
        if (auto* choice = dynamic_cast<const juce::AudioParameterChoice*>(parameter))
            values.with(identity(*parameter), choice->getCurrentChoiceName().toStdString());
        else
            values.with(identity(*parameter), value);
    }
    auto told = msgpack::Value::map();
    told.with("chart", notes.chart).with("key", notes.key).with("moment", notes.moment).with("width", notes.width);
    Sections sections{{"controls", msgpack::pack(values)}, {"notes", msgpack::pack(told)}};
    if (auto moment = readMoment(notes.moment); !moment.empty()) sections.emplace_back("moment", std::move(moment));
    return packChunk(sections);
}

bool restore(const void* data, std::size_t bytes, const Controls& controls, Notes& notes, std::string& reason) {
    const auto sections = unpackChunk(data, bytes, reason);
    if (!sections) return false;
    msgpack::Value values, told;
    std::string musical;
    // All is read before anything is changed.
    for (const auto& [name, packed] : *sections) {
        if (name == "moment") musical = packed;
        auto* into = name == "controls" ? &values : name == "notes" ? &told : nullptr;
        if (into == nullptr) continue;
        if (!msgpack::unpack(packed, *into, reason) || into->kind != msgpack::Value::Kind::kMap) {
            reason = "the saved state's " + name + " cannot be read";
            return false;
        }
    }
    for (auto* parameter : saved(controls)) {
        const auto* value = values.find(identity(*parameter));
        if (value == nullptr) continue;
        if (value->kind == msgpack::Value::Kind::kText) {
            // By name, so that another order of the choices does no harm.
            if (auto* choice = dynamic_cast<juce::AudioParameterChoice*>(parameter)) {
                const int index = choice->choices.indexOf(juce::String(value->text));
                if (index >= 0) *choice = index;
            }
            continue;
        }
        const double number = values.realOf(identity(*parameter), NAN);
        if (!std::isfinite(number)) continue;
        const auto& range = parameter->getNormalisableRange();
        const auto fitting = juce::jlimit<double>(range.start, range.end, number);
        parameter->setValueNotifyingHost(parameter->convertTo0to1(static_cast<float>(fitting)));
    }
    const auto chart = told.textOf("chart"), key = told.textOf("key"), moment = told.textOf("moment");
    if (chart.size() <= kLongestChart) notes.chart = chart;
    if (key.size() <= kLongestKey) notes.key = key;
    if (isSessionName(moment)) notes.moment = moment;
    if (!musical.empty() && !notes.moment.empty()) notes.moment = giveMoment(notes.moment, musical);
    notes.width = static_cast<int>(juce::jlimit<std::int64_t>(0, kWidest, told.integerOf("width")));
    return true;
}

}  // namespace liveband::plugin
