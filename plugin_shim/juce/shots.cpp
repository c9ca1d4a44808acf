// SPDX-License-Identifier: GPL-3.0-or-later
// A host of a few lines that draws the editor: reads commands, plays in real time between them. For pictures and tests.
//
//     play SECONDS      audio and time pass
//     prepare R B M L   anew for R Hz and blocks of B, a main bus of M channels and a side chain of L
//     side 0|1          the side chain is silent, or sounds (as it begins)
//     block N           samples of a block, whatever was prepared for; 0: one such block, now
//     host BPM          the host's transport plays at this tempo; 0: it stands
//     jump SECONDS      to this moment of the song
//     record PATH       from now on what comes in, into the side chain, and goes out, left, float32, in turn
//     calls BLOCKS N    prints `COUNT LAST`: system calls of that many blocks of N samples, as fast as they go
//     cost BLOCKS N     prints `MEDIAN P99 MOST`: microseconds of a block of N samples, in real time
//     set NAME VALUE    a parameter, in its own unit
//     chart TEXT        tell the chords
//     key TEXT          tell the key
//     shot SCALE PATH   the window as a PNG
//     family NAME       draw in this typeface; `default`: in the first that is installed
//     size W H          as if a user dragged its corner; prints `W H` of the window
//     press NAME        a button
//     window            shows the editor on the display; only then anything has the keyboard
//     focus NAME        the keyboard goes to what the tab key calls NAME; not done while it has it not
//     stroke KEY NAME   a key, such as `return` or `cursor up`, at what the tab key calls NAME; _ for its blanks
//     value NAME        prints a parameter, in its own unit
//     latency           prints the samples of latency that the host is told
//     timing            prints what is said beside the modes
//     save PATH         what a project keeps
//     load PATH         a project's state, true or not
//     heard             prints what is said of what the band hears
//     chord NUMBER      prints the name of a chord's number
//     words             prints what the status says, as `state | words | detail`
//     clipped           prints the words that do not fit into their places, as `one | two`
//     tab               prints the names of what the tab key reaches, in its order, as `one | two`
//     nameless          prints how many of these have no name
//     controls          prints how many visible things a mouse can change
#include <juce_audio_utils/juce_audio_utils.h>

#include <cmath>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <thread>

#include "BareDisplay.h"
#include "Editor.h"
#include "Processor.h"
#include "Quiet.h"

