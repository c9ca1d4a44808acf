// SPDX-License-Identifier: GPL-3.0-or-later
// The thread beside the audio: finds the server, opens the session, and sees to it that it lives.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "liveband/asking.h"
#include "liveband/audio_side.h"
#include "liveband/bridge.h"
#include "liveband/connection.h"
#include "liveband/health.h"
#include "liveband/msgpack.h"

namespace liveband {

/// All of a bridge but what its audio thread does. The public part: any thread but the audio thread's.
class Watcher {
  public:
    explicit Watcher(BridgeConfig config);

    void start();
    void stop();
    bool prepare(const Preparation& wish);
    bool adoptLatency();
    Status status() const;
    std::uint64_t generation() const noexcept { return generation_.load(); }
    AudioSide& audio() noexcept { return audio_; }
    const AudioSide& audio() const noexcept { return audio_; }
    void know(const Knowledge& what);
    void moment(const char* type, const std::string& name);

  private:
    using Clock = std::chrono::steady_clock;

    // With the mutex held.
    void request(msgpack::Value message);
    bool adoptLocked();

    // The watcher thread alone.
    void watch();
    // Wait before the next try, but no longer than until another server has written its registry.
    void rest(std::uint64_t stamp, std::chrono::milliseconds back_off);
    void show(BridgeState state, const std::string& text, const std::string& error = {});
    void tellChange();
    // Find the server, open the session, and stay until either is gone.
    void converse();
    void refuse(const msgpack::Value& answer);
    // Open or configure the session if it is not as it was wished last. False if the connection is to end.
    bool openAsWished();
    void publish(std::unique_ptr<Segment> segment, const msgpack::Value& answer, const Preparation& wish,
                 std::uint64_t generation, double seed);
    Opening openingWith(double seed) const;
    bool tellKnown();
    void hasTold();
    bool tellAgain();
    bool demand(const msgpack::Value& message);
    bool sendRequests();
    // One tick: what the server says by itself, and whether it lives. False if it is gone.
    bool listen();
    // The answer to a request; other messages are taken on the way. False if the connection is to end.
    bool ask(msgpack::Value message, msgpack::Value& answer, std::chrono::milliseconds patience);
    bool notice(const msgpack::Value& message);
    // Figures of the segment, and its heartbeat.
    void look();

    const BridgeConfig config_;
    AudioSide audio_;
    Wake wake_;
    std::thread watcher_;
    std::mutex life_;
    std::atomic<bool> stopping_{false};

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::condition_variable resting_;
    std::atomic<std::uint64_t> generation_{0};  // written with the mutex held
    std::uint64_t opened_generation_ = 0;       // 0: no session is open
    Preparation wish_;
    Status status_;
    Knowledge known_;
    std::vector<msgpack::Value> requests_;
    bool is_telling_ = false;  // some of them, or of what is known, were sent and not answered yet

    // The watcher's alone.
    std::unique_ptr<Connection> connection_;
    bool session_is_open_ = false;
    std::uint64_t refused_generation_ = 0;
    std::int64_t asked_ = 0;
    bool unheard_ = false;  // something that is known was refused while there was no tempo
    Heartbeat heartbeat_;
    std::minstd_rand random_{std::random_device{}()};
};

}  // namespace liveband
