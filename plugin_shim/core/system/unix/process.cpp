// SPDX-License-Identifier: GPL-3.0-or-later
#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "liveband/peer.h"

namespace liveband {

std::int64_t ownProcess() noexcept {
    return ::getpid();
}

bool isAlive(std::int64_t process) noexcept {
    return ::kill(static_cast<pid_t>(process), 0) == 0 || errno == EPERM;
}

}  // namespace liveband
