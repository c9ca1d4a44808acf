// SPDX-License-Identifier: GPL-3.0-or-later
// Alone with the X11 headers, which take common words for themselves.
#define JUCE_GUI_BASICS_INCLUDE_XHEADERS 1
#include <juce_audio_processors/juce_audio_processors.h>
#include <juce_gui_basics/juce_gui_basics.h>

#include <juce_audio_plugin_client/utility/juce_LinuxMessageThread.h>

#include "Messages.h"

namespace liveband::plugin::lv2 {

struct Messages::Held {
    juce::SharedResourcePointer<juce::MessageThread> thread;
};

Messages::Messages() : held_(std::make_unique<Held>()) {}
Messages::~Messages() = default;

struct HostLoop::Held {
    juce::SharedResourcePointer<juce::HostDrivenEventLoop> loop;
};

HostLoop::HostLoop() : held_(std::make_unique<Held>()) {}
HostLoop::~HostLoop() = default;

void HostLoop::pass() {
    held_->loop->processPendingEvents();
}

}  // namespace liveband::plugin::lv2
