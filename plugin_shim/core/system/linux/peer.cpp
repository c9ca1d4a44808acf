// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/peer.h"

#include <sys/socket.h>
#include <unistd.h>

namespace liveband {

bool isTrusted(Handle line) noexcept {
    struct ucred peer {};
    socklen_t size = sizeof peer;
    if (::getsockopt(static_cast<int>(line), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    return peer.uid == ::geteuid() || peer.uid == 0;
}

}  // namespace liveband
