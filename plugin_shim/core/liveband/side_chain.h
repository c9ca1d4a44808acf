// SPDX-License-Identifier: GPL-3.0-or-later
// Whom the band hears: the main input, or a side chain that has something to say.
#pragma once

#include <cstdint>

namespace liveband {

/// Many hosts switch every input on and connect it, to silence if to nothing else: that a side chain is on says nothing.
/// It counts from its first sample that is not zero on, until it was silent for kSilenceSeconds. A function of the
/// samples alone, so that a render is the same however it is cut into blocks. The audio thread's.
class SideChain {
  public:
    static constexpr double kSilenceSeconds = 10.0;

    /// How many samples from here on are heard from where.
    struct Run {
        int samples = 0;
        bool from_side = false;
    };

    void prepare(double rate_hz) noexcept;
    /// As if nothing had been heard.
    void forget() noexcept { silent_ = patience_; }
    /// The next samples of the side chain [channels][samples], channels and samples at least 1: whom they, or those up
    /// to a change, are heard from. Infinities and what is no number count as zero.
    Run next(const float* const* side, int channels, int samples) noexcept;
    bool counts() const noexcept { return silent_ < patience_; }

  private:
    std::int64_t patience_ = 1, silent_ = 1;  // samples; how long it has been silent, at most patience_
};

}  // namespace liveband
