// SPDX-License-Identifier: GPL-3.0-or-later
// Whom the band hears, sample by sample: reads float32 [T][channels] from stdin, in blocks; writes a byte a sample, 1 for
// the side chain.
//
//     side_chain RATE_HZ CHANNELS BLOCK_SAMPLES
#include "liveband/side_chain.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

int main(int count, char** arguments) {
    if (count != 4) return 2;
    const int channels = std::atoi(arguments[2]), block = std::atoi(arguments[3]);
    liveband::SideChain side;
    side.prepare(std::atof(arguments[1]));
    std::vector<float> interleaved(static_cast<std::size_t>(channels * block));
    std::vector<std::vector<float>> planes(static_cast<std::size_t>(channels),
                                           std::vector<float>(static_cast<std::size_t>(block)));
    for (;;) {
        const auto frames = static_cast<int>(
            std::fread(interleaved.data(), sizeof(float) * static_cast<std::size_t>(channels), planes[0].size(), stdin));
        if (frames == 0) return 0;
        for (int at = 0; at < frames; ++at)
            for (int channel = 0; channel < channels; ++channel)
                planes[static_cast<std::size_t>(channel)][static_cast<std::size_t>(at)] =
                    interleaved[static_cast<std::size_t>(at * channels + channel)];
        for (int at = 0; at < frames;) {
            std::vector<const float*> from;
            for (const auto& plane : planes) from.push_back(plane.data() + at);
            const auto run = side.next(from.data(), channels, frames - at);
            if (run.samples < 1) return 3;
            for (int i = 0; i < run.samples; ++i) std::putchar(run.from_side ? 1 : 0);
            at += run.samples;
        }
    }
}
