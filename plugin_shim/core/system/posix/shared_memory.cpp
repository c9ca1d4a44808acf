// SPDX-License-Identifier: GPL-3.0-or-later
// A POSIX shared memory object of this user alone, without its name: macOS's form, which runs on Linux too. There are no
// seals; whoever may open the run folder is trusted not to shrink what he handed over.
#include "liveband/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <random>

#include "system/unix/mapping.h"

namespace liveband::shared_memory {

const char* const kForm = "unlinked";

Handle create(std::size_t bytes, const void* head, std::size_t head_bytes, std::string& error) {
    std::random_device random;
    char name[31];  // macOS: PSHMNAMLEN
    std::snprintf(name, sizeof name, "/lb%08x%08x%08x", random(), random(), random());
    const int descriptor = ::shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (descriptor >= 0 && ::shm_unlink(name) == 0 && ::fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 &&
        ::ftruncate(descriptor, static_cast<off_t>(bytes)) == 0 && unix_system::begin(descriptor, head, head_bytes))
        return descriptor;
    error = std::string("no shared memory: ") + std::strerror(errno);
    closeHandle(descriptor);
    return kNoHandle;
}

bool look(Handle handle, void* head, std::size_t head_bytes, std::uint64_t& size, std::string& error) {
    const int descriptor = static_cast<int>(handle);
    struct stat info {};
    if (::fstat(descriptor, &info) != 0) {
        error = std::string("this descriptor is no segment: ") + std::strerror(errno);
        return false;
    }
    const auto kind = info.st_mode & S_IFMT;
    if (kind != 0 && kind != S_IFREG) {  // macOS tells no kind
        error = "this descriptor is no segment: Invalid argument";
        return false;
    }
    if ((info.st_uid != ::geteuid() && info.st_uid != 0) || (info.st_mode & 077) != 0) {
        error = "the segment is not its user's alone: others could change its size under its readers";
        return false;
    }
    if (kind == S_IFREG && info.st_nlink != 0) {
        error = "the segment has a name: who finds it could change its size under its readers";
        return false;
    }
    size = static_cast<std::uint64_t>(info.st_size);
    return unix_system::first(descriptor, head, head_bytes, size, error);
}

bool holds(std::uint64_t size, std::uint64_t wanted) noexcept {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return size >= wanted && size <= (wanted + page - 1) / page * page;
}

}  // namespace liveband::shared_memory
