// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/asking.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace liveband {

using msgpack::Value;

namespace {

const char* nameOf(Mode mode) noexcept {
    return protocol::kModes[static_cast<std::size_t>(mode)].data();
}

Value withSession(const char* type, const std::string& session, const Preparation& wish) {
    Value message = Value::map()
                        .with("type", type)
                        .with("session", session)
                        .with("rate_hz", static_cast<std::int64_t>(wish.rate_hz))
                        .with("channels", wish.channels)
                        .with("block_samples", std::clamp(wish.block_samples, 1, static_cast<int>(protocol::kMaxBlock)))
                        .with("mode", nameOf(wish.mode))
                        .with("offline", wish.offline);
    if (wish.mode == Mode::kManual || wish.mode == Mode::kBounce) message.with("anticipation_ms", wish.anticipation_ms);
    if (wish.mode == Mode::kBounce && wish.latency_samples >= 0) message.with("latency_samples", wish.latency_samples);
    return message;
}

}  // namespace

// What of a preparation makes another session.
bool sameSession(const Preparation& left, const Preparation& right) {
    return left.rate_hz == right.rate_hz && left.channels == right.channels &&
           left.block_samples == right.block_samples && left.mode == right.mode && left.offline == right.offline &&
           left.anticipation_ms == right.anticipation_ms && left.latency_samples == right.latency_samples;
}

std::string refusalOf(const Preparation& wish) {
    if (!(wish.rate_hz >= protocol::kMinRateHz && wish.rate_hz <= protocol::kMaxRateHz) ||
        wish.rate_hz != std::floor(wish.rate_hz))
        return "a sample rate of " + std::to_string(wish.rate_hz) +
               " Hz is not supported: whole numbers from 8000 to 192000";
    if (wish.channels < 1 || wish.channels > static_cast<int>(protocol::kMaxChannels))
        return std::to_string(wish.channels) + " channels are not supported: 1 to 64";
    return {};
}

Value helloMessage(const std::string& client) {
    return Value::map()
        .with("type", "hello")
        .with("major", static_cast<int>(protocol::kMajor))
        .with("minor", static_cast<int>(protocol::kMinor))
        .with("client", client);
}

Value openMessage(const std::string& session, const Preparation& wish, const Opening& opening) {
    Value message = withSession("open", session, wish);
    message.with("stem", opening.stem)
        .with("seed", static_cast<std::int64_t>(opening.seed))
        .with("resume", opening.resume);
    if (!opening.model.empty()) message.with("model", opening.model);
    return message;
}

Value configureMessage(const std::string& session, const Preparation& wish) {
    return withSession("configure", session, wish);
}

std::vector<Value> knowMessages(const std::string& session, const Knowledge& what) {
    const Value empty = Value::map().with("type", "know").with("session", session);
    std::vector<Value> messages;
    if (what.tempo_bpm || what.beats_per_bar || what.chart) {
        Value bars = empty;
        if (what.tempo_bpm) bars.with("bpm", *what.tempo_bpm);
        if (what.beats_per_bar) bars.with("beats_per_bar", *what.beats_per_bar);
        if (what.chart) bars.with("chart", *what.chart);
        messages.push_back(std::move(bars));
    }
    if (what.chord) messages.push_back(Value(empty).with("chord", *what.chord));
    if (what.key) messages.push_back(Value(empty).with("key", *what.key));
    if (what.style) messages.push_back(Value(empty).with("style", *what.style));
    return messages;
}

Value momentMessage(const char* type, const std::string& session, const std::string& name) {
    return Value::map().with("type", type).with("session", session).with("name", name);
}

void learn(Knowledge& known, const Knowledge& more) {
    if (more.tempo_bpm) known.tempo_bpm = more.tempo_bpm;
    if (more.beats_per_bar) known.beats_per_bar = more.beats_per_bar;
    if (more.chart) known.chart = more.chart;
    if (more.chord) known.chord = more.chord;
    if (more.key) known.key = more.key;
    if (more.style) known.style = more.style;
}

}  // namespace liveband
