// SPDX-License-Identifier: GPL-3.0-or-later
#include "plug.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>

namespace host {
namespace {

constexpr int32 kGuard = 64;
constexpr float kGuardValue = 1.2345e-3f;
constexpr std::uint32_t kMark = 0x7FC0BEEFu;  // a NaN that no arithmetic gives

float marked() {
    float value;
    std::memcpy(&value, &kMark, sizeof value);
    return value;
}

bool isMarked(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits == kMark;
}

std::string folded(const std::string& title) {
    std::string out;
    for (const char letter : title)
        out += letter == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    return out;
}

}  // namespace

int channels(vst::SpeakerArrangement of) {
    return vst::SpeakerArr::getChannelCount(of);
}

Block::Block(const Setup& setup, int32 capacity)
    : main_(channels(setup.main)),
      listen_(channels(setup.listen)),
      capacity_(std::max({capacity, setup.block_samples, int32{1}})),
      rate_hz_(setup.rate_hz) {
    const auto count = static_cast<std::size_t>(2 * main_ + listen_);
    const auto stride = static_cast<std::size_t>(capacity_ + 2 * kGuard);
    memory_.assign(count * stride, kGuardValue);
    for (std::size_t plane = 0; plane < count; ++plane) {
        planes_.push_back(memory_.data() + plane * stride + kGuard);
        std::fill_n(planes_.back(), capacity_, 0.0f);
    }
    for (int channel = 0; channel < main_; ++channel) in_planes_.push_back(in(channel));
    for (int channel = 0; channel < listen_; ++channel) listen_planes_.push_back(listen(channel));
    for (int channel = 0; channel < main_; ++channel) out_planes_.push_back(out(channel));
    const auto bus = [](std::vector<float*>& planes) {
        vst::AudioBusBuffers one;
        one.numChannels = static_cast<int32>(planes.size());
        one.channelBuffers32 = planes.data();
        return one;
    };
    inputs_ = {bus(in_planes_), bus(listen_planes_)};
    outputs_ = {bus(out_planes_)};
    data.processMode = setup.mode;
    data.symbolicSampleSize = vst::kSample32;
    data.numSamples = setup.block_samples;
    data.numInputs = 2;
    data.numOutputs = 1;
    data.inputs = inputs_.data();
    data.outputs = outputs_.data();
    data.inputParameterChanges = &changes;
    data.outputParameterChanges = &told;
    data.processContext = &context;
    playhead(false, 0);
}

void Block::alias() {
    for (int channel = 0; channel < main_; ++channel) {
        planes_[static_cast<std::size_t>(main_ + listen_ + channel)] = in(channel);
        out_planes_[static_cast<std::size_t>(channel)] = in(channel);
    }
}

void Block::mark() {
    for (int channel = 0; channel < main_; ++channel) std::fill_n(out(channel), capacity_, marked());
}

int Block::unwritten() const {
    int count = 0;
    for (const float* plane : out_planes_)
        count += static_cast<int>(std::count_if(plane, plane + data.numSamples, isMarked));
    return count;
}

bool Block::guardsWhole() const {
    for (const float* plane : planes_)
        for (int32 i = 1; i <= kGuard; ++i)
            if (plane[-i] != kGuardValue || plane[capacity_ + i - 1] != kGuardValue) return false;
    return true;
}

float Block::peak() const {
    float most = 0.0f;
    for (const float* plane : out_planes_)
        for (int32 i = 0; i < data.numSamples; ++i) {
            if (!std::isfinite(plane[i])) return std::nanf("");
            most = std::max(most, std::fabs(plane[i]));
        }
    return most;
}

int Block::notFinite() const {
    int count = 0;
    for (const float* plane : out_planes_)
        for (int32 i = 0; i < data.numSamples; ++i) count += std::isfinite(plane[i]) ? 0 : 1;
    return count;
}

int Block::subnormal() const {
    int count = 0;
    for (const float* plane : out_planes_)
        for (int32 i = 0; i < data.numSamples; ++i) count += std::fpclassify(plane[i]) == FP_SUBNORMAL ? 1 : 0;
    return count;
}

void Block::noise(std::uint32_t& seed, float level) {
    for (int plane = 0; plane < main_ + listen_; ++plane)
        for (int32 i = 0; i < data.numSamples; ++i) {
            seed = seed * 1664525u + 1013904223u;
            planes_[static_cast<std::size_t>(plane)][i] = level * (static_cast<float>(seed >> 8) / 8388608.0f - 1.0f);
        }
}

void Block::fill(float value) {
    for (int plane = 0; plane < main_ + listen_; ++plane)
        std::fill_n(planes_[static_cast<std::size_t>(plane)], data.numSamples, value);
}

void Block::playhead(bool playing, std::int64_t song_sample, double bpm) {
    using Context = vst::ProcessContext;
    context.state = Context::kTempoValid | Context::kProjectTimeMusicValid | Context::kBarPositionValid |
                    Context::kTimeSigValid | Context::kContTimeValid;
    if (playing) context.state |= Context::kPlaying;
    context.sampleRate = rate_hz_;
    context.projectTimeSamples = song_sample;
    context.continousTimeSamples = song_sample;
    context.tempo = bpm;
    context.projectTimeMusic = static_cast<double>(song_sample) / rate_hz_ * bpm / 60.0;
    context.barPositionMusic = std::floor(context.projectTimeMusic / 4.0) * 4.0;
    context.timeSigNumerator = 4;
    context.timeSigDenominator = 4;
}

Application Plug::application;

Plug::Plug(Module& module) {
    const auto info = module.audioClass();
    void* made = nullptr;
    auto& factory = module.factory();
    if (auto third = as<Steinberg::IPluginFactory3>(&factory, Steinberg::IPluginFactory3_iid))
        third->setHostContext(&application);
    if (factory.createInstance(info.cid, vst::IComponent_iid, &made) != kResultOk || made == nullptr)
        throw Unusable("the component cannot be created");
    component = IPtr<vst::IComponent>(static_cast<vst::IComponent*>(made), false);
    if (component->initialize(&application) != kResultOk) throw Unusable("the component does not initialise");
    audio = as<vst::IAudioProcessor>(component, vst::IAudioProcessor_iid);
    if (!audio) throw Unusable("the component does not process audio");
    control = as<vst::IEditController>(component, vst::IEditController_iid);
    if (!control) {
        TUID id;
        if (component->getControllerClassId(id) != kResultOk ||
            factory.createInstance(id, vst::IEditController_iid, &made) != kResultOk)
            throw Unusable("there is no controller");
        control = IPtr<vst::IEditController>(static_cast<vst::IEditController*>(made), false);
        separate_ = true;
        if (control->initialize(&application) != kResultOk) throw Unusable("the controller does not initialise");
    }
    control->setComponentHandler(&handler);
    connect(true);
    Stream first(state());
    control->setComponentState(&first);
}

void Plug::connect(bool both) {
    if (!separate_) return;
    auto one = as<vst::IConnectionPoint>(component, vst::IConnectionPoint_iid);
    auto other = as<vst::IConnectionPoint>(control, vst::IConnectionPoint_iid);
    if (!one || !other) return;
    if (both) {
        one->connect(other);
        other->connect(one);
    } else {
        one->disconnect(other);
        other->disconnect(one);
    }
}

Plug::~Plug() {
    stop();
    connect(false);
    if (control) control->setComponentHandler(nullptr);
    if (separate_ && control) control->terminate();
    control = nullptr;
    audio = nullptr;
    if (component) component->terminate();
    component = nullptr;
}

bool Plug::start(const Setup& setup) {
    stop();
    setup_ = setup;
    vst::SpeakerArrangement inputs[] = {setup.main, setup.listen};
    vst::SpeakerArrangement output = setup.main;
    if (audio->setBusArrangements(inputs, 2, &output, 1) != Steinberg::kResultTrue) {
        // A side chain that is off keeps its own layout.
        inputs[1] = vst::SpeakerArr::kStereo;
        if (setup.listen != 0 || audio->setBusArrangements(inputs, 2, &output, 1) != Steinberg::kResultTrue)
            return false;
    }
    vst::ProcessSetup process{setup.mode, vst::kSample32, setup.block_samples, setup.rate_hz};
    if (audio->setupProcessing(process) != kResultOk) return false;
    component->activateBus(vst::kAudio, vst::kInput, 0, true);
    component->activateBus(vst::kAudio, vst::kInput, 1, setup.listen != 0);
    component->activateBus(vst::kAudio, vst::kOutput, 0, true);
    if (component->setActive(true) != kResultOk) return false;
    audio->setProcessing(true);
    running_ = true;
    return true;
}

void Plug::stop() {
    if (!running_) return;
    running_ = false;
    audio->setProcessing(false);
    component->setActive(false);
}

std::vector<Parameter> Plug::parameters() const {
    std::vector<Parameter> all;
    for (int32 i = 0; i < control->getParameterCount(); ++i) {
        Parameter one;
        if (control->getParameterInfo(i, one.info) != kResultOk) continue;
        one.title = narrow(one.info.title);
        all.push_back(one);
    }
    return all;
}

std::optional<Parameter> Plug::parameter(const std::string& title) const {
    for (const auto& one : parameters())
        if (folded(one.title) == folded(title)) return one;
    return std::nullopt;
}

void Plug::set(vst::ParamID id, double normalized, Changes* changes) {
    control->setParamNormalized(id, normalized);
    if (changes != nullptr) changes->add(id, 0, normalized);
}

std::vector<char> Plug::state() const {
    Stream stream;
    return component->getState(&stream) == kResultOk ? stream.bytes() : std::vector<char>();
}

tresult Plug::load(const std::vector<char>& state, int32 piece) {
    Stream one(state, piece), other(state, piece);
    const auto result = component->setState(&one);
    control->setComponentState(&other);
    return result;
}

}  // namespace host
