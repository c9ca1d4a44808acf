// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "liveband/host_port.h"
#include "liveband/waiting.h"

namespace liveband {

bool HostPort::wait(std::uint32_t samples, std::chrono::milliseconds timeout,
                    const std::atomic<bool>* abandoned) noexcept {
    samples = std::min(samples, segment_->shape().capacity);
    return waitUntil(
        timeout, abandoned, [&] { return ready(samples) >= samples; },
        [&] { return segment_->load(protocol::offset::stem_cursor); });
}

}  // namespace liveband
