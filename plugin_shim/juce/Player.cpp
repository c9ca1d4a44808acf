// SPDX-License-Identifier: GPL-3.0-or-later
#include "Player.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace liveband::plugin {
namespace {

constexpr double kSmoothingSeconds = 0.02;
constexpr double kSettleSeconds = 0.05;  // longer than any fade
constexpr double kLongestLatencySeconds = 6.0;
constexpr auto kPatience = std::chrono::seconds(10);
constexpr float kMost = 2.0f;  // +6 dBFS

// Without branches, so that the compiler takes several samples at once: only infinities and what is no number differ
// from themselves by anything but zero.
inline float finite(float sample) noexcept {
    return sample - sample == 0.0f ? sample : 0.0f;
}

/// For what leaves: nothing that could hurt an ear or the next plug-in.
inline float bearable(float sample) noexcept {
    const float sound = finite(sample);
    const float above = sound < -kMost ? -kMost : sound;
    return above > kMost ? kMost : above;
}

/// As `bearable`, in two passes that take several samples at once. `out` is none of the others.
void sumBearable(const float* dry, const float* band, float wet, float* __restrict out, int samples) noexcept {
    for (int i = 0; i < samples; ++i) out[i] = finite(dry[i] + wet * (band[i] - dry[i]));
    juce::FloatVectorOperations::clip(out, out, -kMost, kMost, samples);
}

void copyBearable(const float* from, float* __restrict out, int samples) noexcept {
    for (int i = 0; i < samples; ++i) out[i] = finite(from[i]);
    juce::FloatVectorOperations::clip(out, out, -kMost, kMost, samples);
}

float peakOf(const float* audio, int samples) noexcept {
    const auto range = juce::FloatVectorOperations::findMinAndMax(audio, samples);
    return std::max(std::abs(range.getStart()), std::abs(range.getEnd()));
}

}  // namespace

void Player::prepare(double rate_hz) {
    rate_hz_ = rate_hz;
    const auto wanted = static_cast<std::uint64_t>(kLongestLatencySeconds * rate_hz) + kPieceSamples;
    std::uint64_t size = 1;
    while (size < wanted) size *= 2;
    past_mask_ = size - 1;
    for (int channel = 0; channel < kMostChannels; ++channel) {
        const auto index = static_cast<std::size_t>(channel);
        for (auto* scratch : {&heard_[index], &stem_[index], &dry_[index]}) scratch->assign(kPieceSamples, 0.0f);
        past_[index].assign(size, 0.0f);
    }
    failed_offline_.store(false, std::memory_order_relaxed);
    side_.prepare(rate_hz);
    restart();
}

void Player::restart() noexcept {
    // What went before must not be heard again: the delay counts from here, and reads silence before it.
    played_ = 0;
    fresh_ = true;
    side_.forget();
}

void Player::settle(int channels) noexcept {
    const float* heard[kMostChannels] = {heard_[0].data(), heard_[1].data()};
    float* stem[kMostChannels] = {stem_[0].data(), stem_[1].data()};
    for (auto& channel : heard_) std::fill(channel.begin(), channel.end(), 0.0f);
    for (int left = static_cast<int>(kSettleSeconds * rate_hz_); left > 0; left -= kPieceSamples) {
        const int samples = std::min(left, kPieceSamples);
        if (!bridge_.processOffline(heard, stem, channels, samples, {}, kPatience)) return;
    }
}

void Player::play(const Block& block, const Playing& playing) noexcept {
    const double wet = std::clamp(playing.mix, 0.0, 1.0),
                 through = playing.bypassed || (playing.dry_when_absent && bridge_.bandAbsent()) ? 1.0 : 0.0;
    if (fresh_) {
        fresh_ = false;
        // A render is the same however often it is made: the band forgets what was played before it.
        if (playing.offline) bridge_.setControl(protocol::Control::kReset, 1.0);
        wet_.reset(rate_hz_, kSmoothingSeconds);
        through_.reset(rate_hz_, kSmoothingSeconds);
        wet_.setCurrentAndTargetValue(wet);
        through_.setCurrentAndTargetValue(through);
    }
    wet_.setTargetValue(wet);
    through_.setTargetValue(through);
    for (int start = 0; start < block.samples; start += kPieceSamples)
        piece(block, playing, start, std::min(kPieceSamples, block.samples - start));
}

void Player::hear(const Block& block, int start, int samples) noexcept {
    if (block.listen == nullptr || block.listen_channels < 1) {
        side_.forget();
        listen(block.main, block.channels, block.channels, start, 0, samples);
    } else {
        const float* side[kMostChannels] = {};
        for (int at = 0; at < samples;) {
            for (int channel = 0; channel < block.listen_channels; ++channel)
                side[channel] = block.listen[channel] + start + at;
            const auto run = side_.next(side, block.listen_channels, samples - at);
            if (run.from_side)
                listen(block.listen, block.listen_channels, block.channels, start, at, run.samples);
            else
                listen(block.main, block.channels, block.channels, start, at, run.samples);
            at += run.samples;
        }
    }
    hears_side_.store(side_.counts(), std::memory_order_relaxed);
    for (int channel = 0; channel < block.channels; ++channel)
        input[static_cast<std::size_t>(channel)].feed(
            peakOf(heard_[static_cast<std::size_t>(channel)].data(), samples));
}

