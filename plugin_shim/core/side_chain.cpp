// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/side_chain.h"

#include <algorithm>
#include <cmath>

namespace liveband {
namespace {

bool sounds(const float* const* side, int channels, int at) noexcept {
    for (int channel = 0; channel < channels; ++channel)
        if (side[channel][at] != 0.0f && std::isfinite(side[channel][at])) return true;
    return false;
}

}  // namespace

void SideChain::prepare(double rate_hz) noexcept {
    patience_ = std::max<std::int64_t>(1, std::llround(kSilenceSeconds * std::max(rate_hz, 0.0)));
    forget();
}

SideChain::Run SideChain::next(const float* const* side, int channels, int samples) noexcept {
    Run run;
    for (int at = 0; at < samples; ++at) {
        const std::int64_t silent = sounds(side, channels, at) ? 0 : std::min(silent_ + 1, patience_);
        const bool from_side = silent < patience_;
        if (at > 0 && from_side != run.from_side) break;
        run.from_side = from_side;
        silent_ = silent;
        ++run.samples;
    }
    return run;
}

}  // namespace liveband
