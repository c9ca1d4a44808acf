// SPDX-License-Identifier: GPL-3.0-or-later
// What both forms of shared memory on Linux and macOS do with a descriptor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace liveband::unix_system {

/// Write the first bytes. False, with errno, if they cannot be mapped.
bool begin(int descriptor, const void* head, std::size_t bytes) noexcept;

/// Read the first bytes of memory that has `size` bytes.
bool first(int descriptor, void* head, std::size_t bytes, std::uint64_t size, std::string& error);

}  // namespace liveband::unix_system
