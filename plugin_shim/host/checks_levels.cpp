// SPDX-License-Identifier: GPL-3.0-or-later
// After pluginval's levels, as far as no window is needed. Its "vst3 validator" is the list of that name; "auval" is
// for macOS.
#include <chrono>
#include <cmath>
#include <thread>

#include "check.h"
#include "playing.h"

namespace host {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kRates[] = {44100.0, 48000.0, 96000.0};
constexpr int kBlocks[] = {64, 128, 256, 512, 1024};

/// What a host may automate; never the bypass.
std::vector<Parameter> automatable(const Plug& plug) {
    std::vector<Parameter> some;
    for (const auto& one : plug.parameters())
        if ((one.info.flags & vst::ParameterInfo::kCanAutomate) != 0 &&
            (one.info.flags & vst::ParameterInfo::kIsBypass) == 0)
            some.push_back(one);
    return some;
}

/// Each rate with each size of blocks.
template <class Use>
void eachSetup(Bench& bench, Plug& plug, Use use) {
    for (const double rate : kRates)
        for (const int samples : kBlocks) {
            Setup setup;
            setup.rate_hz = rate;
            setup.block_samples = samples;
            if (bench.expect(plug.start(setup), "a set-up is refused")) use(setup);
        }
}

void openPlugin(Bench& bench) {
    for (int n = 0; n < 2; ++n) {
        Module module(bench.bundle);
        const auto begun = Clock::now();
        { Plug plug(module); }
        bench.expect(std::chrono::duration<double>(Clock::now() - begun).count() < 3.0, "it takes seconds to open");
    }
}

void info(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    bench.expect(std::string(module.audioClass().name) == "LiveBand", "its name is not LiveBand");
    bench.expect(plug.audio->getTailSamples() == vst::kNoTail || plug.audio->getTailSamples() < 1u << 30 ||
                     plug.audio->getTailSamples() == vst::kInfiniteTail,
                 "the tail is no length");
    bench.expect(plug.audio->getLatencySamples() < 10u * 48000u, "the latency is no length");
    bench.expect(plug.start({}), "a set-up is refused");
    bench.expect(plug.audio->getLatencySamples() < 10u * 48000u, "the latency is no length once it runs");
}

void programs(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    const auto before = plug.state();
    // A plug-in without programs has no parameter to choose one by, or one with a single step.
    for (const auto& one : plug.parameters()) {
        if ((one.info.flags & vst::ParameterInfo::kIsProgramChange) == 0) continue;
        const double kept = plug.control->getParamNormalized(one.info.id);
        for (int n = 0; n < 5; ++n) plug.control->setParamNormalized(one.info.id, bench.unit());
        plug.control->setParamNormalized(one.info.id, kept);
    }
    bench.expect(plug.state() == before, "another program and back is another state");
}

void state(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    const auto first = plug.state();
    bench.expect(!first.empty(), "there is no state");
    for (const auto& one : automatable(plug)) plug.set(one.info.id, bench.unit());
    bench.expect(plug.load(first) == kResultOk, "its own state is refused");
}

void stateRestoration(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    // Wherever other tests have left the parameters: at random the list runs in any order.
    for (int turn = 0; turn < 12; ++turn) {
        const auto kept = plug.state();
        for (const auto& one : automatable(plug)) {
            const auto id = one.info.id;
            const double before = plug.control->getParamNormalized(id);
            plug.control->setParamNormalized(id, bench.unit());
            bench.expect(plug.load(kept) == kResultOk, "its own state is refused");
            bench.expect(std::fabs(plug.control->getParamNormalized(id) - before) < 0.1, one.title + ": not restored");
        }
        bench.expect(plug.state() == kept, "the state is not what was loaded");
        for (const auto& one : automatable(plug)) plug.control->setParamNormalized(one.info.id, bench.unit());
    }
}

void describe(Bench& bench, Plug& plug, const std::vector<Parameter>& some) {
    bench.expect(!some.empty(), "there are none");
    for (const auto& one : some) {
        const auto id = one.info.id;
        bench.expect(!one.title.empty(), "one without a name");
        const double value = plug.control->getParamNormalized(id);
        vst::String128 text{};
        bench.expect(plug.control->getParamStringByValue(id, value, text) == kResultOk, one.title + ": no text");
        double back = -1.0;
        if (bench.expect(plug.control->getParamValueByString(id, text, back) == kResultOk,
                         one.title + ": its own text is refused"))
            bench.expect(back >= 0.0 && back <= 1.0, one.title + ": its own text is beyond 0..1");
        const double plain = plug.control->normalizedParamToPlain(id, one.info.defaultNormalizedValue);
        bench.expect(std::isfinite(plain), one.title + ": its default is not finite");
    }
}

void automatableParameters(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    describe(bench, plug, automatable(plug));
}

void allParameters(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    describe(bench, plug, plug.parameters());
}

void audioProcessing(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    eachSetup(bench, plug, [&](const Setup& setup) {
        Block block(setup);
        bench.play(plug, block, 10, "audio");
        // Points within a block, every 32 samples, of every parameter.
        const auto all = plug.parameters();
        for (int n = 0; n < 4; ++n) {
            for (const auto& one : all)
                for (int at = 0; at < setup.block_samples; at += 32) block.changes.add(one.info.id, at, bench.unit());
            bench.play(plug, block, 1, "points within a block");
        }
    });
}

void automation(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    eachSetup(bench, plug, [&](const Setup& setup) {
        Block block(setup);
        const auto some = automatable(plug);
        // A block cut into pieces of 32, ten parameters moved before each.
        block.data.numSamples = 32;
        for (int done = 0; done < setup.block_samples; done += 32) {
            for (int n = 0; n < 10; ++n)
                plug.set(some[bench.random(static_cast<std::uint32_t>(some.size()))].info.id, bench.unit(),
                         &block.changes);
            bench.play(plug, block, 1, "automation");
        }
    });
}

void basicBus(Bench& bench) {
    namespace Arr = vst::SpeakerArr;
    Module module(bench.bundle);
    Plug plug(module);
    vst::SpeakerArrangement first[3] = {};
    const auto look = [&](vst::SpeakerArrangement* into) {
        plug.audio->getBusArrangement(vst::kInput, 0, into[0]);
        plug.audio->getBusArrangement(vst::kInput, 1, into[1]);
        plug.audio->getBusArrangement(vst::kOutput, 0, into[2]);
    };
    look(first);
    // What it can be: each main layout with each side chain, on and off.
    for (const auto main : {Arr::kMono, Arr::kStereo})
        for (const vst::SpeakerArrangement listen : {vst::SpeakerArrangement{0}, Arr::kMono, Arr::kStereo}) {
            Setup setup;
            setup.main = main;
            setup.listen = listen;
            if (!bench.expect(plug.start(setup), "a layout is refused")) continue;
            Block block(setup);
            bench.play(plug, block, 20, "a layout");
        }
    plug.stop();
    for (const bool on : {true, false}) {
        for (const int32 direction : {vst::kInput, vst::kOutput})
            for (int32 i = on ? 0 : 1; i < plug.component->getBusCount(vst::kAudio, direction); ++i)
                bench.expect(plug.component->activateBus(vst::kAudio, direction, i, on) == kResultOk,
                             on ? "not all buses can be on" : "the others cannot be off");
        bench.expect(plug.component->setActive(true) == kResultOk, "inactive with its buses so");
        plug.component->setActive(false);
    }
    bench.expect(plug.audio->setBusArrangements(first, 2, first + 2, 1) == Steinberg::kResultTrue,
                 "the first layout is refused");
    vst::SpeakerArrangement again[3] = {};
    look(again);
    bench.expect(again[0] == first[0] && again[1] == first[1] && again[2] == first[2], "the first layout is not back");
}

void notReleased(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    bench.expect(plug.start({}), "a set-up is refused");
    for (const double rate : kRates)
        for (const int samples : kBlocks) {
            Setup setup;
            setup.rate_hz = rate;
            setup.block_samples = samples;
            vst::ProcessSetup again{vst::kRealtime, vst::kSample32, samples, rate};
            plug.audio->setProcessing(false);
            plug.component->setActive(false);
            plug.audio->setupProcessing(again);
            plug.component->setActive(true);
            plug.audio->setProcessing(true);
            Block block(setup);
            bench.play(plug, block, 10, "set up again");
        }
}

void fuzzParameters(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    for (const auto& one : plug.parameters())
        for (int n = 0; n < 20; ++n) {
            const double value = bench.unit();
            plug.control->setParamNormalized(one.info.id, value);
            const double now = plug.control->getParamNormalized(one.info.id);
            bench.expect(now >= 0.0 && now <= 1.0, one.title + ": beyond 0..1");
            vst::String128 said{};
            bench.expect(plug.control->getParamStringByValue(one.info.id, value, said) == kResultOk,
                         one.title + ": no text");
            double back = -1.0;
            if (bench.expect(plug.control->getParamValueByString(one.info.id, said, back) == kResultOk,
                             one.title + ": its own text '" + narrow(said) + "' is refused"))
                bench.expect(back >= 0.0 && back <= 1.0, one.title + ": its text is beyond 0..1");
        }
}

void parameterThreads(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    Setup setup;
    setup.rate_hz = 44100.0;
    setup.block_samples = 32;
    bench.expect(plug.start(setup), "a set-up is refused");
    const auto all = plug.parameters();
    std::vector<std::thread> threads;
    // Automation with each block, on the audio thread.
    threads.emplace_back([&] {
        Block block(setup);
        std::uint32_t seed = bench.seed;
        for (int n = 0; n < 500; ++n) {
            for (const auto& one : all) {
                seed = seed * 1664525u + 1013904223u;
                block.changes.add(one.info.id, 0, (seed >> 8) / 16777216.0);
            }
            bench.play(plug, block, 1, "while parameters are moved");
        }
    });
    for (int thread = 0; thread < 3; ++thread)
        threads.emplace_back([&, thread] {
            for (int n = 0; n < 1500; ++n) {
                const auto& one = all[static_cast<std::size_t>(n * 7 + thread) % all.size()];
                plug.control->setParamNormalized(one.info.id, static_cast<double>(n * 37 % 100) / 99.0);
                plug.control->getParamNormalized(one.info.id);
                vst::String128 text{};
                plug.control->getParamStringByValue(one.info.id, 0.5, text);
            }
        });
    for (auto& thread : threads) thread.join();
    for (const auto& one : all) {
        const double value = plug.control->getParamNormalized(one.info.id);
        bench.expect(value >= 0.0 && value <= 1.0, one.title + ": beyond 0..1");
    }
}

void largerBlock(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    // VST3 forbids such blocks, and pluginval leaves them out for it; hosts send them all the same.
    eachSetup(bench, plug, [&](const Setup& setup) {
        Block block(setup, 2 * setup.block_samples);
        block.data.numSamples = 2 * setup.block_samples;
        bench.play(plug, block, 2, "a block larger than prepared");
    });
}

}  // namespace

std::vector<Check> levelChecks() {
    return {{"pluginval-1/Open plugin (cold and warm)", openPlugin},
            {"pluginval-1/Plugin info", info},
            {"pluginval-2/Plugin programs", programs},
            {"pluginval-2/Plugin state", state},
            {"pluginval-2/Automatable Parameters", automatableParameters},
            {"pluginval-3/Audio processing", audioProcessing},
            {"pluginval-3/Automation", automation},
            {"pluginval-4/Basic bus", basicBus},
            {"pluginval-6/Fuzz parameters", fuzzParameters},
            {"pluginval-6/Non-releasing audio processing", notReleased},
            {"pluginval-6/Plugin state restoration", stateRestoration},
            {"pluginval-7/Parameters", allParameters},
            {"pluginval-7/Parameter thread safety", parameterThreads},
            {"pluginval-8/Process called with a larger than prepared block size", largerBlock}};
}

}  // namespace host
