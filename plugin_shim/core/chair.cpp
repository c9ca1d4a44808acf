// SPDX-License-Identifier: GPL-3.0-or-later
// What the audio thread does in a host without a framework. What waits is in backstage.cpp.
#include "liveband/chair.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace liveband {

// Patchers tell the same again with each change of a patch: a live session goes on, a render that has begun begins anew.
void Chair::prepare(const Format& format) noexcept {
    const bool same = asked_formats_ > 0 && format.rate_hz == format_.rate_hz && format.channels == format_.channels &&
                      format.block_samples == format_.block_samples && format.offline == format_.offline;
    if (same && !(format.offline && settled_)) return;
    Format* const place = formats_.next();
    if (place == nullptr) return;
    *place = format_ = format;
    ++asked_formats_;
    settled_ = in_vain_ = false;
    time.begin(format.rate_hz);
    formats_.push();
}

bool Chair::say(std::string_view line) noexcept {
    Line* const place = line.size() <= kLongestLine ? lines_.next() : nullptr;
    if (place == nullptr) return false;
    place->length = line.size();
    std::memcpy(place->text.data(), line.data(), line.size());
    lines_.push();
    return true;
}

void Chair::setControl(protocol::Control control, double value) noexcept {
    const auto index = static_cast<std::size_t>(control);
    if (index >= wanted_.size()) return;
    wanted_[index].store(value, std::memory_order_relaxed);
    changed_.fetch_or(1u << index, std::memory_order_release);
}

void Chair::followControl(protocol::Control control, double value, bool anyhow) noexcept {
    const auto index = static_cast<std::size_t>(control);
    if (index >= followed_.size() || (!anyhow && value == followed_[index])) return;
    const bool pulled = value > 0.0 && !(followed_[index] > 0.0);
    followed_[index] = value;
    const protocol::ControlInfo& info = protocol::kControls[index];
    if (info.acts == "epoch") {  // another session is prepared, which is done backstage
        std::array<char, 64> line{};
        const std::size_t name = info.name.copy(line.data(), 30);
        line[name] = ' ';
        const auto written = std::to_chars(line.data() + name + 1, line.data() + line.size(), value);
        say({line.data(), static_cast<std::size_t>(written.ptr - line.data())});
    } else if (info.kind != "trigger" || pulled) {
        setControl(control, value);
    }
}

void Chair::passControls(Bridge& bridge) noexcept {
    if (changed_.load(std::memory_order_relaxed) == 0) return;
    const std::uint32_t changed = changed_.exchange(0, std::memory_order_acquire);
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
        if ((changed >> i & 1u) != 0)
            bridge.setControl(static_cast<protocol::Control>(i), wanted_[i].load(std::memory_order_relaxed));
    }
}

void Chair::play(const float* const* in, float* const* out, int frames) noexcept {
    const Transport transport = time.next(frames);
    // Who plays shows it before it looks whether it may: see Tended::apart.
    inside_.store(true);
    Bridge* const bridge = format_.offline ? awaited() : closed_.load() ? nullptr : bridge_.load();
    if (bridge == nullptr) {
        for (int channel = 0; channel < format_.channels; ++channel) std::fill_n(out[channel], frames, 0.0f);
    } else if (format_.offline) {
        playOffline(*bridge, in, out, frames, transport);
    } else {
        passControls(*bridge);
        bridge->process(in, out, format_.channels, frames, transport);
        if (fading_.load()) fade(out, frames);
    }
    inside_.store(false);
}

void Chair::fade(float* const* out, int frames) noexcept {
    const bool silent = faded_.load();
    for (int channel = 0; channel < format_.channels; ++channel) {
        for (int i = 0; i < frames; ++i)
            out[channel][i] *= silent ? 0.0f : 1.0f - static_cast<float>(i + 1) / static_cast<float>(frames);
    }
    if (frames > 0) faded_.store(true);
}

bool Chair::hear(Report& report) noexcept {
    const Report* const oldest = reports_.oldest();
    if (oldest == nullptr) return false;
    report = *oldest;
    reports_.pop();
    return true;
}

}  // namespace liveband
