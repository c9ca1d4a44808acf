// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace liveband::run_folder {

std::string path() {
    if (const char* own = std::getenv("LIVEBAND_RUN"); own != nullptr && *own != '\0') return own;
    struct stat info {};
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    if (runtime != nullptr && *runtime == '/' && ::stat(runtime, &info) == 0 && S_ISDIR(info.st_mode))
        return std::string(runtime) + "/liveband";
    const char* temporary = std::getenv("TMPDIR");
    const std::string base = temporary != nullptr && *temporary == '/' ? temporary : "/tmp";
    return base + "/liveband-" + std::to_string(::geteuid());
}

Standing standing(const std::string& folder, std::string& error) {
    struct stat found {};
    if (::lstat(folder.c_str(), &found) != 0) {
        if (errno == ENOENT) return Standing::kAbsent;
        error = "the run directory " + folder + " cannot be looked into: " + std::strerror(errno);
        return Standing::kForeign;
    }
    if (S_ISDIR(found.st_mode) && found.st_uid == ::geteuid() && (found.st_mode & 077) == 0) return Standing::kOurs;
    error = "the run directory " + folder + " is not a folder of this user alone: it is not trusted";
    return Standing::kForeign;
}

bool read(const std::string& file, std::size_t most_bytes, std::string& text) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0) return false;
    text.clear();
    char piece[4096];
    ssize_t got = 0;
    while (text.size() <= most_bytes && (got = ::read(descriptor, piece, sizeof piece)) > 0)
        text.append(piece, static_cast<std::size_t>(got));
    ::close(descriptor);
    return got >= 0 && text.size() <= most_bytes;
}

bool isHeld(const std::string& lock) {
    const int descriptor = ::open(lock.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0) return false;
    const bool held = ::flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ::close(descriptor);
    return held;
}

std::uint64_t stamp(const std::string& file) noexcept {
    struct stat info {};
    if (::lstat(file.c_str(), &info) != 0) return 0;
#if defined(__APPLE__)
    const auto& when = info.st_mtimespec;
#else
    const auto& when = info.st_mtim;
#endif
    return static_cast<std::uint64_t>(info.st_ino) * 1000003u ^
           (static_cast<std::uint64_t>(when.tv_sec) * 1000000000u + static_cast<std::uint64_t>(when.tv_nsec));
}

}  // namespace liveband::run_folder
