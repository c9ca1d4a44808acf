// SPDX-License-Identifier: GPL-3.0-or-later
// What an LV2 host offers beyond ports. Nothing of it is required.
#pragma once

#include <lv2/core/lv2.h>
#include <lv2/options/options.h>
#include <lv2/urid/urid.h>

#include <cstdint>
#include <cstring>

namespace liveband::plugin::lv2 {

/// The data of a feature, null if the host has not got it.
template <class Data>
Data* feature(const LV2_Feature* const* features, const char* uri) {
    for (; features != nullptr && *features != nullptr; ++features)
        if (std::strcmp((*features)->URI, uri) == 0) return static_cast<Data*>((*features)->data);
    return nullptr;
}

/// Numbers for names, as the host gives them; 0, which stands for nothing, from a host that gives none.
class HostMap {
  public:
    explicit HostMap(const LV2_Feature* const* features) : map_(feature<LV2_URID_Map>(features, LV2_URID__map)) {}
    LV2_URID operator()(const char* uri) const { return map_ != nullptr ? map_->map(map_->handle, uri) : 0; }
    explicit operator bool() const { return map_ != nullptr; }

  private:
    LV2_URID_Map* map_;
};

/// A whole number among the host's options; 0 if it is not there.
std::int64_t wholeOption(const LV2_Feature* const* features, const char* uri);
/// Any number among them; 0 if it is not there.
double numberOption(const LV2_Feature* const* features, const char* uri);

/// An atom's number, whatever its type; `otherwise` if it is null or none. `body`: what follows the atom's header.
struct AtomTypes {
    explicit AtomTypes(const HostMap& map);
    double number(LV2_URID type, std::uint32_t size, const void* body, double otherwise) const;

    LV2_URID whole, long_whole, real, long_real;
};

}  // namespace liveband::plugin::lv2
