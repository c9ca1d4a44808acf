// SPDX-License-Identifier: GPL-3.0-or-later
// A band member's place in a host that makes and frees its objects on the audio thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "liveband/bridge.h"
#include "liveband/own_time.h"
#include "liveband/pipe.h"

namespace liveband {

/// How audio comes. `block_samples`: as many as a sound card asks for at once, whatever the host cuts them into.
struct Format {
    double rate_hz = 48000.0;
    int channels = 2, block_samples = 512;
    bool offline = false;  // faster than real time: the host waits for the band
};

/// What can be seen of a band, as plain values; texts end with 0.
struct Report {
    BridgeState state = BridgeState::kStopped;
    int latency_samples = 0;
    double anticipation_ms = 0.0, recency_gap_ms = 0.0, headroom_ms = 0.0;
    std::uint64_t late_frames = 0;
    std::array<char, 65> session{};
    std::array<char, 256> text{}, error{};
    bool new_error = false;  // `error` was not reported before
};

/// Everything here is for the audio thread, or for a thread that never runs at once with it: nothing waits, locks,
/// allocates or makes a system call, but `play` when the format is offline. What could is done by Backstage.
class Chair {
  public:
    static constexpr int kMostChannels = 2;
    static constexpr std::size_t kLongestLine = 4200;

    /// Tempo, beat and bar that the band is told.
    OwnTime time;

    /// Another format; sounds from when the session is open.
    void prepare(const Format& format) noexcept;
    /// A line as `understand` reads it. False if it is too long, or if too much was said at once.
    bool say(std::string_view line) noexcept;
    /// A control in its own unit.
    void setControl(protocol::Control control, double value) noexcept;
    /// The same where a value is a signal: said if it is another than the last time, or if `anyhow`.
    void followControl(protocol::Control control, double value, bool anyhow) noexcept;
    /// Write the mix, read the stem for it; `in` and `out` may be the same.
    void play(const float* const* in, float* const* out, int frames) noexcept;
    /// The oldest report that was not heard yet, if there is one.
    bool hear(Report& report) noexcept;
    /// The last call: the chair is for others now.
    void leave() noexcept { stage_.store(Stage::kLeft, std::memory_order_release); }
    int number() const noexcept { return number_; }

  private:
    friend class Backstage;
    friend struct Tended;

    enum class Stage { kFree, kTaken, kAsked, kLeft };
    struct Line {
        std::size_t length;
        std::array<char, kLongestLine> text;
    };

    void passControls(Bridge& bridge) noexcept;
    void fade(float* const* out, int frames) noexcept;
    // Offline alone: these wait.
    Bridge* awaited() noexcept;
    bool settle(Bridge& bridge) noexcept;
    void playOffline(Bridge& bridge, const float* const* in, float* const* out, int frames,
                     const Transport& transport) noexcept;

    std::atomic<Stage> stage_{Stage::kFree};
    int number_ = 0;
    std::array<char, 65> session_{};

    // The audio thread's.
    Format format_;
    std::array<double, protocol::kControls.size()> followed_{};
    std::uint32_t asked_formats_ = 0;
    bool settled_ = false, in_vain_ = false;

    // Said there, heard backstage.
    Pipe<Format, 8> formats_;
    Pipe<Line, 32> lines_;
    std::array<std::atomic<double>, protocol::kControls.size()> wanted_{};
    std::atomic<std::uint32_t> changed_{0};  // bits by control

    // Said backstage, heard there.
    Pipe<Report, 16> reports_;
    std::atomic<Bridge*> bridge_{nullptr};
    std::atomic<bool> fading_{false};          // fade out: the bridge is to be taken away for a moment
    std::atomic<bool> faded_{false};           // so it is
    std::atomic<bool> closed_{false};          // nobody may play
    std::atomic<bool> inside_{false};          // somebody plays
    std::atomic<bool> failed_{false};          // offline: what was played is not whole
    std::atomic<std::size_t> answered_{0};     // lines that were said and answered
    std::atomic<std::uint32_t> formatted_{0};  // formats that the bridge was prepared for
    Preparation prepared_;                     // for the last of them
};

}  // namespace liveband
