// SPDX-License-Identifier: GPL-3.0-or-later
// One instance of the plug-in as a host holds it, and a block of audio for it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "context.h"
#include "module.h"

namespace host {

/// How audio is to run. `listen`: the side chain, on if it is not 0.
struct Setup {
    double rate_hz = 48000.0;
    int32 block_samples = 512;
    int32 mode = vst::kRealtime;
    vst::SpeakerArrangement main = vst::SpeakerArr::kStereo;
    vst::SpeakerArrangement listen = 0;
};

int channels(vst::SpeakerArrangement of);

/// Buffers [bus][channel][samples] between guard samples, the context of a playhead, and both as VST3 wants them.
class Block {
  public:
    explicit Block(const Setup& setup, int32 capacity_samples = 0);
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;

    float* in(int channel) { return planes_[static_cast<std::size_t>(channel)]; }
    float* listen(int channel) { return planes_[static_cast<std::size_t>(main_ + channel)]; }
    float* out(int channel) { return planes_[static_cast<std::size_t>(main_ + listen_ + channel)]; }
    int mainChannels() const { return main_; }
    int listenChannels() const { return listen_; }
    /// In and out are one buffer, as most hosts do it.
    void alias();
    /// Output as no plug-in writes it, so that what was left out is found.
    void mark();
    /// Samples of the output that still are as `mark` left them.
    int unwritten() const;
    bool guardsWhole() const;
    /// Highest magnitude of the output; NaN if there is one.
    float peak() const;
    int notFinite() const;
    int subnormal() const;
    /// Noise of +-`level`, the same for the same seed.
    void noise(std::uint32_t& seed, float level = 0.25f);
    void fill(float value);
    /// Puts `bpm`, song position and bars for a playhead at `song_sample`.
    void playhead(bool playing, std::int64_t song_sample, double bpm = 120.0);

    vst::ProcessData data;
    vst::ProcessContext context{};
    Changes changes, told;

  private:
    int main_, listen_;
    int32 capacity_;
    double rate_hz_;
    std::vector<float> memory_;
    std::vector<float*> planes_;
    std::vector<float*> in_planes_, listen_planes_, out_planes_;
    std::vector<vst::AudioBusBuffers> inputs_, outputs_;
};

struct Parameter {
    vst::ParameterInfo info;
    std::string title;
};

class Plug {
  public:
    /// Creates, initialises and connects component and controller. Throws Unusable.
    explicit Plug(Module& module);
    ~Plug();
    Plug(const Plug&) = delete;
    Plug& operator=(const Plug&) = delete;

    /// Layouts, set-up, buses, active, processing; false if one was refused (then nothing runs).
    bool start(const Setup& setup);
    void stop();
    tresult process(Block& block) { return audio->process(block.data); }
    bool running() const { return running_; }

    std::vector<Parameter> parameters() const;
    /// By its title, spaces as `_`, any case.
    std::optional<Parameter> parameter(const std::string& title) const;
    /// In the controller, and in the processor with the next block that takes `changes`.
    void set(vst::ParamID id, double normalized, Changes* changes = nullptr);
    std::vector<char> state() const;
    /// Component first, then the controller, as hosts do it.
    tresult load(const std::vector<char>& state, int32 piece = 0);

    static Application application;  // outlives the plug-ins: the factory keeps it
    Handler handler;
    IPtr<vst::IComponent> component;
    IPtr<vst::IAudioProcessor> audio;
    IPtr<vst::IEditController> control;

  private:
    void connect(bool both);
    bool separate_ = false, running_ = false;
    Setup setup_;
};

}  // namespace host
