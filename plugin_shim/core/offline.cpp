// SPDX-License-Identifier: GPL-3.0-or-later
// What waits: for a host that renders faster than real time, and for the threads that hand ports over.
#include <algorithm>

#include "liveband/audio_side.h"
#include "liveband/waiting.h"

namespace liveband {

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
        timeout, &abandoned_, [&] { return host.room() >= samples || replaced(); },
        [&] { return host.segment().load(protocol::offset::mix_read); });
}

bool AudioSide::waitForStem(std::uint32_t samples, std::chrono::milliseconds timeout) noexcept {
    HostPort& host = current_->host;
    return waitUntil(
        timeout, &abandoned_, [&] { return host.ready(samples) >= samples || replaced(); },
        [&] { return host.segment().load(protocol::offset::stem_cursor); });
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
#if defined(LIVEBAND_MUTANT_FREE_AT_ONCE)
                                    return port.get() != offered_.load();
#endif
                                    // In this order: what is taken moves from the first word to the second.
                                    return port.get() != offered_.load() && port.get() != taking_.load() &&
                                           port.get() != holding_.load();
                                }),
                 ports_.end());
    return ports_.size();
}

}  // namespace liveband
