// SPDX-License-Identifier: GPL-3.0-or-later
#include "BareDisplay.h"

#include <juce_core/juce_core.h>

#if JUCE_LINUX || JUCE_BSD
#include <dlfcn.h>
#endif

namespace liveband::plugin {

void nameAtoms() {
#if JUCE_LINUX || JUCE_BSD
    [[maybe_unused]] static const bool named = [] {
        void* library = ::dlopen("libX11.so.6", RTLD_NOW);
        if (library == nullptr) return false;
        const auto open = reinterpret_cast<void* (*)(const char*)>(::dlsym(library, "XOpenDisplay"));
        const auto intern =
            reinterpret_cast<unsigned long (*)(void*, const char*, int)>(::dlsym(library, "XInternAtom"));
        void* display = open == nullptr || intern == nullptr ? nullptr : open(nullptr);
        if (display == nullptr) return false;
        for (const auto* name : {"WM_PROTOCOLS", "WM_TAKE_FOCUS", "WM_DELETE_WINDOW", "WM_CHANGE_STATE", "WM_STATE",
                                 "_NET_WM_PING", "_NET_WM_WINDOW_TYPE", "_NET_WM_STATE", "_NET_WM_STATE_HIDDEN"})
            intern(display, name, 0);
        // Never closed: a display that nobody uses any more forgets its names.
        return true;
    }();
#endif
}

}  // namespace liveband::plugin
