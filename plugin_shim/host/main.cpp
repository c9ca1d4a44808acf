// SPDX-License-Identifier: GPL-3.0-or-later
// A VST3 host of our own, to try the plug-in in.
//
//     liveband_vst3_host BUNDLE live [FILE] [RATE_HZ] [BLOCK_SAMPLES] [CHANNELS]
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "live.h"

namespace {

int use() {
    std::fputs("liveband_vst3_host BUNDLE live [FILE] [RATE_HZ] [BLOCK_SAMPLES] [CHANNELS]\n", stderr);
    return 2;
}

}  // namespace

int main(int count, char** arguments) {
    const std::vector<std::string> words(arguments + 1, arguments + count);
    if (words.size() < 2) return use();
    const auto number = [&](std::size_t index, double otherwise) {
        return words.size() > index ? std::atof(words[index].c_str()) : otherwise;
    };
    try {
        if (words[1] == "live") {
            host::Module module(words[0]);
            host::Setup setup;
            setup.rate_hz = number(3, 48000.0);
            setup.block_samples = static_cast<host::int32>(number(4, 128.0));
            setup.main = number(5, 2.0) < 2.0 ? host::vst::SpeakerArr::kMono : host::vst::SpeakerArr::kStereo;
            return host::live(module, setup, words.size() > 2 ? words[2] : "");
        }
    } catch (const host::Unusable& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return use();
}
