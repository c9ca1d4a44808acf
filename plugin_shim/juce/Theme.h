// SPDX-License-Identifier: GPL-3.0-or-later
// How it looks: one dark surface, one accent, and two colours that mean something is wrong.
#pragma once

#include <juce_gui_basics/juce_gui_basics.h>

namespace liveband::plugin {

namespace colour {
inline const juce::Colour kGround{0xff12141a}, kPanel{0xff1a1e26}, kRaised{0xff252b36}, kEdge{0xff303745};
inline const juce::Colour kText{0xffeef1f6}, kMuted{0xff98a2b3}, kDim{0xff8892a4}, kFaint{0xff566072};
inline const juce::Colour kAccent{0xff52d6b4}, kWarning{0xfff0b429}, kTrouble{0xffff6b5e};
}  // namespace colour

/// Text of the window, in its 100 % pixels.
juce::Font plain(float height);
juce::Font strong(float height);
/// Another family than the first that is installed; empty: that one again. For pictures and tests.
void setFamily(const juce::String& name);

/// One line with the font that is set, squeezed by at most a seventh where it is too long for its place.
void drawWords(juce::Graphics& graphics, const juce::String& text, juce::Rectangle<float> area,
               juce::Justification where);
/// As `drawWords`, in up to `lines` lines.
void drawLines(juce::Graphics& graphics, const juce::String& text, juce::Rectangle<int> area, int lines);
/// Words that were drawn since this was asked last and did not fit into their place. Message thread.
juce::StringArray clippedWords();

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
    void drawLinearSlider(juce::Graphics&, int x, int y, int width, int height, float position, float least, float most,
                          juce::Slider::SliderStyle, juce::Slider&) override;
    int getSliderThumbRadius(juce::Slider&) override { return 7; }
    juce::Label* createSliderTextBox(juce::Slider&) override;
    void drawLabel(juce::Graphics&, juce::Label&) override;
    void drawButtonBackground(juce::Graphics&, juce::Button&, const juce::Colour&, bool over, bool down) override;
    void drawButtonText(juce::Graphics&, juce::TextButton&, bool over, bool down) override;
    void fillTextEditorBackground(juce::Graphics&, int width, int height, juce::TextEditor&) override;
    void drawTextEditorOutline(juce::Graphics&, int width, int height, juce::TextEditor&) override;
    void drawTooltip(juce::Graphics&, const juce::String& text, int width, int height) override;
    void drawCornerResizer(juce::Graphics&, int width, int height, bool over, bool dragging) override;
};

}  // namespace liveband::plugin
