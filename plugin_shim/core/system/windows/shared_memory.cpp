// SPDX-License-Identifier: GPL-3.0-or-later
// A mapping of the page file under a random name, which the server tells over its pipe; its descriptor is this user's
// alone. Its size cannot change.
#include "liveband/shared_memory.h"

#include <algorithm>
#include <cstring>

#include "system/windows/names.h"
#include "system/windows/security.h"

namespace liveband {

void closeHandle(Handle handle) noexcept {
    if (handle != kNoHandle) ::CloseHandle(reinterpret_cast<HANDLE>(handle));
}

namespace shared_memory {

namespace {

constexpr std::uint64_t kPage = 4096;

// Bytes that are mapped from there on; whole pages.
std::uint64_t mapped(const void* base) noexcept {
    MEMORY_BASIC_INFORMATION about{};
    return ::VirtualQuery(base, &about, sizeof about) == sizeof about ? about.RegionSize : 0;
}

}  // namespace

const char* const kForm = "named";

Handle create(std::size_t bytes, const void* head, std::size_t head_bytes, std::string& error) {
    windows::Alone alone;
    const std::wstring name = windows::wide(windows::randomName(windows::kMappings));
    HANDLE mapping = nullptr;
    if (alone.get() != nullptr && name.size() > 32)
        mapping = ::CreateFileMappingW(INVALID_HANDLE_VALUE, alone.get(), PAGE_READWRITE,
                                       static_cast<DWORD>(std::uint64_t{bytes} >> 32), static_cast<DWORD>(bytes),
                                       name.c_str());
    const bool taken = mapping != nullptr && ::GetLastError() == ERROR_ALREADY_EXISTS;
    void* base = mapping == nullptr || taken ? nullptr : ::MapViewOfFile(mapping, FILE_MAP_WRITE, 0, 0, head_bytes);
    if (base == nullptr) {
        error = windows::lastError("no shared memory");
        if (mapping != nullptr) ::CloseHandle(mapping);
        return kNoHandle;
    }
    std::memcpy(base, head, head_bytes);
    ::UnmapViewOfFile(base);
    return reinterpret_cast<Handle>(mapping);
}

bool look(Handle handle, void* head, std::size_t head_bytes, std::uint64_t& size, std::string& error) {
    const HANDLE mapping = reinterpret_cast<HANDLE>(handle);
    void* base = ::MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
    if (base == nullptr) {
        error = windows::lastError("this handle is no segment");
        return false;
    }
    size = mapped(base);
    std::memset(head, 0, head_bytes);
    std::memcpy(head, base, static_cast<std::size_t>(std::min<std::uint64_t>(size, head_bytes)));
    ::UnmapViewOfFile(base);
    if (windows::isAlone(windows::descriptorOf(mapping), windows::userOfThis())) return true;
    error = "the segment is not its user's alone: others could write into it";
    return false;
}

bool holds(std::uint64_t size, std::uint64_t wanted) noexcept {
    return size >= wanted && size <= (wanted + kPage - 1) / kPage * kPage;
}

unsigned char* map(Handle handle, std::size_t bytes, std::string& error) {
    void* base = ::MapViewOfFile(reinterpret_cast<HANDLE>(handle), FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, bytes);
    if (base == nullptr) {
        error = windows::lastError("the segment cannot be mapped");
        return nullptr;
    }
    for (std::size_t at = 0; at < bytes; at += kPage) static_cast<void>(static_cast<volatile unsigned char*>(base)[at]);
    return static_cast<unsigned char*>(base);
}

void unmap(unsigned char* base, std::size_t) noexcept {
    ::UnmapViewOfFile(base);
}

}  // namespace shared_memory
}  // namespace liveband
