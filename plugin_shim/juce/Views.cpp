// SPDX-License-Identifier: GPL-3.0-or-later
#include "Views.h"

#include <cmath>

namespace liveband::plugin {
namespace {

constexpr float kLowestDb = -60.0f, kHighestDb = 6.0f, kFallDb = 1.4f, kHoldFallDb = 0.35f;

juce::Colour colourOf(BridgeState state) {
    switch (state) {
        case BridgeState::kPlaying:
            return colour::kAccent;
        case BridgeState::kConnecting:
        case BridgeState::kListening:
            return colour::kText;
        case BridgeState::kLate:
            return colour::kWarning;
        case BridgeState::kLost:
        case BridgeState::kRefused:
            return colour::kTrouble;
        case BridgeState::kStopped:
        case BridgeState::kNoServer:
            break;
    }
    return colour::kDim;
}

/// A ring is a state that waits, a disc one that is.
bool isFilled(BridgeState state) {
    return state != BridgeState::kConnecting && state != BridgeState::kNoServer && state != BridgeState::kStopped;
}

}  // namespace

Knob::Knob(juce::RangedAudioParameter& parameter, const juce::String& name, const juce::String& meaning)
    : name_(name), meaning_(meaning), attachment_(parameter, slider_) {
    slider_.setSliderStyle(juce::Slider::RotaryVerticalDrag);
    slider_.setTextBoxStyle(juce::Slider::TextBoxBelow, false, 84, 18);
    slider_.setTextValueSuffix(parameter.getLabel().isEmpty() ? juce::String() : " " + parameter.getLabel());
    slider_.setDoubleClickReturnValue(true,
                                      static_cast<double>(parameter.convertFrom0to1(parameter.getDefaultValue())));
    slider_.setWantsKeyboardFocus(true);
    slider_.setTitle(name);
    slider_.setTooltip(meaning);
    addAndMakeVisible(slider_);
}

void Knob::setKnown(bool known) {
    if (known == known_) return;
    known_ = known;
    slider_.setEnabled(known);
    slider_.setTooltip(known ? meaning_ : meaning_ + "; the model that plays does not know it");
    slider_.lookAndFeelChanged();
    repaint();
}

void Knob::paint(juce::Graphics& graphics) {
    graphics.setColour(known_ ? colour::kText : colour::kDim);
    graphics.setFont(plain(13.0f));
    drawWords(graphics, name_, getLocalBounds().removeFromTop(18).toFloat(), juce::Justification::centred);
}

void Knob::resized() {
    slider_.setBounds(getLocalBounds().withTrimmedTop(20));
}

bool KeySlider::keyPressed(const juce::KeyPress& key) {
    double by = 0.0;
    if (key == juce::KeyPress::upKey || key == juce::KeyPress::rightKey)
        by = 0.01;
    else if (key == juce::KeyPress::downKey || key == juce::KeyPress::leftKey)
        by = -0.01;
    else if (key == juce::KeyPress::pageUpKey)
        by = 0.1;
    else if (key == juce::KeyPress::pageDownKey)
        by = -0.1;
    else if (key == juce::KeyPress::homeKey)
        return setValue(getDoubleClickReturnValue(), juce::sendNotificationSync), true;
    else if (key == juce::KeyPress::returnKey)
        return showTextBox(), true;
    else
        return false;
    const double place = juce::jlimit(0.0, 1.0, valueToProportionOfLength(getValue()) + by);
    setValue(proportionOfLengthToValue(place), juce::sendNotificationSync);
    return true;
}

void KeySlider::lookAndFeelChanged() {
    juce::Slider::lookAndFeelChanged();
    keepFocus();
}

void KeySlider::enablementChanged() {
    juce::Slider::enablementChanged();
    keepFocus();
}

void KeySlider::keepFocus() {
    // The value is typed after return; it is no stop of the tab key of its own.
    for (auto* child : getChildren())
        if (auto* label = dynamic_cast<juce::Label*>(child)) label->setWantsKeyboardFocus(false);
}

Choice::Choice(juce::RangedAudioParameter& parameter, const std::vector<std::pair<juce::String, juce::String>>& words) {
    for (const auto& [word, meaning] : words) {
        const int index = buttons_.size();
        auto* button = buttons_.add(new juce::TextButton(word));
        button->setTooltip(meaning);
        button->setTitle(word);
        button->onClick = [this, index] { attachment_->setValueAsCompleteGesture(static_cast<float>(index)); };
        addAndMakeVisible(button);
    }
    attachment_ = std::make_unique<juce::ParameterAttachment>(parameter, [this](float value) {
        for (int index = 0; index < buttons_.size(); ++index)
            buttons_[index]->setToggleState(index == juce::roundToInt(value), juce::dontSendNotification);
    });
    attachment_->sendInitialUpdate();
}

void Choice::resized() {
    const float width = static_cast<float>(getWidth() + 4) / static_cast<float>(buttons_.size());
    for (int index = 0; index < buttons_.size(); ++index)
        buttons_[index]->setBounds(juce::Rectangle<float>(width * static_cast<float>(index), 0.0f, width - 4.0f,
                                                          static_cast<float>(getHeight()))
                                       .toNearestInt());
}

void StatusView::show(const Shown& shown) {
    if (shown.light == shown_.light && shown.words == shown_.words && shown.detail == shown_.detail &&
        shown.trouble == shown_.trouble)
        return;
    shown_ = shown;
    setTitle(shown.words + (shown.detail.isEmpty() ? juce::String() : ": " + shown.detail));
    setTooltip(shown.detail);
    repaint();
}

void StatusView::paint(juce::Graphics& graphics) {
    auto area = getLocalBounds();
    const auto light = area.removeFromLeft(26).toFloat().withSizeKeepingCentre(12.0f, 12.0f);
    const auto tint = colourOf(shown_.light);
    if (isFilled(shown_.light)) {
        graphics.setColour(tint.withAlpha(0.18f));
        graphics.fillEllipse(light.expanded(5.0f));
        graphics.setColour(tint);
        graphics.fillEllipse(light);
    } else {
        graphics.setColour(tint);
        graphics.drawEllipse(light.reduced(1.0f), 2.0f);
    }
    area.removeFromLeft(6);
    const auto small = plain(12.5f);
    const bool two = small.getStringWidthFloat(shown_.detail) * 0.9f > static_cast<float>(area.getWidth());
    const int detail = shown_.detail.isEmpty() ? 0 : two ? 32 : 17;
    area = area.withSizeKeepingCentre(area.getWidth(), juce::jmin(getHeight(), 19 + detail));
    graphics.setColour(colour::kText);
    graphics.setFont(strong(15.0f));
    drawWords(graphics, shown_.words, area.removeFromTop(19).toFloat(), juce::Justification::centredLeft);
    graphics.setColour(shown_.trouble ? colour::kTrouble : colour::kMuted);
    graphics.setFont(small);
    if (detail > 0) drawLines(graphics, shown_.detail, area, two ? 2 : 1);
}

void HeadroomTrace::push(double headroom_ms, bool playing, std::uint64_t late_frames, std::uint64_t frames) {
    playing_ = playing;
    late_ = late_frames;
    frames_ = frames;
    if (playing && std::isfinite(headroom_ms)) {
        points_[next_] = static_cast<float>(headroom_ms);
        next_ = (next_ + 1) % kPoints;
        filled_ = juce::jmin(kPoints, filled_ + 1);
    }
    repaint();
}

void HeadroomTrace::paint(juce::Graphics& graphics) {
    auto area = getLocalBounds().toFloat();
    auto head = area.removeFromTop(16.0f);
    drawCaption(graphics, "Headroom", head);
    if (filled_ == 0) {
        graphics.setColour(colour::kDim);
        graphics.setFont(plain(12.5f));
        drawWords(graphics, "shows how early each note arrives", area, juce::Justification::centredLeft);
        return;
    }
    float least = 0.0f, most = 10.0f;
    for (std::size_t point = 0; point < filled_; ++point) {
        least = juce::jmin(least, points_[point]);
        most = juce::jmax(most, points_[point]);
    }
    least = juce::jmax(least, -200.0f);
    const float now = points_[(next_ + kPoints - 1) % kPoints];
    graphics.setFont(plain(12.5f));
    graphics.setColour(now < 0.0f ? colour::kWarning : colour::kText);
    const auto lates =
        late_ == 0 ? juce::String("none late") : juce::String(late_) + " of " + juce::String(frames_) + " late";
    drawWords(graphics, juce::String(now, 1) + " ms, " + lates, head.withTrimmedLeft(90.0f),
              juce::Justification::centredRight);
    area.removeFromTop(4.0f);
    const auto yOf = [&](float value) {
        return juce::jmap(juce::jmax(value, least), least, most, area.getBottom(), area.getY());
    };
    graphics.setColour(colour::kEdge);
    graphics.drawHorizontalLine(juce::roundToInt(yOf(0.0f)) - 1, area.getX(), area.getRight());
    juce::Path line;
    for (std::size_t point = 0; point < filled_; ++point) {
        const auto index = (next_ + kPoints - filled_ + point) % kPoints;
        const float x = area.getRight() -
                        area.getWidth() * static_cast<float>(filled_ - 1 - point) / static_cast<float>(kPoints - 1);
        point == 0 ? line.startNewSubPath(x, yOf(points_[index])) : line.lineTo(x, yOf(points_[index]));
    }
    auto under = line;
    under.lineTo(area.getRight(), yOf(0.0f));
    under.lineTo(line.getBounds().getX(), yOf(0.0f));
    under.closeSubPath();
    const auto tint = playing_ ? (now < 0.0f ? colour::kWarning : colour::kAccent) : colour::kDim;
    graphics.setColour(tint.withAlpha(0.14f));
    graphics.fillPath(under);
    graphics.setColour(tint);
    graphics.strokePath(line, juce::PathStrokeType(1.6f, juce::PathStrokeType::curved));
}

void Meters::push(const std::array<float, 4>& peaks) {
    for (std::size_t bar = 0; bar < peaks.size(); ++bar) {
        const float level = juce::Decibels::gainToDecibels(peaks[bar], -90.0f);
        shown_db_[bar] = juce::jmax(level, shown_db_[bar] - kFallDb);
        held_db_[bar] = juce::jmax(level, held_db_[bar] - kHoldFallDb);
    }
    repaint();
}

void Meters::paint(juce::Graphics& graphics) {
    const auto names = getLocalBounds().toFloat().removeFromBottom(18.0f);
    const auto bars = getLocalBounds().toFloat().withTrimmedBottom(20.0f);
    const auto yOf = [&](float db) {
        return juce::jmap(juce::jlimit(kLowestDb, kHighestDb, db), kLowestDb, kHighestDb, bars.getBottom(),
                          bars.getY());
    };
    const float middle = bars.getCentreX(), width = 10.0f;
    const std::array<float, 4> lefts{bars.getX(), bars.getX() + width + 2.0f, bars.getRight() - 2.0f * width - 2.0f,
                                     bars.getRight() - width};
    graphics.setFont(plain(10.0f));
    for (const float db : {0.0f, -12.0f, -24.0f, -48.0f}) {
        graphics.setColour(colour::kMuted);
        drawWords(graphics, juce::String(juce::roundToInt(std::abs(db))),
                  juce::Rectangle<float>(middle - 14.0f, yOf(db) - 6.0f, 28.0f, 12.0f), juce::Justification::centred);
    }
    for (std::size_t bar = 0; bar < lefts.size(); ++bar) {
        const juce::Rectangle<float> slot(lefts[bar], bars.getY(), width, bars.getHeight());
        graphics.setColour(colour::kRaised);
        graphics.fillRoundedRectangle(slot, 2.5f);
        if (shown_db_[bar] > kLowestDb) {
            graphics.setColour(shown_db_[bar] > 0.0f ? colour::kTrouble : colour::kAccent);
            graphics.fillRoundedRectangle(slot.withTop(yOf(shown_db_[bar])), 2.5f);
        }
        if (held_db_[bar] > kLowestDb) {
            graphics.setColour(held_db_[bar] > 0.0f ? colour::kTrouble : colour::kText);
            graphics.fillRect(slot.withTop(yOf(held_db_[bar])).withHeight(1.5f));
        }
    }
    graphics.setColour(colour::kMuted);
    graphics.setFont(plain(12.0f));
    drawWords(graphics, "in", names.withWidth(2.0f * width + 2.0f), juce::Justification::centred);
    drawWords(graphics, "out", names.withLeft(names.getRight() - 2.0f * width - 2.0f), juce::Justification::centred);
}

}  // namespace liveband::plugin
