// SPDX-License-Identifier: GPL-3.0-or-later
#include "Instance.h"

#include <juce_audio_plugin_client/utility/juce_CreatePluginFilter.h>
#include <lv2/buf-size/buf-size.h>

#include <cmath>

namespace liveband::plugin::lv2 {
namespace {

constexpr int kUsualBlock = 1024;  // of a host that does not say

/// The length that a host mostly uses, or else its longest.
int blockOf(const LV2_Feature* const* features) {
    for (const auto* option : {LV2_BUF_SIZE__nominalBlockLength, LV2_BUF_SIZE__maxBlockLength})
        if (const auto samples = wholeOption(features, option); samples > 0)
            return static_cast<int>(std::min<std::int64_t>(samples, protocol::kMaxBlock));
    return kUsualBlock;
}

}  // namespace

std::unique_ptr<Processor> Instance::makeProcessor() {
    auto made = juce::createPluginFilterOfType(juce::AudioProcessor::wrapperType_LV2);
    made->enableAllBuses();
    return std::unique_ptr<Processor>(dynamic_cast<Processor*>(made.release()));
}

std::vector<Parameter*> Instance::portParameters(const Processor& processor) {
    auto all = processor.controls.all();
    all.erase(std::remove(all.begin(), all.end(), processor.controls.bypass), all.end());
    return all;
}

Instance::Instance(double rate_hz, const LV2_Feature* const* features)
    : map_(features),
      state_(map_(kStateUri)),
      text_(map_(LV2_ATOM__String)),
      rate_hz_(rate_hz),
      block_samples_(blockOf(features)),
      processor_(makeProcessor()),
      parameters_(portParameters(*processor_)),
      playhead_(map_, rate_hz),
      controls_(parameters_.size(), nullptr),
      told_(parameters_.size()) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) told_[i] = parameters_[i]->trait().initial;
    processor_->setPlayHead(&playhead_);
}

Instance::~Instance() {
    processor_->setPlayHead(nullptr);
}

Parameter* Instance::parameter(std::uint32_t port) const {
    return port >= kParameters && port < ports() ? parameters_[port - kParameters] : nullptr;
}

void Instance::connect(std::uint32_t port, void* data) {
    auto* number = static_cast<float*>(data);
    if (port < kAudioOut)
        in_[port - kAudioIn] = number;
    else if (port < kEvents)
        out_[port - kAudioOut] = number;
    else if (port == kEvents)
        events_ = static_cast<const LV2_Atom_Sequence*>(data);
    else if (port == kLatency)
        latency_ = number;
    else if (port == kFreeWheeling)
        free_wheeling_ = number;
    else if (port == kEnabled)
        enabled_ = number;
    else if (port < ports())
        controls_[port - kParameters] = number;
}

void Instance::takeControls() {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        if (controls_[i] == nullptr || !std::isfinite(*controls_[i]) || *controls_[i] == told_[i]) continue;
        parameters_[i]->setValueNotifyingHost(parameters_[i]->convertTo0to1(*controls_[i]));
        told_[i] = *controls_[i];
    }
    if (enabled_ != nullptr && *enabled_ != told_enabled_) {
        told_enabled_ = *enabled_;
        processor_->controls.bypass->setValueNotifyingHost(told_enabled_ > 0.5f ? 0.0f : 1.0f);
    }
    processor_->setNonRealtime(free_wheeling_ != nullptr && *free_wheeling_ > 0.5f);
}

void Instance::activate() {
    takeControls();
    processor_->setRateAndBufferSizeDetails(rate_hz_, block_samples_);
    processor_->prepareToPlay(rate_hz_, block_samples_);
}

void Instance::run(std::uint32_t samples) {
    takeControls();
    playhead_.read(events_);
    const juce::ScopedLock lock(processor_->getCallbackLock());
    for (std::uint32_t done = 0; done < samples;) {
        const int piece = static_cast<int>(std::min<std::uint32_t>(samples - done, kPieceSamples));
        juce::AudioBuffer<float> audio(audio_.getArrayOfWritePointers(), kChannels, piece);
        // All of them first: an output may be another input's memory.
        for (int channel = 0; channel < kChannels; ++channel) {
            const auto* from = in_[static_cast<std::size_t>(channel)];
            if (from != nullptr)
                audio.copyFrom(channel, 0, from + done, piece);
            else
                audio.clear(channel, 0, piece);
        }
        if (processor_->isSuspended())
            audio.clear();
        else
            processor_->processBlock(audio, none_);
        for (int channel = 0; channel < kChannels; ++channel)
            if (auto* to = out_[static_cast<std::size_t>(channel)])
                juce::FloatVectorOperations::copy(to + done, audio.getReadPointer(channel), piece);
        done += static_cast<std::uint32_t>(piece);
        playhead_.read(nullptr);  // the rest of the block goes on from there
    }
    if (latency_ != nullptr) *latency_ = static_cast<float>(processor_->getLatencySamples());
}

LV2_State_Status Instance::save(LV2_State_Store_Function store, LV2_State_Handle handle) const {
    if (!map_) return LV2_STATE_ERR_NO_FEATURE;
    juce::MemoryBlock chunk;
    processor_->getStateInformation(chunk);
    const auto text = chunk.toBase64Encoding();
    return store(handle, state_, text.toRawUTF8(), text.getNumBytesAsUTF8() + 1, text_,
                 LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE);
}

LV2_State_Status Instance::restore(LV2_State_Retrieve_Function retrieve, LV2_State_Handle handle) {
    if (!map_) return LV2_STATE_ERR_NO_FEATURE;
    std::size_t bytes = 0;
    std::uint32_t type = 0, flags = 0;
    const auto* text = static_cast<const char*>(retrieve(handle, state_, &bytes, &type, &flags));
    if (text == nullptr) return LV2_STATE_ERR_NO_PROPERTY;
    if (type != text_) return LV2_STATE_ERR_BAD_TYPE;
    juce::MemoryBlock chunk;
    if (!chunk.fromBase64Encoding(juce::String::fromUTF8(text, static_cast<int>(bytes)))) return LV2_STATE_ERR_UNKNOWN;
    processor_->setStateInformation(chunk.getData(), static_cast<int>(chunk.getSize()));
    return LV2_STATE_SUCCESS;
}

}  // namespace liveband::plugin::lv2
