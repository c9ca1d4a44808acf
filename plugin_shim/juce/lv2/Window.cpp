// SPDX-License-Identifier: GPL-3.0-or-later
#include "Window.h"

#include <lv2/instance-access/instance-access.h>

namespace liveband::plugin::lv2 {

Window::Window(Instance& instance, const Host& host)
    : instance_(instance), host_(host), editor_(instance.processor().createEditorIfNeeded()) {
    for (auto port = static_cast<std::uint32_t>(kParameters); port < instance.ports(); ++port)
        known_.push_back(knownFrom(port, instance.told(port)));
    editor_->setScaleFactor(host_.scale);
    addAndMakeVisible(*editor_);
    setOpaque(true);
    setSize(getLocalArea(editor_.get(), editor_->getLocalBounds()).getWidth(),
            getLocalArea(editor_.get(), editor_->getLocalBounds()).getHeight());
    addToDesktop(0, host_.parent);
    editor_->addComponentListener(this);
    setVisible(true);
    askForSize();
}

Window::~Window() {
    editor_->removeComponentListener(this);
    instance_.processor().editorBeingDeleted(editor_.get());
    editor_ = nullptr;
    removeFromDesktop();
}

void Window::idle() {
    loop_.pass();
    tellPorts();
}

Window::Known Window::knownFrom(std::uint32_t port, float told) const {
    const auto& parameter = *instance_.parameter(port);
    return {told, parameter.convertFrom0to1(parameter.convertTo0to1(told))};
}

void Window::tellPorts() {
    for (auto port = static_cast<std::uint32_t>(kParameters); port < instance_.ports(); ++port) {
        const auto& parameter = *instance_.parameter(port);
        auto& known = known_[port - kParameters];
        if (const auto told = instance_.told(port); told != known.told) known = knownFrom(port, told);
        const auto now = static_cast<float>(parameter.get());
        // A pulled trigger has been heard already: the host would pull it once more.
        if (parameter.isTrigger() || now == known.value) continue;
        known.value = now;
        host_.write(host_.controller, port, sizeof now, 0, &now);
    }
}

void Window::fit(int width, int height) {
    const juce::ScopedValueSetter<bool> scope(fitting_, true);
    setSize(width, height);
}

void Window::resized() {
    if (editor_ == nullptr) return;
    const juce::ScopedValueSetter<bool> scope(fitting_, true);
    const auto area = editor_->getLocalArea(this, getLocalBounds());
    editor_->setBoundsConstrained({area.getWidth(), area.getHeight()});
}

void Window::componentMovedOrResized(juce::Component&, bool, bool resized) {
    if (resized && !fitting_) askForSize();
}

void Window::askForSize() {
    const auto area = getLocalArea(editor_.get(), editor_->getLocalBounds());
    if (host_.resize != nullptr && host_.resize->ui_resize != nullptr)
        host_.resize->ui_resize(host_.resize->handle, area.getWidth(), area.getHeight());
    fit(area.getWidth(), area.getHeight());
}

namespace {

LV2UI_Handle open(const LV2UI_Descriptor*, const char*, const char*, LV2UI_Write_Function write,
                  LV2UI_Controller controller, LV2UI_Widget* widget, const LV2_Feature* const* features) {
    auto* instance = feature<Instance>(features, LV2_INSTANCE_ACCESS_URI);
    Window::Host host;
    host.write = write;
    host.controller = controller;
    host.parent = feature<void>(features, LV2_UI__parent);
    host.resize = feature<const LV2UI_Resize>(features, LV2_UI__resize);
    if (const double scale = numberOption(features, LV2_UI__scaleFactor); scale >= 0.5 && scale <= 8.0)
        host.scale = static_cast<float>(scale);
    if (instance == nullptr || host.parent == nullptr || write == nullptr) return nullptr;
    const HostLoop here;  // the window is made on the host's thread
    auto* window = new Window(*instance, host);
    *widget = window->widget();
    return window;
}

void close(LV2UI_Handle window) {
    const HostLoop here;
    delete static_cast<Window*>(window);
}

// The editor follows the processor, which the ports reach through the audio thread.
void portEvent(LV2UI_Handle, std::uint32_t, std::uint32_t, std::uint32_t, const void*) {}

int idle(LV2UI_Handle window) {
    static_cast<Window*>(window)->idle();
    return 0;
}

int resize(LV2UI_Feature_Handle window, int width, int height) {
    static_cast<Window*>(window)->fit(width, height);
    return 0;
}

const void* extension(const char* uri) {
    static const LV2UI_Idle_Interface idling{idle};
    static const LV2UI_Resize resizing{nullptr, resize};
    if (std::strcmp(uri, LV2_UI__idleInterface) == 0) return &idling;
    return std::strcmp(uri, LV2_UI__resize) == 0 ? &resizing : nullptr;
}

}  // namespace

const LV2UI_Descriptor* windowDescriptor() {
    static const LV2UI_Descriptor descriptor{kWindowUri, open, close, portEvent, extension};
    return &descriptor;
}

}  // namespace liveband::plugin::lv2
