// SPDX-License-Identifier: GPL-3.0-or-later
#include "Processor.h"

#include <chrono>
#include <cmath>

#include "Editor.h"

namespace liveband::plugin {
namespace {

using protocol::Control;

constexpr int kFollowMs = 100, kOfflineBlock = 512;
// A host asks for the latency when it prepares, so a server that is there gets this long to tell it.
constexpr auto kPrepareRealtime = std::chrono::milliseconds(300), kPrepareOffline = std::chrono::milliseconds(5000);

constexpr Control kTiming[] = {Control::kMode, Control::kAnticipation};
constexpr auto kOpenStep = std::chrono::milliseconds(20);

bool isAlone(BridgeState state) {
    return state == BridgeState::kNoServer || state == BridgeState::kRefused;
}

std::string newSession() {
    return "plugin-" + juce::Uuid().toString().substring(0, 12).toStdString();
}

BridgeConfig bridgeConfig() {
    BridgeConfig config;
    config.session = newSession();
    config.client =
        (juce::String("LiveBand in ") + juce::PluginHostType().getHostDescription()).substring(0, 60).toStdString();
    return config;
}

Preparation withoutWait(Preparation wanted) {
    wanted.wait = std::chrono::milliseconds(0);
    return wanted;
}

/// The same transport, `samples` later.
void goOn(Transport& at, int samples, double rate_hz) noexcept {
    if (!at.playing) return;
    if (at.song_sample >= 0) at.song_sample += samples;
    at.quarter += samples / rate_hz * at.tempo_bpm / 60.0;
    const double bar = 4.0 * at.signature_above / at.signature_below;
    if (bar > 0.0 && at.quarter >= at.bar_quarter)
        at.bar_quarter += bar * std::floor((at.quarter - at.bar_quarter) / bar);
}

bool isEpoch(std::size_t control) {
    return protocol::kControls[control].acts == "epoch";
}

}  // namespace

juce::AudioProcessor::BusesProperties Processor::buses() {
    const auto stereo = juce::AudioChannelSet::stereo();
    auto all = BusesProperties().withInput("Input", stereo);
    // An LV2 host connects every port, with silence if with nothing else: a side chain there would always be on.
    if (juce::PluginHostType::getPluginLoadedAs() != wrapperType_LV2) all = all.withInput("Listen", stereo, false);
    return all.withOutput("Output", stereo);
}

Processor::Processor() : AudioProcessor(buses()), controls(addControls(*this)), bridge_(bridgeConfig()) {
    passed_.fill(std::nan(""));
    for (const auto control : kTiming) controls[control].addListener(this);
    startTimer(kFollowMs);
}

Processor::~Processor() {
    for (const auto control : kTiming) controls[control].removeListener(this);
    stopTimer();
}

bool Processor::isBusesLayoutSupported(const BusesLayout& layouts) const {
    const auto main = layouts.getMainOutputChannelSet();
    if (main != juce::AudioChannelSet::mono() && main != juce::AudioChannelSet::stereo()) return false;
    if (layouts.getMainInputChannelSet() != main) return false;
    const auto listen = layouts.getChannelSet(true, 1);
    return listen.isDisabled() || listen == juce::AudioChannelSet::mono() || listen == juce::AudioChannelSet::stereo();
}

Preparation Processor::preparation() const {
    Preparation wanted;
    wanted.rate_hz = getSampleRate();
    wanted.channels = juce::jlimit(1, kMostChannels, getMainBusNumOutputChannels());
    wanted.block_samples = juce::jlimit(1, static_cast<int>(protocol::kMaxBlock), getBlockSize());
    wanted.mode = static_cast<Mode>(static_cast<int>(controls.value(Control::kMode)));
    wanted.offline = isNonRealtime();
    // Offline nothing is late, however long the blocks: one latency for all of them, told before the first.
    if (wanted.offline) wanted.block_samples = kOfflineBlock;
    if (wanted.mode == Mode::kBounce) wanted.latency_samples = 0;
    wanted.anticipation_ms = controls.value(Control::kAnticipation);
    wanted.wait = wanted.offline ? kPrepareOffline : kPrepareRealtime;
    return wanted;
}

void Processor::prepareToPlay(double rate_hz, int block_samples) {
    {
        const std::lock_guard<std::recursive_mutex> lock(preparing_);
        // Some hosts call it without telling the base class first.
        setRateAndBufferSizeDetails(rate_hz, block_samples);
        player_.prepare(rate_hz);
        position_ = {};
        bridge_.start();
        passControls();
        prepared_ = preparation();
        is_prepared_ = true;
        timing_waits_ = false;
        open();
        active_ = true;
        idle_ = true;
    }
    tellLatency();
}

void Processor::tellLatency() {
    const int latency = bridge_.latencySamples();
    if (latency == getLatencySamples()) return;
    setLatencySamples(latency);
    // A renderer plays at once: it must have learnt the latency before. Who plays live learns it by JUCE's message.
    if (!isNonRealtime() || juce::MessageManager::existsAndIsCurrentThread() || asking_.exchange(true)) return;
    askForLatency();
    asking_ = false;
}

void Processor::open() {
    // A server that hangs is waited for once, not each of the dozen times that a host prepares.
    const auto deadline = std::chrono::steady_clock::now() + (vain_ == 0 ? prepared_.wait : kOpenStep);
    auto step = prepared_;
    step.wait = kOpenStep;
    // Where nobody is, nobody is waited for: hosts prepare a plug-in a dozen times while they scan it.
    while (!bridge_.prepare(step)) {
        if (isAlone(bridge_.status().state)) return;
        if (std::chrono::steady_clock::now() <= deadline) continue;
        ++vain_;
        return;
    }
    vain_ = 0;
    if (!prepared_.offline) return;
    // A render begins with its controls in force: gain is not to be approached in the first notes.
    player_.settle(prepared_.channels);
    bridge_.prepare(step);
}

void Processor::reset() {
    player_.restart();
    bridge_.requestEpoch();
}

void Processor::passControls() noexcept {
    for (std::size_t index = 0; index < passed_.size(); ++index) {
        if (isEpoch(index)) continue;
        auto& parameter = *controls.table[index];
        const double value = parameter.get();
        // A trigger acts when it is pulled; the message thread lets it go again, perhaps between two blocks.
        if (parameter.isTrigger() ? !parameter.takePull() : value == passed_[index]) continue;
        passed_[index] = value;
        bridge_.setControl(static_cast<Control>(index), parameter.isTrigger() ? 1.0 : value);
    }
}

Transport Processor::transport(int samples) noexcept {
    auto* head = getPlayHead();
    const auto info = head == nullptr ? juce::Optional<juce::AudioPlayHead::PositionInfo>() : head->getPosition();
    // An LV2 host tells its position when it changes, and it goes on from there.
    if (info || wrapperType != wrapperType_LV2) {
        host_plays_.store(info && info->getIsPlaying(), std::memory_order_relaxed);
        position_ = info ? hostTransport(*info) : Transport{};
    }
    const auto told = position_;
    goOn(position_, samples, getSampleRate());
    // What the user set goes before a host that only says 120 because it has to say something.
    return controls.bpm->get() >= kLeastBpm ? ownTransport() : told;
}

Transport Processor::hostTransport(const juce::AudioPlayHead::PositionInfo& info) const noexcept {
    Transport told;
    if (!info.getBpm() || (isNonRealtime() && !info.getIsPlaying())) return told;
    told.playing = info.getIsPlaying();
    told.looping = info.getIsLooping();
    told.recording = info.getIsRecording();
    told.tempo_bpm = *info.getBpm();
    if (const auto quarter = info.getPpqPosition()) told.quarter = *quarter;
    if (const auto bar = info.getPpqPositionOfLastBarStart()) told.bar_quarter = *bar;
    if (const auto signature = info.getTimeSignature()) {
        told.signature_above = signature->numerator;
        told.signature_below = signature->denominator;
    }
    // Before the song's start JUCE says 0 in block after block: that is not known, rather than a jump in each.
    if (const auto sample = info.getTimeInSamples(); sample && (*sample > 0 || !(told.quarter < 0.0)))
        told.song_sample = *sample;
    // Ardour tells where in the song the plug-in's output will sound, not where its input stands.
    if (is_ardour_) {
        const auto sample = told.song_sample;
        goOn(told, bridge_.latencySamples(), getSampleRate());
        told.song_sample = sample;
    }
    return told;
}

void Processor::show(const Transport& told) noexcept {
    const auto known = [](double value, float otherwise) {
        return std::isfinite(value) ? static_cast<float>(value) : otherwise;
    };
    bpm_.store(known(told.tempo_bpm, 0.0f), std::memory_order_relaxed);
    beat_.store(known(told.quarter - told.bar_quarter, 0.0f), std::memory_order_relaxed);
    bar_beats_.store(known(told.signature_above, 4.0f), std::memory_order_relaxed);
    music_plays_.store(told.playing, std::memory_order_relaxed);
}

MusicTime Processor::musicTime() const {
    MusicTime time;
    time.bpm = static_cast<double>(bpm_.load(std::memory_order_relaxed));
    time.known = time.bpm > 0.0;
    time.typed = controls.bpm->get() >= kLeastBpm;
    time.playing = music_plays_.load(std::memory_order_relaxed);
    time.beat = static_cast<double>(beat_.load(std::memory_order_relaxed));
    time.beats_per_bar = juce::roundToInt(bar_beats_.load(std::memory_order_relaxed));
    return time;
}

Transport Processor::ownTransport() const noexcept {
    Transport told;
    const double second =
        controls.position_s->get() + static_cast<double>(player_.played()) / getSampleRate();
    const double bar = controls.beats_per_bar->get();
    told.playing = true;
    told.tempo_bpm = controls.bpm->get();
    told.quarter = second * told.tempo_bpm / 60.0;
    told.bar_quarter = std::floor(told.quarter / bar) * bar;
    told.signature_above = bar;
    told.signature_below = 4.0;
    return told;
}

void Processor::process(juce::AudioBuffer<float>& audio, bool bypassed) noexcept {
    const juce::ScopedNoDenormals flush;
    const int samples = audio.getNumSamples();
    const int channels = juce::jmin(kMostChannels, getMainBusNumInputChannels(), audio.getNumChannels());
    for (int channel = channels; channel < getMainBusNumOutputChannels() && channel < audio.getNumChannels(); ++channel)
        audio.clear(channel, 0, samples);
    blocks_.fetch_add(1, std::memory_order_relaxed);
    idle_.store(false, std::memory_order_relaxed);
    if (samples == 0 || channels == 0 || !is_prepared_) return;
    passControls();

    Block block;
    block.main = audio.getArrayOfWritePointers();
    block.channels = channels;
    block.samples = samples;
    if (auto* listen = getBus(true, 1); listen != nullptr && listen->isEnabled()) {
        const int first = getChannelIndexInProcessBlockBuffer(true, 1, 0);
        if (first + listen->getNumberOfChannels() <= audio.getNumChannels()) {
            block.listen = audio.getArrayOfReadPointers() + first;
            block.listen_channels = juce::jmin(kMostChannels, listen->getNumberOfChannels());
        }
    }
    Playing playing;
    playing.mix = controls.value(Control::kMix);
    playing.bypassed = bypassed || controls.bypass->isOn();
    // Asked in every block: hosts switch it without preparing again.
    playing.offline = isNonRealtime();
    playing.alone = playing.offline && (vain_ > 1 || isAlone(bridge_.status().state));
    playing.transport = transport(samples);
    playing.dry_when_absent = controls.when_lost->isOn();
    show(playing.transport);
    bridge_.setBypassed(playing.bypassed);
    player_.play(block, playing);
}

void Processor::timerCallback() {
    const auto blocks = blocks_.load(std::memory_order_relaxed);
    if (blocks == blocks_seen_) idle_.store(true, std::memory_order_relaxed);
    blocks_seen_ = blocks;
    follow();
    controls.release();
    start_.failed();
    const auto seen = bridge_.status();
    model_.ask(seen.server_pid, seen.model);
    told_.look(seen);
}

void Processor::parameterValueChanged(int, float) {
    // Live, it may be the audio thread that tells it: the timer looks. A script wants to know the latency at once.
    if (is_prepared_ && isNonRealtime() && isIdle()) follow();
}

void Processor::follow(bool waits) {
    {
        const std::unique_lock<std::recursive_mutex> lock(preparing_, std::try_to_lock);
        if (!lock.owns_lock() || !is_prepared_) return;
        const auto wanted = preparation();
        const bool differs = wanted.mode != prepared_.mode || wanted.anticipation_ms != prepared_.anticipation_ms;
        // While it plays the latency stays as it was told: hosts glitch or restart when it changes.
        const bool plays = !isIdle() && (isNonRealtime() || hostPlays());
        timing_waits_ = differs && plays;
        if (plays) return;
        if (differs) {
            suspendProcessing(true);  // after it no block is being processed; the host gets silence meanwhile
            prepared_ = wanted;
            if (waits || isNonRealtime())
                open();
            else
                bridge_.prepare(withoutWait(prepared_));
            suspendProcessing(false);
        } else if (!isNonRealtime()) {
            bridge_.adoptLatency();
        }
    }
    tellLatency();
}

void Processor::getStateInformation(juce::MemoryBlock& into) {
    const auto chunk = told_.save();
    into.replaceAll(chunk.data(), chunk.size());
}

void Processor::setStateInformation(const void* data, int bytes) {
    // A renderer that has loaded its project may begin at once, with the latency it knows then.
    if (told_.restore(data, bytes > 0 ? static_cast<std::size_t>(bytes) : 0)) follow(true);
}

juce::AudioProcessorEditor* Processor::createEditor() {
    bridge_.start();  // who looks at the window wants to know whether a band is there, before any audio runs
    return new Editor(*this);
}

void Processor::startServer() {
    connections_at_start_ = bridge_.status().connections;
    start_.begin();
}

juce::String Processor::notice() const {
    if (told_.chartWaits()) return "the chords wait for a tempo: let the host play, or set BPM";
    if (player_.failedOffline()) return "the band did not answer: this render is silent";
    const auto seen = bridge_.status();
    if (seen.state != BridgeState::kPlaying && start_.error().isNotEmpty()) return start_.error();
    const auto refusal = told_.refusal();
    return juce::String(refusal.empty() ? seen.error : refusal);
}

}  // namespace liveband::plugin

juce::AudioProcessor* JUCE_CALLTYPE createPluginFilter() {
    return new liveband::plugin::Processor;
}
