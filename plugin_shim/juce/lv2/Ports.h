// SPDX-License-Identifier: GPL-3.0-or-later
// The ports of the LV2 plug-in: a stereo pair in and out, what LV2 itself defines, and one port for each parameter.
#pragma once

#include <cstdint>

namespace liveband::plugin::lv2 {

inline constexpr char kUri[] = JucePlugin_LV2URI, kWindowUri[] = JucePlugin_LV2URI ":UI",
                      kStateUri[] = JucePlugin_LV2URI ":StateString";

inline constexpr int kChannels = 2;

/// Numbers of ports. Hosts keep sessions by the ports' symbols; numbers may change with a version.
enum Port : std::uint32_t {
    kAudioIn = 0,
    kAudioOut = kAudioIn + kChannels,
    kEvents = kAudioOut + kChannels,  // the host's position; need not be connected
    kLatency,
    kFreeWheeling,
    kEnabled,
    kParameters  // the first of them
};

}  // namespace liveband::plugin::lv2
