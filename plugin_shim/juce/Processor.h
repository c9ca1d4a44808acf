// SPDX-License-Identifier: GPL-3.0-or-later
// The plug-in as its host sees it.
#pragma once

#include <juce_audio_processors/juce_audio_processors.h>

#include <atomic>
#include <mutex>

#include "Controls.h"
#include "HostAgain.h"
#include "Player.h"
#include "ServerStart.h"
#include "Told.h"
#include "Words.h"

namespace liveband::plugin {

class Processor final : public juce::AudioProcessor,
                        public HostAgain,
                        private juce::AudioProcessorParameter::Listener,
                        private juce::Timer {
  public:
    Processor();
    ~Processor() override;

    const juce::String getName() const override { return "LiveBand"; }
    bool acceptsMidi() const override { return false; }
    bool producesMidi() const override { return false; }
    double getTailLengthSeconds() const override { return 0.0; }
    int getNumPrograms() override { return 1; }
    int getCurrentProgram() override { return 0; }
    void setCurrentProgram(int) override {}
    const juce::String getProgramName(int) override { return "LiveBand"; }
    void changeProgramName(int, const juce::String&) override {}
    juce::AudioProcessorParameter* getBypassParameter() const override { return controls.bypass; }

    bool isBusesLayoutSupported(const BusesLayout& layouts) const override;
    void prepareToPlay(double rate_hz, int block_samples) override;
    void releaseResources() override { active_ = false; }
    void reset() override;
    void processBlock(juce::AudioBuffer<float>& audio, juce::MidiBuffer&) override { process(audio, false); }
    void processBlockBypassed(juce::AudioBuffer<float>& audio, juce::MidiBuffer&) override { process(audio, true); }
    using AudioProcessor::processBlock;
    using AudioProcessor::processBlockBypassed;
    void getStateInformation(juce::MemoryBlock& into) override;
    void setStateInformation(const void* data, int bytes) override;
    bool hasEditor() const override { return true; }
    juce::AudioProcessorEditor* createEditor() override;

    // For the editor, on the message thread.
    Status status() const { return bridge_.status(); }
    Told& told() { return told_; }
    MusicTime musicTime() const;
    void startServer();
    /// The server is being started by this plug-in, and is not there yet.
    bool startingServer() const { return start_.running() && bridge_.status().connections == connections_at_start_; }
    /// What the user must know and the bridge does not say: a start or a state that failed, a render without a band.
    juce::String notice() const;
    bool understands(const std::string& control) const { return model_.understands(control); }
    /// The host has prepared audio.
    bool isPrepared() const { return is_prepared_; }
    /// Mode or anticipation were changed while it plays: they change when it stops.
    bool timingWaits() const { return timing_waits_.load(); }
    bool hostPlays() const { return host_plays_.load(std::memory_order_relaxed); }

    Controls controls;

  private:
    static BusesProperties buses();
    void process(juce::AudioBuffer<float>& audio, bool bypassed) noexcept;
    void open();
    void passControls() noexcept;
    /// At the first of the next `samples`.
    Transport transport(int samples) noexcept;
    Transport hostTransport(const juce::AudioPlayHead::PositionInfo& info) const noexcept;
    void show(const Transport& told) noexcept;
    Transport ownTransport() const noexcept;
    Preparation preparation() const;
    void timerCallback() override;
    void parameterValueChanged(int index, float value) override;
    void parameterGestureChanged(int, bool) override {}
    /// Mode, anticipation and latency as they are wished now, if nothing plays.
    void follow(bool waits = false);
    bool isIdle() const { return !active_.load() || idle_.load(std::memory_order_relaxed); }
    void tellLatency();

    Transport position_;  // the audio thread's: of the host, at the block that comes
    const bool is_ardour_ = juce::PluginHostType().isArdour();
    Bridge bridge_;
    Player player_{bridge_};
    ServerStart start_;
    ModelLookup model_;
    Told told_{bridge_, controls};
    std::array<double, protocol::kControls.size()> passed_{};
    std::recursive_mutex preparing_;  // held while prepared_ is changed; a host may prepare again within
    Preparation prepared_;
    std::atomic<bool> is_prepared_{false}, active_{false}, idle_{true}, timing_waits_{false}, asking_{false};
    std::atomic<bool> host_plays_{false}, music_plays_{false};
    std::atomic<float> bpm_{0.0f}, beat_{0.0f}, bar_beats_{4.0f};  // as the band was told last; bpm 0: nothing
    std::atomic<std::int64_t> blocks_{0};
    std::int64_t blocks_seen_ = 0;
    std::atomic<int> vain_{0};  // times in a row that a server was there and did not answer
    std::uint64_t connections_at_start_ = 0;

  public:
    Player& player() { return player_; }
};

}  // namespace liveband::plugin
