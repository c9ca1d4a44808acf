// SPDX-License-Identifier: GPL-3.0-or-later
// Sessions that replace each other, and are withdrawn, while an audio thread plays: for the detectors of races and of
// memory used after it was freed.
#include <atomic>
#include <cstdio>
#include <thread>

#include "band.h"
#include "liveband/audio_side.h"

int main() {
    liveband::AudioSide side;
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> blocks{0};
    std::thread audio([&] {
        float left[64] = {}, right[64] = {};
        float* planes[2] = {left, right};
        while (!over.load()) {
            side.process(planes, planes, 2, 64, {});
            blocks.fetch_add(1);
        }
    });
    std::size_t most = 0;
    for (int n = 0; n < 1500; ++n) {
        auto segment = band::create({8000, 2, 2, 1024});
        if (!segment) return 2;
        side.offer(std::make_unique<liveband::Port>(std::move(segment), n % 100, 1, 0.0));
        side.setControl(2, n % 12);
        if (n % 5 == 0) side.withdraw();
        if (n % 3 == 0) {
            for (const std::uint64_t before = blocks.load(); blocks.load() < before + 2;) std::this_thread::yield();
        }
        most = std::max(most, side.reclaim());
    }
    over = true;
    audio.join();
    std::printf("%zu ports at most\n", most);
    return most <= 3 ? 0 : 1;
}
