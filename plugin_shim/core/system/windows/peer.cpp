// SPDX-License-Identifier: GPL-3.0-or-later
// The other end of a pipe is a process, and a process has a user.
#include "liveband/peer.h"

#include "system/windows/security.h"

namespace liveband {

bool isTrusted(Handle line) noexcept {
    try {
        const HANDLE pipe = reinterpret_cast<HANDLE>(line);
        DWORD flags = 0;
        ULONG process = 0;
        if (!::GetNamedPipeInfo(pipe, &flags, nullptr, nullptr, nullptr)) return false;
        if (!((flags & PIPE_SERVER_END) != 0 ? ::GetNamedPipeClientProcessId(pipe, &process)
                                             : ::GetNamedPipeServerProcessId(pipe, &process)))
            return false;
        const std::string user = windows::userOf(process);
        return !user.empty() && (user == windows::userOfThis() || user == "S-1-5-18");
    } catch (...) {  // no memory
        return false;
    }
}

std::int64_t ownProcess() noexcept {
    return static_cast<std::int64_t>(::GetCurrentProcessId());
}

bool isAlive(std::int64_t process) noexcept {
    const windows::Owned opened(::OpenProcess(SYNCHRONIZE, FALSE, static_cast<DWORD>(process)));
    if (!opened) return ::GetLastError() == ERROR_ACCESS_DENIED;
    return ::WaitForSingleObject(opened.get(), 0) == WAIT_TIMEOUT;
}

}  // namespace liveband
