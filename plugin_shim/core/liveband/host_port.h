// SPDX-License-Identifier: GPL-3.0-or-later
// The front end's end of a segment: write the mix, read the stem for the same moment, and never wait.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "liveband/conceal.h"
#include "liveband/protocol.h"
#include "liveband/segment.h"

namespace liveband {

using EventValues = std::array<double, 6>;

/// All but the constructor and `wait` is for the audio thread: no allocation, lock or system call; bounded work.
///
/// `position` counts samples written in this epoch. One thread at a time. What the other side wrote is believed
/// only after it was checked: whatever stands in the segment, no access leaves it.
class HostPort {
  public:
    HostPort(std::unique_ptr<Segment> segment, std::int64_t latency_samples);

    /// Position 0 again; nothing of before will be heard, but with `fade_tail` for what sounded last, fading. `midway`:
    /// the music is taken up in its middle, so what comes back rises where it begins to sound.
    void beginEpoch(bool fade_tail = false, bool midway = false) noexcept;
    /// Offline, the worker drops nothing and the front end waits.
    void setOffline(bool offline) noexcept;
    void setBypassed(bool bypassed) noexcept;
    /// Samples by which the stem is read behind the mix; begins an epoch.
    void setLatency(std::int64_t latency_samples, bool midway = false) noexcept;
    /// This port takes over from another: its gain is approached from there, and what that one sounded last may fade.
    void takeOver(const HostPort& other, bool fade_tail) noexcept;
    /// Add an event that holds from the next sample written on.
    void tell(protocol::EventKind kind, std::uint16_t flags, const EventValues& values) noexcept;
    /// The next mix samples, at most `longest()`. Channels beyond `channels`, and null ones, are silent.
    void write(const float* const* mix, std::uint32_t channels, std::uint32_t samples) noexcept;
    /// The stem that belongs to the last `samples` written, L behind. Fills every one of `channels`; those beyond
    /// the stem's repeat its last one.
    void read(float* const* stem, std::uint32_t channels, std::uint32_t samples) noexcept;
    /// Mix samples that fit before unread ones would be overwritten.
    std::uint32_t room() const noexcept;
    /// How many of the next `samples` are there to be read.
    std::uint32_t ready(std::uint32_t samples) const noexcept;
    /// Whether all of the next `samples` is there, waiting as long as the stem grows at least every `timeout`.
    /// For offline use: sleeps. `abandoned` ends the wait, null if nothing may.
    bool wait(std::uint32_t samples, std::chrono::milliseconds timeout,
              const std::atomic<bool>* abandoned = nullptr) noexcept;

    /// Samples that one call takes at most.
    std::uint32_t longest() const noexcept { return segment_->shape().capacity; }
    std::uint32_t epoch() const noexcept { return epoch_; }
    std::uint64_t position() const noexcept { return position_; }
    std::int64_t latencySamples() const noexcept { return latency_samples_; }
    std::uint64_t missingSamples() const noexcept { return missing_samples_; }
    std::uint64_t gaps() const noexcept { return gaps_; }
    std::uint64_t droppedSamples() const noexcept { return dropped_samples_; }
    bool lapsed() const noexcept { return lapsed_; }
    /// Whether the worker has begun to play in this epoch.
    bool begun() const noexcept;
    /// The last sample that was read was not there.
    bool missing() const noexcept { return concealer_.missing(); }
    const Segment& segment() const noexcept { return *segment_; }

  private:
    void level(float* const* stem, std::uint32_t channels, std::uint32_t samples) noexcept;

    std::unique_ptr<Segment> segment_;
    std::int64_t latency_samples_;
    std::uint32_t epoch_ = 0;
    std::uint64_t position_ = 0;
    std::int64_t read_ = 0;
    std::uint64_t events_ = 0;
    std::uint64_t beats_ = 0;
    std::uint64_t missing_samples_ = 0;
    std::uint64_t gaps_ = 0;
    std::uint64_t dropped_samples_ = 0;
    Concealer concealer_;
    double gain_ = 1.0;
    double wanted_gain_ = 1.0;
    std::uint32_t gain_left_ = 0;  // samples until the gain is the wanted one
    std::uint32_t smoothing_samples_;
    bool lapsed_ = false;
};

}  // namespace liveband
