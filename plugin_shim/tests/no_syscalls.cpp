// SPDX-License-Identifier: GPL-3.0-or-later
// An audio thread that may make no system call: a filter of the kernel counts each one, over 10,000 blocks.
//
//     no_syscalls [write]        with `write` it makes one on purpose, to show that it is counted
//
// What is met is printed as "SYSCALLS LAST_NUMBER"; the blocks hold gaps, controls, jumps and a session that is
// replaced.
#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "band.h"
#include "liveband/audio_side.h"
#include "trapped.h"

int main(int count, char**) {
    trapped::countCalls();

    liveband::AudioSide side;
    liveband::Segment* shared[2] = {};
    std::unique_ptr<liveband::Port> ports[2];
    for (int i = 0; i < 2; ++i) {
        auto segment = band::create({48000, 2, 2, 16384});
        if (!segment) return 2;
        shared[i] = segment.get();
        ports[i] = std::make_unique<liveband::Port>(std::move(segment), 256, 1, 0.0);
    }
    side.setLatency(256);
    side.offer(std::move(ports[0]));
    std::atomic<int> done{0};
    std::atomic<int> stage{0};
    std::thread worker([&] {
        band::Copyist first(*shared[0]), second(*shared[1]);
        bool offered = false;
        while (done.load() == 0) {
            first.work();
            second.work();
            if (stage.load() > 6000 && !offered) {
                side.offer(std::move(ports[1]));
                offered = true;
            }
            usleep(100);
        }
    });
    std::thread audio([&] {
        float left[512], right[512];
        float* planes[2] = {left, right};
        liveband::Transport transport;
        transport.playing = true;
        transport.tempo_bpm = 120.0;
        transport.song_sample = 0;
        const auto block = [&](int n) {
            const int samples = n % 50 == 0 ? 0 : n % 9 == 0 ? 512 : 128;
            for (int i = 0; i < samples; ++i) left[i] = right[i] = 0.25f;
            if (n % 100 == 0) side.setControl(2, n % 200 == 0 ? -6.0 : 0.0);
            if (n % 500 == 0) transport.song_sample += 100000;
            if (n % 700 == 0) side.requestEpoch();
            transport.quarter = static_cast<double>(transport.song_sample) / 24000.0;
            side.process(planes, planes, 2, samples, transport);
            transport.song_sample += samples;
            stage.store(n);
        };
        for (int n = 0; n < 1000; ++n) block(n);  // everything is touched once
        if (!trapped::forbidAll()) {
            done = 2;
            return;
        }
        if (count > 1) syscall(SYS_getppid);
        for (int n = 1000; n < 11000; ++n) {
            block(n);
            for (int spin = 0; spin < 2000; ++spin) asm volatile("" ::: "memory");
        }
        done = 1;
        while (true) asm volatile("" ::: "memory");  // to end would be a call too
    });
    while (done.load() == 0) usleep(1000);
    if (done.load() == 2) {
        std::puts("no filter");
        std::fflush(stdout);
        _exit(3);
    }
    std::printf("%d %d\n", trapped::counted.load(), trapped::last.load());
    std::fflush(stdout);
    _exit(0);
}
