// SPDX-License-Identifier: GPL-3.0-or-later
// A host on a string: a bridge, an audio thread at the pace of a sound card, and commands on its standard input.
//
//     bridge_driver SESSION RECORDING
//
// Each command is answered with one line of JSON. What was played and heard is written to the file RECORDING at the
// end: float32, first all that went in, then all that came out, one channel.
#include <dirent.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "liveband/bridge.h"

namespace {

using Clock = std::chrono::steady_clock;
using liveband::Bridge;

struct Host {
    std::unique_ptr<Bridge> bridge;
    double rate_hz = 48000.0;
    int block = 480;
    std::vector<float> in, out;
    std::atomic<bool> playing{false};
    std::thread thread;
    std::int64_t at = 0;

    // What is played: a tone that repeats nowhere within a minute, so that its place can be found.
    float sample(std::int64_t n) const {
        const double t = static_cast<double>(n) / rate_hz;
        return static_cast<float>(0.3 * std::sin(2.0 * 3.14159265358979323846 * (200.0 * t + 3.0 * t * t)));
    }

    std::chrono::seconds patience{60};  // for a block of a render

    void oneBlock(bool offline, int samples) {
        std::vector<float> left(static_cast<std::size_t>(samples)), right;
        for (float& value : left) value = sample(at++);
        right = left;
        in.insert(in.end(), left.begin(), left.end());
        float* planes[2] = {left.data(), right.data()};
        liveband::Transport transport;
        transport.playing = true;
        transport.tempo_bpm = 120.0;
        transport.quarter = static_cast<double>(at - samples) / rate_hz * 2.0;
        transport.song_sample = at - samples;
        if (offline) {
            good = bridge->processOffline(planes, planes, 2, samples, transport, patience) && good;
        } else {
            bridge->process(planes, planes, 2, samples, transport);
        }
        out.insert(out.end(), left.begin(), left.end());
    }

    void run() {
        auto due = Clock::now();
        const auto period = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(block / rate_hz));
        while (playing.load()) {
            oneBlock(false, block);
            due += period;
            std::this_thread::sleep_until(due);
        }
    }

    void halt() {
        playing = false;
        if (thread.joinable()) thread.join();
    }

    bool good = true;
};

std::size_t count(const char* folder) {
    std::size_t entries = 0;
    if (DIR* directory = opendir(folder)) {
        while (readdir(directory) != nullptr) ++entries;
        closedir(directory);
    }
    return entries;
}

std::size_t lines(const char* path) {
    std::ifstream file(path);
    std::string line;
    std::size_t number = 0;
    while (std::getline(file, line)) ++number;
    return number;
}

long residentKb() {
    std::ifstream file("/proc/self/status");
    for (std::string word; file >> word;) {
        if (word == "VmRSS:") break;
    }
    long resident = 0;
    file >> resident;
    return resident;
}

std::string escaped(const std::string& text) {
    std::string out;
    for (const char letter : text) {
        if (letter == '"' || letter == '\\') out.push_back('\\');
        out.push_back(letter);
    }
    return out;
}

std::string describe(const liveband::Status& s) {
    std::ostringstream text;
    text << "{\"state\": \"" << toText(s.state) << "\", \"text\": \"" << escaped(s.text) << "\", \"error\": \""
         << escaped(s.error) << "\", \"model\": \"" << s.model << "\", \"pid\": " << s.server_pid
         << ", \"latency_samples\": " << s.latency_samples
         << ", \"pending_latency_samples\": " << s.pending_latency_samples
         << ", \"anticipation_ms\": " << s.anticipation_ms << ", \"frames\": " << s.frames << ", \"gaps\": " << s.gaps
         << ", \"connections\": " << s.connections << ", \"tempo\": " << (std::isnan(s.tempo_bpm) ? 0.0 : s.tempo_bpm)
         << "}";
    return text.str();
}

double msSince(Clock::time_point begun) {
    return std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
}

liveband::Mode modeOf(const std::string& name) {
    if (name == "aligned") return liveband::Mode::kAligned;
    if (name == "bounce") return liveband::Mode::kBounce;
    return name == "manual" ? liveband::Mode::kManual : liveband::Mode::kLive;
}

}  // namespace

