// SPDX-License-Identifier: GPL-3.0-or-later
// After Steinberg's validator and clap-validator: transitions, set-ups, saved states.
#include <chrono>
#include <cmath>
#include <thread>

#include "check.h"

namespace host {
namespace {

void terminateInitialize(Bench& bench) {
    Module module(bench.bundle);
    for (int n = 0; n < 5; ++n) Plug plug(module);
    Plug plug(module);
    bench.expect(plug.component->terminate() == kResultOk, "terminate is refused");
    bench.expect(plug.component->initialize(&Plug::application) == kResultOk, "it does not initialise again");
}

void validTransitions(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    for (int n = 0; n < 4; ++n) {
        Setup setup;
        setup.block_samples = n % 2 == 0 ? 32 : 1024;
        bench.expect(plug.start(setup), "a set-up is refused");
        Block block(setup);
        bench.play(plug, block, 3, "after a transition");
        plug.stop();
    }
    vst::ProcessSetup setup{vst::kRealtime, vst::kSample32, 64, 44100.0};
    for (int n = 0; n < 3; ++n) {
        bench.expect(plug.audio->setupProcessing(setup) == kResultOk, "setupProcessing again");
        bench.expect(plug.component->setActive(true) == kResultOk, "active without processing");
        bench.expect(plug.component->setActive(false) == kResultOk, "inactive without processing");
    }
}

void invalidTransitions(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    // Processing what is not active, setting up what is: nothing crashes, and it plays afterwards.
    plug.audio->setProcessing(true);
    plug.audio->setProcessing(false);
    Setup setup;
    bench.expect(plug.start(setup), "a set-up is refused");
    vst::ProcessSetup other{vst::kRealtime, vst::kSample32, 256, 96000.0};
    plug.audio->setupProcessing(other);
    plug.component->setActive(false);
    plug.audio->setProcessing(false);
    plug.stop();
    bench.expect(plug.start(setup), "no set-up after an invalid transition");
    Block block(setup);
    bench.play(plug, block, 3, "after an invalid transition");
}

void repeatedTransitions(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    bench.expect(plug.start({}), "a set-up is refused");
    plug.component->setActive(true);
    plug.audio->setProcessing(true);
    plug.audio->setProcessing(true);
    Block block{Setup{}};
    bench.play(plug, block, 2, "twice active");
    plug.stop();
    plug.component->setActive(false);
    plug.component->setActive(false);
    bench.expect(plug.start({}), "no set-up after it was twice inactive");
    bench.play(plug, block, 2, "active again");
}

void suspendResume(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    bench.expect(plug.start({}), "a set-up is refused");
    Block block{Setup{}};
    for (int n = 0; n < 20; ++n) {
        bench.play(plug, block, 2, "after a resume");
        plug.component->setActive(false);
        plug.component->setActive(true);
    }
}

void processFormat(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    bench.expect(plug.audio->canProcessSampleSize(vst::kSample32) == kResultOk, "32 bit is refused");
    const bool doubles = plug.audio->canProcessSampleSize(vst::kSample64) == kResultOk;
    vst::ProcessSetup setup{vst::kRealtime, vst::kSample64, 64, 48000.0};
    bench.expect((plug.audio->setupProcessing(setup) == kResultOk) == doubles, "64 bit: says one thing, does another");
    bench.expect(plug.audio->canProcessSampleSize(99) != kResultOk, "sample size 99 is taken");
    bench.expect(plug.start({}), "no 32 bit after 64 bit was asked for");
    Block block{Setup{}};
    bench.play(plug, block, 2, "32 bit");
}

void sampleRates(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    for (const double rate : {22050.0, 32000.0, 44100.0, 48000.0, 88200.0, 96000.0, 192000.0, 384000.0, 1234.5678,
                              12345.678, 45678.901, 123456.78, 8000.0, 1000.0, 768000.0}) {
        Setup setup;
        setup.rate_hz = rate;
        if (!bench.expect(plug.start(setup), std::to_string(rate) + " Hz is refused")) continue;
        Block block(setup);
        bench.play(plug, block, 5, std::to_string(rate) + " Hz");
    }
}

void bypassPersistence(Bench& bench) {
    Module module(bench.bundle);
    std::vector<char> kept;
    vst::ParamID id = 0;
    {
        Plug plug(module);
        id = plug.parameter("bypass")->info.id;
        bench.expect(plug.start({}), "a set-up is refused");
        Block block{Setup{}};
        plug.set(id, 1.0, &block.changes);
        bench.play(plug, block, 3, "bypassed");
        kept = plug.state();
    }
    Plug other(module);
    other.load(kept);
    bench.expect(other.control->getParamNormalized(id) > 0.5, "the controller has forgotten the bypass");
    bench.expect(other.state() == kept, "the component has forgotten the bypass");
}

void moveAll(Bench& bench, Plug& plug) {
    bench.expect(plug.start({}), "a set-up is refused");
    Block block{Setup{}};
    for (const auto& one : plug.parameters()) plug.set(one.info.id, bench.unit(), &block.changes);
    bench.play(plug, block, 2, "all parameters moved");
}

void reproducible(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module), other(module);
    moveAll(bench, plug);
    const auto kept = plug.state();
    bench.expect(kept.size() > 50 && kept.size() < (1u << 20), "size of the state");
    bench.expect(other.load(kept) == kResultOk, "its own state is refused");
    bench.expect(other.state() == kept, "a state is another after it was loaded");
    const auto same = [&](const Parameter& one) {
        return std::fabs(plug.control->getParamNormalized(one.info.id) -
                         other.control->getParamNormalized(one.info.id)) < 1e-6;
    };
    for (const auto& one : plug.parameters()) {
        // What goes back by itself does so within a moment.
        for (int n = 0; n < 300 && !same(one); ++n) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        bench.expect(same(one), one.title + ": another value in the other instance");
    }
}

void pieces(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    moveAll(bench, plug);
    const auto kept = plug.state();
    for (const int piece : {1, 2, 3, 7, 17, 61, 127, 509}) {
        Plug other(module);
        Stream written({}, piece);
        if (plug.component->getState(&written) == kResultOk && !written.bytes().empty())
            bench.expect(written.bytes().size() <= kept.size(), "a state in pieces is longer");
        other.load(kept, piece);
        bench.expect(other.state() == kept, "a state read in pieces of " + std::to_string(piece) + " bytes is another");
    }
}

void damaged(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    moveAll(bench, plug);
    const auto kept = plug.state();
    Plug other(module);
    other.load(kept);
    const auto before = other.state();
    Block block{Setup{}};
    bench.expect(other.start({}), "a set-up is refused");
    const auto still = [&](const std::string& what) {
        bench.expect(other.state() == before, what + " has changed the plug-in");
        bench.play(other, block, 1, what);
    };
    other.load({});
    still("an empty state");
    for (std::size_t bytes = 0; bytes < kept.size(); bytes += 1 + kept.size() / 40) {
        // What JUCE appends of its own, at the end, it may do without.
        if (bytes + 64 > kept.size()) break;
        other.load(std::vector<char>(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(bytes)));
        still("a truncated state");
    }
    for (int n = 0; n < 3; ++n) {
        std::vector<char> random(1 << 20);
        for (auto& byte : random) byte = static_cast<char>(bench.random(256));
        other.load(random);
        still("a megabyte of noise");
    }
    for (int n = 0; n < 100; ++n) {
        auto flipped = kept;
        flipped[bench.random(static_cast<std::uint32_t>(kept.size()))] ^= static_cast<char>(1 + bench.random(255));
        other.load(flipped);
        bench.play(other, block, 1, "a state with one wrong byte");
    }
    for (const auto& one : other.parameters()) {
        const double value = other.control->getParamNormalized(one.info.id);
        bench.expect(value >= 0.0 && value <= 1.0, one.title + ": beyond 0..1 after damaged states");
    }
}

}  // namespace

std::vector<Check> stateChecks() {
    return {{"validator/Terminate and Initialize", terminateInitialize},
            {"validator/Valid State Transition", validTransitions},
            {"validator/Invalid State Transition", invalidTransitions},
            {"validator/Repeat Identical State Transition", repeatedTransitions},
            {"validator/Suspend and Resume", suspendResume},
            {"validator/Process Format", processFormat},
            {"validator/Sample Rates", sampleRates},
            {"validator/Bypass Persistence", bypassPersistence},
            {"clap/state-reproducibility", reproducible},
            {"clap/state-buffered-streams", pieces},
            {"clap/state-invalid-empty-truncated-random", damaged}};
}

}  // namespace host
