// SPDX-License-Identifier: GPL-3.0-or-later
// What is heard when audio is missing: a fade to silence without a step, and a fade in when it is back.
#pragma once

#include <cstdint>
#include <vector>

namespace liveband {

/// Renders a stream of pieces in place, each there or missing; audio that was never broken passes bit for bit.
///
/// The same arithmetic as the server's own, so that both give the same bits. Memory is taken when it is made.
class Concealer {
  public:
    Concealer(std::uint32_t rate_hz, std::uint32_t channels);

    /// Audio that is there, from `at` on in each of `channels`, which are at most those it was made for.
    void present(float* const* audio, std::uint32_t channels, std::uint32_t at, std::uint32_t samples) noexcept;
    /// Fill in what to hear while nothing is there.
    void absent(float* const* audio, std::uint32_t channels, std::uint32_t at, std::uint32_t samples) noexcept;
    /// Forget the past: a new epoch begins. `hold`: do not rise before the first sample that sounds. `fade_tail`: what
    /// sounded last is not cut off but fades, mirrored.
    void reset(bool fade_in, bool hold, bool fade_tail = false) noexcept;
    /// What `other` sounded last fades under what this one plays from now on: no step where one follows another.
    void fadeFrom(const Concealer& other) noexcept;

    bool missing() const noexcept { return missing_; }

  private:
    void echoOf(const Concealer& other) noexcept;
    void addEcho(float* const* audio, std::uint32_t channels, std::uint32_t at, std::uint32_t samples) noexcept;
    void remember(float* const* audio, std::uint32_t channels, std::uint32_t at, std::uint32_t samples) noexcept;

    std::uint32_t channels_;
    std::uint32_t out_samples_;
    std::uint32_t in_samples_;
    std::vector<float> out_ramp_;
    std::vector<float> in_ramp_;
    std::vector<float> last_;  // [channels][out_samples]
    std::vector<float> echo_;  // [channels][out_samples], of which the last echo_left_ are still to come
    std::uint32_t echo_left_ = 0;
    std::uint32_t risen_;
    bool held_ = false;
    bool missing_ = false;
};

}  // namespace liveband
