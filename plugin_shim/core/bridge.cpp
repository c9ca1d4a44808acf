// SPDX-License-Identifier: GPL-3.0-or-later
// The plug-in's side of it all: what a host calls, passed on to the watcher or to the audio side.
#include "liveband/bridge.h"

#include <utility>

#include "liveband/audio_side.h"
#include "liveband/watcher.h"

namespace liveband {

Bridge::Bridge(BridgeConfig config) : watcher_(std::make_unique<Watcher>(std::move(config))) {}

Bridge::~Bridge() {
    watcher_->stop();
}

void Bridge::start() {
    watcher_->start();
}

void Bridge::stop() {
    watcher_->stop();
}

bool Bridge::prepare(const Preparation& preparation) {
    return watcher_->prepare(preparation);
}

int Bridge::latencySamples() const noexcept {
    return watcher_->audio().latencySamples();
}

bool Bridge::adoptLatency() noexcept {
    return watcher_->adoptLatency();
}

Status Bridge::status() const {
    return watcher_->status();
}

std::string Bridge::lastError() const {
    return watcher_->status().error;
}

void Bridge::process(const float* const* in, float* const* out, int channels, int frames,
                     const Transport& transport) noexcept {
    watcher_->audio().process(in, out, channels, frames, transport);
}

bool Bridge::processOffline(const float* const* in, float* const* out, int channels, int frames,
                            const Transport& transport, std::chrono::milliseconds timeout) noexcept {
    return watcher_->audio().processOffline(in, out, channels, frames, transport, timeout, watcher_->generation());
}

void Bridge::requestEpoch() noexcept {
    watcher_->audio().requestEpoch();
}

bool Bridge::bandAbsent() const noexcept {
    return watcher_->audio().bandAbsent();
}

void Bridge::setControl(protocol::Control control, double value) noexcept {
    watcher_->audio().setControl(static_cast<std::size_t>(control), value);
}

double Bridge::control(protocol::Control control) const noexcept {
    return watcher_->audio().control(static_cast<std::size_t>(control));
}

void Bridge::setBypassed(bool bypassed) noexcept {
    watcher_->audio().setBypassed(bypassed);
}

void Bridge::know(const Knowledge& knowledge) {
    watcher_->know(knowledge);
}

void Bridge::keep(const std::string& name) {
    watcher_->moment("keep", name);
}

void Bridge::recall(const std::string& name) {
    watcher_->moment("recall", name);
}

}  // namespace liveband
