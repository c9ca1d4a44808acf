// SPDX-License-Identifier: GPL-3.0-or-later
#include "Editor.h"

#include <cmath>

namespace liveband::plugin {
namespace {

using protocol::Control;
using Area = juce::Rectangle<int>;

// The groups of the window.
constexpr int kMargin = 16, kHeaderBottom = 60;
const Area kWho{16, 64, 380, 66}, kHow{404, 64, 380, 66}, kKnobs{16, 138, 456, 148}, kBlend{480, 138, 200, 148},
    kLevels{688, 138, 96, 148}, kTrace{16, 294, 380, 72}, kTake{404, 294, 380, 72}, kChart{16, 374, 768, 34};
constexpr int kNewSeeds = kMaxSeed, kPatientRefreshes = 90;

juce::String meaningOf(Control control) {
    const auto meaning = protocol::kControls[static_cast<std::size_t>(control)].meaning;
    return {meaning.data(), meaning.size()};
}

juce::String ms(double value) {
    return juce::String(value, 1) + " ms";
}

juce::String wordsOf(const Status& seen) {
    return seen.state == BridgeState::kNoServer ? juce::String("Nobody is playing yet") : juce::String(seen.text);
}

/// What a user can do about it, where there is something.
juce::String detailOf(const Status& seen, const juce::String& notice) {
    if (notice.isNotEmpty()) return notice;
    if (seen.state == BridgeState::kLate)
        return juce::String(seen.late_frames + seen.skipped_frames) + " of " +
               juce::String(seen.frames + seen.skipped_frames) + " frames came late";
    if (seen.state == BridgeState::kNoServer) return "press Start, or run: liveband serve";
    if (!seen.model.empty() && seen.server_pid != 0) return "plays " + juce::String(seen.model);
    return {};
}

}  // namespace

Editor::Editor(Processor& processor)
    : AudioProcessorEditor(processor),
      processor_(processor),
      stem_(processor.controls[Control::kStem],
            {{"Drums", "play drums"}, {"Bass", "play bass"}, {"Piano", "play piano"}, {"Guitar", "play guitar"}}),
      mode_(processor.controls[Control::kMode], {{"Live", "in time with you: writes ahead, adds no latency"},
                                                 {"Aligned", "hears the most: the host moves it back into time"},
                                                 {"Bounce", "as a rendering: your anticipation, no machine in it"},
                                                 {"Manual", "your anticipation, for tests"}}),
      variation_(processor.controls[Control::kVariation], "Variation", meaningOf(Control::kVariation)),
      adherence_(processor.controls[Control::kAdherence], "Adherence", meaningOf(Control::kAdherence)),
      density_(processor.controls[Control::kDensity], "Density", meaningOf(Control::kDensity)),
      brightness_(processor.controls[Control::kBrightness], "Brightness", meaningOf(Control::kBrightness)),
      mix_(processor.controls[Control::kMix], "Mix", "left: only what comes in, right: only the band"),
      gain_(processor.controls[Control::kGain], "Gain", meaningOf(Control::kGain)) {
    setLookAndFeel(&theme_);
    addAndMakeVisible(page_);
    page_.setSize(kWidth, kHeight);
    for (juce::Component* child :
         {static_cast<juce::Component*>(&status_),    static_cast<juce::Component*>(&start_),
          static_cast<juce::Component*>(&stem_),      static_cast<juce::Component*>(&mode_),
          static_cast<juce::Component*>(&variation_), static_cast<juce::Component*>(&adherence_),
          static_cast<juce::Component*>(&density_),   static_cast<juce::Component*>(&brightness_),
          static_cast<juce::Component*>(&mix_),       static_cast<juce::Component*>(&gain_),
          static_cast<juce::Component*>(&meters_),    static_cast<juce::Component*>(&headroom_),
          static_cast<juce::Component*>(&seed_),      static_cast<juce::Component*>(&dice_),
          static_cast<juce::Component*>(&freeze_),    static_cast<juce::Component*>(&listen_),
          static_cast<juce::Component*>(&reset_),     static_cast<juce::Component*>(&keep_),
          static_cast<juce::Component*>(&recall_),    static_cast<juce::Component*>(&chords_)})
        page_.addAndMakeVisible(child);
    gain_.setArcFrom(0.0);
    button(start_, "starts the LiveBand server; it ends by itself ten minutes after the last plug-in",
           [this] { processor_.startServer(); });
    start_.getProperties().set("call", true);
    button(dice_, "another seed, another take", [this] {
        auto& parameter = processor_.controls[Control::kSeed];
        parameter.beginChangeGesture();
        parameter.setValueNotifyingHost(
            parameter.convertTo0to1(static_cast<float>(juce::Random::getSystemRandom().nextInt(kNewSeeds) + 1)));
        parameter.endChangeGesture();
    });
    button(reset_, meaningOf(Control::kReset),
           [this] { processor_.controls[Control::kReset].setValueNotifyingHost(1.0f); });
    button(keep_, "keep this moment: what the band has heard and played", [this] { processor_.keepMoment(); });
    button(recall_, "go on from the moment that was kept", [this] { processor_.recallMoment(); });
    for (auto* toggle : {&freeze_, &listen_}) toggle->setClickingTogglesState(true);
    freeze_.setTooltip(meaningOf(Control::kFreeze));
    listen_.setTooltip(meaningOf(Control::kListen));
    freeze_attachment_ =
        std::make_unique<juce::ButtonParameterAttachment>(processor.controls[Control::kFreeze], freeze_);
    listen_attachment_ =
        std::make_unique<juce::ButtonParameterAttachment>(processor.controls[Control::kListen], listen_);
    seed_.setFont(plain(15.0f));
    seed_.setEditable(true);
    seed_.setTitle("Seed");
    seed_.setTooltip(meaningOf(Control::kSeed));
    seed_.onTextChange = [this] {
        auto& parameter = processor_.controls[Control::kSeed];
        const int wanted = juce::jlimit(0, kMaxSeed, seed_.getText().getIntValue());
        parameter.setValueNotifyingHost(parameter.convertTo0to1(static_cast<float>(wanted)));
        shown_seed_.clear();
    };
    chords_.setTitle("Chords");
    chords_.setFont(plain(14.0f));
    chords_.setIndents(8, 5);
    chords_.setInputRestrictions(4000);
    chords_.setTextToShowWhenEmpty("| Am | F | C | G |     bars that repeat; press return to tell the band",
                                   colour::kMuted);
    chords_.setText(processor.notes().chart, false);
    chords_.onReturnKey = [this] { processor_.tellChart(chords_.getText()); };
    chords_.onFocusLost = chords_.onReturnKey;
    chords_.setJustification(juce::Justification::centredLeft);
    place();
    const int saved_width = processor.notes().width;  // sizing below writes it
    setResizable(true, true);
    setResizeLimits(kWidth * 3 / 4, kHeight * 3 / 4, kWidth * 3, kHeight * 3);
    getConstrainer()->setFixedAspectRatio(static_cast<double>(kWidth) / kHeight);
    const int width = saved_width >= kWidth * 3 / 4 ? saved_width : kWidth;
    setSize(width, width * kHeight / kWidth);
    setWantsKeyboardFocus(true);
    sendLookAndFeelChange();
    refresh();
    startTimerHz(30);
}

Editor::~Editor() {
    stopTimer();
    setLookAndFeel(nullptr);
}

juce::Button& Editor::button(juce::TextButton& made, const juce::String& meaning, std::function<void()> click) {
    made.setTooltip(meaning);
    made.setTitle(made.getButtonText());
    made.onClick = std::move(click);
    return made;
}

void Editor::place() {
    status_.setBounds(176, 8, 408, 44);
    start_.setBounds(644, 16, 140, 30);
    stem_.setBounds(kWho.reduced(10).removeFromBottom(28));
    mode_.setBounds(kHow.reduced(10).removeFromBottom(28));
    auto knobs = kKnobs.reduced(8, 10);
    const int knob = knobs.getWidth() / 4;
    for (auto* each : {&variation_, &adherence_, &density_, &brightness_}) each->setBounds(knobs.removeFromLeft(knob));
    auto blend = kBlend.reduced(8, 10);
    mix_.setBounds(blend.removeFromLeft(blend.getWidth() / 2));
    gain_.setBounds(blend);
    meters_.setBounds(kLevels.reduced(14, 12));
    headroom_.setBounds(kTrace.reduced(12, 8));
    auto take = kTake.reduced(10).removeFromBottom(28);
    seed_.setBounds(take.removeFromLeft(56));
    for (const auto& [each, width] :
         {std::pair{&dice_, 40}, {&freeze_, 50}, {&listen_, 48}, {&reset_, 46}, {&keep_, 44}, {&recall_, 52}}) {
        take.removeFromLeft(4);
        each->setBounds(take.removeFromLeft(width));
    }
    auto chart = kChart;
    chart.removeFromLeft(76);
    chords_.setBounds(chart.reduced(0, 2));
}

void Editor::paint(juce::Graphics& graphics) {
    graphics.fillAll(colour::kGround);
}

void Editor::draw(juce::Graphics& graphics) {
    graphics.setColour(colour::kText);
    graphics.setFont(strong(22.0f));
    graphics.drawText("LiveBand", kMargin + 34, 8, 140, 44, juce::Justification::centredLeft);
    // The mark: four players, one of them is ours.
    const std::array<float, 4> heights{12.0f, 24.0f, 17.0f, 8.0f};
    for (std::size_t bar = 0; bar < heights.size(); ++bar) {
        graphics.setColour(bar == 1 ? colour::kAccent : colour::kMuted);
        graphics.fillRoundedRectangle(static_cast<float>(kMargin) + 6.5f * static_cast<float>(bar),
                                      30.0f - heights[bar] / 2.0f, 4.0f, heights[bar], 2.0f);
    }
    for (const auto& group : {kWho, kHow, kKnobs, kBlend, kLevels, kTrace, kTake}) drawPanel(graphics, group.toFloat());
    const auto caption = [](const Area& group) { return group.reduced(12, 8).removeFromTop(16).toFloat(); };
    drawCaption(graphics, "Who plays", caption(kWho));
    drawCaption(graphics, "Timing", caption(kHow));
    drawCaption(graphics, "Seed", caption(kTake));
    drawCaption(graphics, "Chords", kChart.withTrimmedLeft(12).toFloat());
    graphics.setColour(colour::kText);
    graphics.setFont(plain(12.5f));
    graphics.drawText(timing_, caption(kHow), juce::Justification::centredRight);
}

void Editor::resized() {
    const float scale = static_cast<float>(getWidth()) / kWidth;
    page_.setTransform(juce::AffineTransform::scale(scale));
    page_.setBounds(0, 0, kWidth, kHeight);
    processor_.notes().width = getWidth();
}

void Editor::showTiming(const Status& seen) {
    juce::String now;
    if (seen.rate_hz > 0.0) {
        now = "latency " + ms(1000.0 * seen.latency_samples / seen.rate_hz) + juce::String::fromUTF8(" \xc2\xb7 ") +
              "ahead " + ms(seen.anticipation_ms);
        if (seen.pending_latency_samples != seen.latency_samples) now = "stop the host: the latency changes";
    }
    if (now == timing_) return;
    timing_ = now;
    page_.repaint(kHow);
}

void Editor::refresh() {
    const auto seen = processor_.status();
    const bool starting = processor_.startingServer();
    const auto notice = processor_.notice();
    // A band that is lost mostly comes back by itself: the user is asked only when it does not.
    lost_refreshes_ = seen.state == BridgeState::kLost ? lost_refreshes_ + 1 : 0;
    const bool absent = seen.state == BridgeState::kNoServer || lost_refreshes_ > kPatientRefreshes;
    const bool waits = !processor_.isPrepared() && !absent && seen.state != BridgeState::kRefused;
    if (waits)
        status_.show(BridgeState::kConnecting, "Waiting for the host", "its audio has not started yet", false);
    else if (starting && absent)
        status_.show(BridgeState::kConnecting, "The band is coming", "the first start takes some seconds", false);
    else
        status_.show(seen.state, wordsOf(seen), detailOf(seen, notice), notice.isNotEmpty());
    start_.setVisible(absent && !starting);
    showTiming(seen);
    variation_.setKnown(processor_.understands("variation"));
    adherence_.setKnown(processor_.understands("adherence"));
    density_.setKnown(processor_.understands("density"));
    brightness_.setKnown(processor_.understands("brightness"));
    const bool playing = seen.state == BridgeState::kPlaying || seen.state == BridgeState::kLate;
    headroom_.push(seen.headroom_ms, playing, seen.late_frames + seen.skipped_frames,
                   seen.frames + seen.skipped_frames);
    auto& player = processor_.player();
    meters_.push({player.input[0].take(), player.input[1].take(), player.output[0].take(), player.output[1].take()});
    keep_.setEnabled(playing);
    recall_.setEnabled(playing && !processor_.notes().moment.empty());
    const juce::String number(juce::roundToInt(processor_.controls.value(Control::kSeed)));
    if (number != shown_seed_ && !seed_.isBeingEdited()) {
        shown_seed_ = number;
        seed_.setText(number, juce::dontSendNotification);
    }
    if (!chords_.hasKeyboardFocus(true) && chords_.getText() != juce::String(processor_.notes().chart))
        chords_.setText(processor_.notes().chart, false);
}

}  // namespace liveband::plugin
