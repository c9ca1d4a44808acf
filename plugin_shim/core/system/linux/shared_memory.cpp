// SPDX-License-Identifier: GPL-3.0-or-later
// A memfd whose size is sealed: it has no name, and nobody can shrink it under its readers.
#include "liveband/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "system/unix/mapping.h"

namespace liveband::shared_memory {

const char* const kForm = "sealed";

Handle create(std::size_t bytes, const void* head, std::size_t head_bytes, std::string& error) {
    const int descriptor = ::memfd_create("liveband", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor >= 0 && ::ftruncate(descriptor, static_cast<off_t>(bytes)) == 0 &&
        unix_system::begin(descriptor, head, head_bytes) &&
        ::fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return descriptor;
    error = std::string("no shared memory: ") + std::strerror(errno);
    closeHandle(descriptor);
    return kNoHandle;
}

bool look(Handle handle, void* head, std::size_t head_bytes, std::uint64_t& size, std::string& error) {
    const int descriptor = static_cast<int>(handle);
    const int seals = ::fcntl(descriptor, F_GET_SEALS);
    struct stat info {};
    if (seals < 0 || ::fstat(descriptor, &info) != 0) {
        error = std::string("this descriptor is no segment: ") + std::strerror(errno);
        return false;
    }
    if ((seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW)) {
        error = "the segment is not sealed: its size could change under its readers";
        return false;
    }
    size = static_cast<std::uint64_t>(info.st_size);
    return unix_system::first(descriptor, head, head_bytes, size, error);
}

bool holds(std::uint64_t size, std::uint64_t wanted) noexcept {
    return size == wanted;
}

}  // namespace liveband::shared_memory
