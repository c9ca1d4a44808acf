// SPDX-License-Identifier: GPL-3.0-or-later
// The seam to the operating system, the line to a server of this machine: bytes both ways, and memory from it.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "liveband/shared_memory.h"

namespace liveband {

/// Lets another thread end a wait. Not for the audio thread.
class Wake {
  public:
    Wake();
    ~Wake();
    Wake(const Wake&) = delete;
    Wake& operator=(const Wake&) = delete;
    void set() noexcept;
    void clear() noexcept;
    Handle handle() const noexcept { return handles_[0]; }

  private:
    Handle handles_[2] = {kNoHandle, kNoHandle};
};

/// One line, for one thread. Waits only in `receive` and `send`, and never longer than told.
class Channel {
  public:
    enum class Outcome { kBytes, kNothing, kWoken, kGone };

    /// Null, with a line in `error`, if nobody listens at that address or it is another user's server.
    static std::unique_ptr<Channel> connect(const std::string& address, std::string& error);
    ~Channel();
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    /// All of them. False if the server is gone or takes nothing for a second.
    bool send(const std::string& bytes);
    /// Adds to `bytes` what has come. `wake` ends the wait; it is not cleared. After kGone `error` says why.
    Outcome receive(std::string& bytes, std::chrono::milliseconds timeout, const Wake& wake, std::string& error);
    /// The oldest memory that came and was not taken, kNoHandle if there is none; the caller closes it. Where the line
    /// carries none, it is opened by the name that the message told.
    Handle takeMemory(const std::string& name, std::string& error);

  private:
    struct End;
    explicit Channel(std::unique_ptr<End> end);
    std::unique_ptr<End> end_;
};

}  // namespace liveband
