// SPDX-License-Identifier: GPL-3.0-or-later
// The two functions that an LV2 host looks for.
#include "Instance.h"
#include "Turtle.h"
#include "Window.h"

namespace liveband::plugin::lv2 {
namespace {

Instance& of(LV2_Handle instance) {
    return *static_cast<Instance*>(instance);
}

LV2_State_Status save(LV2_Handle instance, LV2_State_Store_Function store, LV2_State_Handle handle, std::uint32_t,
                      const LV2_Feature* const*) {
    return of(instance).save(store, handle);
}

LV2_State_Status restore(LV2_Handle instance, LV2_State_Retrieve_Function retrieve, LV2_State_Handle handle,
                         std::uint32_t, const LV2_Feature* const*) {
    return of(instance).restore(retrieve, handle);
}

const void* extension(const char* uri) {
    static const LV2_State_Interface state{save, restore};
    if (std::strcmp(uri, LV2_STATE__interface) == 0) return &state;
    return turtleExtension(uri);
}

}  // namespace
}  // namespace liveband::plugin::lv2

using namespace liveband::plugin::lv2;

LV2_SYMBOL_EXPORT const LV2_Descriptor* lv2_descriptor(std::uint32_t index) {
    static const LV2_Descriptor descriptor{
        kUri,
        [](const LV2_Descriptor*, double rate_hz, const char*, const LV2_Feature* const* features) -> LV2_Handle {
            return new Instance(rate_hz, features);
        },
        [](LV2_Handle instance, std::uint32_t port, void* data) { of(instance).connect(port, data); },
        [](LV2_Handle instance) { of(instance).activate(); },
        [](LV2_Handle instance, std::uint32_t samples) { of(instance).run(samples); },
        [](LV2_Handle instance) { of(instance).deactivate(); },
        [](LV2_Handle instance) { delete &of(instance); },
        extension};
    return index == 0 ? &descriptor : nullptr;
}

LV2_SYMBOL_EXPORT const LV2UI_Descriptor* lv2ui_descriptor(std::uint32_t index) {
    return index == 0 ? windowDescriptor() : nullptr;
}
