// SPDX-License-Identifier: GPL-3.0-or-later
// The editor in an LV2 host's window.
#pragma once

#include <juce_gui_basics/juce_gui_basics.h>
#include <lv2/ui/ui.h>

#include <memory>
#include <vector>

#include "Instance.h"

namespace liveband::plugin::lv2 {

class Window final : private juce::Component, private juce::ComponentListener {
  public:
    /// What a host gives a window: whom it tells of ports, its own window, and how it is asked for another size.
    struct Host {
        LV2UI_Write_Function write = nullptr;
        LV2UI_Controller controller = nullptr;
        void* parent = nullptr;
        const LV2UI_Resize* resize = nullptr;
        float scale = 1.0f;
    };

    Window(Instance& instance, const Host& host);
    ~Window() override;

    LV2UI_Widget widget() const { return getWindowHandle(); }
    /// The host's loop: messages, and what the window has changed.
    void idle();
    /// The host has another size for it.
    void fit(int width, int height);

  private:
    void paint(juce::Graphics& graphics) override { graphics.fillAll(juce::Colours::black); }
    void resized() override;
    void componentMovedOrResized(juce::Component&, bool moved, bool resized) override;
    void askForSize();
    /// What the host knows of a parameter: what its port said last, and which of port and window spoke last, as the
    /// parameter gives it back (the last bit may be another than the port's).
    struct Known {
        float told, value;
    };
    Known knownFrom(std::uint32_t port, float told) const;
    void tellPorts();

    HostLoop loop_;
    Instance& instance_;
    const Host host_;
    std::vector<Known> known_;  // of each parameter's port
    std::unique_ptr<juce::AudioProcessorEditor> editor_;
    bool fitting_ = false;
};

const LV2UI_Descriptor* windowDescriptor();

}  // namespace liveband::plugin::lv2
