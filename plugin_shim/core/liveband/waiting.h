// SPDX-License-Identifier: GPL-3.0-or-later
// Waiting for another process by looking at memory: for offline use, never on a live audio thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

namespace liveband {

inline constexpr auto kShortestPause = std::chrono::microseconds(50);
inline constexpr auto kLongestPause = std::chrono::microseconds(1000);

// Looks until it is true, as long as `progress` changes at least every `timeout`.
template <typename Ready, typename Progress>
bool waitUntil(std::chrono::milliseconds timeout, const std::atomic<bool>* abandoned, Ready ready, Progress progress) {
    auto best = progress();
    auto deadline = std::chrono::steady_clock::now() + timeout;
    auto pause = kShortestPause;
    while (!ready()) {
        const auto now = std::chrono::steady_clock::now();
        const auto reached = progress();
        if (reached != best) {
            best = reached;
            deadline = now + timeout;
            pause = kShortestPause;
        }
        if (now > deadline || (abandoned != nullptr && abandoned->load(std::memory_order_relaxed))) return false;
        std::this_thread::sleep_for(pause);
        pause = std::min(kLongestPause, pause * 3 / 2);
    }
    return true;
}

}  // namespace liveband
