// SPDX-License-Identifier: GPL-3.0-or-later
#include "Theme.h"

#include <cmath>
#include <utility>

namespace liveband::plugin {
namespace {

constexpr float kCorner = 5.0f, kPanelCorner = 9.0f, kSqueeze = 0.86f;

juce::String& wishedFamily() {
    static juce::String name;
    return name;
}

juce::StringArray& clipped() {
    static juce::StringArray words;
    return words;
}

/// The first family that is installed; looked up once.
juce::String family() {
    if (wishedFamily().isNotEmpty()) return wishedFamily();
    static const juce::String found = [] {
        const auto installed = juce::Font::findAllTypefaceNames();
        for (const auto* name : {"Inter", "SF Pro Text", "Helvetica Neue", "Segoe UI", "Noto Sans", "Open Sans",
                                 "Cantarell", "Liberation Sans", "DejaVu Sans"})
            if (installed.contains(name)) return juce::String(name);
        return juce::Font::getDefaultSansSerifFontName();
    }();
    return found;
}

}  // namespace

juce::Font plain(float height) {
    return juce::Font(family(), height, juce::Font::plain);
}
juce::Font strong(float height) {
    return juce::Font(family(), height, juce::Font::bold);
}

void setFamily(const juce::String& name) {
    wishedFamily() = name;
}

juce::StringArray clippedWords() {
    return std::exchange(clipped(), {});
}

void drawWords(juce::Graphics& graphics, const juce::String& text, juce::Rectangle<float> area,
               juce::Justification where) {
    const auto font = graphics.getCurrentFont();
    const float width = font.getStringWidthFloat(text), room = area.getWidth() + 0.5f;
    if (width * kSqueeze > room || font.getHeight() > area.getHeight() + 3.0f) clipped().addIfNotAlreadyThere(text);
    if (width > room) graphics.setFont(font.withHorizontalScale(juce::jmax(kSqueeze, room / width)));
    graphics.drawText(text, area, where, true);
    graphics.setFont(font);
}

void drawLines(juce::Graphics& graphics, const juce::String& text, juce::Rectangle<int> area, int lines) {
    const auto font = graphics.getCurrentFont();
    // Words do not break, so a line is seldom full.
    const float room = static_cast<float>(area.getWidth() * lines) * (lines > 1 ? 0.9f : 1.0f);
    if (font.getStringWidthFloat(text) * kSqueeze > room) clipped().addIfNotAlreadyThere(text);
    graphics.drawFittedText(text, area, juce::Justification::topLeft, lines, kSqueeze);
}

void drawCaption(juce::Graphics& graphics, const juce::String& text, juce::Rectangle<float> area) {
    graphics.setColour(colour::kMuted);
    graphics.setFont(strong(10.5f).withExtraKerningFactor(0.08f));
    drawWords(graphics, text.toUpperCase(), area, juce::Justification::centredLeft);
}

void drawPanel(juce::Graphics& graphics, juce::Rectangle<float> area) {
    graphics.setColour(colour::kPanel);
    graphics.fillRoundedRectangle(area, kPanelCorner);
}

void drawFocus(juce::Graphics& graphics, juce::Rectangle<float> area, float corner) {
    graphics.setColour(colour::kText);
    graphics.drawRoundedRectangle(area.reduced(0.75f), corner, 1.5f);
}

Theme::Theme() {
    setColour(juce::ResizableWindow::backgroundColourId, colour::kGround);
    setColour(juce::TextEditor::textColourId, colour::kText);
    setColour(juce::TextEditor::highlightColourId, colour::kAccent.withAlpha(0.35f));
    setColour(juce::TextEditor::highlightedTextColourId, colour::kText);
    setColour(juce::CaretComponent::caretColourId, colour::kAccent);
    setColour(juce::Label::textColourId, colour::kText);
    setColour(juce::Slider::textBoxTextColourId, colour::kText);
    setColour(juce::Slider::textBoxOutlineColourId, juce::Colours::transparentBlack);
}

juce::Typeface::Ptr Theme::getTypefaceForFont(const juce::Font& font) {
    if (font.getTypefaceName() == juce::Font::getDefaultSansSerifFontName()) {
        auto ours = font;
        ours.setTypefaceName(family());
        return juce::LookAndFeel_V4::getTypefaceForFont(ours);
    }
    return juce::LookAndFeel_V4::getTypefaceForFont(font);
}

void Theme::drawRotarySlider(juce::Graphics& graphics, int x, int y, int width, int height, float position, float start,
                             float end, juce::Slider& slider) {
    const auto area = juce::Rectangle<int>(x, y, width, height).toFloat().reduced(3.0f);
    const float size = juce::jmin(area.getWidth(), area.getHeight());
    const auto circle = area.withSizeKeepingCentre(size, size);
    const auto centre = circle.getCentre();
    const bool enabled = slider.isEnabled();
    const auto accent = enabled ? colour::kAccent : colour::kFaint;
    const float radius = size / 2.0f - 3.0f, angle = start + position * (end - start);

    juce::Path ring, arc;
    ring.addCentredArc(centre.x, centre.y, radius, radius, 0.0f, start, end, true);
    graphics.setColour(colour::kRaised);
    graphics.strokePath(ring, {4.5f, juce::PathStrokeType::curved, juce::PathStrokeType::rounded});
    // A gain of 0 dB is no colour: the arc grows from the value that changes nothing.
    const double from = slider.getProperties().getWithDefault("from", slider.getMinimum());
    const float zero = start + static_cast<float>(slider.valueToProportionOfLength(from)) * (end - start);
    if (enabled && std::abs(angle - zero) > 0.01f) {
        arc.addCentredArc(centre.x, centre.y, radius, radius, 0.0f, juce::jmin(zero, angle), juce::jmax(zero, angle),
                          true);
        graphics.setColour(accent);
        graphics.strokePath(arc, {4.5f, juce::PathStrokeType::curved, juce::PathStrokeType::rounded});
    }
    const auto cap = circle.reduced(10.0f);
    graphics.setGradientFill({colour::kRaised.brighter(enabled ? 0.12f : 0.0f), cap.getCentreX(), cap.getY(),
                              colour::kRaised.darker(0.25f), cap.getCentreX(), cap.getBottom(), false});
    graphics.fillEllipse(cap);
    graphics.setColour(colour::kEdge);
    graphics.drawEllipse(cap, 1.0f);
    const auto tip = centre.getPointOnCircumference(cap.getWidth() / 2.0f - 3.5f, angle);
    const auto root = centre.getPointOnCircumference(cap.getWidth() / 2.0f - 10.0f, angle);
    graphics.setColour(enabled ? colour::kText : colour::kFaint);
    graphics.drawLine({root, tip}, 2.4f);
    if (slider.hasKeyboardFocus(false)) {
        graphics.setColour(colour::kText);
        graphics.drawEllipse(circle.expanded(1.5f), 1.5f);
    }
}

void Theme::drawLinearSlider(juce::Graphics& graphics, int x, int y, int width, int height, float position, float,
                             float, juce::Slider::SliderStyle, juce::Slider& slider) {
    const auto area = juce::Rectangle<int>(x, y, width, height).toFloat();
    const float middle = area.getCentreY(), left = area.getX(), right = area.getRight();
    const bool enabled = slider.isEnabled();
    graphics.setColour(colour::kRaised);
    graphics.fillRoundedRectangle({left, middle - 2.0f, right - left, 4.0f}, 2.0f);
    graphics.setColour(enabled ? colour::kAccent : colour::kFaint);
    graphics.fillRoundedRectangle({left, middle - 2.0f, position - left, 4.0f}, 2.0f);
    const auto thumb = juce::Rectangle<float>(12.0f, 12.0f).withCentre({position, middle});
    graphics.setColour(enabled ? colour::kText : colour::kFaint);
    graphics.fillEllipse(thumb);
    if (slider.hasKeyboardFocus(false)) drawFocus(graphics, thumb.expanded(3.0f), 9.0f);
}

juce::Label* Theme::createSliderTextBox(juce::Slider& slider) {
    auto* label = juce::LookAndFeel_V4::createSliderTextBox(slider);
    label->setFont(plain(12.5f));
    label->setJustificationType(juce::Justification::centred);
    label->setColour(juce::Label::textColourId, slider.isEnabled() ? colour::kText : colour::kDim);
    label->setColour(juce::Label::outlineColourId, juce::Colours::transparentBlack);
    return label;
}

void Theme::drawLabel(juce::Graphics& graphics, juce::Label& label) {
    if (label.isBeingEdited()) return;
    graphics.setColour(label.isEnabled() ? label.findColour(juce::Label::textColourId) : colour::kDim);
    graphics.setFont(label.getFont());
    drawWords(graphics, label.getText(), getLabelBorderSize(label).subtractedFrom(label.getLocalBounds()).toFloat(),
              label.getJustificationType());
}

void Theme::drawButtonBackground(juce::Graphics& graphics, juce::Button& button, const juce::Colour&, bool over,
                                 bool down) {
    const auto area = button.getLocalBounds().toFloat().reduced(1.0f);
    const bool lit = button.getToggleState() || button.getProperties().contains("call");
    auto fill = lit ? colour::kAccent : colour::kRaised;
    if (!button.isEnabled())
        fill = colour::kRaised.withAlpha(0.45f);
    else if (down)
        fill = fill.darker(0.15f);
    else if (over)
        fill = fill.brighter(0.1f);
    graphics.setColour(fill);
    graphics.fillRoundedRectangle(area, kCorner);
    if (button.hasKeyboardFocus(false)) drawFocus(graphics, button.getLocalBounds().toFloat(), kCorner + 1.0f);
}

void Theme::drawButtonText(juce::Graphics& graphics, juce::TextButton& button, bool, bool) {
    const bool lit = button.getToggleState() || button.getProperties().contains("call");
    graphics.setColour(!button.isEnabled() ? colour::kDim : lit ? colour::kGround : colour::kText);
    graphics.setFont(lit ? strong(13.0f) : plain(13.0f));
    drawWords(graphics, button.getButtonText(), button.getLocalBounds().reduced(4, 0).toFloat(),
              juce::Justification::centred);
}

void Theme::fillTextEditorBackground(juce::Graphics& graphics, int width, int height, juce::TextEditor&) {
    graphics.setColour(colour::kRaised);
    graphics.fillRoundedRectangle(juce::Rectangle<int>(width, height).toFloat().reduced(1.0f), kCorner);
}

void Theme::drawTextEditorOutline(juce::Graphics& graphics, int width, int height, juce::TextEditor& editor) {
    if (editor.hasKeyboardFocus(true))
        drawFocus(graphics, juce::Rectangle<int>(width, height).toFloat(), kCorner + 1.0f);
}

void Theme::drawTooltip(juce::Graphics& graphics, const juce::String& text, int width, int height) {
    graphics.fillAll(colour::kEdge);
    graphics.setColour(colour::kText);
    graphics.setFont(plain(13.0f));
    graphics.drawFittedText(text, {6, 2, width - 12, height - 4}, juce::Justification::centredLeft, 3);
}

void Theme::drawCornerResizer(juce::Graphics& graphics, int width, int height, bool over, bool) {
    graphics.setColour(over ? colour::kMuted : colour::kDim);
    const auto w = static_cast<float>(width), h = static_cast<float>(height);
    for (const float part : {0.35f, 0.65f}) graphics.drawLine(w * part, h - 2.0f, w - 2.0f, h * part, 1.2f);
}

}  // namespace liveband::plugin
