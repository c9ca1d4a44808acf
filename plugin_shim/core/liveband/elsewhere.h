// SPDX-License-Identifier: GPL-3.0-or-later
// Where LiveBand's local connection works, and what is said elsewhere.
#pragma once

namespace liveband {

// A session needs a sealed piece of memory that two processes share: memfd and its seals. macOS would need an unlinked
// shared memory object, Windows a named pipe and a named mapping; neither is written, on the server's side either.
#if defined(__linux__)
inline constexpr bool kBuiltHere = true;
#else
inline constexpr bool kBuiltHere = false;
#endif
inline constexpr const char* kNotBuiltHere = "LiveBand's local connection is not built for this system yet";

}  // namespace liveband
