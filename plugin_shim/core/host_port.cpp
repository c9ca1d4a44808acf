// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/host_port.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace liveband {

namespace offset = protocol::offset;

namespace {

constexpr float kMost = 2.0f;  // +6 dBFS
constexpr double kMostGain = 16.0;
constexpr double kSmoothingMs = protocol::kControls[static_cast<std::size_t>(protocol::Control::kGain)].smoothing_ms;

std::uint64_t atLeastZero(std::int64_t value) noexcept {
    return value > 0 ? static_cast<std::uint64_t>(value) : 0;
}

// Where no ear could bear it: not a number to silence, beyond +6 dBFS to that.
void bound(float* audio, std::uint32_t samples) noexcept {
    for (std::uint32_t i = 0; i < samples; ++i) {
        const float value = audio[i];
        if (std::fabs(value) <= kMost) continue;
        audio[i] = std::isfinite(value) ? std::copysign(kMost, value) : 0.0f;
    }
}

void place(float* ring, std::uint32_t capacity, std::uint64_t position, const float* audio,
           std::uint32_t samples) noexcept {
    const auto start = static_cast<std::uint32_t>(position & (capacity - 1));
    const std::uint32_t first = std::min(samples, capacity - start);
    if (audio == nullptr) {
        std::memset(ring + start, 0, sizeof(float) * first);
        std::memset(ring, 0, sizeof(float) * (samples - first));
        return;
    }
    std::memcpy(ring + start, audio, sizeof(float) * first);
    std::memcpy(ring, audio + first, sizeof(float) * (samples - first));
}

void fetch(const float* ring, std::uint32_t capacity, std::uint64_t position, float* audio,
           std::uint32_t samples) noexcept {
    const auto start = static_cast<std::uint32_t>(position & (capacity - 1));
    const std::uint32_t first = std::min(samples, capacity - start);
    std::memcpy(audio, ring + start, sizeof(float) * first);
    std::memcpy(audio + first, ring, sizeof(float) * (samples - first));
}

}  // namespace

HostPort::HostPort(std::unique_ptr<Segment> segment, std::int64_t latency_samples)
    : segment_(std::move(segment)),
      latency_samples_(std::max<std::int64_t>(0, latency_samples)),
      concealer_(segment_->shape().rate_hz, segment_->shape().stem_channels),
      smoothing_samples_(static_cast<std::uint32_t>(
          std::max(1.0, std::nearbyint(segment_->shape().rate_hz * kSmoothingMs / 1000.0)))) {
    beginEpoch();
}

void HostPort::beginEpoch(bool fade_tail, bool midway) noexcept {
    epoch_ = protocol::epoch_after(epoch_);
    position_ = 0;
    read_ = -latency_samples_;
    // After a lapse the music is taken up in its middle.
    concealer_.reset(true, lapsed_ || midway, fade_tail);
    lapsed_ = false;
    segment_->store(offset::stem_read, protocol::cursor(epoch_, 0));
    segment_->store(offset::mix_cursor, protocol::cursor(epoch_, 0));
}

void HostPort::setOffline(bool offline) noexcept {
    constexpr auto flag = static_cast<std::uint64_t>(protocol::HostFlag::kOffline);
    const std::uint64_t flags = segment_->load(offset::host_flags) & ~flag;
    segment_->store(offset::host_flags, flags | (offline ? flag : 0));
}

void HostPort::setBypassed(bool bypassed) noexcept {
    constexpr auto flag = static_cast<std::uint64_t>(protocol::HostFlag::kBypassed);
    const std::uint64_t flags = segment_->load(offset::host_flags) & ~flag;
    segment_->store(offset::host_flags, flags | (bypassed ? flag : 0));
}

void HostPort::setLatency(std::int64_t latency_samples, bool midway) noexcept {
    latency_samples_ = std::max<std::int64_t>(0, latency_samples);
    beginEpoch(midway, midway);
}

void HostPort::takeOver(const HostPort& other, bool fade_tail) noexcept {
    if (fade_tail) concealer_.fadeFrom(other.concealer_);
    gain_ = other.gain_;
    wanted_gain_ = other.wanted_gain_;
    gain_left_ = other.gain_left_;
}

void HostPort::tell(protocol::EventKind kind, std::uint16_t flags, const EventValues& values) noexcept {
    protocol::Event event{};
    event.epoch = epoch_;
    event.kind = static_cast<std::uint16_t>(kind);
    event.flags = flags;
    event.position = static_cast<std::int64_t>(position_);
    std::copy(values.begin(), values.end(), event.values);
    std::memcpy(segment_->event(events_), &event, sizeof event);
    ++events_;
    segment_->store(offset::event_count, events_);
}

