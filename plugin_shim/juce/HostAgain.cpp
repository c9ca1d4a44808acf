// SPDX-License-Identifier: GPL-3.0-or-later
#include "HostAgain.h"

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
#endif
#include <pluginterfaces/vst/ivsteditcontroller.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace liveband::plugin {

HostAgain::~HostAgain() {
    if (handler_ != nullptr) handler_->release();
}

void HostAgain::setIComponentHandler(Steinberg::FUnknown* handler) {
    if (handler_ != nullptr) handler_->release();
    handler_ = nullptr;
    void* found = nullptr;
    if (handler != nullptr &&
        handler->queryInterface(Steinberg::Vst::IComponentHandler_iid, &found) == Steinberg::kResultOk)
        handler_ = static_cast<Steinberg::Vst::IComponentHandler*>(found);
}

void HostAgain::askForLatency() {
    if (handler_ != nullptr) handler_->restartComponent(Steinberg::Vst::kLatencyChanged);
}

}  // namespace liveband::plugin
