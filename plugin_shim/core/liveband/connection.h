// SPDX-License-Identifier: GPL-3.0-or-later
// The local connection: messages to the server and back, and the memory that comes with them.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "liveband/channel.h"
#include "liveband/msgpack.h"

namespace liveband {

/// One connection to a server; for one thread. Waits only in `receive` and `send`, and never longer than told.
class Connection {
  public:
    enum class Outcome { kMessage, kNothing, kWoken, kGone };

    /// Null, with a line in `error`, if nobody listens there or it is another user's server.
    static std::unique_ptr<Connection> connect(const std::string& address, std::string& error);

    /// False if the server is gone or takes nothing for a second.
    bool send(const msgpack::Value& message);
    /// The next message. `wake` ends the wait; it is not cleared. After kGone `error` says why.
    Outcome receive(msgpack::Value& message, std::chrono::milliseconds timeout, const Wake& wake, std::string& error);
    /// The memory that came with an answer, kNoHandle if there is none; the caller closes it.
    Handle takeMemory(const msgpack::Value& answer, std::string& error);

  private:
    explicit Connection(std::unique_ptr<Channel> channel) noexcept : channel_(std::move(channel)) {}
    Outcome next(msgpack::Value& message, std::string& error);

    std::unique_ptr<Channel> channel_;
    std::string pending_;
};

}  // namespace liveband
