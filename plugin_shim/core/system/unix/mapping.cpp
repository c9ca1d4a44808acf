// SPDX-License-Identifier: GPL-3.0-or-later
#include "system/unix/mapping.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "liveband/shared_memory.h"

namespace liveband {

void closeHandle(Handle handle) noexcept {
    if (handle >= 0) ::close(static_cast<int>(handle));
}

// Through a mapping both: macOS neither reads nor writes such a descriptor.
bool unix_system::begin(int descriptor, const void* head, std::size_t bytes) noexcept {
    void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (base == MAP_FAILED) return false;
    std::memcpy(base, head, bytes);
    return ::munmap(base, bytes) == 0;
}

bool unix_system::first(int descriptor, void* head, std::size_t bytes, std::uint64_t size, std::string& error) {
    std::memset(head, 0, bytes);
    const auto there = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, size));
    if (there == 0) return true;
    void* base = ::mmap(nullptr, there, PROT_READ, MAP_SHARED, descriptor, 0);
    if (base == MAP_FAILED) {
        error = std::string("the segment cannot be mapped: ") + std::strerror(errno);
        return false;
    }
    std::memcpy(head, base, there);
    ::munmap(base, there);
    return true;
}

unsigned char* shared_memory::map(Handle handle, std::size_t bytes, std::string& error) {
#if defined(MAP_POPULATE)
    constexpr int kFlags = MAP_SHARED | MAP_POPULATE;
#else
    constexpr int kFlags = MAP_SHARED;
#endif
    void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kFlags, static_cast<int>(handle), 0);
    if (base == MAP_FAILED) {
        error = std::string("the segment cannot be mapped: ") + std::strerror(errno);
        return nullptr;
    }
#if !defined(MAP_POPULATE)
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    for (std::size_t at = 0; at < bytes; at += page) static_cast<void>(static_cast<volatile unsigned char*>(base)[at]);
#endif
    // A host that forks must not leave the ring to its child.
#if defined(MADV_DONTFORK)
    ::madvise(base, bytes, MADV_DONTFORK);
#else
    ::minherit(base, bytes, VM_INHERIT_NONE);
#endif
    return static_cast<unsigned char*>(base);
}

void shared_memory::unmap(unsigned char* base, std::size_t bytes) noexcept {
    ::munmap(base, bytes);
}

}  // namespace liveband
