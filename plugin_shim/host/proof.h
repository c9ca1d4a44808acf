// SPDX-License-Identifier: GPL-3.0-or-later
// What the loaded release binary does on the audio thread, and what it leaves behind: blocks that are weighed, blocks
// under a filter that traps every system call, plug-ins that come and go.
#pragma once

#include <string>

#include "plug.h"

namespace host {

/// Blocks of an audio thread. `wait_for_band`: until the plug-in sounds, 15 s at most.
struct Blocks {
    int count = 10000;
    int samples = 64;
    double rate_hz = 96000.0;
    bool paced = true;  // by the clock, else as quickly as it goes
    bool wait_for_band = true;
};

/// What is around `process()`; may be null.
struct Around {
    void (*learn)(bool) = nullptr;  // the first block is within
    void (*before)() = nullptr;
    void (*after)() = nullptr;
};

/// Nanoseconds of each block to `file` (empty: none); prints a line of JSON.
int weigh(Module& module, const Blocks& blocks, const std::string& file);
/// As `weigh`, with controls, jumps and empty blocks between, and `around` each; the line counts blocks.
int watch(Module& module, const Blocks& blocks, const Around& around);
/// Under a filter of the kernel; prints how many calls were made. Ends the process.
[[noreturn]] void trap(Module& module, const Blocks& blocks, bool on_purpose);
/// Loads and unloads, or activates and deactivates, `count` times; prints what has grown since a tenth of them.
int cycles(const std::string& bundle, bool load, int count);

}  // namespace host
