// SPDX-License-Identifier: GPL-3.0-or-later
#include "Told.h"

#include <cmath>

#include "Moments.h"

namespace liveband::plugin {
namespace {

constexpr int kLongestChart = 4000, kLongestKey = 20, kLongestStyle = 1000;

}  // namespace

Notes Told::notes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return notes_;
}

void Told::setWidth(int width) {
    const std::lock_guard<std::mutex> lock(mutex_);
    notes_.width = width;
}

void Told::chart(const juce::String& text) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto told = text.trim().substring(0, kLongestChart).toStdString();
        if (told.empty() && notes_.chart.empty()) return;
        notes_.chart = told;
    }
    chart_waits_ = true;
    look(bridge_.status());
}

void Told::key(const juce::String& text) {
    Knowledge known;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto told = text.trim().substring(0, kLongestKey).toStdString();
        if (told == notes_.key) return;
        known.key = notes_.key = told;
    }
    bridge_.know(known);
}

void Told::style(const juce::String& text) {
    Knowledge known;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto told = text.trim().substring(0, kLongestStyle).toStdString();
        if (told == notes_.style) return;
        known.style = notes_.style = told;
    }
    bridge_.know(known);
}

void Told::look(const Status& seen) {
    if (!chart_waits_) return;
    Knowledge known;
    known.chart = notes().chart;
    if (const double bpm = controls_.bpm->get(); bpm >= kLeastBpm) {
        known.tempo_bpm = bpm;
        known.beats_per_bar = juce::roundToInt(controls_.beats_per_bar->get());
    } else if (!known.chart->empty() && !std::isfinite(seen.tempo_bpm)) {
        return;  // the server would refuse it
    }
    chart_waits_ = false;
    bridge_.know(known);
}

void Told::keepMoment() {
    std::string name;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (notes_.moment.empty()) notes_.moment = newMomentName();
        name = notes_.moment;
    }
    bridge_.keep(name);
}

void Told::recallMoment() {
    if (const auto name = notes().moment; !name.empty()) bridge_.recall(name);
}

std::string Told::save() const {
    return plugin::save(controls_, notes());
}

bool Told::restore(const void* data, std::size_t bytes) {
    const auto before = notes();
    auto now = before;
    std::string reason;
    const bool taken = plugin::restore(data, bytes, controls_, now, reason);
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        refusal_ = taken ? std::string() : reason;
        if (taken) notes_ = now;
    }
    if (!taken) return false;
    if (!now.chart.empty() || !before.chart.empty()) {
        chart_waits_ = true;
        look(bridge_.status());
    }
    if (!now.key.empty() || !before.key.empty()) {
        Knowledge known;
        known.key = now.key;
        bridge_.know(known);
    }
    if (!now.style.empty() || !before.style.empty()) {
        Knowledge known;
        known.style = now.style;
        bridge_.know(known);
    }
    return true;
}

std::string Told::refusal() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return refusal_;
}

}  // namespace liveband::plugin
