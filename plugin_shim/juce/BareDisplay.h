// SPDX-License-Identifier: GPL-3.0-or-later
// A display where no window manager ever ran, as on machines that test plug-ins.
#pragma once

namespace liveband::plugin {

/// JUCE looks up the names that window managers use, and ends the host's process where they were never given. For
/// programs of ours that are such a host; to be called before JUCE begins. Does nothing without X11.
void nameAtoms();

}  // namespace liveband::plugin
