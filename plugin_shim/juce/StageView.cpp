// SPDX-License-Identifier: GPL-3.0-or-later
#include "StageView.h"

namespace liveband::plugin {
namespace {

using protocol::Control;

constexpr int kCaption = 84, kFade = 150, kFadeValue = 70, kAct = 42, kChoices = 150, kGap = 4, kApart = 14;
constexpr double kUsualFade = 4.0;  // beats, in the slider's middle

juce::String meaningOf(Control control) {
    const auto meaning = protocol::kControls[static_cast<std::size_t>(control)].meaning;
    return {meaning.data(), meaning.size()};
}

}  // namespace

StageView::StageView(const Controls& controls)
    : quantise_(controls[Control::kQuantise], {{"Now", "changes of what is played act at once"},
                                               {"Beat", "changes of what is played act at the next beat"},
                                               {"Bar", "changes of what is played act at the next bar"}}),
      tacet_attachment_(controls[Control::kTacet], tacet_),
      mute_attachment_(controls[Control::kMute], mute_),
      fade_attachment_(controls[Control::kFade],
                       [this](float value) { fade_.setValue(value, juce::dontSendNotification); }) {
    const auto shown = [this](juce::Button& button, Control control) {
        button.setTitle(button.getButtonText());
        button.setTooltip(meaningOf(control));
        addAndMakeVisible(button);
    };
    shown(tacet_, Control::kTacet);
    tacet_.setClickingTogglesState(true);
    fade_.setSliderStyle(juce::Slider::LinearHorizontal);
    fade_.setTextBoxStyle(juce::Slider::TextBoxRight, false, kFadeValue, 20);
    fade_.setTextValueSuffix(" beats");
    auto& fade = controls[Control::kFade];
    const auto& range = fade.getNormalisableRange();
    fade_.setRange(static_cast<double>(range.start), static_cast<double>(range.end), 0.1);
    fade_.setNumDecimalPlacesToDisplay(1);
    fade_.setDoubleClickReturnValue(true, static_cast<double>(fade.convertFrom0to1(fade.getDefaultValue())));
    fade_.setSkewFactorFromMidPoint(kUsualFade);
    fade_.setWantsKeyboardFocus(true);
    fade_.setTitle("Fade");
    fade_.setTooltip(meaningOf(Control::kFade));
    fade_.onValueChange = [this] {
        fade_attachment_.setValueAsCompleteGesture(static_cast<float>(fade_.getValue()));
    };
    fade_attachment_.sendInitialUpdate();
    addAndMakeVisible(fade_);
    shown(mute_, Control::kMute);
    mute_.setClickingTogglesState(true);
    addAndMakeVisible(quantise_);
    for (const auto& [button, control] : {std::pair{&count_in_, Control::kCountIn},
                                          {&tap_, Control::kTap},
                                          {&next_, Control::kNextSection}}) {
        shown(*button, control);
        button->setTriggeredOnMouseDown(true);  // a beat is when the finger lands
        auto& trigger = controls[control];
        button->onClick = [&trigger] {
            trigger.setValueNotifyingHost(0.0f);  // taps may follow faster than triggers go back
            trigger.setValueNotifyingHost(1.0f);
        };
    }
}

void StageView::paint(juce::Graphics& graphics) {
    drawPanel(graphics, getLocalBounds().toFloat());
    drawCaption(graphics, "On stage", getLocalBounds().withTrimmedLeft(12).toFloat());
    graphics.setColour(colour::kText);
    graphics.setFont(plain(13.0f));
    drawWords(graphics, "Act at", act_at_, juce::Justification::centredLeft);
}

void StageView::resized() {
    auto area = getLocalBounds().reduced(8, 5);
    area.removeFromLeft(kCaption);
    const auto next = [&area](juce::Component& one, int width, int gap) {
        one.setBounds(area.removeFromLeft(width));
        area.removeFromLeft(gap);
    };
    next(tacet_, 54, kGap + 6);
    next(fade_, kFade, kApart);
    next(mute_, 50, kApart);
    next(count_in_, 66, kGap);
    next(tap_, 44, kGap);
    next(next_, 92, kApart);
    act_at_ = area.removeFromLeft(kAct).toFloat();
    quantise_.setBounds(area.removeFromLeft(kChoices));
}

}  // namespace liveband::plugin
