// SPDX-License-Identifier: GPL-3.0-or-later
#include "HostMap.h"

#include <lv2/atom/atom.h>

#include <cmath>

namespace liveband::plugin::lv2 {
namespace {

template <class Number>
double read(std::uint32_t size, const void* body, double otherwise) {
    if (size < sizeof(Number) || body == nullptr) return otherwise;
    Number value;
    std::memcpy(&value, body, sizeof value);
    return static_cast<double>(value);
}

}  // namespace

AtomTypes::AtomTypes(const HostMap& map)
    : whole(map(LV2_ATOM__Int)),
      long_whole(map(LV2_ATOM__Long)),
      real(map(LV2_ATOM__Float)),
      long_real(map(LV2_ATOM__Double)) {}

double AtomTypes::number(LV2_URID type, std::uint32_t size, const void* body, double otherwise) const {
    if (type == 0) return otherwise;
    if (type == whole) return read<std::int32_t>(size, body, otherwise);
    if (type == long_whole) return read<std::int64_t>(size, body, otherwise);
    if (type == real) return read<float>(size, body, otherwise);
    return type == long_real ? read<double>(size, body, otherwise) : otherwise;
}

double numberOption(const LV2_Feature* const* features, const char* uri) {
    const HostMap map(features);
    const auto* option = feature<const LV2_Options_Option>(features, LV2_OPTIONS__options);
    const auto key = map(uri);
    const AtomTypes types(map);
    for (; key != 0 && option != nullptr && option->key != 0; ++option)
        if (option->key == key) return types.number(option->type, option->size, option->value, 0.0);
    return 0.0;
}

std::int64_t wholeOption(const LV2_Feature* const* features, const char* uri) {
    const double value = numberOption(features, uri);
    return std::isfinite(value) ? static_cast<std::int64_t>(value) : 0;
}

}  // namespace liveband::plugin::lv2
