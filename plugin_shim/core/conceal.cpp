// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/conceal.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "liveband/protocol.h"

namespace liveband {

namespace {

// Halves go to the even number, as in the server.
std::uint32_t samplesOf(std::uint32_t rate_hz, double ms) {
    return static_cast<std::uint32_t>(std::max(1.0, std::nearbyint(rate_hz * ms / 1000.0)));
}

// The points after the first of a line in float64, as numpy.linspace makes them.
std::vector<float> line(double from, double to, std::uint32_t samples) {
    std::vector<float> points(samples);
    const double step = (to - from) / samples;
    for (std::uint32_t i = 0; i < samples; ++i) points[i] = static_cast<float>((i + 1) * step + from);
    points[samples - 1] = static_cast<float>(to);
    return points;
}

}  // namespace

Concealer::Concealer(std::uint32_t rate_hz, std::uint32_t channels)
    : channels_(channels),
      out_samples_(samplesOf(rate_hz, protocol::kFadeOutMs)),
      in_samples_(samplesOf(rate_hz, protocol::kFadeInMs)),
      out_ramp_(line(1.0, 0.0, out_samples_)),
      in_ramp_(line(0.0, 1.0, in_samples_)),
      last_(std::size_t{channels} * out_samples_, 0.0f),
      echo_(std::size_t{channels} * out_samples_, 0.0f),
      risen_(in_samples_) {}

void Concealer::present(float* const* audio, std::uint32_t channels, std::uint32_t at, std::uint32_t samples) noexcept {
    if (samples == 0) return;
    if (held_) {
        std::uint32_t first = samples;
        for (std::uint32_t channel = 0; channel < channels; ++channel) {
            std::uint32_t i = 0;
            while (i < first && audio[channel][at + i] == 0.0f) ++i;
            first = i;
        }
        addEcho(audio, channels, at, first);
        if (first == samples) return;
        held_ = false;
        present(audio, channels, at + first, samples - first);
        return;
    }
    if (risen_ < in_samples_ || echo_left_ > 0) {
        const std::uint32_t rising = std::min(samples, in_samples_ - risen_);
        for (std::uint32_t channel = 0; channel < channels; ++channel) {
            float* piece = audio[channel] + at;
            for (std::uint32_t i = 0; i < rising; ++i) piece[i] *= in_ramp_[risen_ + i];
        }
        risen_ += rising;
        addEcho(audio, channels, at, samples);
    }
    missing_ = false;
    remember(audio, channels, at, samples);
}

void Concealer::absent(float* const* audio, std::uint32_t channels, std::uint32_t at, std::uint32_t samples) noexcept {
    if (samples == 0) return;
    for (std::uint32_t channel = 0; channel < channels; ++channel) std::fill_n(audio[channel] + at, samples, 0.0f);
    if (!missing_) {
#if !defined(LIVEBAND_MUTANT_NO_FADE)
        echoOf(*this);
#endif
        missing_ = true;
        risen_ = 0;
    }
    addEcho(audio, channels, at, samples);
    remember(audio, channels, at, samples);
}

void Concealer::reset(bool fade_in, bool hold, bool fade_tail) noexcept {
    if (fade_tail) {
        echoOf(*this);
    } else {
        echo_left_ = 0;
    }
    std::fill(last_.begin(), last_.end(), 0.0f);
    risen_ = fade_in ? 0 : in_samples_;
    held_ = fade_in && hold;
    missing_ = fade_in;
}

void Concealer::fadeFrom(const Concealer& other) noexcept {
    echoOf(other);
}

void Concealer::echoOf(const Concealer& other) noexcept {
    const std::uint32_t length = std::min(out_samples_, other.out_samples_);
    for (std::uint32_t channel = 0; channel < channels_; ++channel) {
        float* echo = echo_.data() + std::size_t{channel} * out_samples_;
        std::fill_n(echo, out_samples_, 0.0f);
        if (channel >= other.channels_) continue;
        const float* end = other.last_.data() + std::size_t{channel + 1} * other.out_samples_;
        for (std::uint32_t i = 0; i < length; ++i) echo[i] = end[-1 - static_cast<std::ptrdiff_t>(i)] * out_ramp_[i];
    }
    echo_left_ = out_samples_;
}

void Concealer::addEcho(float* const* audio, std::uint32_t channels, std::uint32_t at, std::uint32_t samples) noexcept {
    const std::uint32_t length = std::min(samples, echo_left_);
    if (length == 0) return;
    for (std::uint32_t channel = 0; channel < channels; ++channel) {
        const float* echo = echo_.data() + std::size_t{channel + 1} * out_samples_ - echo_left_;
        float* piece = audio[channel] + at;
        for (std::uint32_t i = 0; i < length; ++i) piece[i] += echo[i];
    }
    echo_left_ -= length;
}

void Concealer::remember(float* const* audio, std::uint32_t channels, std::uint32_t at,
                         std::uint32_t samples) noexcept {
    for (std::uint32_t channel = 0; channel < channels; ++channel) {
        const float* piece = audio[channel] + at;
        float* last = last_.data() + std::size_t{channel} * out_samples_;
        if (samples >= out_samples_) {
            std::memcpy(last, piece + (samples - out_samples_), sizeof(float) * out_samples_);
        } else {
            std::memmove(last, last + samples, sizeof(float) * (out_samples_ - samples));
            std::memcpy(last + (out_samples_ - samples), piece, sizeof(float) * samples);
        }
    }
}

}  // namespace liveband
