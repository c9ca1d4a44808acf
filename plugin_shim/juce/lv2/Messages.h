// SPDX-License-Identifier: GPL-3.0-or-later
// Who delivers messages: a thread of our own, or the host's loop while a window is open.
#pragma once

#include <memory>

namespace liveband::plugin::lv2 {

/// While one lives, messages are delivered.
class Messages {
  public:
    Messages();
    ~Messages();

  private:
    struct Held;
    std::unique_ptr<Held> held_;
};

/// While one lives, messages are delivered on the thread that calls `pass`, the host's own.
class HostLoop {
  public:
    HostLoop();
    ~HostLoop();
    void pass();

  private:
    struct Held;
    std::unique_ptr<Held> held_;
};

}  // namespace liveband::plugin::lv2
