// SPDX-License-Identifier: GPL-3.0-or-later
// A front end's port on a string: does what it reads on its standard input, one line a command, on an inherited
// segment.
//
//     port_driver DESCRIPTOR LATENCY_SAMPLES CHANNELS
//
// "write N" is followed by N floats a channel, "read N" answers with as many; everything is answered.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "liveband/host_port.h"

namespace {

bool readAll(void* data, std::size_t bytes) {
    return std::fread(data, 1, bytes, stdin) == bytes;
}

void reply(const void* data, std::size_t bytes) {
    std::fwrite(data, 1, bytes, stdout);
    std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 4) return 2;
    std::string error;
    auto segment = liveband::Segment::map(std::atoi(arguments[1]), error);
    if (!segment) {
        std::fprintf(stderr, "%s\n", error.c_str());
        return 1;
    }
    liveband::HostPort port(std::move(segment), std::atoll(arguments[2]));
    const auto channels = static_cast<std::uint32_t>(std::atoi(arguments[3]));
    char line[512];
    while (std::fgets(line, sizeof line, stdin) != nullptr) {
        std::istringstream words(line);
        std::string word;
        words >> word;
        if (word == "write" || word == "read" || word == "wait") {
            std::uint32_t samples = 0;
            words >> samples;
            std::vector<float> audio(std::size_t{channels} * samples);
            std::vector<float*> planes(channels);
            for (std::uint32_t channel = 0; channel < channels; ++channel)
                planes[channel] = audio.data() + std::size_t{channel} * samples;
            if (word == "write") {
                if (!readAll(audio.data(), sizeof(float) * audio.size())) return 3;
                port.write(planes.data(), channels, samples);
                const std::uint64_t position = port.position();
                reply(&position, sizeof position);
            } else {
                if (word == "wait" && !port.wait(samples, std::chrono::milliseconds(20000))) return 4;
                port.read(planes.data(), channels, samples);
                reply(audio.data(), sizeof(float) * audio.size());
            }
            continue;
        }
        if (word == "epoch") {
            port.beginEpoch();
        } else if (word == "offline") {
            int on = 0;
            words >> on;
            port.setOffline(on != 0);
        } else if (word == "tell") {
            unsigned kind = 0, flags = 0;
            liveband::EventValues values{};
            words >> kind >> flags;
            for (double& value : values) {
                std::string text;
                words >> text;
                value = std::strtod(text.c_str(), nullptr);
            }
            port.tell(static_cast<liveband::protocol::EventKind>(kind), static_cast<std::uint16_t>(flags), values);
        }
        const std::uint64_t epoch = port.epoch();
        reply(&epoch, sizeof epoch);
    }
    return 0;
}
