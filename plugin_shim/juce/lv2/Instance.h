// SPDX-License-Identifier: GPL-3.0-or-later
// One LV2 plug-in as its host runs it.
#pragma once

#include <juce_gui_basics/juce_gui_basics.h>
#include <lv2/state/state.h>

#include <array>
#include <memory>
#include <vector>

#include "Messages.h"
#include "PlayHead.h"
#include "Ports.h"
#include "Processor.h"

namespace liveband::plugin::lv2 {

/// A host's ports are told to the processor where they change; so a value that a saved state or the window has set
/// stands until the host says another.
class Instance {
  public:
    Instance(double rate_hz, const LV2_Feature* const* features);
    ~Instance();
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    void connect(std::uint32_t port, void* data);
    /// Prepares: by now a host has connected its controls.
    void activate();
    void deactivate() { processor_->releaseResources(); }
    /// The audio thread.
    void run(std::uint32_t samples);
    LV2_State_Status save(LV2_State_Store_Function store, LV2_State_Handle handle) const;
    LV2_State_Status restore(LV2_State_Retrieve_Function retrieve, LV2_State_Handle handle);

    Processor& processor() { return *processor_; }
    /// The parameter of a port, null if it has none; `enabled` is none.
    Parameter* parameter(std::uint32_t port) const;
    std::uint32_t ports() const { return static_cast<std::uint32_t>(kParameters + parameters_.size()); }
    /// What a parameter's port said last, in its unit; any thread.
    float told(std::uint32_t port) const { return told_[port - kParameters].load(); }

    static std::unique_ptr<Processor> makeProcessor();
    /// Those with a port: all but the bypass, which is `enabled`.
    static std::vector<Parameter*> portParameters(const Processor& processor);

  private:
    void takeControls();

    juce::ScopedJuceInitialiser_GUI gui_;
    Messages messages_;
    const HostMap map_;
    const LV2_URID state_, text_;
    const double rate_hz_;
    const int block_samples_;
    std::unique_ptr<Processor> processor_;
    const std::vector<Parameter*> parameters_;
    PlayHead playhead_;
    const LV2_Atom_Sequence* events_ = nullptr;
    float *latency_ = nullptr, *free_wheeling_ = nullptr, *enabled_ = nullptr;
    std::array<const float*, kChannels> in_{};
    std::array<float*, kChannels> out_{};
    std::vector<const float*> controls_;
    std::vector<std::atomic<float>> told_;
    float told_enabled_ = 1.0f;
    juce::AudioBuffer<float> audio_{kChannels, kPieceSamples};
    juce::MidiBuffer none_;
};

}  // namespace liveband::plugin::lv2
