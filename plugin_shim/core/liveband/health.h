// SPDX-License-Identifier: GPL-3.0-or-later
// How a session is, from what stands in its segment: figures, a heartbeat, and a word for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "liveband/bridge.h"
#include "liveband/segment.h"

namespace liveband {

/// Judges a counter that a living server moves. A machine that slept is no dead server: time that nobody looked does
/// not count.
class Heartbeat {
  public:
    using Clock = std::chrono::steady_clock;

    /// Another segment: it begins to count anew.
    void restart() noexcept;
    /// Whether it has stood still for longer than a server whose step takes `step_ms` may let it.
    bool hasStopped(std::uint64_t beats, double step_ms, Clock::time_point now) noexcept;

  private:
    std::uint64_t beats_ = 0;
    double silent_ms_ = 0.0;
    Clock::time_point looked_ = Clock::now();
};

/// What the server writes in the segment, into a status. What is no number becomes one.
void readFigures(const Segment& segment, Status& status) noexcept;
/// State and text of a session that is open.
std::pair<BridgeState, const char*> judge(const Status& status, bool silent) noexcept;

}  // namespace liveband
