// SPDX-License-Identifier: GPL-3.0-or-later
// What the user told the plug-in beside its controls: kept for the project, and passed on to the band.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "Controls.h"
#include "SavedState.h"
#include "liveband/bridge.h"

namespace liveband::plugin {

/// Any thread but the audio thread: hosts save and load projects on other threads than the window's.
class Told {
  public:
    Told(Bridge& bridge, const Controls& controls) : bridge_(bridge), controls_(controls) {}

    Notes notes() const;
    void setWidth(int width);
    /// Chords as a chart, e.g. `| Am | F | C | G |`; empty forgets them.
    void chart(const juce::String& text);
    /// The key, e.g. `Am`; empty forgets it.
    void key(const juce::String& text);
    /// The style, e.g. `upright bass, swing`; empty forgets it.
    void style(const juce::String& text);
    void keepMoment();
    void recallMoment();
    /// The chords are not told yet: they count bars, and nobody has told a tempo.
    bool chartWaits() const { return chart_waits_.load(); }
    /// Tells the chords that waited, if there is a tempo by now.
    void look(const Status& seen);

    std::string save() const;
    /// False if these bytes are no state of ours; nothing is changed then, and `refusal` says why until one was taken.
    bool restore(const void* data, std::size_t bytes);
    std::string refusal() const;

  private:
    Bridge& bridge_;
    const Controls& controls_;
    mutable std::mutex mutex_;
    Notes notes_;
    std::string refusal_;
    std::atomic<bool> chart_waits_{false};
};

}  // namespace liveband::plugin
