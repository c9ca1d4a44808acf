// SPDX-License-Identifier: GPL-3.0-or-later
// What waits: for a host that renders faster than real time, and for the threads that hand ports over.
#include <algorithm>
#include <thread>

#include "liveband/audio_side.h"

namespace liveband {

namespace {

constexpr auto kShortest = std::chrono::microseconds(50);
constexpr auto kLongest = std::chrono::microseconds(1000);

using Clock = std::chrono::steady_clock;

// Looks until it is true, as long as `progress` changes at least every `timeout`.
template <typename Ready, typename Progress>
bool waitUntil(std::chrono::milliseconds timeout, const std::atomic<bool>* abandoned, Ready ready, Progress progress) {
    auto best = progress();
    auto deadline = Clock::now() + timeout;
    auto pause = kShortest;
    while (!ready()) {
        const auto now = Clock::now();
        const auto reached = progress();
        if (reached != best) {
            best = reached;
            deadline = now + timeout;
            pause = kShortest;
        }
        if (now > deadline || (abandoned != nullptr && abandoned->load(std::memory_order_relaxed))) return false;
        std::this_thread::sleep_for(pause);
        pause = std::min(kLongest, pause * 3 / 2);
    }
    return true;
}

}  // namespace

bool HostPort::wait(std::uint32_t samples, std::chrono::milliseconds timeout,
                    const std::atomic<bool>* abandoned) noexcept {
    samples = std::min(samples, segment_->shape().capacity);
    return waitUntil(
        timeout, abandoned, [&] { return ready(samples) >= samples; },
        [&] { return segment_->load(protocol::offset::stem_cursor); });
}

bool AudioSide::waitForPort(std::uint64_t generation, bool midway, std::chrono::milliseconds timeout) noexcept {
    const auto there = [&] {
        take(midway);
        return current_ != nullptr && current_->generation >= generation;
    };
    return waitUntil(timeout, &abandoned_, there, [] { return 0; });
}

bool AudioSide::waitForRoom(std::uint32_t samples, std::chrono::milliseconds timeout) noexcept {
    HostPort& host = current_->host;
    return waitUntil(
        timeout, &abandoned_, [&] { return host.room() >= samples; },
        [&] { return host.segment().load(protocol::offset::mix_read); });
}

void AudioSide::offer(std::unique_ptr<Port> port) {
    Port* const bare = port.get();
    if (port) ports_.push_back(std::move(port));
    offered_.store(bare);
    reclaim();
}

std::size_t AudioSide::reclaim() {
    ports_.erase(std::remove_if(ports_.begin(), ports_.end(),
                                [this](const std::unique_ptr<Port>& port) {
                                    // In this order: what is taken moves from the first word to the second.
                                    return port.get() != offered_.load() && port.get() != taking_.load() &&
                                           port.get() != holding_.load();
                                }),
                 ports_.end());
    return ports_.size();
}

}  // namespace liveband
