// SPDX-License-Identifier: GPL-3.0-or-later
// The window: drawn for 840 x 506, and scaled as a whole.
#pragma once

#include "Processor.h"
#include "StageView.h"
#include "TimingViews.h"

namespace liveband::plugin {

inline constexpr int kWidth = 840, kHeight = 546;

class Editor final : public juce::AudioProcessorEditor, private juce::Timer {
  public:
    explicit Editor(Processor& processor);
    ~Editor() override;
    void paint(juce::Graphics&) override;
    void resized() override;
    /// Takes what is to be seen now; the timer does it 30 times a second.
    void refresh();
    /// What the status says now.
    const Shown& shown() const { return status_.shown(); }
    const juce::String& timing() const { return timing_; }
    const juce::String& heard() const { return heard_; }

  private:
    struct Page final : juce::Component {
        explicit Page(Editor& owner) : owner_(owner) {}
        void paint(juce::Graphics& graphics) override { owner_.draw(graphics); }
        Editor& owner_;
    };

    void timerCallback() override { refresh(); }
    void draw(juce::Graphics& graphics);
    void place();
    void prepareTake();
    void prepareTexts();
    void offerWords();
    void addWord(const juce::String& word);
    void showTiming(const Status& seen);
    void showHeard(const Status& seen);
    Situation situation(const Status& seen);
    void button(juce::TextButton& made, const juce::String& meaning, std::function<void()> click);
    void textField(juce::TextEditor& field, const juce::String& title, const juce::String& meaning, int most,
                   const juce::String& hint, std::function<void()> told);

    Processor& processor_;
    Theme theme_;
    juce::TooltipWindow tooltips_{this, 700};
    Page page_{*this};
    StatusView status_;
    juce::TextButton start_{"Start the band"};
    TempoView tempo_;
    Choice stem_, when_lost_, mode_;
    AheadView ahead_;
    Knob variation_, adherence_, density_, brightness_, intensity_, mix_, gain_;
    Meters meters_;
    HeadroomTrace headroom_;
    juce::TextButton dice_{"Roll"}, reset_{"Reset"}, freeze_{"Freeze"}, listen_{"Listen"}, keep_{"Keep"},
        recall_{"Recall"};
    juce::Label seed_;
    StageView stage_;
    juce::TextEditor chords_, key_, style_;
    juce::TextButton words_{"Words"};
    int lost_refreshes_ = 0, quiet_refreshes_ = 0;
    juce::String timing_, heard_, shown_seed_;
    std::unique_ptr<juce::ButtonParameterAttachment> freeze_attachment_, listen_attachment_;
};

}  // namespace liveband::plugin
