// SPDX-License-Identifier: GPL-3.0-or-later
// After Steinberg's validator and clap-validator: what a block may be, and what comes of it.
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <thread>

#include "check.h"

namespace host {
namespace {

void started(Bench& bench, Plug& plug, const Setup& setup = {}) {
    bench.expect(plug.start(setup), "a set-up is refused");
}

void variableBlocks(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    started(bench, plug);
    Block block{Setup{}};
    for (int n = 0; n < 200; ++n) {
        block.data.numSamples = static_cast<int32>(1 + bench.random(512));
        bench.play(plug, block, 1, "blocks of varying size");
    }
    for (const int samples : {1, 2, 3, 17, 511, 512}) {
        block.data.numSamples = samples;
        bench.play(plug, block, 5, "blocks of " + std::to_string(samples));
    }
}

void threaded(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    started(bench, plug);
    std::thread([&] {
        Block block{Setup{}};
        bench.play(plug, block, 50, "on another thread");
    }).join();
    std::thread([&] {
        Block block{Setup{}};
        bench.play(plug, block, 50, "on a third thread");
    }).join();
}

void noBuffers(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    started(bench, plug);
    Block whole{Setup{}};
    bench.play(plug, whole, 3, "before");
    Changes changes;
    const auto gain = plug.parameter("gain")->info.id;
    vst::ProcessData data;
    data.processMode = vst::kRealtime;
    data.symbolicSampleSize = vst::kSample32;
    data.inputParameterChanges = &changes;
    // Flush: no samples and no buses; then buses without channels; then channels without memory.
    changes.add(gain, 0, 0.25);
    bench.expect(plug.audio->process(data) == kResultOk, "a flush without buses fails");
    vst::AudioBusBuffers in[2], out[1];
    data.numInputs = 2;
    data.numOutputs = 1;
    data.inputs = in;
    data.outputs = out;
    changes.clear();
    changes.add(gain, 0, 0.5);
    bench.expect(plug.audio->process(data) == kResultOk, "a flush with empty buses fails");
    float* none[] = {nullptr, nullptr};
    in[0].numChannels = out[0].numChannels = 2;
    in[0].channelBuffers32 = out[0].channelBuffers32 = none;
    bench.expect(plug.audio->process(data) == kResultOk, "a flush with null buffers fails");
    whole.data.numSamples = 0;
    bench.play(plug, whole, 3, "empty blocks");
    const auto kept = plug.state();
    whole.data.numSamples = 512;
    bench.play(plug, whole, 3, "after");
    bench.expect(!kept.empty(), "no state");
}

void noOutputs(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    started(bench, plug);
    Block block{Setup{}};
    auto& data = block.data;
    data.numOutputs = 0;
    plug.process(block);
    data.numOutputs = 1;
    data.numInputs = 0;
    plug.process(block);
    data.numInputs = 1;  // a host may leave out a side chain that is off
    bench.play(plug, block, 3, "without the side chain's bus");
    data.numInputs = 2;
    data.processContext = nullptr;
    bench.expect(plug.process(block) == kResultOk, "no context");
    data.inputParameterChanges = nullptr;
    data.outputParameterChanges = nullptr;
    bench.expect(plug.process(block) == kResultOk, "no changes");
    bench.expect(block.guardsWhole(), "written beyond a buffer");
}

void inputOverwriting(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    Setup setup;
    setup.listen = vst::SpeakerArr::kStereo;
    started(bench, plug, setup);
    Block block(setup);
    for (int n = 0; n < 20; ++n) {
        block.noise(bench.seed);
        std::vector<float> before;
        for (int c = 0; c < 2; ++c) before.insert(before.end(), block.in(c), block.in(c) + 512);
        for (int c = 0; c < 2; ++c) before.insert(before.end(), block.listen(c), block.listen(c) + 512);
        plug.process(block);
        std::vector<float> after;
        for (int c = 0; c < 2; ++c) after.insert(after.end(), block.in(c), block.in(c) + 512);
        for (int c = 0; c < 2; ++c) after.insert(after.end(), block.listen(c), block.listen(c) + 512);
        bench.expect(before == after, "the input is overwritten");
    }
}

void inPlace(Bench& bench) {
    // Bypassed, what comes out does not depend on a band.
    Module module(bench.bundle);
    Plug one(module), two(module);
    started(bench, one);
    started(bench, two);
    Block apart{Setup{}}, together{Setup{}};
    together.alias();
    const auto bypass = one.parameter("bypass")->info.id;
    one.set(bypass, 1.0, &apart.changes);
    two.set(bypass, 1.0, &together.changes);
    std::uint32_t seeds[] = {7, 7};
    if (one.audio->getLatencySamples() != two.audio->getLatencySamples()) return;  // the band came between
    for (int n = 0; n < 60; ++n) {
        apart.noise(seeds[0]);
        together.noise(seeds[1]);
        apart.mark();
        one.process(apart);
        two.process(together);
        apart.changes.clear();
        together.changes.clear();
        bench.expect(std::memcmp(apart.out(0), together.out(0), 512 * sizeof(float)) == 0 || n < 40,
                     "in place it sounds otherwise");
        bench.expect(apart.unwritten() == 0 && together.notFinite() == 0, "in place: the output");
    }
}

void silenceFlags(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    started(bench, plug);
    Block block{Setup{}};
    for (const Steinberg::uint64 flags : {0ull, 1ull, 2ull, 3ull}) {
        block.data.inputs[0].silenceFlags = flags;
        for (int n = 0; n < 10; ++n) {
            block.noise(bench.seed);
            for (int c = 0; c < 2; ++c)
                if ((flags >> c & 1) != 0) std::fill_n(block.in(c), 512, 0.0f);
            block.data.outputs[0].silenceFlags = 0;
            block.mark();
            plug.process(block);
            bench.expect(block.unwritten() == 0, "samples are left unwritten");
            for (int c = 0; c < 2; ++c)
                if ((block.data.outputs[0].silenceFlags >> c & 1) != 0)
                    for (int i = 0; i < 512; ++i)
                        bench.expect(block.out(c)[i] == 0.0f, "an output is called silent and is not");
        }
    }
}

void tailAndLatency(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    started(bench, plug);
    bench.expect(plug.audio->getTailSamples() == vst::kNoTail, "it has a tail");
    Block block{Setup{}};
    const auto latency = plug.audio->getLatencySamples();
    for (int n = 0; n < 300; ++n) {
        // The host plays: whatever connects or changes meanwhile, its latency stays.
        if (n == 100) plug.set(plug.parameter("mode")->info.id, 1.0, &block.changes);
        if (n == 200) plug.set(plug.parameter("anticipation")->info.id, 0.7, &block.changes);
        block.playhead(true, n * 512);
        bench.play(plug, block, 1, "while it plays");
        if (n > 5)
            bench.expect(plug.audio->getLatencySamples() == latency || n < 10, "the latency changes in the take");
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

void sampleAccurate(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    started(bench, plug);
    Block block{Setup{}};
    const auto all = plug.parameters();
    for (int n = 0; n < 30; ++n) {
        for (const auto& one : all)
            for (int point = 0; point < 100; ++point)
                block.changes.add(one.info.id, static_cast<int32>(point * 512 / 100), bench.unit());
        bench.play(plug, block, 1, "100 points of each parameter in each block");
    }
    for (const double value : {-1.0, 2.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
        for (const auto& one : all) block.changes.add(one.info.id, 0, value);
        block.changes.add(all[0].info.id, -5, 0.5);
        block.changes.add(all[1].info.id, 100000, 0.5);
        block.changes.add(0x7FFFFFFEu, 0, 0.5);
        bench.play(plug, block, 1, "values beyond 0..1");
    }
    for (const auto& one : all) {
        const double value = plug.control->getParamNormalized(one.info.id);
        bench.expect(value >= 0.0 && value <= 1.0, one.title + ": beyond 0..1");
    }
    Plug other(module);
    bench.expect(other.load(plug.state()) == kResultOk, "the state after values beyond 0..1 is refused");
}

void blockSizes(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    for (const int samples : {1, 2, 17, 64, 100, 138, 256, 480, 4096, 65536}) {
        Setup setup;
        setup.block_samples = samples;
        started(bench, plug, setup);
        Block block(setup);
        bench.play(plug, block, samples < 1000 ? 20 : 3, "blocks of " + std::to_string(samples));
    }
}

void denormals(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    started(bench, plug);
    Block block{Setup{}};
    for (const float value : {1e-40f, -1e-40f, std::numeric_limits<float>::denorm_min()})
        for (int n = 0; n < 50; ++n) {
            block.fill(value);
            block.mark();
            plug.process(block);
            bench.expect(block.subnormal() == 0, "subnormal numbers come out");
            bench.expect(block.unwritten() == 0, "samples are left unwritten");
        }
}

void nonsense(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    started(bench, plug);
    Block block{Setup{}};
    const double full_db6 = 1.9953;
    for (const double mix : {1.0, 0.0, 0.5}) {
        plug.set(plug.parameter("mix")->info.id, mix, &block.changes);
        for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity(), 1e30f, -1e30f, 1.0f}) {
            // What the user asked to pass through dry is the user's own, however loud.
            if (std::fabs(value) > 2.0f && std::isfinite(value) && mix < 1.0) continue;
            block.fill(value);
            for (int n = 0; n < 3; ++n) {
                plug.process(block);
                block.changes.clear();
                const float peak = block.peak();
                bench.expect(std::isfinite(peak), "not finite out of " + std::to_string(value));
                bench.expect(!(static_cast<double>(peak) > full_db6), "above +6 dBFS out of " + std::to_string(value));
            }
        }
        block.fill(0.0f);
        // One second later it is forgotten.
        for (int n = 0; n < 94; ++n) plug.process(block);
        plug.process(block);
        bench.expect(block.peak() < 1e-5f, "a bad block is not forgotten in a second");
    }
}

void transportFuzz(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    started(bench, plug);
    Block block{Setup{}};
    const double odd[] = {0.0, -1.0, 1e300, std::nan(""), std::numeric_limits<double>::infinity(), 1e-300, 120.0};
    for (int n = 0; n < 400; ++n) {
        block.playhead(bench.random(2) == 1, static_cast<std::int64_t>(bench.random(1u << 24)) - (1 << 23),
                       20.0 + 400.0 * bench.unit());
        auto& context = block.context;
        context.state = bench.random(1u << 18);
        if (n % 3 == 0) context.tempo = odd[bench.random(7)];
        if (n % 5 == 0) context.projectTimeMusic = odd[bench.random(7)];
        if (n % 7 == 0) context.barPositionMusic = odd[bench.random(7)];
        if (n % 11 == 0) context.timeSigNumerator = static_cast<int32>(bench.random(40)) - 20;
        if (n % 13 == 0) context.timeSigDenominator = static_cast<int32>(bench.random(40)) - 20;
        if (n % 17 == 0)
            context.projectTimeSamples = std::numeric_limits<int64>::max() - static_cast<int64>(bench.random(1000));
        if (n % 19 == 0) context.sampleRate = odd[bench.random(7)];
        context.cycleStartMusic = 1000.0 * bench.unit() - 500.0;
        context.cycleEndMusic = 1000.0 * bench.unit() - 500.0;
        const auto at = context.projectTimeSamples;
        block.data.numSamples = static_cast<int32>(bench.random(513));
        block.context.projectTimeSamples = at;
        block.noise(bench.seed);
        block.mark();
        bench.expect(plug.process(block) == kResultOk, "a wild transport: process() fails");
        bench.expect(block.unwritten() == 0 && block.notFinite() == 0, "a wild transport: the output");
    }
}

void seededFuzz(Bench& bench) {
    Module module(bench.bundle);
    auto plug = std::make_unique<Plug>(module);
    for (int turn = 0; turn < 12; ++turn) {
        Setup setup;
        const double rates[] = {8000.0, 22050.0, 44100.0, 48000.0, 96000.0, 192000.0};
        setup.rate_hz = rates[bench.random(6)];
        setup.block_samples = static_cast<int32>(1 + bench.random(2048));
        if (bench.random(2) == 1) setup.main = vst::SpeakerArr::kMono;
        if (bench.random(3) == 0)
            setup.listen = bench.random(2) == 1 ? vst::SpeakerArr::kMono : vst::SpeakerArr::kStereo;
        if (!bench.expect(plug->start(setup), "a set-up is refused")) continue;
        Block block(setup);
        const auto all = plug->parameters();
        for (int n = 0; n < 30; ++n) {
            block.data.numSamples =
                static_cast<int32>(bench.random(static_cast<std::uint32_t>(setup.block_samples) + 1));
            if (bench.random(4) == 0)
                plug->set(all[bench.random(static_cast<std::uint32_t>(all.size()))].info.id, bench.unit(),
                          &block.changes);
            if (bench.random(20) == 0) plug->load(plug->state());
            if (bench.random(20) == 0) plug->control->setParamNormalized(all[0].info.id, bench.unit());
            bench.play(*plug, block, 1, "fuzz");
        }
        if (bench.random(4) == 0) plug = std::make_unique<Plug>(module);
    }
}

}  // namespace

std::vector<Check> processChecks() {
    return {{"validator/Variable Block Size", variableBlocks},
            {"validator/Process Threaded", threaded},
            {"validator/Parameters Flush without Buffers", noBuffers},
            {"validator/Process without Outputs", noOutputs},
            {"validator/Process Input Overwriting", inputOverwriting},
            {"validator/Silence Flags", silenceFlags},
            {"validator/Process Tail and Latency", tailAndLatency},
            {"validator/Automation Sample Accurate", sampleAccurate},
            {"clap/process-audio-in-place", inPlace},
            {"clap/process-block-sizes", blockSizes},
            {"clap/process-denormals", denormals},
            {"clap/process-transport-fuzz", transportFuzz},
            {"clap/process-seeded-fuzz", seededFuzz},
            {"liveband/nonsense in, bounded out", nonsense}};
}

}  // namespace host
