// SPDX-License-Identifier: GPL-3.0-or-later
// An audio thread for a check.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "check.h"

namespace host {

/// Plays on a thread of its own while it lives.
class Playing {
  public:
    Playing(Bench& bench, Plug& plug, const Setup& setup, const std::string& when)
        : thread_([this, &bench, &plug, setup, when] {
              Block block(setup);
              while (!end_) {
                  bench.play(plug, block, 1, when);
                  ++blocks_;
                  std::this_thread::sleep_for(std::chrono::microseconds(300));
              }
          }) {}
    ~Playing() {
        end_ = true;
        thread_.join();
    }
    int blocks() const { return blocks_; }

  private:
    std::atomic<bool> end_{false};
    std::atomic<int> blocks_{0};
    std::thread thread_;
};

}  // namespace host
