// SPDX-License-Identifier: GPL-3.0-or-later
// Names that nobody can guess, and none but such are opened.
#pragma once

#include <string>

namespace liveband::windows {

inline constexpr const char* kMappings = "Local\\liveband-";
inline constexpr const char* kPipes = "\\\\.\\pipe\\liveband-";

/// `prefix` and 32 hexadecimal digits; empty if the system has no random numbers.
std::string randomName(const std::string& prefix);
/// Whether it is such a name: one of another machine, or of another program's, is not.
bool isName(const std::string& name, const std::string& prefix);

}  // namespace liveband::windows
