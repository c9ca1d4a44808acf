// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/segment.h"

#include "liveband/shared_memory.h"

namespace liveband {

namespace {

// The mutant proves that the ring's test can fail; it is never shipped.
#if defined(LIVEBAND_MUTANT_RELAXED)
constexpr auto kLoadOrder = std::memory_order_relaxed;
constexpr auto kStoreOrder = std::memory_order_relaxed;
#else
constexpr auto kLoadOrder = std::memory_order_acquire;
constexpr auto kStoreOrder = std::memory_order_release;
#endif

std::string figure(const char* what, std::uint64_t value, const char* unit) {
    return std::string("a segment with ") + what + std::to_string(value) + unit + " is not possible";
}

}  // namespace

std::size_t Shape::mixOffset() const noexcept {
    return protocol::kHeaderBytes + protocol::kEventCapacity * protocol::kEventBytes;
}

std::size_t Shape::stemOffset() const noexcept {
    return mixOffset() + sizeof(float) * std::size_t{mix_channels} * capacity;
}

std::size_t Shape::totalBytes() const noexcept {
    return stemOffset() + sizeof(float) * std::size_t{stem_channels} * capacity;
}

bool checkHeader(const protocol::StaticHeader& header, std::uint64_t size, Shape& shape, std::string& error) {
    if (header.magic != protocol::kMagic || header.endian != protocol::kEndian) {
        error = "the segment does not begin as ours do, or is of another byte order";
        return false;
    }
    if (header.major != protocol::kMajor) {
        error = "the segment is of protocol " + std::to_string(header.major) + ", this program speaks " +
                std::to_string(protocol::kMajor);
        return false;
    }
    if (header.rate_hz < protocol::kMinRateHz || header.rate_hz > protocol::kMaxRateHz) {
        error = figure("a rate of ", header.rate_hz, " Hz");
    } else if (header.mix_channels < 1 || header.mix_channels > protocol::kMaxChannels) {
        error = figure("", header.mix_channels, " mix channels");
    } else if (header.stem_channels < 1 || header.stem_channels > protocol::kMaxChannels) {
        error = figure("", header.stem_channels, " stem channels");
    } else if (header.capacity < 2 || header.capacity > protocol::kMaxCapacity ||
               (header.capacity & (header.capacity - 1)) != 0) {
        error = figure("a capacity of ", header.capacity, " samples");
    } else {
        const Shape found{header.rate_hz, header.mix_channels, header.stem_channels, header.capacity};
        const struct {
            const char* name;
            std::uint64_t value, expected;
        } checks[] = {
            {"header_bytes", header.header_bytes, protocol::kHeaderBytes},
            {"total_bytes", header.total_bytes, found.totalBytes()},
            {"event_capacity", header.event_capacity, protocol::kEventCapacity},
            {"events_offset", header.events_offset, protocol::kHeaderBytes},
            {"mix_offset", header.mix_offset, found.mixOffset()},
            {"stem_offset", header.stem_offset, found.stemOffset()},
        };
        for (const auto& check : checks) {
            if (check.value != check.expected) {
                error = std::string("the segment's ") + check.name + " is " + std::to_string(check.value) + ", not " +
                        std::to_string(check.expected);
                return false;
            }
        }
        if (!shared_memory::holds(size, found.totalBytes())) {
            error = "the segment has " + std::to_string(size) + " bytes, not " + std::to_string(found.totalBytes());
            return false;
        }
        shape = found;
        return true;
    }
    return false;
}

std::unique_ptr<Segment> Segment::map(Handle memory, std::string& error) {
    protocol::StaticHeader header{};
    std::uint64_t size = 0;
    if (!shared_memory::look(memory, &header, sizeof header, size, error)) return nullptr;
    if (size < protocol::kHeaderBytes) {
        error = "the segment is shorter than its header: " + std::to_string(size) + " bytes";
        return nullptr;
    }
    Shape shape;
    if (!checkHeader(header, size, shape, error)) return nullptr;
    unsigned char* base = shared_memory::map(memory, shape.totalBytes(), error);
    return base == nullptr ? nullptr : std::unique_ptr<Segment>(new Segment(base, shape));
}

Segment::~Segment() {
    shared_memory::unmap(base_, shape_.totalBytes());
}

Segment::Segment(unsigned char* base, const Shape& shape) noexcept
    : base_(base),
      shape_(shape),
      mix_(reinterpret_cast<float*>(base + shape.mixOffset())),
      stem_(reinterpret_cast<float*>(base + shape.stemOffset())) {}

std::uint64_t Segment::load(std::size_t offset) const noexcept {
    return protocol::word(base_, offset).load(kLoadOrder);
}

void Segment::store(std::size_t offset, std::uint64_t value) noexcept {
    protocol::word(base_, offset).store(value, kStoreOrder);
}

}  // namespace liveband