void Player::listen(const float* const* source, int there, int channels, int start, int at, int samples) noexcept {
    for (int channel = 0; channel < channels; ++channel) {
        float* __restrict into = heard_[static_cast<std::size_t>(channel)].data() + at;
        const auto* from = source[std::min(channel, there - 1)] + start + at;
        // A stereo side chain into a mono track: both sides are heard.
        const auto* other = channels == 1 && there > 1 ? source[1] + start + at : nullptr;
        if (other == nullptr)
            for (int sample = 0; sample < samples; ++sample) into[sample] = finite(from[sample]);
        else
            for (int sample = 0; sample < samples; ++sample)
                into[sample] = 0.5f * (finite(from[sample]) + finite(other[sample]));
    }
}

void Player::delay(const Block& block, int start, int samples) noexcept {
    const auto latency =
        std::clamp<std::int64_t>(bridge_.latencySamples(), 0, static_cast<std::int64_t>(past_mask_) - kPieceSamples);
    for (int channel = 0; channel < block.channels; ++channel) {
        const auto index = static_cast<std::size_t>(channel);
        float* __restrict past = past_[index].data();
        auto* dry = dry_[index].data();
        const auto* in = block.main[channel] + start;
        // In runs that do not cross the ring's end.
        for (int sample = 0; sample < samples;) {
            const auto at = static_cast<std::uint64_t>(played_ + sample) & past_mask_;
            const int run = static_cast<int>(std::min<std::uint64_t>(samples - sample, past_mask_ + 1 - at));
            for (int i = 0; i < run; ++i) past[at + i] = finite(in[sample + i]);
            sample += run;
        }
        const auto then = played_ - latency;
        int sample = static_cast<int>(std::clamp<std::int64_t>(-then, 0, samples));
        std::fill_n(dry, sample, 0.0f);
        while (sample < samples) {
            const auto at = static_cast<std::uint64_t>(then + sample) & past_mask_;
            const int run = static_cast<int>(std::min<std::uint64_t>(samples - sample, past_mask_ + 1 - at));
            std::copy_n(past + at, run, dry + sample);
            sample += run;
        }
    }
}

void Player::piece(const Block& block, const Playing& playing, int start, int samples) noexcept {
    hear(block, start, samples);
    delay(block, start, samples);
    const float* heard[kMostChannels] = {heard_[0].data(), heard_[1].data()};
    float* stem[kMostChannels] = {stem_[0].data(), stem_[1].data()};
    auto transport = playing.transport;
    if (transport.playing && start > 0) {
        if (transport.song_sample >= 0) transport.song_sample += start;
        transport.quarter += start / rate_hz_ * transport.tempo_bpm / 60.0;
    }
    if (playing.offline && !failedOffline()) {
        if (playing.alone) {
            bridge_.process(heard, stem, block.channels, samples, transport);
            failed_offline_.store(true, std::memory_order_relaxed);
        } else if (!bridge_.processOffline(heard, stem, block.channels, samples, transport, kPatience))
            failed_offline_.store(true, std::memory_order_relaxed);  // one wait is enough for a whole render
    } else {
        bridge_.process(heard, stem, block.channels, samples, transport);
        if (!playing.offline) failed_offline_.store(false, std::memory_order_relaxed);
    }
    played_ += samples;
    if (playing.dry_when_absent && !playing.bypassed) through_.setTargetValue(bridge_.bandAbsent() ? 1.0 : 0.0);

    blend(block, stem, start, samples);
    for (int channel = 0; channel < block.channels; ++channel)
        output[static_cast<std::size_t>(channel)].feed(peakOf(block.main[channel] + start, samples));
}

// At rest, a blend of only one side passes it bit for bit.
void Player::blend(const Block& block, const float* const* stem, int start, int samples) noexcept {
    if (!wet_.isSmoothing() && !through_.isSmoothing()) {
        const auto wet = static_cast<float>(wet_.getTargetValue());
        for (int channel = 0; channel < block.channels; ++channel) {
            const float* dry = dry_[static_cast<std::size_t>(channel)].data();
            const float* band = stem[channel];
            float* out = block.main[channel] + start;
            if (through_.getTargetValue() == 1.0)
                std::copy_n(dry, samples, out);
            else if (wet == 1.0f || wet == 0.0f)
                copyBearable(wet == 1.0f ? band : dry, out, samples);
            else
                sumBearable(dry, band, wet, out, samples);
        }
        return;
    }
    for (int sample = 0; sample < samples; ++sample) {
        const auto wet = static_cast<float>(wet_.getNextValue()), through = static_cast<float>(through_.getNextValue());
        for (int channel = 0; channel < block.channels; ++channel) {
            const float dry = dry_[static_cast<std::size_t>(channel)][static_cast<std::size_t>(sample)];
            const float band = stem[channel][sample];
            const float played = wet == 1.0f ? band : wet == 0.0f ? dry : dry + wet * (band - dry);
            block.main[channel][start + sample] =
                through == 1.0f ? dry : bearable(through == 0.0f ? played : played + through * (dry - played));
        }
    }
}

}  // namespace liveband::plugin
