// SPDX-License-Identifier: GPL-3.0-or-later
// The audio thread's side of the bridge, and how a port gets there and away again.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "liveband/bridge.h"
#include "liveband/host_port.h"

namespace liveband {

/// A port with what the watcher knows of it.
struct Port {
    Port(std::unique_ptr<Segment> segment, std::int64_t latency_samples, std::uint64_t generation_, double seed_)
        : host(std::move(segment), latency_samples), generation(generation_), seed(seed_) {}

    HostPort host;
    std::uint64_t generation;  // the preparation it was opened for
    double seed;               // the session was opened with
};

/// One audio thread plays; other threads offer ports, change controls and take back what is no longer played.
///
/// A port is freed only when it is neither offered nor held nor being taken: the audio thread shows both in two
/// words and looks again at the offer after it has shown what it takes.
class AudioSide {
  public:
    AudioSide();

    // Not for the audio thread; the caller sees to it that one thread at a time is here.
    void offer(std::unique_ptr<Port> port);
    /// No port is offered from now on.
    void withdraw() { offer(nullptr); }
    /// Free what the audio thread has let go of. Returns how many ports are left.
    std::size_t reclaim();
    Port* offered() const noexcept { return offered_.load(); }

    // Any thread.
    void setControl(std::size_t index, double value) noexcept;
    double control(std::size_t index) const noexcept { return controls_[index].load(std::memory_order_relaxed); }
    void setBypassed(bool bypassed) noexcept { bypassed_.store(bypassed, std::memory_order_relaxed); }
    void requestEpoch() noexcept { epochs_wanted_.fetch_add(1, std::memory_order_relaxed); }
    void setLatency(int samples) noexcept { latency_samples_.store(samples, std::memory_order_relaxed); }
    int latencySamples() const noexcept { return latency_samples_.load(std::memory_order_relaxed); }
    /// Whether a block was processed since this was last asked to forget it.
    bool hasProcessed() const noexcept { return processed_.load(std::memory_order_relaxed); }
    void forgetProcessed() noexcept { processed_.store(false, std::memory_order_relaxed); }
    /// Nothing of the band could be heard at the end of the last block: no session, or its stem does not come.
    bool bandAbsent() const noexcept { return absent_.load(std::memory_order_relaxed); }
    /// Ends a wait of processOffline.
    void abandon(bool on) noexcept { abandoned_.store(on, std::memory_order_relaxed); }

    // The audio thread.
    void process(const float* const* in, float* const* out, int channels, int frames,
                 const Transport& transport) noexcept;
    /// Also waits for a port of this generation or a newer one, and goes on with one that replaces a dead one.
    bool processOffline(const float* const* in, float* const* out, int channels, int frames, const Transport& transport,
                        std::chrono::milliseconds timeout, std::uint64_t generation) noexcept;

  private:
    struct Planes;
    // What an offline block waits for: after a failure only something else is worth waiting for.
    struct Awaited {
        const Port* port = nullptr;
        std::uint64_t generation = 0;
        std::uint32_t epochs = 0;
        bool operator==(const Awaited& other) const noexcept {
            return port == other.port && generation == other.generation && epochs == other.epochs;
        }
    };

    void take(bool midway) noexcept;
    void beginBlock(const Transport& transport, bool offline, bool midway) noexcept;
    void noteAbsence() noexcept;
    void tellControls() noexcept;
    void tellTransport(const Transport& transport) noexcept;
    bool waitForPort(std::uint64_t generation, bool midway, std::chrono::milliseconds timeout) noexcept;
    bool waitForRoom(std::uint32_t samples, std::chrono::milliseconds timeout) noexcept;
    bool waitForStem(std::uint32_t samples, std::chrono::milliseconds timeout) noexcept;
    // Another session has been opened since: the one that is played now will never go on.
    bool replaced() const noexcept {
        const Port* const found = offered_.load();
        return found != nullptr && found != current_;
    }

    // Shared.
    std::atomic<Port*> offered_{nullptr};
    std::atomic<Port*> taking_{nullptr};
    std::atomic<Port*> holding_{nullptr};
    std::array<std::atomic<double>, protocol::kControls.size()> controls_;
    std::atomic<std::uint32_t> changed_{0};  // bits by control
    std::atomic<std::uint32_t> epochs_wanted_{0};
    std::atomic<int> latency_samples_{0};
    std::atomic<bool> bypassed_{false};
    std::atomic<bool> processed_{false};
    std::atomic<bool> abandoned_{false};
    std::atomic<bool> absent_{true};

    // The other threads'.
    std::vector<std::unique_ptr<Port>> ports_;

    // The audio thread's.
    Port* current_ = nullptr;
    std::uint32_t epochs_begun_ = 0;
    std::int64_t song_sample_ = -1;  // expected next, -1: unknown
    bool offline_ = false;
    bool failed_ = false;  // the last offline block was not whole
    Awaited in_vain_;      // what it waited for
    bool shown_bypassed_ = false;
    Transport told_;
    std::uint32_t told_epoch_ = 0;
    std::uint64_t told_at_ = 0;
    bool told_anything_ = false;
};

}  // namespace liveband
