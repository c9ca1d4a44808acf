// SPDX-License-Identifier: GPL-3.0-or-later
// Saved state: named sections of bytes in one checked block, as lbserver/files/saved_state.py writes and reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace liveband::plugin {

inline constexpr std::size_t kMostChunkBytes = std::size_t{1} << 20;  // hosts keep it in every project, several times

using Sections = std::vector<std::pair<std::string, std::string>>;

/// Empty when it would be larger than kMostChunkBytes or has more than 64 sections.
std::string packChunk(const Sections& sections);

/// All sections or nothing: no part of a damaged chunk is believed. `reason` then says why, in one line.
std::optional<Sections> unpackChunk(const void* data, std::size_t bytes, std::string& reason,
                                    std::size_t most_bytes = kMostChunkBytes);

}  // namespace liveband::plugin
