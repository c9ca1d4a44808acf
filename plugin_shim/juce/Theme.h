// SPDX-License-Identifier: GPL-3.0-or-later
// How it looks: one dark surface, one accent, and two colours that mean something is wrong.
#pragma once

#include <juce_gui_basics/juce_gui_basics.h>

namespace liveband::plugin {

namespace colour {
inline const juce::Colour kGround{0xff12141a}, kPanel{0xff1a1e26}, kRaised{0xff252b36}, kEdge{0xff303745};
inline const juce::Colour kText{0xffeef1f6}, kMuted{0xff98a2b3}, kDim{0xff667083};
inline const juce::Colour kAccent{0xff52d6b4}, kWarning{0xfff0b429}, kTrouble{0xffff6b5e};
}  // namespace colour

/// Text of the window, in its 100 % pixels.
juce::Font plain(float height);
juce::Font strong(float height);

/// Upper-case label of a group, as all groups have it.
void drawCaption(juce::Graphics& graphics, const juce::String& text, juce::Rectangle<float> area);
void drawPanel(juce::Graphics& graphics, juce::Rectangle<float> area);
/// Around what the keyboard is at.
void drawFocus(juce::Graphics& graphics, juce::Rectangle<float> area, float corner);

class Theme final : public juce::LookAndFeel_V4 {
  public:
    Theme();
    juce::Typeface::Ptr getTypefaceForFont(const juce::Font& font) override;
    void drawRotarySlider(juce::Graphics&, int x, int y, int width, int height, float position, float start, float end,
                          juce::Slider&) override;
    juce::Label* createSliderTextBox(juce::Slider&) override;
    void drawButtonBackground(juce::Graphics&, juce::Button&, const juce::Colour&, bool over, bool down) override;
    void drawButtonText(juce::Graphics&, juce::TextButton&, bool over, bool down) override;
    void fillTextEditorBackground(juce::Graphics&, int width, int height, juce::TextEditor&) override;
    void drawTextEditorOutline(juce::Graphics&, int width, int height, juce::TextEditor&) override;
    void drawTooltip(juce::Graphics&, const juce::String& text, int width, int height) override;
    void drawCornerResizer(juce::Graphics&, int width, int height, bool over, bool dragging) override;
};

}  // namespace liveband::plugin
