// SPDX-License-Identifier: GPL-3.0-or-later
// The time line of a front end whose host has none: Pd, SuperCollider.
#pragma once

#include <cmath>
#include <cstdint>

#include "liveband/bridge.h"

namespace liveband {

/// The number that was typed: the shortest decimal that a float32 holds as `value`. Hosts whose numbers have 32 bits
/// make 121.29799652... of 121.298, and after a few seconds the beat is another sample's.
inline double asTyped(float value) noexcept {
    double scale = 1.0;
    for (int digits = 0; digits <= 6; ++digits, scale *= 10.0) {
        const double decimal = std::round(static_cast<double>(value) * scale) / scale;
        if (static_cast<float>(decimal) == value) return decimal;
    }
    return static_cast<double>(value);
}

/// Tempo, beat and bar, counted in samples from the last thing that was said: nothing adds up. One thread.
class OwnTime {
  public:
    static constexpr double kSlowest = 10.0, kFastest = 400.0;

    void begin(double rate_hz) noexcept {
        anchor();
        rate_hz_ = rate_hz;
    }
    /// Beats per minute; 0: unknown, the band finds it by ear. False if it is out of range.
    bool tempo(double bpm) noexcept {
        if (bpm != 0.0 && !(bpm >= kSlowest && bpm <= kFastest)) return false;
        anchor();
        bpm_ = bpm;
        return true;
    }
    /// Quarter notes of a bar, 1 to 16. False if it is none of these.
    bool bar(double beats) noexcept {
        if (!(beats >= 1.0 && beats <= 16.0) || beats != std::floor(beats)) return false;
        beats_per_bar_ = beats;
        return true;
    }
    /// From a beat on, counted from 0; the next sample is its first.
    void play(double beat) noexcept {
        beat_ = beat;
        samples_ = 0;
        playing_ = true;
    }
    void stop() noexcept {
        anchor();
        playing_ = false;
    }
    bool playing() const noexcept { return playing_; }
    double tempo() const noexcept { return bpm_; }

    /// At the first of the next `samples`, which pass.
    Transport next(int samples) noexcept {
        Transport told;
        if (bpm_ > 0.0) {
            told.playing = playing_;
            told.tempo_bpm = bpm_;
            told.quarter = now();
            told.bar_quarter = std::floor(told.quarter / beats_per_bar_) * beats_per_bar_;
            told.signature_above = beats_per_bar_;
            told.signature_below = 4.0;
        }
        if (playing_) samples_ += samples;
        return told;
    }

  private:
    double now() const noexcept { return beat_ + static_cast<double>(samples_) / rate_hz_ * bpm_ / 60.0; }
    void anchor() noexcept {
        beat_ = now();
        samples_ = 0;
    }

    double rate_hz_ = 48000.0, bpm_ = 0.0, beats_per_bar_ = 4.0, beat_ = 0.0;
    std::int64_t samples_ = 0;
    bool playing_ = false;
};

}  // namespace liveband
