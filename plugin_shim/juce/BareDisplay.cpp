// SPDX-License-Identifier: GPL-3.0-or-later
#include "BareDisplay.h"

#include <juce_core/juce_core.h>

#if JUCE_LINUX || JUCE_BSD
#include <dlfcn.h>
#endif

namespace liveband::plugin {

#if JUCE_LINUX || JUCE_BSD
namespace {

template <class Function>
Function* entry(void* library, const char* name) {
    return reinterpret_cast<Function*>(::dlsym(library, name));
}

}  // namespace

NamedAtoms::NamedAtoms() : library_(::dlopen("libX11.so.6", RTLD_NOW)) {
    if (library_ == nullptr) return;
    auto* open = entry<void*(const char*)>(library_, "XOpenDisplay");
    auto* intern = entry<unsigned long(void*, const char*, int)>(library_, "XInternAtom");
    if (open == nullptr || intern == nullptr) return;
    display_ = open(nullptr);
    if (display_ == nullptr) return;
    for (const auto* name : {"WM_PROTOCOLS", "WM_TAKE_FOCUS", "WM_DELETE_WINDOW", "WM_CHANGE_STATE", "WM_STATE",
                             "_NET_WM_PING", "_NET_WM_WINDOW_TYPE", "_NET_WM_STATE", "_NET_WM_STATE_HIDDEN"})
        intern(display_, name, 0);
}

NamedAtoms::~NamedAtoms() {
    if (display_ != nullptr)
        if (auto* close = entry<int(void*)>(library_, "XCloseDisplay")) close(display_);
    // The library stays: X11 does not like to be unloaded.
}
#else
NamedAtoms::NamedAtoms() = default;
NamedAtoms::~NamedAtoms() = default;
#endif

}  // namespace liveband::plugin
