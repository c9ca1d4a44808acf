// SPDX-License-Identifier: GPL-3.0-or-later
// The seam's promises on Windows, each by itself: prints the names of those that do not hold.
//
//     windows_seam FOLDER        in a folder of its own
//     windows_seam verdicts      for each line of standard input, DESCRIPTOR USER: 1 if it is the user's alone, else 0
//     windows_seam layouts       sizes and places of the structures that Python declares for itself
#include <windows.h>
// After it: they want its types.
#include <psapi.h>
#include <sddl.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "band.h"
#include "liveband/channel.h"
#include "liveband/peer.h"
#include "liveband/run_folder.h"
#include "system/windows/names.h"
#include "system/windows/security.h"

namespace {

namespace windows = liveband::windows;
using liveband::Handle;
using liveband::run_folder::Standing;

constexpr liveband::Shape kShape{48000, 2, 1, 4096};
std::string folder;

/// A mapping with a descriptor of its own; empty: the system's usual one.
Handle mappingOf(const std::string& descriptor, std::size_t bytes) {
    PSECURITY_DESCRIPTOR security = nullptr;
    if (!descriptor.empty() && !::ConvertStringSecurityDescriptorToSecurityDescriptorW(
                                   windows::wide(descriptor).c_str(), 1, &security, nullptr))
        return liveband::kNoHandle;
    SECURITY_ATTRIBUTES attributes{sizeof attributes, security, FALSE};
    const HANDLE mapping = ::CreateFileMappingW(INVALID_HANDLE_VALUE, descriptor.empty() ? nullptr : &attributes,
                                                PAGE_READWRITE, 0, static_cast<DWORD>(bytes), nullptr);
    const auto header = band::header(kShape);
    if (void* base = ::MapViewOfFile(mapping, FILE_MAP_WRITE, 0, 0, 0)) {
        std::memcpy(base, &header, std::min(bytes, sizeof header));
        ::UnmapViewOfFile(base);
    }
    ::LocalFree(security);
    return reinterpret_cast<Handle>(mapping);
}

bool isMapped(Handle handle, std::string& error) {
    const bool mapped = handle != liveband::kNoHandle && liveband::Segment::map(handle, error) != nullptr;
    liveband::closeHandle(handle);
    return mapped;
}

bool user() {
    const std::string name = windows::userOfThis();
    return name.rfind("S-1-", 0) == 0 && windows::userOf(::GetCurrentProcessId()) == name &&
           liveband::isAlive(liveband::ownProcess()) && !liveband::isAlive(0x7FFFFFF0);
}

bool sizes() {
    const std::string own = windows::aloneText(windows::userOfThis(), false);
    std::string error;
    return isMapped(mappingOf(own, kShape.totalBytes()), error) &&
           !isMapped(mappingOf(own, kShape.totalBytes() + 4096), error) && error.find("bytes, not") < error.size() &&
           !isMapped(mappingOf(own, 100), error) && !isMapped(reinterpret_cast<Handle>(::GetCurrentThread()), error);
}

/// Memory that others may open is refused, whatever is in it.
bool descriptors() {
    const std::string own = windows::userOfThis();
    const std::size_t bytes = kShape.totalBytes();
    std::string error;
    for (const std::string& strange :
         {"O:" + own + "D:NO_ACCESS_CONTROL", "O:" + own + "D:(A;;GA;;;WD)", "O:" + own + "D:(A;;GA;;;" + own + ")(A;;GR;;;WD)"}) {
        error.clear();
        if (isMapped(mappingOf(strange, bytes), error) || error.find("user's alone") == std::string::npos) return false;
    }
    return windows::isAlone(windows::descriptorOf(reinterpret_cast<HANDLE>(band::memory(band::header(kShape), bytes))),
                            own);
}

/// Random, of one form, and never anybody else's.
bool names() {
    const std::string one = windows::randomName(windows::kPipes), other = windows::randomName(windows::kPipes);
    return one != other && windows::isName(one, windows::kPipes) && !windows::isName(one, windows::kMappings) &&
           !windows::isName("\\\\elsewhere\\pipe\\liveband-0123456789abcdef0123456789abcdef", windows::kPipes) &&
           !windows::isName(one + "0", windows::kPipes) && !windows::isName(one.substr(1), windows::kPipes);
}

HANDLE pipeOf(const std::string& name) {
    windows::Alone alone;
    return ::CreateNamedPipeW(windows::wide(name).c_str(),
                              PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE | FILE_FLAG_OVERLAPPED,
                              PIPE_TYPE_BYTE | PIPE_REJECT_REMOTE_CLIENTS, 4, 4096, 4096, 0, alone.get());
}

/// Who takes a name first has it alone.
bool first() {
    const std::string name = windows::randomName(windows::kPipes);
    const windows::Owned one(pipeOf(name)), other(pipeOf(name));
    return one && !other;
}

/// Who opens a pipe that is not there, or not ours, is told so; a wait ends when it is told to, and with the server.
bool pipes() {
    const std::string name = windows::randomName(windows::kPipes);
    std::string error;
    if (liveband::Channel::connect(name, error) || error.find("does not answer") == std::string::npos) return false;
    if (liveband::Channel::connect("\\\\elsewhere\\pipe\\x", error) || error.find("no pipe of ours") == std::string::npos)
        return false;
    const windows::Owned first(pipeOf(name));
    if (!first || !windows::isAlone(windows::descriptorOf(first.get()), windows::userOfThis())) return false;
    auto channel = liveband::Channel::connect(name, error);
    if (!channel || !liveband::isTrusted(reinterpret_cast<Handle>(first.get()))) return false;
    liveband::Wake wake;
    std::string bytes;
    using Outcome = liveband::Channel::Outcome;
    const auto begun = std::chrono::steady_clock::now();
    if (channel->receive(bytes, std::chrono::milliseconds(30), wake, error) != Outcome::kNothing) return false;
    if (std::chrono::steady_clock::now() - begun < std::chrono::milliseconds(20)) return false;
    wake.set();
    if (channel->receive(bytes, std::chrono::milliseconds(5000), wake, error) != Outcome::kWoken) return false;
    wake.clear();
    if (channel->takeMemory("Local\\somebody", error) != liveband::kNoHandle) return false;
    ::DisconnectNamedPipe(first.get());
    return channel->receive(bytes, std::chrono::milliseconds(5000), wake, error) == Outcome::kGone && !error.empty();
}

bool folders() {
    windows::Alone inherited(true);
    std::string error, text;
    const std::string own = folder + "\\own", usual = folder + "\\usual", file = own + "\\file";
    if (liveband::run_folder::standing(own, error) != Standing::kAbsent || !error.empty()) return false;
    if (!::CreateDirectoryW(windows::wide(own).c_str(), inherited.get())) return false;
    if (liveband::run_folder::standing(own, error) != Standing::kOurs) return false;
    ::CloseHandle(::CreateFileW(windows::wide(usual).c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW, 0, nullptr));
    if (liveband::run_folder::standing(usual, error) != Standing::kForeign) return false;
    std::FILE* out = std::fopen(file.c_str(), "wb");
    if (out == nullptr) return false;
    std::fputs("hello", out);
    std::fclose(out);
    return liveband::run_folder::read(file, 5, text) && text == "hello" && !liveband::run_folder::read(file, 4, text) &&
           !liveband::run_folder::read(own, 100, text) && liveband::run_folder::stamp(file) != 0 &&
           liveband::run_folder::stamp(own + "\\none") == 0 && !liveband::run_folder::isHeld(file);
}

/// A lock is seen from elsewhere, stops no reader, and ends with its handle.
bool locks() {
    const std::string file = folder + "\\lock";
    std::string text;
    {
        const windows::Owned lock(::CreateFileW(windows::wide(file).c_str(), GENERIC_READ | GENERIC_WRITE,
                                                FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr, CREATE_NEW, 0, nullptr));
        OVERLAPPED place{};
        place.OffsetHigh = 1u << 30;
        DWORD count = 0;
        if (!::WriteFile(lock.get(), "12", 2, &count, nullptr)) return false;
        if (!::LockFileEx(lock.get(), LOCKFILE_FAIL_IMMEDIATELY | LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &place)) return false;
        if (!liveband::run_folder::isHeld(file) || !liveband::run_folder::read(file, 10, text) || text != "12")
            return false;
    }
    return !liveband::run_folder::isHeld(file);
}

int verdicts() {
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        std::string descriptor, user_name;
        words >> descriptor >> user_name;
        std::printf("%d\n", windows::isAlone(descriptor, user_name) ? 1 : 0);
    }
    return 0;
}

