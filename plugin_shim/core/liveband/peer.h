// SPDX-License-Identifier: GPL-3.0-or-later
// The seam to the operating system, who is who.
#pragma once

#include <cstdint>

#include "liveband/shared_memory.h"

namespace liveband {

/// Whether the other end of a connected line is this user's, or the machine's own (root, SYSTEM).
bool isTrusted(Handle line) noexcept;

/// This process's number.
std::int64_t ownProcess() noexcept;

/// Whether a process lives, as far as this one may know.
bool isAlive(std::int64_t process) noexcept;

}  // namespace liveband
