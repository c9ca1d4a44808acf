// SPDX-License-Identifier: GPL-3.0-or-later
// The plug-in on an audio thread that runs by the clock; commands on stdin, one answer of JSON a line.
#pragma once

#include <string>

#include "plug.h"

namespace host {

/// What is written of each block, followed by its input and its output, float32 [channel][sample] each.
struct Record {
    std::int64_t block, due_ns, start_ns, took_ns, song_sample, latency_samples;
    std::int32_t samples, channels, playing, unwritten;
};
static_assert(sizeof(Record) == 64);

/// Until stdin ends. Records to `file` (empty: none).
int live(Module& module, const Setup& setup, const std::string& file);

}  // namespace host
