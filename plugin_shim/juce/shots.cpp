// SPDX-License-Identifier: GPL-3.0-or-later
// A host of a few lines that draws the editor: reads commands, plays in real time between them. For pictures and tests.
//
//     play SECONDS      audio and time pass
//     set NAME VALUE    a parameter, in its own unit
//     chart TEXT        tell the chords
//     shot SCALE PATH   the window as a PNG
//     words             prints the state, as `state | text | error`
#include <juce_audio_utils/juce_audio_utils.h>

#include <cmath>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <thread>

#include "Editor.h"
#include "Processor.h"

namespace {

using liveband::plugin::Editor;
using liveband::plugin::Processor;

constexpr double kRate = 48000.0;
constexpr int kBlock = 256;

/// What a strummed instrument might give: four notes a second that ring out.
float sound(std::int64_t sample) {
    const double time = static_cast<double>(sample) / kRate, since = std::fmod(time, 0.25);
    const double hertz = 110.0 * std::pow(2.0, static_cast<double>(static_cast<int>(time * 4.0) % 8) / 12.0);
    return static_cast<float>(0.5 * std::exp(-9.0 * since) * std::sin(6.283185307 * hertz * time));
}

class Host {
  public:
    Host() {
        processor_.setPlayConfigDetails(2, 2, kRate, kBlock);
        processor_.prepareToPlay(kRate, kBlock);
        editor_ = std::make_unique<Editor>(processor_);
    }
    void play(double seconds) {
        juce::AudioBuffer<float> audio(2, kBlock);
        juce::MidiBuffer none;
        const auto begun = juce::Time::getMillisecondCounterHiRes();
        for (std::int64_t block = 0; static_cast<double>(block) * kBlock < seconds * kRate; ++block) {
            for (int sample = 0; sample < kBlock; ++sample, ++at_)
                for (int channel = 0; channel < 2; ++channel) audio.setSample(channel, sample, sound(at_));
            processor_.processBlock(audio, none);
            const double due = begun + 1000.0 * static_cast<double>((block + 1) * kBlock) / kRate;
            while (juce::Time::getMillisecondCounterHiRes() < due) juce::Thread::sleep(1);
        }
    }
    void set(const juce::String& name, float value) {
        for (auto* parameter : processor_.getParameters())
            if (auto* ranged = dynamic_cast<juce::RangedAudioParameter*>(parameter))
                if (ranged->getParameterID() == name) ranged->setValueNotifyingHost(ranged->convertTo0to1(value));
    }
    void chart(const juce::String& text) { processor_.tellChart(text); }
    bool shot(float scale, const juce::File& file) {
        editor_->refresh();
        const auto image = editor_->createComponentSnapshot(editor_->getLocalBounds(), true, scale);
        file.deleteFile();
        juce::FileOutputStream out(file);
        return out.openedOk() && juce::PNGImageFormat().writeImageToStream(image, out);
    }
    juce::String words() {
        const auto seen = processor_.status();
        return juce::String(liveband::toText(seen.state)) + " | " + juce::String(seen.text) + " | " +
               juce::String(seen.error);
    }

  private:
    Processor processor_;
    std::unique_ptr<Editor> editor_;
    std::int64_t at_ = 0;
};

}  // namespace

int main() {
    const juce::ScopedJuceInitialiser_GUI gui;
    auto* messages = juce::MessageManager::getInstance();
    Host host;
    // Audio and commands on a thread of their own, as in a host; what touches the window on the message thread.
    std::thread commands([&] {
        const auto there = [messages](std::function<void()> what) {
            messages->callFunctionOnMessageThread(
                [](void* given) -> void* { return (*static_cast<std::function<void()>*>(given))(), nullptr; }, &what);
        };
        for (std::string line; std::getline(std::cin, line);) {
            std::istringstream words(line);
            std::string command, text;
            double number = 0.0;
            words >> command;
            bool good = true;
            if (command == "play" && words >> number)
                host.play(number);
            else if (command == "set" && words >> text >> number)
                there([&] { host.set(text, static_cast<float>(number)); });
            else if (command == "chart" && std::getline(words, text))
                there([&] { host.chart(text); });
            else if (command == "shot" && words >> number >> text)
                there([&] { good = host.shot(static_cast<float>(number), juce::File(text)); });
            else if (command == "words")
                std::cout << host.words() << " ";
            else
                good = false;
            std::cout << (good ? "done" : "not done") << std::endl;
        }
        messages->stopDispatchLoop();
    });
    messages->runDispatchLoop();
    commands.join();
}
