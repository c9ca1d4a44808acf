// SPDX-License-Identifier: GPL-3.0-or-later
// A Unix socket; memory comes along as SCM_RIGHTS.
#include "liveband/channel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>

#include "liveband/peer.h"

namespace liveband {

namespace {

constexpr std::size_t kMostDescriptors = 8;
constexpr int kSendMs = 1000;

#if defined(MSG_NOSIGNAL)
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;  // SO_NOSIGPIPE is set instead
#endif
#if defined(MSG_CMSG_CLOEXEC)
constexpr int kReceiveFlags = MSG_CMSG_CLOEXEC;
#else
constexpr int kReceiveFlags = 0;
#endif

// Linux can say it when they are made; between the two calls a thread of the host's may start a program.
void unblock(int descriptor) {
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}

int openSocket() {
#if defined(SOCK_CLOEXEC)
    return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (descriptor >= 0) unblock(descriptor);
    return descriptor;
#endif
}

}  // namespace

Wake::Wake() {
    int ends[2];
    if (::pipe(ends) != 0) return;
    for (int i = 0; i < 2; ++i) {
        unblock(ends[i]);
        handles_[i] = ends[i];
    }
}

Wake::~Wake() {
    for (const Handle handle : handles_) closeHandle(handle);
}

void Wake::set() noexcept {
    const char byte = 1;
    [[maybe_unused]] const ssize_t sent = ::write(static_cast<int>(handles_[1]), &byte, 1);  // full is as good as set
}

void Wake::clear() noexcept {
    char bytes[64];
    while (::read(static_cast<int>(handles_[0]), bytes, sizeof bytes) > 0) {
    }
}

struct Channel::End {
    explicit End(int descriptor) noexcept : socket(descriptor) {}
    ~End() {
        for (const int descriptor : descriptors) ::close(descriptor);
        ::close(socket);
    }
    Outcome read(std::string& bytes, std::string& error);

    int socket;
    std::deque<int> descriptors;
};

Channel::Channel(std::unique_ptr<End> end) : end_(std::move(end)) {}
Channel::~Channel() = default;

std::unique_ptr<Channel> Channel::connect(const std::string& address, std::string& error) {
    struct sockaddr_un name {};
    name.sun_family = AF_UNIX;
    if (address.size() >= sizeof name.sun_path) {
        error = "the server's socket has too long a path";
        return nullptr;
    }
    std::memcpy(name.sun_path, address.data(), address.size());
    const int descriptor = openSocket();
    if (descriptor < 0) {
        error = std::string("no socket is to be had: ") + std::strerror(errno);
        return nullptr;
    }
#if defined(SO_NOSIGPIPE)
    const int on = 1;
    ::setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    std::unique_ptr<Channel> channel(new Channel(std::make_unique<End>(descriptor)));
    if (::connect(descriptor, reinterpret_cast<const struct sockaddr*>(&name), sizeof name) != 0) {
        error = std::string("the server does not answer: ") + std::strerror(errno);
        return nullptr;
    }
    if (!isTrusted(descriptor)) {
        error = "the server belongs to another user: it is not trusted";
        return nullptr;
    }
    return channel;
}

bool Channel::send(const std::string& bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        const ssize_t now = ::send(end_->socket, bytes.data() + sent, bytes.size() - sent, kSendFlags);
        if (now > 0) {
            sent += static_cast<std::size_t>(now);
            continue;
        }
        if (now < 0 && errno == EINTR) continue;
        if (now < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return false;
        struct pollfd ready {
            end_->socket, POLLOUT, 0
        };
        if (::poll(&ready, 1, kSendMs) <= 0) return false;
    }
    return true;
}

Channel::Outcome Channel::receive(std::string& bytes, std::chrono::milliseconds timeout, const Wake& wake,
                                  std::string& error) {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + timeout;
    while (true) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        struct pollfd ready[2] = {{end_->socket, POLLIN, 0}, {static_cast<int>(wake.handle()), POLLIN, 0}};
        const int count = ::poll(ready, 2, left > 0 ? static_cast<int>(left) : 0);
        if (count < 0 && errno != EINTR) {
            error = std::strerror(errno);
            return Outcome::kGone;
        }
        if (count > 0 && ready[0].revents != 0) {
            const Outcome outcome = end_->read(bytes, error);
            if (outcome != Outcome::kNothing) return outcome;
            continue;
        }
        if (count > 0 && ready[1].revents != 0) return Outcome::kWoken;
        if (left <= 0) return Outcome::kNothing;
    }
}

Handle Channel::takeMemory(const std::string&, std::string& error) {
    if (end_->descriptors.empty()) {
        error = "the server sent no segment";
        return kNoHandle;
    }
    const Handle descriptor = end_->descriptors.front();
    end_->descriptors.pop_front();
    return descriptor;
}

Channel::Outcome Channel::End::read(std::string& bytes, std::string& error) {
    char fresh[4096];
    struct iovec piece {
        fresh, sizeof fresh
    };
    alignas(struct cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
    struct msghdr header {};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket, &header, kReceiveFlags);
    if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return Outcome::kNothing;
        error = std::string("the server is gone: ") + std::strerror(errno);
        return Outcome::kGone;
    }
    for (struct cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof descriptor);
            if (kReceiveFlags == 0) ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
            if (descriptors.size() < kMostDescriptors) {
                descriptors.push_back(descriptor);
            } else {
                ::close(descriptor);
            }
        }
    }
    if (got == 0) {
        error = "the server is gone";
        return Outcome::kGone;
    }
    bytes.append(fresh, static_cast<std::size_t>(got));
    return Outcome::kBytes;
}

}  // namespace liveband
