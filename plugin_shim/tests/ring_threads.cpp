// SPDX-License-Identifier: GPL-3.0-or-later
// The ring between two threads on one mapping: every sample and event arrives as it was written. For the race detector.
//
//     ring_threads [EPOCHS]
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "band.h"
#include "liveband/host_port.h"

int main(int count, char** arguments) {
    const int epochs = count > 1 ? std::atoi(arguments[1]) : 8;
    auto segment = band::create({48000, 2, 2, 4096});
    if (!segment) return 2;
    liveband::Segment& shared = *segment;
    liveband::HostPort port(std::move(segment), 0);
    std::atomic<bool> over{false};
    std::thread worker([&] {
        band::Copyist copyist(shared);
        while (!over.load(std::memory_order_relaxed)) {
            if (!copyist.work()) std::this_thread::yield();
        }
    });
    const std::uint32_t sizes[] = {1, 64, 128, 441, 1024, 17};
    std::uint64_t wrong = 0, compared = 0;
    for (int epoch = 0; epoch < epochs; ++epoch) {
        for (int block = 0; block < 600; ++block) {
            const std::uint32_t samples = sizes[static_cast<std::size_t>(block) % 6];
            std::vector<float> left(samples), right(samples);
            const std::uint64_t start = port.position();
            for (std::uint32_t i = 0; i < samples; ++i) {
                left[i] = static_cast<float>((start + i + 1) & 0xFFFF) / 65536.0f;
                right[i] = -left[i];
            }
            float* planes[2] = {left.data(), right.data()};
            if (block % 7 == 0) port.tell(liveband::protocol::EventKind::kControl, 0, {{2.0, 0.0, 0, 0, 0, 0}});
            port.write(planes, 2, samples);
            if (!port.wait(samples, std::chrono::seconds(20))) return 3;
            port.read(planes, 2, samples);
            for (std::uint32_t i = 0; i < samples; ++i) {
                if (start + i < 240) continue;  // an epoch rises over 5 ms
                const float expected = static_cast<float>((start + i + 1) & 0xFFFF) / 65536.0f;
                wrong += left[i] != expected || right[i] != -expected;
                ++compared;
            }
        }
        port.beginEpoch();
    }
    over = true;
    worker.join();
    std::printf("%llu samples compared, %llu wrong\n", static_cast<unsigned long long>(compared),
                static_cast<unsigned long long>(wrong));
    return wrong == 0 && compared > 0 ? 0 : 1;
}
