// SPDX-License-Identifier: GPL-3.0-or-later
// Where the server is: the run directory of this user, and what the server wrote into it.
#pragma once

#include <cstdint>
#include <string>

namespace liveband {

struct ServerInfo {
    std::int64_t pid = 0;
    int major = 0;
    int minor = 0;
    std::string socket;
};

/// The run directory, whether it exists or not, as the server finds it; `wish` if that is not empty.
std::string runPath(const std::string& wish = {});

/// Whether a server runs. Without one `error` is empty, or says in one line why what is there is not trusted.
bool findServer(const std::string& directory, ServerInfo& info, std::string& error);

/// A number that changes when the registry is written anew or removed; cheap.
std::uint64_t registryStamp(const std::string& directory) noexcept;

/// What the registry's text says; false if it is damaged.
bool parseRegistry(const std::string& text, ServerInfo& info);

}  // namespace liveband
