// SPDX-License-Identifier: GPL-3.0-or-later
// The least that a server is on Windows, for a front end in another process: run folder, lock, registry, pipe, mapping;
// it plays what it hears.
//
//     windows_server RUN_FOLDER
//
// Prints a line when it can be found, and one for each front end that comes, opens a session, or goes.
#include <windows.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "band.h"
#include "liveband/msgpack.h"
#include "liveband/peer.h"
#include "system/windows/names.h"
#include "system/windows/security.h"

namespace {

using liveband::msgpack::Value;
namespace windows = liveband::windows;

void say(const char* text) {
    std::printf("%s\n", text);
    std::fflush(stdout);
}

/// A session's memory under a name that is told, and what plays in it.
class Session {
  public:
    explicit Session(const Value& wish) {
        const auto channels = static_cast<std::uint32_t>(wish.integerOf("channels", 2));
        const liveband::Shape shape{static_cast<std::uint32_t>(wish.realOf("rate_hz")), channels, channels, 1u << 15};
        const auto header = band::header(shape);
        windows::Alone alone;
        name_ = windows::randomName(windows::kMappings);
        mapping_ = ::CreateFileMappingW(INVALID_HANDLE_VALUE, alone.get(), PAGE_READWRITE, 0,
                                        static_cast<DWORD>(shape.totalBytes()), windows::wide(name_).c_str());
        void* base = mapping_ == nullptr ? nullptr : ::MapViewOfFile(mapping_, FILE_MAP_WRITE, 0, 0, 0);
        if (base == nullptr) return;
        std::memcpy(base, &header, sizeof header);
        ::UnmapViewOfFile(base);
        std::string error;
        segment_ = liveband::Segment::map(reinterpret_cast<liveband::Handle>(mapping_), error);
        if (!segment_) {
            say(error.c_str());
            return;
        }
        segment_->storeDouble(band::offset::gain, 1.0);
        thread_ = std::thread([this] { play(); });
    }
    ~Session() {
        over_ = true;
        if (thread_.joinable()) thread_.join();
        if (mapping_ != nullptr) ::CloseHandle(mapping_);
    }
    bool isOpen() const { return segment_ != nullptr; }
    const std::string& name() const { return name_; }

  private:
    void play() {
        band::Copyist copyist(*segment_);
        std::uint64_t beats = 0;
        while (!over_) {
            if (!copyist.work()) segment_->store(band::offset::server_heartbeat, (1ull << 40) + ++beats);
            segment_->store(band::offset::state, 2);  // playing
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }

    std::string name_;
    HANDLE mapping_ = nullptr;
    std::unique_ptr<liveband::Segment> segment_;
    std::atomic<bool> over_{false};
    std::thread thread_;
};

bool readAll(HANDLE pipe, void* into, DWORD bytes) {
    for (DWORD at = 0, count = 0; at < bytes; at += count) {
        if (!::ReadFile(pipe, static_cast<char*>(into) + at, bytes - at, &count, nullptr) || count == 0) return false;
    }
    return true;
}

void serve(HANDLE pipe) {
    std::unique_ptr<Session> session;
    std::uint32_t length = 0;
    while (readAll(pipe, &length, sizeof length) && length <= liveband::protocol::kMaxMessageBytes) {
        std::string body(length, '\0'), error;
        Value message;
        if (!readAll(pipe, body.data(), length) || !liveband::msgpack::unpack(body, message, error)) break;
        const std::string type = message.textOf("type");
        Value answer = Value::map().with("type", "done").with("id", message.integerOf("id"));
        answer.with("session", message.textOf("session"));
        if (type == "hello") {
            answer = Value::map().with("type", "welcome").with("id", message.integerOf("id"));
            answer.with("major", liveband::protocol::kMajor).with("minor", liveband::protocol::kMinor);
            answer.with("server", "windows_server").with("model", "copy").with("pid", liveband::ownProcess());
        } else if (type == "open" || type == "configure") {
            session.reset();
            session = std::make_unique<Session>(message);
            if (!session->isOpen()) break;
            answer.values[0] = Value(type == "open" ? "opened" : "configured");
            answer.with("memory", session->name()).with("latency_samples", 0);
            say("opened");
        }
        body = liveband::msgpack::pack(answer);
        length = static_cast<std::uint32_t>(body.size());
        std::string frame(reinterpret_cast<const char*>(&length), sizeof length);
        DWORD count = 0;
        frame += body;
        if (!::WriteFile(pipe, frame.data(), static_cast<DWORD>(frame.size()), &count, nullptr)) break;
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) return 2;
    const std::string folder = arguments[1];
    windows::Alone alone, inherited(true);
    if (alone.get() == nullptr || inherited.get() == nullptr) return 3;
    ::CreateDirectoryW(windows::wide(folder).c_str(), inherited.get());
    const HANDLE lock = ::CreateFileW(windows::wide(folder + "\\lock").c_str(), GENERIC_READ | GENERIC_WRITE,
                                      FILE_SHARE_READ | FILE_SHARE_WRITE, alone.get(), OPEN_ALWAYS, 0, nullptr);
    OVERLAPPED place{};
    place.OffsetHigh = 1u << 30;
    if (!::LockFileEx(lock, LOCKFILE_FAIL_IMMEDIATELY | LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &place)) {
        say("another server runs");
        return 4;
    }
    const std::string name = windows::randomName(windows::kPipes);
    std::string escaped;
    for (const char letter : name) escaped += letter == '\\' ? "\\\\" : std::string(1, letter);
    bool is_first = true;
    while (true) {
        const HANDLE pipe = ::CreateNamedPipeW(
            windows::wide(name).c_str(), PIPE_ACCESS_DUPLEX | (is_first ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0),
            PIPE_TYPE_BYTE | PIPE_REJECT_REMOTE_CLIENTS, PIPE_UNLIMITED_INSTANCES, 65536, 65536, 0, alone.get());
        if (pipe == INVALID_HANDLE_VALUE) {
            say(windows::lastError("no pipe").c_str());
            return 5;
        }
        if (is_first) {
            std::FILE* file = std::fopen((folder + "\\server.json").c_str(), "wb");
            if (file == nullptr) return 6;
            std::fprintf(file, "{\"pid\": %lld, \"major\": %d, \"minor\": %d, \"socket\": \"%s\"}\n",
                         static_cast<long long>(liveband::ownProcess()), int{liveband::protocol::kMajor},
                         int{liveband::protocol::kMinor}, escaped.c_str());
            std::fclose(file);
            say("ready");
            is_first = false;
        }
        if (!::ConnectNamedPipe(pipe, nullptr) && ::GetLastError() != ERROR_PIPE_CONNECTED) return 7;
        if (liveband::isTrusted(reinterpret_cast<liveband::Handle>(pipe))) {
            say("come");
            serve(pipe);
            say("gone");
        } else {
            say("refused");
        }
        ::DisconnectNamedPipe(pipe);
        ::CloseHandle(pipe);
    }
}
