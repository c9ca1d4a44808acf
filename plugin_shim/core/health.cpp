// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/health.h"

#include <algorithm>
#include <cmath>

namespace liveband {

namespace {

constexpr double kSilenceMs = 100.0;  // without a heartbeat, beyond twice what a step takes
constexpr double kLongestSilenceMs = 3000.0;
constexpr double kLongestTickMs = 40.0;

}  // namespace

const char* toText(BridgeState state) noexcept {
    switch (state) {
        case BridgeState::kStopped:
            return "stopped";
        case BridgeState::kNoServer:
            return "no server";
        case BridgeState::kConnecting:
            return "connecting";
        case BridgeState::kListening:
            return "listening";
        case BridgeState::kPlaying:
            return "playing";
        case BridgeState::kLate:
            return "late";
        case BridgeState::kLost:
            return "lost";
        case BridgeState::kRefused:
            return "refused";
    }
    return "";
}

void Heartbeat::restart() noexcept {
    beats_ = 0;
    silent_ms_ = 0.0;
}

bool Heartbeat::hasStopped(std::uint64_t beats, double step_ms, Clock::time_point now) noexcept {
    const double tick_ms = std::chrono::duration<double, std::milli>(now - looked_).count();
    looked_ = now;
    silent_ms_ = beats != beats_ ? 0.0 : silent_ms_ + std::min(tick_ms, kLongestTickMs);
    beats_ = beats;
    return silent_ms_ > std::min(kLongestSilenceMs, kSilenceMs + 2.0 * std::max(0.0, step_ms));
}

void readFigures(const Segment& segment, Status& s) noexcept {
    namespace offset = protocol::offset;
    const auto figure = [&segment](std::size_t at) {
        const double value = segment.loadDouble(at);
        return std::isfinite(value) ? value : 0.0;
    };
    s.headroom_ms = figure(offset::headroom_ms);
    s.queue_age_ms = figure(offset::queue_age_ms);
    s.step_ms = figure(offset::step_ms);
    s.frames = segment.load(offset::frames);
    s.late_frames = segment.load(offset::late_frames);
    s.skipped_frames = segment.load(offset::skipped_frames);
    s.missing_samples = segment.load(offset::missing_samples);
    s.gaps = segment.load(offset::gaps);
    s.tempo_bpm = segment.loadDouble(offset::tempo);
    s.beat = segment.loadDouble(offset::beat);
    s.heard_bpm = segment.loadDouble(offset::heard_tempo);
    s.heard_beat = segment.loadDouble(offset::heard_beat);
    s.heard_chord = segment.loadDouble(offset::heard_chord);
    s.band = static_cast<protocol::State>(
        std::min<std::uint64_t>(segment.load(offset::state), protocol::kStates.size() - 1));
    s.ladder = static_cast<protocol::Ladder>(
        std::min<std::uint64_t>(segment.load(offset::ladder), protocol::kLadder.size() - 1));
}

std::pair<BridgeState, const char*> judge(const Status& s, bool silent) noexcept {
    using protocol::State;
    if (silent) return {BridgeState::kLost, "The band has stopped answering"};
    if (s.pending_latency_samples > s.latency_samples)
        return {BridgeState::kLate, "Stop once, so that the host learns the new latency"};
    switch (s.band) {
        case State::kPlaying:
            return {BridgeState::kPlaying, "Playing"};
        case State::kLate:
            return {BridgeState::kLate, "The machine is too slow: parts are missing"};
        case State::kFaded:
        case State::kBypassed:
            return {BridgeState::kLate, "The machine is too slow: silent until it keeps up"};
        case State::kRecovering:
            return {BridgeState::kLost, "The band fell over and is getting up"};
        case State::kQuarantined:
            return {BridgeState::kRefused, "This session made the band fall over twice"};
        case State::kOpening:
        case State::kListening:
        case State::kClosed:
            break;
    }
    return {BridgeState::kListening, "Listening"};
}

}  // namespace liveband