int main(int argument_count, char** arguments) {
    if (argument_count != 3) return 2;
    liveband::BridgeConfig config;
    config.session = arguments[1];
    config.client = "bridge_driver";
    Host host;
    host.bridge = std::make_unique<Bridge>(config);
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        std::string word;
        words >> word;
        const auto begun = Clock::now();
        if (word == "start") {
            host.bridge->start();
        } else if (word == "prepare") {
            std::string mode;
            int offline = 0, wait_ms = 0;
            liveband::Preparation wish;
            words >> wish.rate_hz >> wish.block_samples >> mode >> offline >> wait_ms;
            wish.mode = modeOf(mode);
            wish.offline = offline != 0;
            wish.wait = std::chrono::milliseconds(wait_ms);
            host.rate_hz = wish.rate_hz;
            host.block = wish.block_samples;
            const bool open = host.bridge->prepare(wish);
            std::cout << "{\"open\": " << (open ? "true" : "false") << "}" << std::endl;
            continue;
        } else if (word == "play") {
            host.playing = true;
            host.thread = std::thread([&host] { host.run(); });
        } else if (word == "halt") {
            host.halt();
        } else if (word == "offline" || word == "online") {
            int blocks = 0, samples = 0, patience_s = 0;
            words >> blocks >> samples >> patience_s;
            host.patience = std::chrono::seconds(patience_s > 0 ? patience_s : 60);
            for (int i = 0; i < blocks; ++i) host.oneBlock(word == "offline", samples);
        } else if (word == "jump") {
            std::int64_t samples = 0;
            words >> samples;
            host.at += samples;
        } else if (word == "set") {
            unsigned index = 0;
            double value = 0.0;
            words >> index >> value;
            host.bridge->setControl(static_cast<liveband::protocol::Control>(index), value);
        } else if (word == "chart") {
            liveband::Knowledge known;
            known.chart = line.substr(6);
            host.bridge->know(known);
        } else if (word == "key") {
            liveband::Knowledge known;
            known.key = line.substr(4);
            host.bridge->know(known);
        } else if (word == "style") {
            liveband::Knowledge known;
            known.style = line.substr(6);
            host.bridge->know(known);
        } else if (word == "keep") {
            host.bridge->keep(line.substr(5));
        } else if (word == "recall") {
            host.bridge->recall(line.substr(7));
        } else if (word == "adopt") {
            host.bridge->adoptLatency();
        } else if (word == "until") {
            std::string wanted;
            double patience_ms = 0.0;
            words >> wanted >> patience_ms;
            if (wanted == "no_server") wanted = "no server";
            while (msSince(begun) < patience_ms && toText(host.bridge->status().state) != wanted)
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
        } else if (word == "destroy") {
            host.halt();
            host.bridge.reset();
            std::cout << "{\"ms\": " << msSince(begun) << "}" << std::endl;
            host.bridge = std::make_unique<Bridge>(config);
            continue;
        } else if (word == "cycle") {
            int cycles = 0, opened = 0;
            words >> cycles;
            for (int i = 0; i < cycles; ++i) {
                liveband::BridgeConfig own = config;
                own.session += "-" + std::to_string(i);
                Bridge one(own);
                one.start();
                liveband::Preparation wish;
                wish.wait = std::chrono::milliseconds(5000);
                opened += one.prepare(wish) ? 1 : 0;
                std::vector<float> silent(512);
                float* planes[2] = {silent.data(), silent.data()};
                for (int block = 0; block < 4; ++block) one.process(planes, planes, 2, 512, {});
            }
            std::cout << "{\"opened\": " << opened << ", \"descriptors\": " << count("/proc/self/fd")
                      << ", \"maps\": " << lines("/proc/self/maps") << ", \"threads\": " << count("/proc/self/task")
                      << ", \"resident_kb\": " << residentKb() << "}" << std::endl;
            continue;
        }
        std::ostringstream more;
        more << ", \"ms\": " << msSince(begun) << ", \"samples\": " << (host.playing ? 0 : host.out.size())
             << ", \"good\": " << (host.good ? "true" : "false") << "}";
        std::string text = describe(host.bridge->status());
        text.pop_back();
        std::cout << text << more.str() << std::endl;
    }
    host.halt();
    std::ofstream file(arguments[2], std::ios::binary);
    for (const auto* audio : {&host.in, &host.out})
        file.write(reinterpret_cast<const char*>(audio->data()),
                   static_cast<std::streamsize>(audio->size() * sizeof(float)));
    return 0;
}
