// SPDX-License-Identifier: GPL-3.0-or-later
// A VST3 host of our own, to try the plug-in in.
//
//     liveband_vst3_host BUNDLE check [PREFIX] [SEED] [LIMIT_S]
//     liveband_vst3_host BUNDLE list
//     liveband_vst3_host BUNDLE live [FILE] [RATE_HZ] [BLOCK_SAMPLES] [CHANNELS] [SIDE_CHANNELS]
//     liveband_vst3_host BUNDLE weigh band|alone BLOCKS SAMPLES [NANOSECONDS_FILE]
//     liveband_vst3_host BUNDLE trap band|alone BLOCKS [on-purpose]
//     liveband_vst3_host BUNDLE cycles load|open COUNT
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "check.h"
#include "live.h"
#include "proof.h"

namespace {

int use() {
    std::fputs(
        "liveband_vst3_host BUNDLE check [PREFIX] [SEED] [LIMIT_S]\n"
        "                          list\n"
        "                          live [FILE] [RATE_HZ] [BLOCK_SAMPLES] [CHANNELS] [SIDE_CHANNELS]\n"
        "                          weigh band|alone BLOCKS SAMPLES [NANOSECONDS_FILE]\n"
        "                          trap band|alone BLOCKS [on-purpose]\n"
        "                          cycles load|open COUNT\n",
        stderr);
    return 2;
}

}  // namespace

int main(int count, char** arguments) {
    const std::vector<std::string> words(arguments + 1, arguments + count);
    if (words.size() < 2) return use();
    const auto number = [&](std::size_t index, double otherwise) {
        return words.size() > index ? std::atof(words[index].c_str()) : otherwise;
    };
    if (words[1] == "list") {
        host::listChecks();
        return 0;
    }
    if (words[1] == "check")
        return host::runChecks(words[0], words.size() > 2 ? words[2] : "", static_cast<std::uint32_t>(number(3, 1.0)),
                               static_cast<int>(number(4, 45.0))) == 0
                   ? 0
                   : 1;
    try {
        if (words[1] == "live") {
            host::Module module(words[0]);
            host::Setup setup;
            setup.rate_hz = number(3, 48000.0);
            setup.block_samples = static_cast<host::int32>(number(4, 128.0));
            setup.main = number(5, 2.0) < 2.0 ? host::vst::SpeakerArr::kMono : host::vst::SpeakerArr::kStereo;
            if (number(6, 0.0) >= 1.0)
                setup.listen = number(6, 0.0) < 2.0 ? host::vst::SpeakerArr::kMono : host::vst::SpeakerArr::kStereo;
            return host::live(module, setup, words.size() > 2 ? words[2] : "");
        }
        host::Blocks blocks;
        blocks.wait_for_band = words.size() > 2 && words[2] == "band";
        blocks.paced = blocks.wait_for_band;
        blocks.count = static_cast<int>(number(3, 10000.0));
        if (words[1] == "weigh") {
            host::Module module(words[0]);
            blocks.samples = static_cast<int>(number(4, 128.0));
            blocks.rate_hz = 48000.0;
            return host::weigh(module, blocks, words.size() > 5 ? words[5] : "");
        }
        if (words[1] == "trap") {
            host::Module module(words[0]);
            host::trap(module, blocks, words.size() > 4);
        }
        if (words[1] == "cycles" && words.size() > 3) return host::cycles(words[0], words[2] == "load", blocks.count);
    } catch (const host::Unusable& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return use();
}
