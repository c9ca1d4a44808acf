// SPDX-License-Identifier: GPL-3.0-or-later
// What a block costs: BLOCKS blocks of SAMPLES stereo samples, with a band or without; nanoseconds of each to a file.
//
//     block_cost BLOCKS SAMPLES band|gap|none NANOSECONDS_FILE
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "band.h"
#include "liveband/audio_side.h"

// One name to be measured, whatever is made of the code below it.
extern "C" __attribute__((noinline)) void liveband_block(liveband::AudioSide& side, float* const* planes, int samples,
                                                         const liveband::Transport& transport) {
    side.process(planes, planes, 2, samples, transport);
}

int main(int count, char** arguments) {
    if (count != 5) return 2;
    const int blocks = std::atoi(arguments[1]);
    const int samples = std::atoi(arguments[2]);
    const std::string what = arguments[3];
    liveband::AudioSide side;
    std::unique_ptr<band::Copyist> copyist;
    if (what != "none") {
        auto segment = band::create({48000, 2, 2, 131072});
        if (!segment) return 3;
        copyist = std::make_unique<band::Copyist>(*segment);
        side.setLatency(samples);
        side.offer(std::make_unique<liveband::Port>(std::move(segment), samples, 1, 0.0));
    }
    std::vector<float> left(static_cast<std::size_t>(samples)), right(left.size());
    float* planes[2] = {left.data(), right.data()};
    std::vector<std::int64_t> took;
    took.reserve(static_cast<std::size_t>(blocks));
    liveband::Transport transport;
    transport.playing = true;
    transport.tempo_bpm = 120.0;
    for (int n = 0; n < blocks; ++n) {
        for (std::size_t i = 0; i < left.size(); ++i)
            left[i] = right[i] = 0.3f * std::sin(0.01f * static_cast<float>(i));
        transport.song_sample = std::int64_t{n} * samples;
        transport.quarter = static_cast<double>(transport.song_sample) / 24000.0;
        const auto begun = std::chrono::steady_clock::now();
        liveband_block(side, planes, samples, transport);
        took.push_back(
            std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begun).count());
        if (copyist && (what == "band" || n % 4 == 0)) copyist->work();
    }
    std::ofstream file(arguments[4], std::ios::binary);
    file.write(reinterpret_cast<const char*>(took.data()), static_cast<std::streamsize>(took.size() * sizeof took[0]));
    return 0;
}
