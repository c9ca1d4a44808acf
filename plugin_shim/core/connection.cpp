// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/connection.h"

#include <cstring>

#include "liveband/elsewhere.h"
#include "liveband/protocol.h"

#if !defined(_WIN32)
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace liveband {

#if defined(_WIN32)

Wake::Wake() = default;
Wake::~Wake() = default;
void Wake::set() noexcept {}
void Wake::clear() noexcept {}
std::unique_ptr<Connection> Connection::connect(const std::string&, std::string& error) {
    error = kNotBuiltHere;
    return nullptr;
}
Connection::~Connection() = default;
bool Connection::send(const msgpack::Value&) {
    return false;
}
Connection::Outcome Connection::receive(msgpack::Value&, std::chrono::milliseconds, const Wake&, std::string&) {
    return Outcome::kGone;
}
int Connection::takeDescriptor() noexcept {
    return -1;
}

#else

namespace {

constexpr std::size_t kPrefixBytes = 4;
constexpr std::size_t kMostDescriptors = 8;
constexpr int kSendMs = 1000;

#if !defined(__linux__)
void unblock(int descriptor) {
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}
#endif

bool isTrusted(int socket) {
#if defined(__linux__)
    struct ucred peer {};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    const uid_t user = peer.uid;
#else
    uid_t user = 0;
    gid_t group = 0;
    if (::getpeereid(socket, &user, &group) != 0) return false;
#endif
    return user == ::geteuid() || user == 0;
}

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

}  // namespace

Wake::Wake() {
#if defined(__linux__)
    if (::pipe2(descriptors_, O_CLOEXEC | O_NONBLOCK) != 0) descriptors_[0] = descriptors_[1] = -1;
#else
    if (::pipe(descriptors_) == 0) {
        unblock(descriptors_[0]);
        unblock(descriptors_[1]);
    }
#endif
}

Wake::~Wake() {
    for (const int descriptor : descriptors_) {
        if (descriptor >= 0) ::close(descriptor);
    }
}

void Wake::set() noexcept {
    const char byte = 1;
    [[maybe_unused]] const ssize_t sent = ::write(descriptors_[1], &byte, 1);  // full is as good as set
}

void Wake::clear() noexcept {
    char bytes[64];
    while (::read(descriptors_[0], bytes, sizeof bytes) > 0) {
    }
}

std::unique_ptr<Connection> Connection::connect(const std::string& path, std::string& error) {
    struct sockaddr_un address {};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        error = "the server's socket has too long a path";
        return nullptr;
    }
    std::memcpy(address.sun_path, path.data(), path.size());
#if defined(__linux__)
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
#endif
    if (descriptor < 0) {
        error = std::string("no socket is to be had: ") + std::strerror(errno);
        return nullptr;
    }
#if !defined(__linux__)
    unblock(descriptor);
#endif
#if defined(SO_NOSIGPIPE)
    const int on = 1;
    ::setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    std::unique_ptr<Connection> connection(new Connection(descriptor));
    if (::connect(descriptor, reinterpret_cast<const struct sockaddr*>(&address), sizeof address) != 0) {
        error = std::string("the server does not answer: ") + std::strerror(errno);
        return nullptr;
    }
    if (!isTrusted(descriptor)) {
        error = "the server belongs to another user: it is not trusted";
        return nullptr;
    }
    return connection;
}

Connection::~Connection() {
    for (const int descriptor : descriptors_) ::close(descriptor);
    ::close(socket_);
}

bool Connection::send(const msgpack::Value& message) {
    const std::string body = msgpack::pack(message);
    if (body.size() > protocol::kMaxMessageBytes) return false;
    std::string frame;
    for (unsigned shift = 0; shift < 32; shift += 8) frame.push_back(static_cast<char>((body.size() >> shift) & 0xFFu));
    frame += body;
    std::size_t sent = 0;
    while (sent < frame.size()) {
        const ssize_t now = ::send(socket_, frame.data() + sent, frame.size() - sent, kSendFlags);
        if (now > 0) {
            sent += static_cast<std::size_t>(now);
            continue;
        }
        if (now < 0 && errno == EINTR) continue;
        if (now < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return false;
        struct pollfd ready {
            socket_, POLLOUT, 0
        };
        if (::poll(&ready, 1, kSendMs) <= 0) return false;
    }
    return true;
}

Connection::Outcome Connection::receive(msgpack::Value& message, std::chrono::milliseconds timeout, const Wake& wake,
                                        std::string& error) {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + timeout;
    while (true) {
        const Outcome outcome = next(message, error);
        if (outcome != Outcome::kNothing) return outcome;
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        struct pollfd ready[2] = {{socket_, POLLIN, 0}, {wake.descriptor(), POLLIN, 0}};
        const int count = ::poll(ready, 2, left > 0 ? static_cast<int>(left) : 0);
        if (count < 0 && errno != EINTR) {
            error = std::strerror(errno);
            return Outcome::kGone;
        }
        if (count > 0 && ready[0].revents != 0) {
            const Outcome more = readMore(error);
            if (more == Outcome::kGone) return more;
            continue;
        }
        if (count > 0 && ready[1].revents != 0) return Outcome::kWoken;
        if (left <= 0) return Outcome::kNothing;
    }
}

int Connection::takeDescriptor() noexcept {
    if (descriptors_.empty()) return -1;
    const int descriptor = descriptors_.front();
    descriptors_.pop_front();
    return descriptor;
}

Connection::Outcome Connection::next(msgpack::Value& message, std::string& error) {
    if (pending_.size() < kPrefixBytes) return Outcome::kNothing;
    std::size_t length = 0;
    for (std::size_t i = kPrefixBytes; i-- > 0;) length = length << 8 | static_cast<unsigned char>(pending_[i]);
    if (length > protocol::kMaxMessageBytes) {
        error = "the server claims a message of " + std::to_string(length) + " bytes: it does not speak our protocol";
        return Outcome::kGone;
    }
    if (pending_.size() - kPrefixBytes < length) return Outcome::kNothing;
    const bool good = msgpack::unpack(std::string_view(pending_).substr(kPrefixBytes, length), message, error);
    pending_.erase(0, kPrefixBytes + length);
    return good ? Outcome::kMessage : Outcome::kGone;
}

Connection::Outcome Connection::readMore(std::string& error) {
    char bytes[4096];
    struct iovec piece {
        bytes, sizeof bytes
    };
    alignas(struct cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
    struct msghdr header {};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket_, &header, kReceiveFlags);
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
            if (descriptors_.size() < kMostDescriptors) {
                descriptors_.push_back(descriptor);
            } else {
                ::close(descriptor);
            }
        }
    }
    if (got == 0) {
        error = "the server is gone";
        return Outcome::kGone;
    }
    pending_.append(bytes, static_cast<std::size_t>(got));
    return Outcome::kNothing;
}

#endif

}  // namespace liveband
