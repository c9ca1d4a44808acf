// SPDX-License-Identifier: GPL-3.0-or-later
#include "SavedState.h"

#include <cmath>
#include <optional>

#include "Chunk.h"
#include "Moments.h"
#include "liveband/msgpack.h"

namespace liveband::plugin {
namespace {

constexpr std::size_t kLongestChart = 4096, kLongestKey = 64, kLongestStyle = 4096;
constexpr int kWidest = 4096;

std::string identity(const Parameter& parameter) {
    return parameter.getParameterID().toStdString();
}

/// Where a parameter stood, in its own unit; none if that was not saved or makes no sense.
std::optional<float> savedPlace(const Parameter& parameter, const msgpack::Value& values) {
    const auto* value = values.find(identity(parameter));
    if (value == nullptr || parameter.isTrigger()) return std::nullopt;
    if (value->kind == msgpack::Value::Kind::kText) {
        // By name, so that another order of the choices does no harm.
        const int index = parameter.trait().choices.indexOf(juce::String(value->text));
        return index < 0 ? std::nullopt : std::optional<float>(static_cast<float>(index));
    }
    const double number = values.realOf(identity(parameter), NAN);
    if (!std::isfinite(number)) return std::nullopt;
    const auto& range = parameter.getNormalisableRange();
    return range.snapToLegalValue(static_cast<float>(juce::jlimit<double>(range.start, range.end, number)));
}

bool isSessionName(const std::string& name) {
    return name.size() <= 64 && name.find_first_not_of(
                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                    "0123456789_.-") == std::string::npos;
}

}  // namespace

std::string save(const Controls& controls, const Notes& notes) {
    auto values = msgpack::Value::map(), exact = msgpack::Value::map();
    for (const auto* parameter : controls.all()) {
        if (parameter->isTrigger()) continue;
        const double value = parameter->get();
        const auto& choices = parameter->trait().choices;
        if (choices.isEmpty())
            values.with(identity(*parameter), value);
        else
            values.with(identity(*parameter), choices[juce::roundToInt(value)].toStdString());
        const float normalised = parameter->getValue();
        if (parameter->convertTo0to1(static_cast<float>(value)) != normalised)
            exact.with(identity(*parameter), static_cast<double>(normalised));
    }
    auto told = msgpack::Value::map();
    told.with("chart", notes.chart).with("key", notes.key).with("moment", notes.moment).with("width", notes.width);
    if (!notes.style.empty()) told.with("style", notes.style);
    Sections sections{{"controls", msgpack::pack(values)}, {"notes", msgpack::pack(told)}};
    if (!exact.keys.empty()) sections.emplace_back("exact", msgpack::pack(exact));
    if (auto moment = readMoment(notes.moment); !moment.empty()) sections.emplace_back("moment", std::move(moment));
    return packChunk(sections);
}

bool restore(const void* data, std::size_t bytes, const Controls& controls, Notes& notes, std::string& reason) {
    const auto sections = unpackChunk(data, bytes, reason);
    if (!sections) return false;
    msgpack::Value values, exact = msgpack::Value::map(), told;
    std::string musical;
    // All is read before anything is changed.
    for (const auto& [name, packed] : *sections) {
        if (name == "moment") musical = packed;
        auto* into = name == "controls" ? &values : name == "exact" ? &exact : name == "notes" ? &told : nullptr;
        if (into == nullptr) continue;
        if (!msgpack::unpack(packed, *into, reason) || into->kind != msgpack::Value::Kind::kMap) {
            reason = "the saved state's " + name + " cannot be read";
            return false;
        }
    }
    for (auto* parameter : controls.all()) {
        const auto place = savedPlace(*parameter, values);
        if (!place) continue;
        const auto given = static_cast<float>(exact.realOf(identity(*parameter), NAN));
        // The number that the host gave, if it stands for the same place.
        const bool same = given >= 0.0f && given <= 1.0f && parameter->convertFrom0to1(given) == *place;
        parameter->setValueNotifyingHost(same ? given : parameter->convertTo0to1(*place));
    }
    controls.release();
    const auto chart = told.textOf("chart"), key = told.textOf("key"), moment = told.textOf("moment"),
               style = told.textOf("style");
    if (chart.size() <= kLongestChart) notes.chart = chart;
    if (key.size() <= kLongestKey) notes.key = key;
    if (style.size() <= kLongestStyle) notes.style = style;
    if (isSessionName(moment)) notes.moment = moment;
    if (!musical.empty() && !notes.moment.empty()) notes.moment = giveMoment(notes.moment, musical);
    notes.width = static_cast<int>(juce::jlimit<std::int64_t>(0, kWidest, told.integerOf("width")));
    return true;
}

}  // namespace liveband::plugin