namespace {

using liveband::plugin::Editor;
using liveband::plugin::Processor;

constexpr double kRate = 48000.0;
constexpr int kBlock = 256;
constexpr std::int64_t kApart = 12345;

/// What a strummed instrument might give: four notes a second that ring out.
float sound(std::int64_t sample) {
    const double time = static_cast<double>(sample) / kRate, since = std::fmod(time, 0.25);
    const double hertz = 110.0 * std::pow(2.0, static_cast<double>(static_cast<int>(time * 4.0) % 8) / 12.0);
    return static_cast<float>(0.5 * std::exp(-9.0 * since) * std::sin(6.283185307 * hertz * time));
}

/// The transport of the host.
struct Head final : juce::AudioPlayHead {
    juce::Optional<PositionInfo> getPosition() const override {
        PositionInfo info;
        if (bpm > 0.0) {
            info.setIsPlaying(true);
            info.setBpm(bpm);
            info.setTimeInSamples(sample);
            const double quarter = static_cast<double>(sample) / rate_hz * bpm / 60.0;
            info.setPpqPosition(quarter);
            info.setPpqPositionOfLastBarStart(4.0 * std::floor(quarter / 4.0));
            info.setTimeSignature(TimeSignature{4, 4});
        }
        return info;
    }
    double bpm = 0.0, rate_hz = kRate;
    std::int64_t sample = 0;
};

class Host {
  public:
    Host() {
        processor_.setPlayHead(&head_);
        processor_.setPlayConfigDetails(2, 2, kRate, kBlock);
        processor_.prepareToPlay(kRate, kBlock);
        editor_.reset(dynamic_cast<Editor*>(processor_.createEditor()));
    }
    ~Host() { processor_.releaseResources(); }
    bool prepare(double rate_hz, int block, int main, int listen) {
        const auto set = [](int channels) {
            return channels == 0   ? juce::AudioChannelSet::disabled()
                   : channels == 1 ? juce::AudioChannelSet::mono()
                                   : juce::AudioChannelSet::stereo();
        };
        juce::AudioProcessor::BusesLayout layout;
        layout.inputBuses = {set(main), set(listen)};
        layout.outputBuses = {set(main)};
        processor_.releaseResources();
        if (!processor_.setBusesLayout(layout)) return false;
        head_.rate_hz = rate_hz;
        block_ = block;
        processor_.prepareToPlay(rate_hz, block);
        return true;
    }
    void setBlock(int samples) { block_ = samples; }
    void setSide(bool sounds) { side_ = sounds ? 1.0f : 0.0f; }
    void setTempo(double bpm) { head_.bpm = bpm; }
    void jump(double seconds) { head_.sample = static_cast<std::int64_t>(seconds * head_.rate_hz); }
    void play(double seconds) {
        const int main = processor_.getMainBusNumInputChannels(), all = processor_.getTotalNumInputChannels();
        juce::AudioBuffer<float> audio(all, block_);
        juce::MidiBuffer none;
        const auto begun = juce::Time::getMillisecondCounterHiRes();
        const auto wanted = static_cast<std::int64_t>(seconds * head_.rate_hz);
        for (std::int64_t played = 0; played < wanted; played += block_) {
            for (int sample = 0; sample < block_; ++sample)
                for (int channel = 0; channel < all; ++channel)
                    // Into the side chain goes something else: the same, upside down and shifted.
                    audio.setSample(channel, sample,
                                    channel < main ? sound(at_ + sample) : side_ * -sound(at_ + sample + kApart));
            processor_.processBlock(audio, none);
            for (int sample = 0; record_ != nullptr && sample < block_; ++sample) {
                record_->writeFloat(sound(at_ + sample));
                record_->writeFloat(side_ * -sound(at_ + sample + kApart));
                record_->writeFloat(audio.getSample(0, sample));
            }
            at_ += block_;
            if (head_.bpm > 0.0) head_.sample += block_;
            const double due = begun + 1000.0 * static_cast<double>(played + block_) / head_.rate_hz;
            while (juce::Time::getMillisecondCounterHiRes() < due) juce::Thread::sleep(1);
        }
        if (record_ != nullptr) record_->flush();
    }
    juce::String calls(int blocks, int samples) {
        juce::AudioBuffer<float> audio(processor_.getTotalNumInputChannels(), samples);
        juce::MidiBuffer none;
        auto* gain = processor_.controls.table[static_cast<std::size_t>(liveband::protocol::Control::kGain)];
        const auto found = liveband::plugin::systemCalls(blocks, [&](int n) {
            for (int sample = 0; sample < samples; ++sample)
                for (int channel = 0; channel < audio.getNumChannels(); ++channel)
                    audio.getWritePointer(channel)[sample] = n % 2 == 0 ? 0.25f : -0.25f;
            // What hosts do between blocks: automation, and jumps.
            if (n % 100 == 0) gain->setValue(n % 200 == 0 ? 0.5f : 0.7f);
            if (n % 500 == 0) head_.sample += 100000;
            processor_.processBlock(audio, none);
            if (head_.bpm > 0.0) head_.sample += samples;
        });
        return juce::String(found.count) + " " + juce::String(found.last);
    }
    juce::String cost(int blocks, int samples) {
        juce::AudioBuffer<float> audio(processor_.getTotalNumInputChannels(), samples);
        juce::MidiBuffer none;
        auto due = juce::Time::getMillisecondCounterHiRes();
        std::vector<double> took;
        for (int n = 0; n < blocks; ++n) {
            for (int sample = 0; sample < samples; ++sample)
                for (int channel = 0; channel < audio.getNumChannels(); ++channel)
                    audio.setSample(channel, sample, sound(at_ + sample));
            took.push_back(liveband::plugin::microsecondsOf([&] { processor_.processBlock(audio, none); }));
            at_ += samples;
            due += 1000.0 * samples / head_.rate_hz;
            while (juce::Time::getMillisecondCounterHiRes() < due) juce::Thread::sleep(1);
        }
        std::sort(took.begin(), took.end());
        const auto at = [&](double part) { return took[static_cast<std::size_t>(part * (blocks - 1))]; };
        return juce::String(at(0.5), 2) + " " + juce::String(at(0.99), 2) + " " + juce::String(took.back(), 2);
    }
    /// A block of no samples, as some hosts send them to flush parameters.
    void playNothing() {
        juce::AudioBuffer<float> audio(processor_.getTotalNumInputChannels(), 0);
        juce::MidiBuffer none;
        processor_.processBlock(audio, none);
    }
    bool record(const juce::File& file) {
        file.deleteFile();
        record_ = std::make_unique<juce::FileOutputStream>(file);
        return record_->openedOk();
    }
    void set(const juce::String& name, float value) {
        for (auto* parameter : processor_.getParameters())
            if (auto* ranged = dynamic_cast<juce::RangedAudioParameter*>(parameter))
                if (ranged->getParameterID() == name) ranged->setValueNotifyingHost(ranged->convertTo0to1(value));
    }
    void chart(const juce::String& text) { processor_.told().chart(text); }
    void key(const juce::String& text) { processor_.told().key(text); }
    void style(const juce::String& text) { processor_.told().style(text); }
    juce::String size(int width, int height) {
        editor_->getConstrainer()->setBoundsForComponent(editor_.get(), {0, 0, width, height}, false, false, true,
                                                         true);
        return juce::String(editor_->getWidth()) + " " + juce::String(editor_->getHeight());
    }
    juce::String clipped() {
        liveband::plugin::clippedWords();
        editor_->refresh();
        editor_->createComponentSnapshot(editor_->getLocalBounds());
        return liveband::plugin::clippedWords().joinIntoString(" | ");
    }
    juce::Component* named(const juce::String& name) {
        for (auto* one : editor_->createKeyboardFocusTraverser()->getAllComponents(editor_.get()))
            if (one->getTitle() == name && one->isVisible() && one->isEnabled()) return one;
        return nullptr;
    }
    bool press(const juce::String& name) {
        auto* button = dynamic_cast<juce::Button*>(named(name));
        if (button != nullptr) button->triggerClick();
        return button != nullptr;
    }
    bool stroke(const juce::String& key, const juce::String& name) {
        auto* at = named(name);
        return at != nullptr && at->keyPressed(juce::KeyPress::createFromDescription(key.replaceCharacter('_', ' ')));
    }
    void window() {
        editor_->setOpaque(true);
        editor_->setVisible(true);
        editor_->addToDesktop(0);
        editor_->toFront(true);
    }
    bool focus(const juce::String& name) {
        auto* at = named(name);
        if (at != nullptr && !at->hasKeyboardFocus(true)) at->grabKeyboardFocus();
        return at != nullptr && at->hasKeyboardFocus(true);
    }
    bool save(const juce::File& file) {
        juce::MemoryBlock state;
        processor_.getStateInformation(state);
        return file.replaceWithData(state.getData(), state.getSize());
    }
    bool load(const juce::File& file) {
        juce::MemoryBlock state;
        if (!file.loadFileAsData(state)) return false;
        processor_.setStateInformation(state.getData(), static_cast<int>(state.getSize()));
        return true;
    }
    juce::String value(const juce::String& name) {
        for (auto* parameter : processor_.getParameters())
            if (auto* ranged = dynamic_cast<juce::RangedAudioParameter*>(parameter))
                if (ranged->getParameterID() == name)
                    return juce::String(static_cast<double>(ranged->convertFrom0to1(ranged->getValue())), 4);
        return "none";
    }
    int latency() const { return processor_.getLatencySamples(); }
    juce::String timing() {
        editor_->refresh();
        return editor_->timing();
    }
    juce::String heard() {
        editor_->refresh();
        return editor_->heard();
    }
    juce::StringArray tab() {
        juce::StringArray names;
        for (const auto* one : editor_->createKeyboardFocusTraverser()->getAllComponents(editor_.get()))
            if (one->isEnabled() && one->isVisible()) names.add(one->getTitle());
        return names;
    }
    int nameless() {
        auto names = tab();
        const int all = names.size();
        names.removeEmptyStrings();
        return all - names.size();
    }
    static int controls(const juce::Component& within) {
        int count = 0;
        for (const auto* child : within.getChildren()) {
            if (!child->isVisible() || !child->isEnabled()) continue;
            const bool ours = dynamic_cast<const juce::Button*>(child) != nullptr ||
                              dynamic_cast<const juce::Slider*>(child) != nullptr ||
                              dynamic_cast<const juce::TextEditor*>(child) != nullptr;
            const auto* label = dynamic_cast<const juce::Label*>(child);
            if (ours || (label != nullptr && label->isEditableOnSingleClick()))
                ++count;
            else
                count += controls(*child);
        }
        return count;
    }
    int controls() { return controls(*editor_); }
    bool shot(float scale, const juce::File& file) {
        editor_->refresh();
        const auto image = editor_->createComponentSnapshot(editor_->getLocalBounds(), true, scale);
        file.deleteFile();
        juce::FileOutputStream out(file);
        return out.openedOk() && juce::PNGImageFormat().writeImageToStream(image, out);
    }
    juce::String words() {
        editor_->refresh();
        const auto shown = editor_->shown();
        return juce::String(liveband::toText(shown.light)) + " | " + shown.words + " | " + shown.detail;
    }