int layouts() {
    std::printf("SecurityAttributes %zu %zu\n", sizeof(SECURITY_ATTRIBUTES), offsetof(SECURITY_ATTRIBUTES, bInheritHandle));
    std::printf("Overlapped %zu %zu\n", sizeof(OVERLAPPED), offsetof(OVERLAPPED, hEvent));
    std::printf("MemoryRegion %zu %zu\n", sizeof(MEMORY_BASIC_INFORMATION),
                offsetof(MEMORY_BASIC_INFORMATION, RegionSize));
    std::printf("MemoryCounters %zu %zu\n", sizeof(PROCESS_MEMORY_COUNTERS),
                offsetof(PROCESS_MEMORY_COUNTERS, PagefileUsage));
    std::printf("JobLimits %zu %zu\n", sizeof(JOBOBJECT_EXTENDED_LIMIT_INFORMATION),
                offsetof(JOBOBJECT_EXTENDED_LIMIT_INFORMATION, ProcessMemoryLimit));
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) return 2;
    folder = arguments[1];
    if (folder == "verdicts") return verdicts();
    if (folder == "layouts") return layouts();
    const struct {
        const char* name;
        bool (*holds)();
    } promises[] = {{"user", user},       {"sizes", sizes}, {"descriptors", descriptors}, {"names", names},
                    {"first", first}, {"pipes", pipes}, {"folders", folders}, {"locks", locks}};
    for (const auto& promise : promises) {
        if (!promise.holds()) std::printf("%s\n", promise.name);
        std::fflush(stdout);
    }
    return 0;
}
