// SPDX-License-Identifier: GPL-3.0-or-later
// The seam to the operating system, the folder in which a server is found: whose it is, what lies in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace liveband::run_folder {

/// Where it is by the environment, or else by the user's name; whether it exists or not.
std::string path();

enum class Standing { kOurs, kAbsent, kForeign };

/// Whether it is a folder of this user alone. After kForeign `error` says why it is not trusted.
Standing standing(const std::string& folder, std::string& error);

/// A file, whole, if it is a plain file of at most so many bytes, and no link.
bool read(const std::string& file, std::size_t most_bytes, std::string& text);

/// Whether a server holds the lock; it is taken shared for an instant, which a starting server sits out.
bool isHeld(const std::string& lock);

/// A number that changes when the file is written anew or removed; 0 where there is none.
std::uint64_t stamp(const std::string& file) noexcept;

}  // namespace liveband::run_folder
