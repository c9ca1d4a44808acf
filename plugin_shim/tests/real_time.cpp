// SPDX-License-Identifier: GPL-3.0-or-later
// The audio path between RealtimeSanitizer's marks: an allocation, a lock or a call that may wait aborts.
//
//     real_time [allocate]        with `allocate` one is made on purpose
#include <atomic>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "band.h"
#include "liveband/audio_side.h"

extern "C" {
void __rtsan_init();
void __rtsan_realtime_enter();
void __rtsan_realtime_exit();
}

int main(int count, char**) {
    __rtsan_init();
    liveband::AudioSide side;
    std::vector<float> left(4096), right(4096);
    float* planes[2] = {left.data(), right.data()};
    liveband::Transport transport;
    transport.playing = true;
    transport.tempo_bpm = 100.0;
    std::vector<std::unique_ptr<band::Copyist>> copyists;
    std::vector<float> grows;
    for (int n = 0; n < 3000; ++n) {
        if (n % 600 == 100) {
            auto segment = band::create({48000, 2, 2, 8192});
            if (!segment) return 2;
            copyists.clear();
            copyists.push_back(std::make_unique<band::Copyist>(*segment));
            side.setLatency(n % 1200 == 100 ? 0 : 512);
            side.offer(std::make_unique<liveband::Port>(std::move(segment), side.latencySamples(), 1, 0.0));
        }
        const int samples = n % 11 == 0 ? 0 : n % 5 == 0 ? 4096 : 128;
        transport.quarter = n * 0.1;
        if (n % 300 == 0) transport.song_sample = 0;
        __rtsan_realtime_enter();
        if (n % 50 == 0) side.setControl(static_cast<std::size_t>(n / 50 % 13), 1.0);
        if (n % 400 == 0) side.requestEpoch();
        side.process(planes, planes, 2, samples, transport);
        if (count > 1 && n == 1000) grows.resize(1u << 16);
        __rtsan_realtime_exit();
        transport.song_sample += samples;
        if (!copyists.empty() && n % 3 != 0) copyists.back()->work();
    }
    return 0;
}
