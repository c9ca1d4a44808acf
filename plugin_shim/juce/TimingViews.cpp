// SPDX-License-Identifier: GPL-3.0-or-later
#include "TimingViews.h"

#include <cmath>

namespace liveband::plugin {
namespace {

constexpr double kUsualMs = 100.0;  // in the slider's middle: the interesting ones are short
constexpr int kName = 48, kValue = 70, kShort = 84;

juce::String reasonFor(Mode mode, double ahead_ms) {
    const auto chosen = std::isfinite(ahead_ms) ? juce::String(ahead_ms, 1) + " ms" : juce::String();
    if (mode == Mode::kAligned) return "none: it hears all, and the host moves it into time";
    if (chosen.isEmpty()) return "as early as this machine needs it";
    return chosen + ", as early as this machine needs it";
}

}  // namespace

AheadView::AheadView(juce::RangedAudioParameter& parameter, const juce::String& meaning)
    : attachment_(parameter, [this](float value) { slider_.setValue(value, juce::dontSendNotification); }) {
    const auto& range = parameter.getNormalisableRange();
    slider_.setSliderStyle(juce::Slider::LinearHorizontal);
    slider_.setTextBoxStyle(juce::Slider::TextBoxRight, false, kValue, 20);
    slider_.setRange(static_cast<double>(range.start), static_cast<double>(range.end), 0.1);
    slider_.setSkewFactorFromMidPoint(kUsualMs);
    slider_.setNumDecimalPlacesToDisplay(1);
    slider_.setTextValueSuffix(" ms");
    slider_.setDoubleClickReturnValue(true,
                                      static_cast<double>(parameter.convertFrom0to1(parameter.getDefaultValue())));
    slider_.setWantsKeyboardFocus(true);
    slider_.setTitle("Ahead");
    slider_.setTooltip(meaning);
    slider_.onValueChange = [this] { attachment_.setValueAsCompleteGesture(static_cast<float>(slider_.getValue())); };
    addAndMakeVisible(slider_);
    attachment_.sendInitialUpdate();
}

void AheadView::show(Mode mode, double ahead_ms) {
    const auto why = mode == Mode::kBounce || mode == Mode::kManual ? juce::String() : reasonFor(mode, ahead_ms);
    if (mode == mode_ && why == why_) return;
    mode_ = mode;
    why_ = why;
    slider_.setEnabled(isChosen());
    slider_.setTextBoxStyle(isChosen() ? juce::Slider::TextBoxRight : juce::Slider::NoTextBox, false, kValue, 20);
    resized();
    repaint();
}

void AheadView::paint(juce::Graphics& graphics) {
    graphics.setColour(colour::kText);
    graphics.setFont(plain(13.0f));
    drawWords(graphics, "Ahead", getLocalBounds().toFloat().withWidth(kName), juce::Justification::centredLeft);
    if (isChosen()) return;
    graphics.setColour(colour::kMuted);
    graphics.setFont(plain(12.5f));
    drawWords(graphics, why_, getLocalBounds().toFloat().withTrimmedLeft(kName + kShort + 8),
              juce::Justification::centredLeft);
}

void AheadView::resized() {
    auto area = getLocalBounds().withTrimmedLeft(kName);
    slider_.setBounds(isChosen() ? area : area.removeFromLeft(kShort));
}

TempoView::TempoView(juce::RangedAudioParameter& bpm) : attachment_(bpm, [](float) {}) {
    tempo_.setFont(plain(13.0f));
    tempo_.setJustificationType(juce::Justification::centredRight);
    tempo_.setBorderSize({0, 2, 0, 2});
    tempo_.setEditable(true);
    tempo_.setTitle("Tempo");
    tempo_.setTooltip("the host's tempo; or type one, 0 for the host's again");
    tempo_.onTextChange = [this] {
        attachment_.setValueAsCompleteGesture(juce::jlimit(0.0f, 400.0f, tempo_.getText().getFloatValue()));
        time_ = {};
        tempo_.setText({}, juce::dontSendNotification);
    };
    addAndMakeVisible(tempo_);
}

int TempoView::lit() const {
    return time_.known && time_.playing ? static_cast<int>(std::floor(time_.beat)) : -1;
}

void TempoView::show(const MusicTime& time) {
    const int before = lit();
    const bool other = time.known != time_.known || time.beats_per_bar != time_.beats_per_bar;
    time_ = time;
    if (!tempo_.isBeingEdited()) {
        const auto text = time.known ? juce::String(time.bpm, 1) + (time.typed ? " bpm (typed)" : " bpm")
                                     : juce::String("no tempo: type one");
        if (tempo_.getText() != text) {
            tempo_.setText(text, juce::dontSendNotification);
            tempo_.setColour(juce::Label::textColourId, time.known ? colour::kText : colour::kMuted);
        }
    }
    if (other || lit() != before) repaint();
}

void TempoView::paint(juce::Graphics& graphics) {
    if (!time_.known) return;
    const int lights = juce::jlimit(1, kMostLights, time_.beats_per_bar);
    constexpr float size = 8.0f, step = 13.0f;
    float x = static_cast<float>(getWidth()) - 2.0f - size - step * static_cast<float>(lights - 1);
    for (int light = 0; light < lights; ++light, x += step) {
        const bool on = light == lit();
        graphics.setColour(!on ? colour::kEdge : light == 0 ? colour::kAccent : colour::kText);
        graphics.fillEllipse(x, 10.0f, size, size);
    }
}

void TempoView::resized() {
    tempo_.setBounds(getLocalBounds().withTrimmedTop(21).withHeight(22));
}

}  // namespace liveband::plugin
