// SPDX-License-Identifier: GPL-3.0-or-later
// Values from one thread to another, where neither may wait for the other.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <type_traits>

namespace liveband {

/// Holds up to `most` values; one thread pushes, one pops. Neither waits, allocates or locks.
template <typename T, std::size_t most>
class Pipe {
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    /// The place of the next value, to be filled and then pushed; null while the pipe is full.
    T* next() noexcept {
        const std::size_t in = in_.load(std::memory_order_relaxed);
        return in - out_.load(std::memory_order_acquire) < most ? &values_[in % most] : nullptr;
    }
    void push() noexcept { in_.store(in_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

    /// The oldest value, to be read and then popped; null while there is none.
    const T* oldest() const noexcept {
        const std::size_t out = out_.load(std::memory_order_relaxed);
        return out != in_.load(std::memory_order_acquire) ? &values_[out % most] : nullptr;
    }
    void pop() noexcept { out_.store(out_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

    /// How many were pushed since it was made, or cleared; for the thread that pushes.
    std::size_t pushed() const noexcept { return in_.load(std::memory_order_relaxed); }
    /// While no other thread is there.
    void clear() noexcept {
        in_.store(0);
        out_.store(0);
    }

  private:
    std::array<T, most> values_;
    std::atomic<std::size_t> in_{0}, out_{0};
};

}  // namespace liveband
