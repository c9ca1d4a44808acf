// SPDX-License-Identifier: GPL-3.0-or-later
// What the audio thread does. A test looks through this file for words that have no place in it.
#include "liveband/audio_side.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace liveband {

using std::chrono::milliseconds;

namespace {

constexpr std::int64_t kJumpSamples = 16;         // hosts round positions; a jump is more than that
constexpr std::uint64_t kTellEverySamples = 480;  // a transport that goes on as told needs telling no more often
constexpr std::uint32_t kSeedBit = 1u << static_cast<unsigned>(protocol::Control::kSeed);

// Controls that a new session must be told of: all that act on it and are no trigger.
std::uint32_t lastingControls() noexcept {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < protocol::kControls.size(); ++i) {
        const protocol::ControlInfo& info = protocol::kControls[i];
        if (info.kind != "trigger" && info.acts != "epoch") bits |= 1u << i;
    }
    return bits;
}

bool same(double left, double right) noexcept {
    return left == right || (std::isnan(left) && std::isnan(right));
}

std::uint16_t flagsOf(const Transport& transport) noexcept {
    using Flag = protocol::TransportFlag;
    unsigned flags = 0;
    if (transport.playing) flags |= static_cast<unsigned>(Flag::kPlaying);
    if (transport.looping) flags |= static_cast<unsigned>(Flag::kLooping);
    if (transport.recording) flags |= static_cast<unsigned>(Flag::kRecording);
    return static_cast<std::uint16_t>(flags);
}

Transport later(Transport transport, int samples, double rate_hz) noexcept {
    if (transport.playing) transport.quarter += samples / rate_hz * transport.tempo_bpm / 60.0;
    return transport;
}

void silence(float* const* out, int channels, int frames) noexcept {
    for (int channel = 0; channel < channels; ++channel) {
        if (out[channel] != nullptr) std::fill_n(out[channel], frames, 0.0f);
    }
}

}  // namespace

// Pointers into a block, from a sample on.
struct AudioSide::Planes {
    std::array<const float*, protocol::kMaxChannels> in;
    std::array<float*, protocol::kMaxChannels> out;
    std::uint32_t channels;

    Planes(const float* const* from, float* const* to, int count, int at) noexcept
        : channels(static_cast<std::uint32_t>(std::clamp(count, 0, static_cast<int>(protocol::kMaxChannels)))) {
        for (std::uint32_t i = 0; i < channels; ++i) {
            in[i] = from != nullptr && from[i] != nullptr ? from[i] + at : nullptr;
            out[i] = to[i] + at;
        }
    }
};

AudioSide::AudioSide() {
    for (std::size_t i = 0; i < controls_.size(); ++i)
        controls_[i].store(protocol::kControls[i].initial, std::memory_order_relaxed);
}

void AudioSide::setControl(std::size_t index, double value) noexcept {
    if (index >= controls_.size() || !std::isfinite(value)) return;
    const protocol::ControlInfo& info = protocol::kControls[index];
    const double clean = std::clamp(value, info.minimum, info.maximum);
    const double before = controls_[index].exchange(clean, std::memory_order_relaxed);
    if (info.acts != "epoch" && (clean != before || info.kind == "trigger"))
        changed_.fetch_or(1u << index, std::memory_order_release);
}

// `midway`: blocks were processed before, so a new session takes the music up in its middle.
void AudioSide::take(bool midway) noexcept {
    Port* const found = offered_.load();
    if (found == current_) return;
    taking_.store(found);
    if (offered_.load() == found) {  // not replaced before it was shown: nobody frees it now
        if (found != nullptr) {
            if (midway) found->host.beginEpoch(false, true);
            if (current_ != nullptr) found->host.takeOver(current_->host, midway);
            std::uint32_t lasting = lastingControls();
            if (control(static_cast<std::size_t>(protocol::Control::kSeed)) == found->seed) lasting &= ~kSeedBit;
            changed_.fetch_or(lasting, std::memory_order_relaxed);
        }
        current_ = found;
        holding_.store(found);
        offline_ = false;
        shown_bypassed_ = false;
        told_epoch_ = 0;
    }
    taking_.store(nullptr);
}

void AudioSide::beginBlock(const Transport& transport, bool offline, bool midway) noexcept {
    HostPort& host = current_->host;
    const std::uint32_t wanted = epochs_wanted_.load(std::memory_order_relaxed);
    const bool jumped = transport.playing && transport.song_sample >= 0 && song_sample_ >= 0 &&
                        std::llabs(transport.song_sample - song_sample_) > kJumpSamples;
    const int latency = latencySamples();
    if (host.latencySamples() != latency) {
        host.setLatency(latency, midway);
    } else if ((wanted != epochs_begun_ || jumped) && host.position() > 0) {
        host.beginEpoch(midway, midway);  // what sounded before the host prepared anew is over
    }
    epochs_begun_ = wanted;
    if (offline != offline_) {
        offline_ = offline;
        host.setOffline(offline);
    }
    const bool bypassed = bypassed_.load(std::memory_order_relaxed);
    if (bypassed != shown_bypassed_) {
        shown_bypassed_ = bypassed;
        host.setBypassed(bypassed);
    }
}

// A band that was there is not gone because a new epoch takes a moment to begin, nor there before it sounds.
void AudioSide::noteAbsence() noexcept {
    if (current_ == nullptr) {
        absent_.store(true, std::memory_order_relaxed);
        return;
    }
    const HostPort& host = current_->host;
    const std::uint64_t patience = host.segment().shape().rate_hz / 2;
    if (host.begun())
        absent_.store(host.missing(), std::memory_order_relaxed);
    else if (host.position() > patience)
        absent_.store(true, std::memory_order_relaxed);
}

