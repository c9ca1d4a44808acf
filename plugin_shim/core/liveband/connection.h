// SPDX-License-Identifier: GPL-3.0-or-later
// The local socket: messages to the server and back, and the descriptors that come with them.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <string>

#include "liveband/msgpack.h"

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
    int descriptor() const noexcept { return descriptors_[0]; }

  private:
    int descriptors_[2] = {-1, -1};
};

/// One connection to a server; for one thread. Waits only in `receive` and `send`, and never longer than told.
class Connection {
  public:
    enum class Outcome { kMessage, kNothing, kWoken, kGone };

    /// Null, with a line in `error`, if nobody listens there or it is another user's server.
    static std::unique_ptr<Connection> connect(const std::string& path, std::string& error);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// False if the server is gone or takes nothing for a second.
    bool send(const msgpack::Value& message);
    /// The next message. `wake` ends the wait; it is not cleared. After kGone `error` says why.
    Outcome receive(msgpack::Value& message, std::chrono::milliseconds timeout, const Wake& wake, std::string& error);
    /// The oldest descriptor that came and was not taken, -1 if there is none; the caller closes it.
    int takeDescriptor() noexcept;

  private:
    explicit Connection(int socket) noexcept : socket_(socket) {}
    Outcome next(msgpack::Value& message, std::string& error);
    Outcome readMore(std::string& error);

    int socket_;
    std::string pending_;
    std::deque<int> descriptors_;
};

}  // namespace liveband