  private:
    Head head_;
    Processor processor_;
    std::unique_ptr<Editor> editor_;
    int block_ = kBlock;
    float side_ = 1.0f;
    std::unique_ptr<juce::FileOutputStream> record_;
    std::int64_t at_ = 0;
};

}  // namespace

int main() {
    const liveband::plugin::NamedAtoms named;
    const juce::ScopedJuceInitialiser_GUI gui;
    auto* messages = juce::MessageManager::getInstance();
    Host host;
    // Audio and commands on a thread of their own, as in a host; what touches the window on the message thread.
    std::thread commands([&] {
        const auto there = [messages](std::function<void()> what) {
            messages->callFunctionOnMessageThread(
                [](void* given) -> void* { return (*static_cast<std::function<void()>*>(given))(), nullptr; }, &what);
        };
        const auto say = [](const juce::String& text) { std::cout << text << " "; };
        for (std::string line; std::getline(std::cin, line);) {
            std::istringstream words(line);
            std::string command, text;
            double number = 0.0;
            words >> command;
            bool good = true;
            int values[4] = {};
            if (command == "play" && words >> number)
                host.play(number);
            else if (command == "prepare" && words >> values[0] >> values[1] >> values[2] >> values[3])
                // Where hosts prepare: nothing of JUCE guards its buses against a window that reads them meanwhile.
                there([&] { good = host.prepare(values[0], values[1], values[2], values[3]); });
            else if (command == "calls" && words >> values[0] >> values[1])
                say(host.calls(values[0], values[1]));
            else if (command == "cost" && words >> values[0] >> values[1])
                say(host.cost(values[0], values[1]));
            else if (command == "block" && words >> values[0])
                values[0] > 0 ? host.setBlock(values[0]) : host.playNothing();
            else if (command == "side" && words >> values[0])
                host.setSide(values[0] != 0);
            else if (command == "host" && words >> number)
                host.setTempo(number);
            else if (command == "jump" && words >> number)
                host.jump(number);
            else if (command == "record" && words >> text)
                good = host.record(juce::File(text));
            else if (command == "set" && words >> text >> number)
                there([&] { host.set(text, static_cast<float>(number)); });
            else if (command == "chart" && std::getline(words, text))
                there([&] { host.chart(text); });
            else if (command == "shot" && words >> number >> text)
                there([&] { good = host.shot(static_cast<float>(number), juce::File(text)); });
            else if (command == "key" && std::getline(words, text))
                there([&] { host.key(text); });
            else if (command == "style" && std::getline(words, text))
                there([&] { host.style(text); });
            else if (command == "family" && std::getline(words, text))
                there([&] { liveband::plugin::setFamily(juce::String(text).trim().replace("default", {})); });
            else if (int width = 0, height = 0; command == "size" && words >> width >> height)
                there([&] { say(host.size(width, height)); });
            else if (std::string name; command == "press" && std::getline(words, name))
                there([&] { good = host.press(juce::String(name).trim()); });
            else if (command == "window")
                there([&] { host.window(); });
            else if (command == "focus" && std::getline(words, name))
                there([&] { good = host.focus(juce::String(name).trim()); });
            else if (command == "stroke" && words >> text && std::getline(words, name))
                there([&] { good = host.stroke(text, juce::String(name).trim()); });
            else if (command == "save" && words >> text)
                there([&] { good = host.save(juce::File(text)); });
            else if (command == "load" && words >> text)
                there([&] { good = host.load(juce::File(text)); });
            else if (command == "value" && words >> text)
                there([&] { say(host.value(text)); });
            else if (command == "latency")
                there([&] { say(juce::String(host.latency())); });
            else if (command == "timing")
                there([&] { say(host.timing()); });
            else if (command == "heard")
                there([&] { say(host.heard()); });
            else if (command == "chord" && words >> number)
                say(liveband::plugin::chordName(number));
            else if (command == "words")
                there([&] { say(host.words()); });
            else if (command == "clipped")
                there([&] { say(host.clipped()); });
            else if (command == "tab")
                there([&] { say(host.tab().joinIntoString(" | ")); });
            else if (command == "nameless")
                there([&] { say(juce::String(host.nameless())); });
            else if (command == "controls")
                there([&] { say(juce::String(host.controls())); });
            else
                good = false;
            std::cout << (good ? "done" : "not done") << std::endl;
        }
        messages->stopDispatchLoop();
    });
    messages->runDispatchLoop();
    commands.join();
}
