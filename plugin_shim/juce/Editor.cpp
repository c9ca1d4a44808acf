// SPDX-License-Identifier: GPL-3.0-or-later
#include "Editor.h"

#include <cmath>

namespace liveband::plugin {
namespace {

using protocol::Control;
using Area = juce::Rectangle<int>;

// The groups of the window.
constexpr int kMargin = 16, kHeaderHeight = 60;
const Area kWho{16, 64, 400, 102}, kHow{424, 64, 400, 102}, kKnobs{16, 174, 480, 148}, kBlend{504, 174, 216, 148},
    kLevels{728, 174, 96, 148}, kTrace{16, 330, 400, 74}, kTake{424, 330, 400, 74}, kStage{16, 412, 808, 40},
    kChart{16, 460, 808, 34}, kStyle{16, 500, 808, 34};
const Area kState{166, 4, 478, kHeaderHeight - 8}, kCorner{656, 6, 168, 48};
constexpr int kNewSeeds = 1000000, kPatientRefreshes = 90, kQuietRefreshes = 30;
constexpr float kQuiet = 0.0005f;

juce::String meaningOf(Control control) {
    const auto meaning = protocol::kControls[static_cast<std::size_t>(control)].meaning;
    return {meaning.data(), meaning.size()};
}

juce::String ms(double value) {
    return juce::String(value, 1) + " ms";
}

}  // namespace

Editor::Editor(Processor& processor)
    : AudioProcessorEditor(processor),
      processor_(processor),
      tempo_(*processor.controls.bpm),
      stem_(processor.controls[Control::kStem],
            {{"Drums", "play drums"}, {"Bass", "play bass"}, {"Piano", "play piano"}, {"Guitar", "play guitar"}}),
      when_lost_(*processor.controls.when_lost,
                 {{"Silence", "while no band plays: silence"}, {"My sound", "while no band plays: what comes in"}}),
      mode_(processor.controls[Control::kMode], {{"Live", "in time with you: writes ahead, adds no latency"},
                                                 {"Aligned", "hears the most: the host moves it back into time"},
                                                 {"Bounce", "as a rendering: your anticipation, no machine in it"},
                                                 {"Manual", "your anticipation, for tests"}}),
      ahead_(processor.controls[Control::kAnticipation], meaningOf(Control::kAnticipation)),
      variation_(processor.controls[Control::kVariation], "Variation", meaningOf(Control::kVariation)),
      adherence_(processor.controls[Control::kAdherence], "Adherence", meaningOf(Control::kAdherence)),
      density_(processor.controls[Control::kDensity], "Density", meaningOf(Control::kDensity)),
      brightness_(processor.controls[Control::kBrightness], "Brightness", meaningOf(Control::kBrightness)),
      intensity_(processor.controls[Control::kIntensity], "Intensity", meaningOf(Control::kIntensity)),
      mix_(processor.controls[Control::kMix], "Mix", "left: only what comes in, right: only the band"),
      gain_(processor.controls[Control::kGain], "Gain", meaningOf(Control::kGain)),
      stage_(processor.controls) {
    setLookAndFeel(&theme_);
    setTitle("LiveBand");
    addAndMakeVisible(page_);
    page_.setSize(kWidth, kHeight);
    // In the order of the tab key.
    int order = 0;
    for (auto* child : std::initializer_list<juce::Component*>{
             &status_,    &start_,   &tempo_,      &stem_,  &when_lost_, &mode_,   &ahead_,    &variation_,
             &adherence_, &density_, &brightness_, &intensity_, &mix_,    &gain_,  &meters_, &headroom_,
             &seed_,      &dice_,    &freeze_,     &listen_,    &reset_,  &keep_,  &recall_, &stage_,    &chords_, &key_,
             &style_,     &words_}) {
        page_.addAndMakeVisible(child);
        child->setExplicitFocusOrder(++order);
    }
    gain_.setArcFrom(0.0);
    meters_.setTitle("Levels in and out");
    headroom_.setTitle("Headroom");
    button(start_, "starts the LiveBand server; it ends by itself ten minutes after the last plug-in",
           [this] { processor_.startServer(); });
    start_.getProperties().set("call", true);
    prepareTake();
    prepareTexts();
    place();
    const int saved_width = processor.told().notes().width;  // sizing below writes it
    setResizable(true, true);
    setResizeLimits(kWidth * 3 / 4, kHeight * 3 / 4, kWidth * 3, kHeight * 3);
    getConstrainer()->setFixedAspectRatio(static_cast<double>(kWidth) / kHeight);
    const int width = saved_width >= kWidth * 3 / 4 ? saved_width : kWidth;
    setSize(width, width * kHeight / kWidth);
    setWantsKeyboardFocus(true);
    setFocusContainerType(FocusContainerType::keyboardFocusContainer);
    sendLookAndFeelChange();
    refresh();
    startTimerHz(30);
}

Editor::~Editor() {
    stopTimer();
    setLookAndFeel(nullptr);
}

void Editor::button(juce::TextButton& made, const juce::String& meaning, std::function<void()> click) {
    made.setTooltip(meaning);
    made.setTitle(made.getButtonText());
    made.onClick = std::move(click);
}

void Editor::prepareTake() {
    button(dice_, "another seed, another take", [this] {
        auto& parameter = processor_.controls[Control::kSeed];
        parameter.beginChangeGesture();
        parameter.setValueNotifyingHost(
            parameter.convertTo0to1(static_cast<float>(juce::Random::getSystemRandom().nextInt(kNewSeeds) + 1)));
        parameter.endChangeGesture();
    });
    button(reset_, meaningOf(Control::kReset),
           [this] { processor_.controls[Control::kReset].setValueNotifyingHost(1.0f); });
    button(keep_, "keep this moment: what the band has heard and played", [this] { processor_.told().keepMoment(); });
    button(recall_, "go on from the moment that was kept", [this] { processor_.told().recallMoment(); });
    button(freeze_, meaningOf(Control::kFreeze), nullptr);
    button(listen_, meaningOf(Control::kListen), nullptr);
    for (auto* toggle : {&freeze_, &listen_}) toggle->setClickingTogglesState(true);
    freeze_attachment_ =
        std::make_unique<juce::ButtonParameterAttachment>(processor_.controls[Control::kFreeze], freeze_);
    listen_attachment_ =
        std::make_unique<juce::ButtonParameterAttachment>(processor_.controls[Control::kListen], listen_);
    seed_.setFont(plain(15.0f));
    seed_.setBorderSize({0, 2, 0, 2});
    seed_.setEditable(true);
    seed_.setTitle("Seed");
    seed_.setTooltip(meaningOf(Control::kSeed));
    seed_.onTextChange = [this] {
        auto& parameter = processor_.controls[Control::kSeed];
        const auto wanted = juce::jlimit<juce::int64>(0, kMaxSeed, seed_.getText().getLargeIntValue());
        parameter.setValueNotifyingHost(parameter.convertTo0to1(static_cast<float>(wanted)));
        shown_seed_.clear();
    };
}

void Editor::textField(juce::TextEditor& field, const juce::String& title, const juce::String& meaning, int most,
                       const juce::String& hint, std::function<void()> told) {
    field.setTitle(title);
    field.setTooltip(meaning);
    field.setFont(plain(14.0f));
    field.setIndents(8, 0);
    field.setJustification(juce::Justification::centredLeft);
    field.setInputRestrictions(most);
    field.setTextToShowWhenEmpty(hint, colour::kMuted);
    field.onReturnKey = told;
    field.onFocusLost = std::move(told);
}

void Editor::prepareTexts() {
    textField(chords_, "Chords", "bars that repeat; return tells the band", 4000,
              "for example | Am | F | C | G |, bars that repeat; return tells the band",
              [this] { processor_.told().chart(chords_.getText()); });
    textField(key_, "Key", "the key, such as Am or Bb major; return tells the band", 20, "e.g. Am",
              [this] { processor_.told().key(key_.getText()); });
    textField(style_, "Style", "what the band is to sound like, if it was trained with styles; return tells it", 1000,
              "for example upright bass, swing *2 | electric piano; return tells the band",
              [this] { processor_.told().style(style_.getText()); });
    button(words_, "words for a style, added to what is there", [this] { offerWords(); });
    const auto notes = processor_.told().notes();
    chords_.setText(notes.chart, false);
    key_.setText(notes.key, false);
    style_.setText(notes.style, false);
}

void Editor::offerWords() {
    juce::PopupMenu menu;
    for (const auto word : protocol::kStyleWords) {
        const juce::String text(word.data(), word.size());
        // The window may be closed while the menu is open.
        menu.addItem(text, [editor = juce::Component::SafePointer<Editor>(this), text] {
            if (editor != nullptr) editor->addWord(text);
        });
    }
    menu.showMenuAsync(juce::PopupMenu::Options().withTargetComponent(words_).withMaximumNumColumns(3));
}

void Editor::addWord(const juce::String& word) {
    const auto before = style_.getText().trimEnd();
    const bool begins = before.isEmpty() || before.endsWithChar('|') || before.endsWithChar(',');
    style_.setText(before + (before.isEmpty() ? "" : begins ? " " : ", ") + word, false);
    processor_.told().style(style_.getText());
}

void Editor::place() {
    status_.setBounds(kState);
    start_.setBounds(kCorner.withSizeKeepingCentre(kCorner.getWidth(), 32));
    tempo_.setBounds(kCorner);
    auto who = kWho.reduced(10).withTrimmedTop(22), how = kHow.reduced(10).withTrimmedTop(22);
    stem_.setBounds(who.removeFromTop(28));
    mode_.setBounds(how.removeFromTop(28));
    when_lost_.setBounds(who.removeFromBottom(26).removeFromRight(kWho.getWidth() / 2 - 8));
    ahead_.setBounds(how.removeFromBottom(26).withTrimmedLeft(2));
    auto knobs = kKnobs.reduced(8, 10);
    const int knob = knobs.getWidth() / 5;
    for (auto* each : {&variation_, &adherence_, &density_, &brightness_, &intensity_}) each->setBounds(knobs.removeFromLeft(knob));
    auto blend = kBlend.reduced(8, 10);
    mix_.setBounds(blend.removeFromLeft(blend.getWidth() / 2));
    gain_.setBounds(blend);
    meters_.setBounds(kLevels.reduced(14, 12));
    headroom_.setBounds(kTrace.reduced(12, 8));
    auto take = kTake.reduced(10).removeFromBottom(28);
    seed_.setBounds(take.removeFromLeft(74));
    for (const auto& [each, width] :
         {std::pair{&dice_, 40}, {&freeze_, 56}, {&listen_, 52}, {&reset_, 48}, {&keep_, 44}, {&recall_, 54}}) {
        take.removeFromLeft(2);
        each->setBounds(take.removeFromLeft(width).withTrimmedLeft(2));
    }
    stage_.setBounds(kStage);
    auto chart = kChart.reduced(0, 2);
    chords_.setBounds(chart.withTrimmedLeft(76).withTrimmedRight(150));
    key_.setBounds(chart.removeFromRight(92));
    auto style = kStyle.reduced(0, 2);
    style_.setBounds(style.withTrimmedLeft(76).withTrimmedRight(100));
    words_.setBounds(style.removeFromRight(92));
}

void Editor::paint(juce::Graphics& graphics) {
    graphics.fillAll(colour::kGround);
}

void Editor::draw(juce::Graphics& graphics) {
    graphics.setColour(colour::kText);
    graphics.setFont(strong(22.0f));
    drawWords(graphics, "LiveBand", Area(kMargin + 34, 8, 112, 44).toFloat(), juce::Justification::centredLeft);
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
    drawCaption(graphics, "Style", kStyle.withTrimmedLeft(12).toFloat());
    drawCaption(graphics, "Key", kChart.withTrimmedLeft(kChart.getWidth() - 134).toFloat());
    graphics.setColour(colour::kText);
    graphics.setFont(plain(12.5f));
    drawWords(graphics, heard_, caption(kWho).withTrimmedLeft(90.0f), juce::Justification::centredRight);
    drawWords(graphics, timing_, caption(kHow).withTrimmedLeft(80.0f), juce::Justification::centredRight);
    graphics.setFont(plain(13.0f));
    drawWords(graphics, "While no band plays", kWho.reduced(12, 10).removeFromBottom(26).toFloat(),
              juce::Justification::centredLeft);
}

void Editor::resized() {
    const float scale = static_cast<float>(getWidth()) / kWidth;
    page_.setTransform(juce::AffineTransform::scale(scale));
    page_.setBounds(0, 0, kWidth, kHeight);
    processor_.told().setWidth(getWidth());
}

void Editor::showTiming(const Status& seen) {
    juce::String now;
    if (processor_.timingWaits()) {
        now = "changes when the host stops";
    } else if (seen.rate_hz > 0.0 && seen.pending_latency_samples != seen.latency_samples) {
        now = "stop the host: the latency changes";
    } else if (seen.rate_hz > 0.0) {
        now = "latency " + ms(1000.0 * seen.latency_samples / seen.rate_hz) + juce::String::fromUTF8(" \xc2\xb7 ") +
              "ahead " + ms(seen.anticipation_ms);
    }
    const auto mode = static_cast<Mode>(juce::roundToInt(processor_.controls.value(Control::kMode)));
    const bool in_force = seen.rate_hz > 0.0 && !processor_.timingWaits();
    ahead_.show(mode, in_force ? seen.anticipation_ms : std::nan(""));
    if (now == timing_) return;
    timing_ = now;
    page_.repaint(kHow);
}

void Editor::showHeard(const Status& seen) {
    const bool hears = seen.state == BridgeState::kListening || seen.state == BridgeState::kPlaying ||
                       seen.state == BridgeState::kLate;
    const auto now = hears ? heardWords(seen) : juce::String();
    if (now == heard_) return;
    heard_ = now;
    page_.repaint(kWho);
}

Situation Editor::situation(const Status& seen) {
    Situation here;
    // A band that is lost mostly comes back by itself: the user is asked only when it does not.
    lost_refreshes_ = seen.state == BridgeState::kLost ? lost_refreshes_ + 1 : 0;
    here.gone_for_long = lost_refreshes_ > kPatientRefreshes;
    here.prepared = processor_.isPrepared();
    here.starting = processor_.startingServer();
    here.bypassed = processor_.controls.bypass->isOn();
    here.frozen = processor_.controls.value(Control::kFreeze) > 0.5;
    here.deaf = processor_.controls.value(Control::kListen) < 0.5;
    here.hears = quiet_refreshes_ < kQuietRefreshes;
    here.hears_side = processor_.player().hearsSide();
    here.dry_when_lost = processor_.controls.when_lost->isOn();
    const auto stem = protocol::kStems[static_cast<std::size_t>(processor_.controls.value(Control::kStem))];
    here.stem = juce::String(stem.data(), stem.size());
    here.notice = processor_.notice();
    return here;
}

void Editor::refresh() {
    const auto seen = processor_.status();
    auto& player = processor_.player();
    const std::array<float, 4> peaks{player.input[0].take(), player.input[1].take(), player.output[0].take(),
                                     player.output[1].take()};
    meters_.push(peaks);
    quiet_refreshes_ = std::max(peaks[0], peaks[1]) > kQuiet ? 0 : quiet_refreshes_ + 1;
    const auto shown = describe(seen, situation(seen));
    status_.show(shown);
    start_.setVisible(shown.offer_start);
    tempo_.setVisible(!shown.offer_start);
    tempo_.show(processor_.musicTime());
    showTiming(seen);
    showHeard(seen);
    variation_.setKnown(processor_.understands("variation"));
    adherence_.setKnown(processor_.understands("adherence"));
    density_.setKnown(processor_.understands("density"));
    brightness_.setKnown(processor_.understands("brightness"));
    const bool playing = seen.state == BridgeState::kPlaying || seen.state == BridgeState::kLate;
    headroom_.push(seen.headroom_ms, playing, seen.late_frames + seen.skipped_frames,
                   seen.frames + seen.skipped_frames);
    const auto notes = processor_.told().notes();
    stage_.setChart(!notes.chart.empty());
    keep_.setEnabled(playing);
    recall_.setEnabled(playing && !notes.moment.empty());
    const juce::String number(juce::roundToInt(processor_.controls.value(Control::kSeed)));
    if (number != shown_seed_ && !seed_.isBeingEdited()) {
        shown_seed_ = number;
        seed_.setText(number, juce::dontSendNotification);
    }
    const auto follow = [](juce::TextEditor& field, const std::string& text) {
        if (!field.hasKeyboardFocus(true) && field.getText() != juce::String(text)) field.setText(text, false);
    };
    follow(chords_, notes.chart);
    follow(key_, notes.key);
    follow(style_, notes.style);
}

}  // namespace liveband::plugin
