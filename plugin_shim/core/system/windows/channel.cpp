// SPDX-License-Identifier: GPL-3.0-or-later
// A named pipe of this machine; memory is opened by the random name that the server tells.
#include "liveband/channel.h"

#include "liveband/peer.h"
#include "system/windows/names.h"
#include "system/windows/security.h"

namespace liveband {

namespace {

constexpr DWORD kSendMs = 1000, kConnectMs = 500;

HANDLE asHandle(Handle handle) noexcept {
    return reinterpret_cast<HANDLE>(handle);
}

}  // namespace

Wake::Wake() {
    const HANDLE event = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
    if (event != nullptr) handles_[0] = reinterpret_cast<Handle>(event);
}

Wake::~Wake() {
    closeHandle(handles_[0]);
}

void Wake::set() noexcept {
    ::SetEvent(asHandle(handles_[0]));
}

void Wake::clear() noexcept {
    ::ResetEvent(asHandle(handles_[0]));
}

struct Channel::End {
    explicit End(HANDLE handle) noexcept
        : pipe(handle),
          read_done(::CreateEventW(nullptr, TRUE, FALSE, nullptr)),
          write_done(::CreateEventW(nullptr, TRUE, FALSE, nullptr)) {}
    ~End() {
        // The system writes into `fresh` until a read that was begun is over.
        DWORD count = 0;
        if (is_reading && (::CancelIoEx(pipe.get(), &reading) || ::GetLastError() != ERROR_NOT_FOUND))
            ::GetOverlappedResult(pipe.get(), &reading, &count, TRUE);
    }
    Outcome gone(std::string& error) const {
        error = windows::lastError("the server is gone");
        return Outcome::kGone;
    }

    const windows::Owned pipe, read_done, write_done;
    OVERLAPPED reading{};
    bool is_reading = false;
    char fresh[4096];
};

Channel::Channel(std::unique_ptr<End> end) : end_(std::move(end)) {}
Channel::~Channel() = default;

std::unique_ptr<Channel> Channel::connect(const std::string& address, std::string& error) {
    // A pipe of another machine would be told who we are.
    if (!windows::isName(address, windows::kPipes)) {
        error = "the server's address is no pipe of ours";
        return nullptr;
    }
    const std::wstring name = windows::wide(address);
    HANDLE pipe = INVALID_HANDLE_VALUE;
    do {
        // It may ask who we are, and not act as us.
        pipe = ::CreateFileW(name.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING,
                             FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, nullptr);
    } while (pipe == INVALID_HANDLE_VALUE && ::GetLastError() == ERROR_PIPE_BUSY &&
             ::WaitNamedPipeW(name.c_str(), kConnectMs));
    if (pipe == INVALID_HANDLE_VALUE) {
        error = windows::lastError("the server does not answer");
        return nullptr;
    }
    std::unique_ptr<Channel> channel(new Channel(std::make_unique<End>(pipe)));
    if (!channel->end_->read_done || !channel->end_->write_done) {
        error = windows::lastError("no events are to be had");
        return nullptr;
    }
    if (!isTrusted(reinterpret_cast<Handle>(pipe))) {
        error = "the server belongs to another user: it is not trusted";
        return nullptr;
    }
    return channel;
}

bool Channel::send(const std::string& bytes) {
    const HANDLE pipe = end_->pipe.get();
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        OVERLAPPED writing{};
        writing.hEvent = end_->write_done.get();
        DWORD count = 0;
        if (!::WriteFile(pipe, bytes.data() + sent, static_cast<DWORD>(bytes.size() - sent), nullptr, &writing)) {
            if (::GetLastError() != ERROR_IO_PENDING) return false;
            if (::WaitForSingleObject(writing.hEvent, kSendMs) != WAIT_OBJECT_0) ::CancelIoEx(pipe, &writing);
        }
        if (!::GetOverlappedResult(pipe, &writing, &count, TRUE)) return false;
        sent += count;
    }
    return true;
}

Channel::Outcome Channel::receive(std::string& bytes, std::chrono::milliseconds timeout, const Wake& wake,
                                  std::string& error) {
    End& end = *end_;
    if (!end.is_reading) {
        end.reading = OVERLAPPED{};
        end.reading.hEvent = end.read_done.get();
        if (!::ReadFile(end.pipe.get(), end.fresh, sizeof end.fresh, nullptr, &end.reading) &&
            ::GetLastError() != ERROR_IO_PENDING)
            return end.gone(error);
        end.is_reading = true;
    }
    const HANDLE ready[2] = {end.read_done.get(), asHandle(wake.handle())};
    switch (::WaitForMultipleObjects(2, ready, FALSE, static_cast<DWORD>(timeout.count()))) {
        case WAIT_OBJECT_0:
            break;
        case WAIT_OBJECT_0 + 1:
            return Outcome::kWoken;
        case WAIT_TIMEOUT:
            return Outcome::kNothing;
        default:
            return end.gone(error);
    }
    DWORD count = 0;
    end.is_reading = false;
    if (!::GetOverlappedResult(end.pipe.get(), &end.reading, &count, FALSE)) return end.gone(error);
    bytes.append(end.fresh, count);
    return Outcome::kBytes;
}

Handle Channel::takeMemory(const std::string& name, std::string& error) {
    if (!windows::isName(name, windows::kMappings)) {
        error = name.empty() ? "the server sent no segment" : "the server's segment has no name of ours";
        return kNoHandle;
    }
    const HANDLE mapping = ::OpenFileMappingW(FILE_MAP_READ | FILE_MAP_WRITE | READ_CONTROL, FALSE,
                                              windows::wide(name).c_str());
    if (mapping == nullptr) {
        error = windows::lastError("the segment cannot be opened");
        return kNoHandle;
    }
    return reinterpret_cast<Handle>(mapping);
}

}  // namespace liveband
