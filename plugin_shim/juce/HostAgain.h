// SPDX-License-Identifier: GPL-3.0-or-later
// Tells a VST3 host to look at the latency once more, while it still prepares.
#pragma once

#include <juce_audio_processors/juce_audio_processors.h>

namespace Steinberg::Vst {
class IComponentHandler;
}

namespace liveband::plugin {

/// JUCE's hosts read the latency before they activate a plug-in, and ours is known once it is active. JUCE's own
/// message about it goes over a message thread: too late for a script that plays at once.
class HostAgain : public juce::VST3ClientExtensions {
  public:
    HostAgain() = default;
    ~HostAgain() override;
    HostAgain(const HostAgain&) = delete;
    HostAgain& operator=(const HostAgain&) = delete;
    void setIComponentHandler(Steinberg::FUnknown* handler) override;

  protected:
    /// On the thread that asks; the host may prepare the plug-in again meanwhile. Nothing happens in other formats.
    void askForLatency();

  private:
    Steinberg::Vst::IComponentHandler* handler_ = nullptr;  // owned
};

}  // namespace liveband::plugin
