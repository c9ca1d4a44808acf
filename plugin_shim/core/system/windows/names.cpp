// SPDX-License-Identifier: GPL-3.0-or-later
#include "system/windows/names.h"

#include <windows.h>
// After it: it wants its types.
#include <ntsecapi.h>

namespace liveband::windows {

namespace {

constexpr std::size_t kDigits = 32;
constexpr const char* kHexadecimal = "0123456789abcdef";

}  // namespace

std::string randomName(const std::string& prefix) {
    unsigned char bytes[kDigits / 2];
    if (!::RtlGenRandom(bytes, sizeof bytes)) return {};
    std::string name = prefix;
    for (const unsigned byte : bytes) {
        name.push_back(kHexadecimal[byte >> 4]);
        name.push_back(kHexadecimal[byte & 15]);
    }
    return name;
}

bool isName(const std::string& name, const std::string& prefix) {
    return name.size() == prefix.size() + kDigits && name.rfind(prefix, 0) == 0 &&
           name.find_first_not_of(kHexadecimal, prefix.size()) == std::string::npos;
}

}  // namespace liveband::windows
