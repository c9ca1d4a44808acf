// SPDX-License-Identifier: GPL-3.0-or-later
// The thread that does for an audio thread's objects what the audio thread must not: bridges are made, told and freed.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "liveband/chair.h"

namespace liveband {

/// One for a program. It looks at its chairs many times a second, so that nobody has to wake it.
class Backstage {
  public:
    static constexpr int kChairs = 32;

    /// `client`: the host's name, letters and digits; sessions without a name are called after it. `tell`: is given
    /// each report, with the chair's number, on the thread of Backstage; without it, Chair::hear gives them.
    explicit Backstage(std::string client, std::function<void(int, const Report&)> tell = {});
    ~Backstage();  // ends all sessions
    Backstage(const Backstage&) = delete;
    Backstage& operator=(const Backstage&) = delete;

    /// A chair for a new object; null if all are taken. For any thread, the audio thread included. `session`: at most
    /// 64 characters of those that the server accepts; empty for one that is called after the client.
    Chair* take(const char* session) noexcept;

  private:
    void work();

    const std::string client_;
    const std::function<void(int, const Report&)> tell_;
    const std::unique_ptr<Chair[]> chairs_;
    std::atomic<int> made_{0};
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace liveband
