// SPDX-License-Identifier: GPL-3.0-or-later
// The bundle's descriptions, written when it is built out of the parameters themselves.
#pragma once

namespace liveband::plugin::lv2 {

/// How JUCE's build step asks a library to write them: a function of the library's path, 0 if all was written. Null for
/// other names.
const void* turtleExtension(const char* uri);

}  // namespace liveband::plugin::lv2
