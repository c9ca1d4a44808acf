// SPDX-License-Identifier: GPL-3.0-or-later
// Proofs about the audio thread, for the host of a few lines: system calls it makes, time it takes.
#pragma once

#include <functional>

namespace liveband::plugin {

struct Calls {
    int count = 0;  // -1: this system cannot count them
    int last = -1;  // number of the last one
};

/// System calls while `block(0)` to `block(blocks - 1)` run on a thread of their own, after a tenth as many that are
/// not counted. A call that is counted does nothing.
Calls systemCalls(int blocks, const std::function<void(int)>& block);

/// Microseconds that `block` takes.
double microsecondsOf(const std::function<void()>& block);

}  // namespace liveband::plugin
