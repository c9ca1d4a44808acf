// SPDX-License-Identifier: GPL-3.0-or-later
// A VST3 host's block that is longer than it announced, given on in slices that are not.
#pragma once

#include <pluginterfaces/vst/ivstaudioprocessor.h>
#include <pluginterfaces/vst/ivstprocesscontext.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace liveband::plugin {

/// Buses in one direction and channels of one bus that are looked at: more than the plug-in ever has.
inline constexpr int kMostBuses = 4, kMostBusChannels = 64;

/// Copies of a host's buses whose channels begin later; 32-bit samples.
class LaterBuses {
  public:
    /// False if there are more than fit.
    bool take(const Steinberg::Vst::AudioBusBuffers* buses, int count) noexcept {
        count_ = buses == nullptr ? 0 : count;
        if (count_ > kMostBuses) return false;
        for (int bus = 0; bus < count_; ++bus) {
            auto& copy = buses_[static_cast<std::size_t>(bus)] = buses[bus];
            if (copy.numChannels > kMostBusChannels) return false;
            if (copy.channelBuffers32 == nullptr || copy.numChannels < 1) continue;
            auto& channels = channels_[static_cast<std::size_t>(bus)];
            std::copy_n(copy.channelBuffers32, copy.numChannels, channels.begin());
            copy.channelBuffers32 = channels.data();
        }
        return true;
    }
    void advance(int samples) noexcept {
        for (int bus = 0; bus < count_; ++bus)
            for (int channel = 0; channel < buses_[static_cast<std::size_t>(bus)].numChannels; ++channel)
                if (auto*& at = channels_[static_cast<std::size_t>(bus)][static_cast<std::size_t>(channel)]) at += samples;
    }
    Steinberg::Vst::AudioBusBuffers* buses() noexcept { return count_ > 0 ? buses_.data() : nullptr; }

  private:
    int count_ = 0;
    std::array<Steinberg::Vst::AudioBusBuffers, kMostBuses> buses_{};
    std::array<std::array<float*, kMostBusChannels>, kMostBuses> channels_{};
};

/// A playhead `samples` later.
inline void advance(Steinberg::Vst::ProcessContext& context, int samples, double rate_hz) noexcept {
    using Context = Steinberg::Vst::ProcessContext;
    context.continousTimeSamples += samples;
    if ((context.state & Context::kPlaying) == 0) return;
    context.projectTimeSamples += samples;
    if ((context.state & Context::kTempoValid) == 0) return;
    context.projectTimeMusic += samples / rate_hz * context.tempo / 60.0;
    if ((context.state & Context::kTimeSigValid) == 0 || context.timeSigDenominator < 1) return;
    const double bar = 4.0 * context.timeSigNumerator / context.timeSigDenominator;
    if (bar > 0.0 && context.projectTimeMusic >= context.barPositionMusic + bar)
        context.barPositionMusic += bar * std::floor((context.projectTimeMusic - context.barPositionMusic) / bar);
}

/// Calls `process` with the block, or with slices of at most `most` samples in turn: parameters change with the first,
/// the playhead moves. Refuses what cannot be cut. No memory is asked for.
template <class Process>
Steinberg::tresult inSlices(Steinberg::Vst::ProcessData& data, int most, double rate_hz, Process process) {
    if (data.numSamples <= most && data.numSamples >= 0) return process(data);
    LaterBuses inputs, outputs;
    if (most < 1 || data.numSamples < 0 || data.symbolicSampleSize != Steinberg::Vst::kSample32 ||
        !inputs.take(data.inputs, data.numInputs) || !outputs.take(data.outputs, data.numOutputs))
        return Steinberg::kInvalidArgument;
    auto slice = data;
    slice.inputs = inputs.buses();
    slice.outputs = outputs.buses();
    Steinberg::Vst::ProcessContext context{};
    if (data.processContext != nullptr) {
        context = *data.processContext;
        slice.processContext = &context;
    }
    for (int done = 0; done < data.numSamples; done += slice.numSamples) {
        if (done > 0) {
            inputs.advance(slice.numSamples);
            outputs.advance(slice.numSamples);
            advance(context, slice.numSamples, rate_hz);
            slice.inputParameterChanges = nullptr;
            slice.inputEvents = nullptr;
        }
        slice.numSamples = std::min(most, data.numSamples - done);
        if (const auto result = process(slice); result != Steinberg::kResultOk) return result;
    }
    return Steinberg::kResultOk;
}

}  // namespace liveband::plugin
