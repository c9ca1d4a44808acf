// SPDX-License-Identifier: GPL-3.0-or-later
// The audio thread's work around the bridge: what is listened to, the dry signal L behind, the blend, the meters.
#pragma once

#include <juce_audio_basics/juce_audio_basics.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "liveband/bridge.h"
#include "liveband/side_chain.h"

namespace liveband::plugin {

/// Channels and samples that one piece holds; longer blocks are played in pieces.
inline constexpr int kMostChannels = 2, kPieceSamples = 4096;

/// Audio [channels][samples] of the host's block. `listen`: the side chain, null if it is off.
struct Block {
    float* const* main = nullptr;  // in and out
    int channels = 0;
    const float* const* listen = nullptr;
    int listen_channels = 0;
    int samples = 0;
};

/// How a block is to be played.
struct Playing {
    double mix = 1.0;  // 0 dry to 1 wet
    bool bypassed = false;
    bool dry_when_absent = false;  // pass the dry signal while no band plays
    bool offline = false;
    bool alone = false;  // offline: no server is there, so none is waited for
    Transport transport;
};

/// Highest magnitude since it was asked last, for one meter; any thread.
class Peak {
  public:
    void feed(float magnitude) noexcept {
        float seen = value_.load(std::memory_order_relaxed);
        while (magnitude > seen && !value_.compare_exchange_weak(seen, magnitude, std::memory_order_relaxed)) {
        }
    }
    float take() noexcept { return value_.exchange(0.0f, std::memory_order_relaxed); }

  private:
    std::atomic<float> value_{0.0f};
};

/// `play` is for the audio thread: no allocation, lock or system call, but offline, where it waits.
class Player {
  public:
    explicit Player(Bridge& bridge) : bridge_(bridge) {}
    /// Message thread, while nothing plays.
    void prepare(double rate_hz);
    void play(const Block& block, const Playing& playing) noexcept;
    /// Plays some silence to nobody, waiting for the band, so that it knows all controls before an offline render.
    /// Message thread, as `prepare`.
    void settle(int channels) noexcept;
    /// Samples played since `prepare` or `restart`.
    std::int64_t played() const noexcept { return played_; }
    void restart() noexcept;
    /// The band did not answer in an offline render: what was written since is silent.
    bool failedOffline() const noexcept { return failed_offline_.load(std::memory_order_relaxed); }

    /// The band hears the side chain, not the main input; any thread.
    bool hearsSide() const noexcept { return hears_side_.load(std::memory_order_relaxed); }

    std::array<Peak, kMostChannels> input, output;

  private:
    void piece(const Block& block, const Playing& playing, int start, int samples) noexcept;
    void hear(const Block& block, int start, int samples) noexcept;
    /// The part of a piece that is heard from one source, into `heard_` from `at` on.
    void listen(const float* const* source, int there, int channels, int start, int at, int samples) noexcept;
    void delay(const Block& block, int start, int samples) noexcept;
    void blend(const Block& block, const float* const* stem, int start, int samples) noexcept;

    Bridge& bridge_;
    double rate_hz_ = 48000.0;
    std::int64_t played_ = 0;
    std::atomic<bool> failed_offline_{false}, hears_side_{false};
    SideChain side_;
    std::array<std::vector<float>, kMostChannels> heard_, stem_, dry_, past_;
    std::uint64_t past_mask_ = 0;
    juce::SmoothedValue<double> wet_, through_;
    bool fresh_ = true;
};

}  // namespace liveband::plugin
