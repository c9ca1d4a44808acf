// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/run_folder.h"

#include "system/windows/security.h"

namespace liveband::run_folder {

namespace {

constexpr DWORD kLockPlace = 1u << 30;  // in its upper half: beyond any file, so that who locks it stops no reader

std::string variable(const wchar_t* name) {
    wchar_t text[4096];
    const DWORD length = ::GetEnvironmentVariableW(name, text, 4096);
    return length > 0 && length < 4096 ? windows::narrow(std::wstring(text, length)) : std::string();
}

// Whoever writes may go on writing, and a link is opened as what it is.
HANDLE opened(const std::string& file) {
    return ::CreateFileW(windows::wide(file).c_str(), GENERIC_READ,
                         FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr, OPEN_EXISTING,
                         FILE_FLAG_OPEN_REPARSE_POINT, nullptr);
}

}  // namespace

std::string path() {
    const std::string own = variable(L"LIVEBAND_RUN");
    return own.empty() ? variable(L"LOCALAPPDATA") + "\\LiveBand\\run" : own;
}

Standing standing(const std::string& folder, std::string& error) {
    const DWORD attributes = ::GetFileAttributesW(windows::wide(folder).c_str());
    if (attributes == INVALID_FILE_ATTRIBUTES) {
        const DWORD code = ::GetLastError();
        if (code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND) return Standing::kAbsent;
        error = windows::lastError(("the run directory " + folder + " cannot be looked into").c_str());
        return Standing::kForeign;
    }
    const bool is_folder =
        (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0 && (attributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0;
    if (is_folder && windows::isAlone(windows::descriptorOf(folder), windows::userOfThis())) return Standing::kOurs;
    error = "the run directory " + folder + " is not a folder of this user alone: it is not trusted";
    return Standing::kForeign;
}

bool read(const std::string& file, std::size_t most_bytes, std::string& text) {
    const windows::Owned handle(opened(file));
    BY_HANDLE_FILE_INFORMATION about{};
    if (!handle || !::GetFileInformationByHandle(handle.get(), &about) ||
        (about.dwFileAttributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT)) != 0)
        return false;
    text.clear();
    char piece[4096];
    DWORD got = 0;
    while (text.size() <= most_bytes) {
        if (!::ReadFile(handle.get(), piece, sizeof piece, &got, nullptr)) return false;
        if (got == 0) break;
        text.append(piece, got);
    }
    return text.size() <= most_bytes;
}

bool isHeld(const std::string& lock) {
    const windows::Owned handle(opened(lock));
    if (!handle) return false;
    OVERLAPPED place{};
    place.OffsetHigh = kLockPlace;
    return !::LockFileEx(handle.get(), LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &place) &&
           ::GetLastError() == ERROR_LOCK_VIOLATION;
}

std::uint64_t stamp(const std::string& file) noexcept {
    try {
        const windows::Owned handle(opened(file));
        BY_HANDLE_FILE_INFORMATION about{};
        if (!handle || !::GetFileInformationByHandle(handle.get(), &about)) return 0;
        const std::uint64_t index = std::uint64_t{about.nFileIndexHigh} << 32 | about.nFileIndexLow;
        const std::uint64_t written =
            std::uint64_t{about.ftLastWriteTime.dwHighDateTime} << 32 | about.ftLastWriteTime.dwLowDateTime;
        return index * 1000003u ^ written;
    } catch (...) {  // no memory
        return 0;
    }
}

}  // namespace liveband::run_folder
