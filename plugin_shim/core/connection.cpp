// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/connection.h"

#include <algorithm>

#include "liveband/protocol.h"

namespace liveband {

namespace {

constexpr std::size_t kPrefixBytes = 4;

}  // namespace

std::unique_ptr<Connection> Connection::connect(const std::string& address, std::string& error) {
    auto channel = Channel::connect(address, error);
    return channel ? std::unique_ptr<Connection>(new Connection(std::move(channel))) : nullptr;
}

bool Connection::send(const msgpack::Value& message) {
    const std::string body = msgpack::pack(message);
    if (body.size() > protocol::kMaxMessageBytes) return false;
    std::string frame;
    for (unsigned shift = 0; shift < 32; shift += 8) frame.push_back(static_cast<char>((body.size() >> shift) & 0xFFu));
    return channel_->send(frame + body);
}

Connection::Outcome Connection::receive(msgpack::Value& message, std::chrono::milliseconds timeout, const Wake& wake,
                                        std::string& error) {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + timeout;
    while (true) {
        const Outcome outcome = next(message, error);
        if (outcome != Outcome::kNothing) return outcome;
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        switch (channel_->receive(pending_, std::max(left, std::chrono::milliseconds(0)), wake, error)) {
            case Channel::Outcome::kBytes:
                break;
            case Channel::Outcome::kNothing:
                return Outcome::kNothing;
            case Channel::Outcome::kWoken:
                return Outcome::kWoken;
            case Channel::Outcome::kGone:
                return Outcome::kGone;
        }
    }
}

Handle Connection::takeMemory(const msgpack::Value& answer, std::string& error) {
    return channel_->takeMemory(answer.textOf("memory"), error);
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

}  // namespace liveband