void HostPort::write(const float* const* mix, std::uint32_t channels, std::uint32_t samples) noexcept {
    const Shape& shape = segment_->shape();
    samples = std::min(samples, shape.capacity);
    ++beats_;
    segment_->store(offset::host_heartbeat, beats_);
    const std::uint64_t read = segment_->load(offset::mix_read);
    const std::uint64_t taken = protocol::epoch_of(read) == epoch_ ? protocol::position_of(read) : 0;
    // What the worker says it took may be anything; a difference below zero leaves all the room there is.
    if (static_cast<std::int64_t>(position_ + samples - taken) > static_cast<std::int64_t>(shape.capacity)) {
        dropped_samples_ += samples;
        lapsed_ = true;
        return;
    }
    if (lapsed_) beginEpoch();
    for (std::uint32_t channel = 0; channel < shape.mix_channels; ++channel)
        place(segment_->mix(channel), shape.capacity, position_, channel < channels ? mix[channel] : nullptr, samples);
    position_ += samples;
    segment_->store(offset::mix_cursor, protocol::cursor(epoch_, position_));
}

std::uint32_t HostPort::room() const noexcept {
    const std::uint64_t read = segment_->load(offset::mix_read);
    const std::uint64_t taken = protocol::epoch_of(read) == epoch_ ? protocol::position_of(read) : 0;
    const auto waiting = static_cast<std::int64_t>(position_ - taken);
    const auto capacity = static_cast<std::int64_t>(segment_->shape().capacity);
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(capacity - waiting, 0, capacity));
}

std::uint32_t HostPort::ready(std::uint32_t samples) const noexcept {
    const std::uint64_t stem = segment_->load(offset::stem_cursor);
    std::int64_t there = -read_;
    if (protocol::epoch_of(stem) == epoch_) {
        // A writer that claims more than the ring holds is not believed.
        const auto written = static_cast<std::int64_t>(protocol::position_of(stem));
        there = std::min(written, read_ + static_cast<std::int64_t>(segment_->shape().capacity)) - read_;
    }
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(there, 0, samples));
}

bool HostPort::begun() const noexcept {
    return protocol::epoch_of(segment_->load(offset::stem_cursor)) == epoch_;
}

void HostPort::read(float* const* stem, std::uint32_t channels, std::uint32_t samples) noexcept {
    const Shape& shape = segment_->shape();
    samples = std::min(samples, shape.capacity);
    const std::uint32_t sounding = std::min(channels, shape.stem_channels);
    const std::uint32_t there = ready(samples);
    const auto silent = static_cast<std::uint32_t>(std::clamp<std::int64_t>(-read_, 0, there));
    for (std::uint32_t channel = 0; channel < sounding; ++channel) {
        std::fill_n(stem[channel], silent, 0.0f);
        if (there > silent) {
            fetch(segment_->stem(channel), shape.capacity, atLeastZero(read_ + silent), stem[channel] + silent,
                  there - silent);
            bound(stem[channel] + silent, there - silent);
        }
    }
    concealer_.present(stem, sounding, 0, there);
    if (there < samples) {
        if (begun()) {
            if (!concealer_.missing()) {
                ++gaps_;
                segment_->store(offset::gaps, gaps_);
            }
            missing_samples_ += samples - there;
            segment_->store(offset::missing_samples, missing_samples_);
        }
        concealer_.absent(stem, sounding, there, samples - there);
    }
    read_ += samples;
    segment_->store(offset::stem_read, protocol::cursor(epoch_, atLeastZero(read_)));
    segment_->store(offset::lag_samples, atLeastZero(static_cast<std::int64_t>(position_) - read_));
    level(stem, sounding, samples);
    for (std::uint32_t channel = sounding; channel < channels; ++channel)
        std::memcpy(stem[channel], stem[sounding - 1], sizeof(float) * samples);
}

// Gain, approached in steps too small to click, however short the blocks; unity leaves every bit.
void HostPort::level(float* const* stem, std::uint32_t channels, std::uint32_t samples) noexcept {
    double wanted = segment_->loadDouble(offset::gain);
    wanted = std::isfinite(wanted) ? std::clamp(wanted, 0.0, kMostGain) : 1.0;
    if (wanted != wanted_gain_) {
        wanted_gain_ = wanted;
        gain_left_ = smoothing_samples_;
    }
    if (gain_left_ == 0 && gain_ == 1.0) return;
    const std::uint32_t reach = std::min(samples, gain_left_);
    const double step = gain_left_ > 0 ? (wanted - gain_) / gain_left_ : 0.0;
    const auto rest = static_cast<float>(gain_left_ > 0 ? wanted : gain_);
    for (std::uint32_t channel = 0; channel < channels; ++channel) {
        float* audio = stem[channel];
        for (std::uint32_t i = 0; i < reach; ++i) audio[i] *= static_cast<float>(gain_ + step * (i + 1));
        for (std::uint32_t i = reach; i < samples; ++i) audio[i] *= rest;
        bound(audio, samples);
    }
    if (gain_left_ == 0) return;
    gain_left_ -= reach;
    gain_ = gain_left_ > 0 ? gain_ + step * reach : wanted;
}

}  // namespace liveband
