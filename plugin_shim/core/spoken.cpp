// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/spoken.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace liveband {
namespace {

using protocol::ControlInfo;

constexpr const char* kWords = "set, chord, key, chart, style, keep, recall, tempo, bar, play, stop";
constexpr std::size_t kShown = 40;  // characters of what was not understood

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// The first word, taken off the line.
std::string_view taken(std::string_view& line) {
    line = trimmed(line);
    const auto end = std::min(line.find_first_of(" \t"), line.size());
    const std::string_view word = line.substr(0, end);
    line = trimmed(line.substr(end));
    return word;
}

std::string quoted(std::string_view text) {
    return "'" + std::string(text.substr(0, kShown)) + (text.size() > kShown ? "...'" : "'");
}

std::string written(double value) {
    std::ostringstream text;
    text.imbue(std::locale::classic());
    text.precision(10);
    text << value;
    return text.str();
}

/// A whole text as a number, whatever the program's locale.
bool readNumber(std::string_view text, double& value) {
    std::istringstream stream{std::string(text)};
    stream.imbue(std::locale::classic());
    return static_cast<bool>(stream >> value) && (stream >> std::ws).eof();
}

std::string accepted(const ControlInfo& info) {
    if (info.kind == "choice") {
        std::string names;
        for (std::size_t i = 0; i < info.choices; ++i)
            names += (i > 0 ? ", " : "") + std::string(protocol::kChoices[info.first_choice + i]);
        return names;
    }
    if (info.kind == "bool" || info.kind == "trigger") return "0, 1";
    return written(info.minimum) + " to " + written(info.maximum) +
           (info.unit.empty() ? "" : " " + std::string(info.unit));
}

bool readSetting(const ControlInfo& info, std::string_view text, double& value) {
    if (info.kind == "trigger" && text.empty()) {
        value = 1.0;
        return true;
    }
    for (std::size_t i = 0; i < info.choices; ++i) {
        if (text == protocol::kChoices[info.first_choice + i]) {
            value = static_cast<double>(i);
            return true;
        }
    }
    if (info.kind == "bool" && (text == "on" || text == "true" || text == "off" || text == "false")) {
        value = text == "on" || text == "true" ? 1.0 : 0.0;
        return true;
    }
    if (!readNumber(text, value) || !(value >= info.minimum && value <= info.maximum)) return false;
    return info.kind == "float" || value == static_cast<double>(static_cast<long long>(value));
}

Meaning setting(std::string_view name, std::string_view text) {
    for (std::size_t i = 0; i < protocol::kControls.size(); ++i) {
        const ControlInfo& info = protocol::kControls[i];
        if (info.name != name) continue;
        double value = 0.0;
        if (readSetting(info, text, value)) return Setting{static_cast<protocol::Control>(i), value};
        return Misunderstood{std::string(name) + (text.empty() ? " wants a value" : " cannot be " + quoted(text)) +
                             ": accepted are " + accepted(info)};
    }
    std::string names;
    for (const ControlInfo& info : protocol::kControls) names += (names.empty() ? "" : ", ") + std::string(info.name);
    return Misunderstood{"no control is called " + quoted(name) + ": there are " + names};
}

bool isControl(std::string_view name) {
    return std::any_of(protocol::kControls.begin(), protocol::kControls.end(),
                       [&](const ControlInfo& info) { return info.name == name; });
}

}  // namespace

Meaning understand(std::string_view line) {
    std::string_view rest = line;
    const std::string_view word = taken(rest);
    if (word == "set") {
        const std::string_view name = taken(rest);
        return setting(name, rest);
    }
    if (isControl(word)) return setting(word, rest);
    Knowledge known;
    if (word == "chord") {
        known.chord = std::string(rest);
    } else if (word == "key") {
        known.key = std::string(rest);
    } else if (word == "style") {
        known.style = std::string(rest);
    } else if (word == "chart") {
        known.chart = std::string(rest);
    } else if (word == "keep" || word == "recall") {
        return Moment{word == "keep", rest.empty() ? "moment" : std::string(rest)};
    } else {
        return Misunderstood{quoted(word) + " is not understood: accepted are " + kWords +
                             ", and the name of a control"};
    }
    return known;
}

}  // namespace liveband