void AudioSide::tellControls() noexcept {
    if (changed_.load(std::memory_order_relaxed) == 0) return;
    const std::uint32_t changed = changed_.exchange(0, std::memory_order_acquire);
    EventValues values;
    values.fill(Transport::kUnknown);
    for (std::size_t i = 0; i < controls_.size(); ++i) {
        if ((changed >> i & 1u) == 0) continue;
        values[0] = static_cast<double>(i);
        values[1] = control(i);
        current_->host.tell(protocol::EventKind::kControl, 0, values);
    }
}

void AudioSide::tellTransport(const Transport& transport) noexcept {
    HostPort& host = current_->host;
    const bool known = transport.playing || !std::isnan(transport.tempo_bpm) || !std::isnan(transport.quarter);
    if (!known && !told_anything_) return;
    const std::uint64_t since = host.position() - told_at_;
    const double rate_hz = host.segment().shape().rate_hz;
    const double expected =
        told_.playing ? told_.quarter + static_cast<double>(since) / rate_hz * told_.tempo_bpm / 60.0 : told_.quarter;
    const bool goes_on = host.epoch() == told_epoch_ && flagsOf(transport) == flagsOf(told_) &&
                         same(transport.tempo_bpm, told_.tempo_bpm) &&
                         same(transport.signature_above, told_.signature_above) &&
                         same(transport.signature_below, told_.signature_below) &&
                         (same(transport.quarter, expected) || std::fabs(transport.quarter - expected) < 1e-4);
    const bool bar_goes_on = same(transport.bar_quarter, told_.bar_quarter);
    if (goes_on && bar_goes_on && since < kTellEverySamples) return;
    const EventValues values{transport.tempo_bpm,       transport.quarter,         transport.bar_quarter,
                             transport.signature_above, transport.signature_below, Transport::kUnknown};
    host.tell(protocol::EventKind::kTransport, flagsOf(transport), values);
    told_ = transport;
    told_at_ = host.position();
    told_epoch_ = host.epoch();
    told_anything_ = known;
}

void AudioSide::process(const float* const* in, float* const* out, int channels, int frames,
                        const Transport& transport) noexcept {
    const bool midway = processed_.load(std::memory_order_relaxed);
    processed_.store(true, std::memory_order_relaxed);
    failed_ = false;
    take(midway);
    if (current_ == nullptr) {
        silence(out, channels, frames);
    } else {
        beginBlock(transport, false, midway);
        tellControls();
        if (frames > 0) tellTransport(transport);
        const int most = static_cast<int>(current_->host.longest() / 4);
        for (int at = 0; at < frames;) {
            const int samples = std::min(most, frames - at);
            const Planes planes(in, out, channels, at);
            current_->host.write(planes.in.data(), planes.channels, static_cast<std::uint32_t>(samples));
            current_->host.read(planes.out.data(), planes.channels, static_cast<std::uint32_t>(samples));
            at += samples;
        }
    }
    noteAbsence();
    song_sample_ =
        transport.song_sample < 0 ? -1 : transport.song_sample + (transport.playing ? std::max(0, frames) : 0);
}

bool AudioSide::processOffline(const float* const* in, float* const* out, int channels, int frames,
                               const Transport& transport, milliseconds timeout, std::uint64_t generation) noexcept {
    const bool midway = processed_.load(std::memory_order_relaxed);
    processed_.store(true, std::memory_order_relaxed);
    // What failed once is not waited for again, block after block, until there is something else to wait for.
    const Awaited awaited{offered_.load(), generation, epochs_wanted_.load(std::memory_order_relaxed)};
    const milliseconds patience = failed_ && awaited == in_vain_ ? milliseconds(0) : timeout;
    bool whole = waitForPort(generation, midway, patience);
    if (whole) {
        beginBlock(transport, true, midway);
        tellControls();
        if (frames > 0) tellTransport(transport);
        const int most = static_cast<int>(current_->host.longest() / 4);
        for (int at = 0; at < frames;) {
            const auto count = static_cast<std::uint32_t>(std::min(most, frames - at));
            const Planes planes(in, out, channels, at);
            const milliseconds left = whole ? patience : milliseconds(0);
            const bool fits = waitForRoom(count, left);
            if (!replaced()) {
                current_->host.write(planes.in.data(), planes.channels, count);
                whole = waitForStem(count, fits ? left : milliseconds(0)) && fits && whole;
            }
            if (replaced()) {  // what the old session did not play, the new one does
                take(true);
                beginBlock(transport, true, true);
                tellControls();
                tellTransport(later(transport, at, current_->host.segment().shape().rate_hz));
                whole = true;
                continue;
            }
            current_->host.read(planes.out.data(), planes.channels, count);
            at += static_cast<int>(count);
        }
        noteAbsence();
    } else {
        absent_.store(true, std::memory_order_relaxed);
        silence(out, channels, frames);
    }
    song_sample_ =
        transport.song_sample < 0 ? -1 : transport.song_sample + (transport.playing ? std::max(0, frames) : 0);
    failed_ = !whole;
    in_vain_ = {offered_.load(), generation, epochs_wanted_.load(std::memory_order_relaxed)};
    return whole;
}

}  // namespace liveband
