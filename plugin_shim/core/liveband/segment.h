// SPDX-License-Identifier: GPL-3.0-or-later
// A session's shared memory: mapped, and checked to the byte before anything of it is believed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "liveband/protocol.h"
#include "liveband/shared_memory.h"

namespace liveband {

/// What a segment holds, copied once out of its header; never read again.
struct Shape {
    std::uint32_t rate_hz = 0;
    std::uint32_t mix_channels = 0;
    std::uint32_t stem_channels = 0;
    std::uint32_t capacity = 0;  // samples of a ring, a power of two

    std::size_t mixOffset() const noexcept;
    std::size_t stemOffset() const noexcept;
    std::size_t totalBytes() const noexcept;
};

/// Whether a header describes a segment of ours, of `size` bytes. `error` says why not, in one line.
bool checkHeader(const protocol::StaticHeader& header, std::uint64_t size, Shape& shape, std::string& error);

/// A mapped segment; owns the mapping, not the handle. Accessors are for the audio thread too.
class Segment {
  public:
    /// Null, with a line in `error`, for what is no memory of this system's form, of another size than it says, or
    /// foreign.
    static std::unique_ptr<Segment> map(Handle memory, std::string& error);
    ~Segment();
    Segment(const Segment&) = delete;
    Segment& operator=(const Segment&) = delete;

    const Shape& shape() const noexcept { return shape_; }
    std::uint64_t load(std::size_t offset) const noexcept;
    void store(std::size_t offset, std::uint64_t value) noexcept;
    double loadDouble(std::size_t offset) const noexcept { return protocol::as_double(load(offset)); }
    void storeDouble(std::size_t offset, double value) noexcept { store(offset, protocol::as_word(value)); }

    float* mix(std::uint32_t channel) noexcept { return mix_ + std::size_t{channel} * shape_.capacity; }
    float* stem(std::uint32_t channel) noexcept { return stem_ + std::size_t{channel} * shape_.capacity; }
    unsigned char* event(std::uint64_t number) noexcept {
        return base_ + protocol::kHeaderBytes + (number % protocol::kEventCapacity) * protocol::kEventBytes;
    }

  private:
    Segment(unsigned char* base, const Shape& shape) noexcept;

    unsigned char* base_;
    Shape shape_;
    float* mix_;
    float* stem_;
};

}  // namespace liveband
