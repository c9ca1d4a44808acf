// SPDX-License-Identifier: GPL-3.0-or-later
// Memory that looks like a server's, and that others can get at.
#pragma once

#include "band.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace strange {

/// Of the right bytes; open to others, as this form can be: not sealed, of a mode for all, or of no rules.
inline liveband::Handle memory(const band::protocol::StaticHeader& header, std::size_t bytes) {
#if defined(_WIN32)
    SECURITY_DESCRIPTOR anybody;
    ::InitializeSecurityDescriptor(&anybody, SECURITY_DESCRIPTOR_REVISION);
    ::SetSecurityDescriptorDacl(&anybody, TRUE, nullptr, FALSE);
    SECURITY_ATTRIBUTES attributes{sizeof attributes, &anybody, FALSE};
    const HANDLE mapping = ::CreateFileMappingW(INVALID_HANDLE_VALUE, &attributes, PAGE_READWRITE, 0,
                                                static_cast<DWORD>(bytes), nullptr);
    void* base = ::MapViewOfFile(mapping, FILE_MAP_WRITE, 0, 0, 0);
    if (base == nullptr) return liveband::kNoHandle;
    std::memcpy(base, &header, sizeof header);
    ::UnmapViewOfFile(base);
    return reinterpret_cast<liveband::Handle>(mapping);
#else
    if (liveband::shared_memory::kForm == std::string("unlinked")) {
        const liveband::Handle open = band::memory(header, bytes);
        ::fchmod(static_cast<int>(open), 0660);
        return open;
    }
    const int descriptor = ::memfd_create("strange", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (::ftruncate(descriptor, static_cast<off_t>(bytes)) != 0 ||
        ::pwrite(descriptor, &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header))
        return liveband::kNoHandle;
    return descriptor;
#endif
}

}  // namespace strange
