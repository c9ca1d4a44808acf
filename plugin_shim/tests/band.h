// SPDX-License-Identifier: GPL-3.0-or-later
// A segment and the least that a worker does, for tests within one process: what is heard is played.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "liveband/segment.h"
#include "liveband/shared_memory.h"

namespace band {

namespace protocol = liveband::protocol;
namespace offset = liveband::protocol::offset;

inline protocol::StaticHeader header(const liveband::Shape& shape) {
    protocol::StaticHeader out{};
    out.magic = protocol::kMagic;
    out.endian = protocol::kEndian;
    out.major = protocol::kMajor;
    out.minor = protocol::kMinor;
    out.header_bytes = protocol::kHeaderBytes;
    out.total_bytes = shape.totalBytes();
    out.rate_hz = shape.rate_hz;
    out.mix_channels = static_cast<std::uint16_t>(shape.mix_channels);
    out.stem_channels = static_cast<std::uint16_t>(shape.stem_channels);
    out.capacity = shape.capacity;
    out.event_capacity = protocol::kEventCapacity;
    out.events_offset = protocol::kHeaderBytes;
    out.mix_offset = shape.mixOffset();
    out.stem_offset = shape.stemOffset();
    return out;
}

/// Memory that begins with a header, as a server makes it. kNoHandle if there is none.
inline liveband::Handle memory(const protocol::StaticHeader& first, std::size_t bytes) {
    std::string error;
    return liveband::shared_memory::create(bytes, &first, sizeof first, error);
}

/// A segment as a server makes it, mapped.
inline std::unique_ptr<liveband::Segment> create(const liveband::Shape& shape) {
    std::string error;
    const liveband::Handle handle = memory(header(shape), shape.totalBytes());
    auto segment = handle == liveband::kNoHandle ? nullptr : liveband::Segment::map(handle, error);
    liveband::closeHandle(handle);
    if (segment) segment->storeDouble(offset::gain, 1.0);
    return segment;
}

/// Copies the mix to the stem at the same position. On the very mapping of the front end, so that a race detector sees
/// both.
class Copyist {
  public:
    explicit Copyist(liveband::Segment& segment) : segment_(segment) {}

    /// Whether there was anything to do.
    bool work() {
        const std::uint64_t mix = segment_.load(offset::mix_cursor);
        const std::uint32_t epoch = protocol::epoch_of(mix);
        const std::uint64_t written = protocol::position_of(mix);
        const bool fresh = epoch != epoch_;
        if (epoch == 0 || (!fresh && written == at_)) return false;
        if (fresh) {
            epoch_ = epoch;
            at_ = 0;
            segment_.store(offset::stem_cursor, protocol::cursor(epoch, 0));
        }
        const std::uint64_t read = segment_.load(offset::stem_read);
        const std::uint64_t asked = protocol::epoch_of(read) == epoch ? protocol::position_of(read) : 0;
        const std::uint64_t capacity = segment_.shape().capacity;
        const std::uint64_t end = std::min(written, asked + capacity);
        if (end <= at_) return fresh;
        for (std::uint32_t channel = 0; channel < segment_.shape().stem_channels; ++channel) {
            const float* mixed = segment_.mix(channel);
            float* stem = segment_.stem(channel);
            for (std::uint64_t i = at_; i < end; ++i) stem[i & (capacity - 1)] = mixed[i & (capacity - 1)];
        }
        const std::uint64_t events = segment_.load(offset::event_count);
        for (; events_ < events; ++events_) std::memcpy(&last_event_, segment_.event(events_), sizeof last_event_);
        at_ = end;
        segment_.store(offset::event_read, events_);
        segment_.store(offset::mix_read, protocol::cursor(epoch, at_));
        segment_.store(offset::stem_cursor, protocol::cursor(epoch, at_));
        segment_.store(offset::server_heartbeat, ++beats_);
        return true;
    }

    const protocol::Event& lastEvent() const { return last_event_; }

  private:
    liveband::Segment& segment_;
    std::uint32_t epoch_ = 0;
    std::uint64_t at_ = 0;
    std::uint64_t events_ = 0;
    std::uint64_t beats_ = 0;
    protocol::Event last_event_{};
};

}  // namespace band
