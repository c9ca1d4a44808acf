// SPDX-License-Identifier: GPL-3.0-or-later
// The seam to the operating system, memory: what a server hands over, mapped here as well. Its forms are in core/system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace liveband {

/// What is open, as the system numbers it: a descriptor, or on Windows a handle.
using Handle = std::intptr_t;
inline constexpr Handle kNoHandle = -1;
/// kNoHandle is none.
void closeHandle(Handle handle) noexcept;

namespace shared_memory {

/// Memory of so many bytes that begin with `head`; zeros follow. kNoHandle, with a line in `error`, if there is none.
Handle create(std::size_t bytes, const void* head, std::size_t head_bytes, std::string& error);

/// The size of what was handed over, and its first bytes, zeros after its end. False, with a line in `error`, for what
/// is no memory of this system's form: whoever else has it could change its size under its readers.
bool look(Handle handle, void* head, std::size_t head_bytes, std::uint64_t& size, std::string& error);

/// Whether memory that says it has `size` bytes was made with `wanted`: some systems say whole pages.
bool holds(std::uint64_t size, std::uint64_t wanted) noexcept;

/// Mapped, every page of it touched, so that the audio thread meets none for the first time. Null, with a line in
/// `error`, if it cannot be. The handle may be closed then.
unsigned char* map(Handle handle, std::size_t bytes, std::string& error);
void unmap(unsigned char* base, std::size_t bytes) noexcept;

/// As in the server's LIVEBAND_SHARED_MEMORY.
extern const char* const kForm;

}  // namespace shared_memory
}  // namespace liveband
