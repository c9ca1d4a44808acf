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

float finite(float sample) noexcept {
    return std::isfinite(sample) ? sample : 0.0f;
}

/// For what leaves: nothing that could hurt an ear or the next plug-in.
float bearable(float sample) noexcept {
    return std::clamp(finite(sample), -kMost, kMost);
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
    restart();
}

void Player::restart() noexcept {
    // What went before must not be heard again: the delay counts from here, and reads silence before it.
    played_ = 0;
    fresh_ = true;
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
    const bool apart = block.listen != nullptr && block.listen_channels > 0;
    const float* const* source = apart ? block.listen : block.main;
    const int there = apart ? block.listen_channels : block.channels;
    for (int channel = 0; channel < block.channels; ++channel) {
        auto* into = heard_[static_cast<std::size_t>(channel)].data();
        const auto* from = source[std::min(channel, there - 1)] + start;
        // A stereo side chain into a mono track: both sides are heard.
        const auto* other = block.channels == 1 && there > 1 ? source[1] + start : nullptr;
        float peak = 0.0f;
        for (int sample = 0; sample < samples; ++sample) {
            float value = finite(from[sample]);
            if (other != nullptr) value = 0.5f * (value + finite(other[sample]));
            peak = std::max(peak, std::abs(value));
            into[sample] = value;
        }
        input[static_cast<std::size_t>(channel)].feed(peak);
    }
}

void Player::delay(const Block& block, int start, int samples) noexcept {
    const auto latency =
        std::clamp<std::int64_t>(bridge_.latencySamples(), 0, static_cast<std::int64_t>(past_mask_) - kPieceSamples);
    for (int channel = 0; channel < block.channels; ++channel) {
        const auto index = static_cast<std::size_t>(channel);
        auto* past = past_[index].data();
        auto* dry = dry_[index].data();
        const auto* in = block.main[channel] + start;
        for (int sample = 0; sample < samples; ++sample) {
            const auto now = played_ + sample, then = now - latency;
            past[static_cast<std::uint64_t>(now) & past_mask_] = finite(in[sample]);
            dry[sample] = then < 0 ? 0.0f : past[static_cast<std::uint64_t>(then) & past_mask_];
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

    // At rest, a blend of only one side passes it bit for bit.
    const bool moving = wet_.isSmoothing() || through_.isSmoothing();
    for (int sample = 0; sample < samples; ++sample) {
        const auto wet = static_cast<float>(moving ? wet_.getNextValue() : wet_.getTargetValue());
        const auto through = static_cast<float>(moving ? through_.getNextValue() : through_.getTargetValue());
        for (int channel = 0; channel < block.channels; ++channel) {
            const float dry = dry_[static_cast<std::size_t>(channel)][static_cast<std::size_t>(sample)];
            const float band = stem[channel][sample];
            const float played = wet == 1.0f ? band : wet == 0.0f ? dry : dry + wet * (band - dry);
            block.main[channel][start + sample] =
                through == 1.0f ? dry : bearable(through == 0.0f ? played : played + through * (dry - played));
        }
    }
    for (int channel = 0; channel < block.channels; ++channel) {
        const auto range = juce::FloatVectorOperations::findMinAndMax(block.main[channel] + start, samples);
        output[static_cast<std::size_t>(channel)].feed(std::max(std::abs(range.getStart()), std::abs(range.getEnd())));
    }
}

}  // namespace liveband::plugin
