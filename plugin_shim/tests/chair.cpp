// SPDX-License-Identifier: GPL-3.0-or-later
// What a host's audio thread does with a chair, proved against a server that runs.
//
//     chair typed            numbers on standard input, through 32 bits and back as they were typed
//     chair calls [write]    system calls of an audio thread that makes, plays, tells and frees, as "CALLS LAST_NUMBER
//                            STATE"; with `write` it makes one on purpose
//     chair modes            plays live, then aligned, at the pace of a sound card: "LATENCY DELAY STEP" of each, the delay of
//                            what comes back in samples, and the largest step until then
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include "liveband/backstage.h"
#include "trapped.h"

namespace {

constexpr int kBlock = 64;

void typed() {
    double number = 0.0;
    while (std::scanf("%lf", &number) == 1) std::printf("%.17g\n", liveband::asTyped(static_cast<float>(number)));
}

int calls(bool write) {
    trapped::countCalls();
    liveband::Backstage backstage("chair");
    std::atomic<int> done{0};
    std::atomic<liveband::BridgeState> reached{liveband::BridgeState::kStopped};
    std::thread audio([&] {
        float left[kBlock], right[kBlock];
        float* planes[2] = {left, right};
        liveband::Report report;
        liveband::Format format;
        liveband::Chair* chair = backstage.take("one");
        chair->prepare(format);
        const auto block = [&](int n) {
            for (int i = 0; i < kBlock; ++i) left[i] = right[i] = 0.25f;
            if (n % 100 == 0) chair->say("density 0.7");
            if (n % 300 == 0) chair->say("chord Am7");
            if (n % 70 == 0) chair->setControl(liveband::protocol::Control::kGain, n % 140 == 0 ? -6.0 : 0.0);
            if (n % 400 == 0) chair->time.tempo(100.0 + n % 7);
            if (n % 900 == 0) chair->time.play(0.0);
            if (n % 5000 == 4999) {  // freed, and another is made
                chair->leave();
                chair = backstage.take("");
                chair->prepare(format);
            }
            chair->play(planes, planes, kBlock);
            if (chair->hear(report) && report.state > reached.load()) reached.store(report.state);
        };
        for (int n = 0; n < 40000 && reached.load() != liveband::BridgeState::kPlaying; ++n) {
            block(n + 1);
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        if (!trapped::forbidAll()) {
            done = 2;
            return;
        }
        if (write) syscall(SYS_getppid);
        for (int n = 1; n <= 12000; ++n) {
            block(n);
            for (int spin = 0; spin < 5000; ++spin) asm volatile("" ::: "memory");
        }
        done = 1;
        while (true) asm volatile("" ::: "memory");  // to end would be a call too
    });
    while (done.load() == 0) usleep(1000);
    if (done.load() == 2)
        std::puts("no filter");
    else
        std::printf("%d %d %s\n", trapped::counted.load(), trapped::last.load(), toText(reached.load()));
    std::fflush(stdout);
    _exit(done.load() == 2 ? 3 : 0);
}

// A slow sine that starts at a height of its own at each sample of a minute: its place is found in what comes back.
float sampleAt(std::int64_t n) {
    const double t = static_cast<double>(n) / 48000.0;
    return static_cast<float>(0.3 * std::sin(2.0 * M_PI * (60.0 * t + 3.0 * t * t)));
}

void modes() {
    liveband::Backstage backstage("chair");
    liveband::Chair* const chair = backstage.take("modes");
    chair->prepare({});
    liveband::Report report;
    std::int64_t at = 0;
    float before = 0.0f, step = 0.0f;
    auto due = std::chrono::steady_clock::now();
    for (const char* mode : {"mode live", "mode aligned"}) {
        chair->say(mode);
        const bool aligned = std::strcmp(mode, "mode aligned") == 0;
        int right = 0;
        std::int64_t delay = 0;
        for (int block = 0; block < 40000 && right < 200; ++block, at += kBlock) {
            float left[kBlock], other[kBlock];
            float* planes[2] = {left, other};
            for (int i = 0; i < kBlock; ++i) left[i] = other[i] = sampleAt(at + i);
            chair->play(planes, planes, kBlock);
            while (chair->hear(report)) {
            }
            for (const float sample : left) {
                step = std::max(step, std::fabs(sample - before));
                before = sample;
            }
            const auto ahead = static_cast<std::int64_t>(std::llround(report.anticipation_ms * 48.0));
            delay = 1920 + ahead + report.latency_samples;
            const bool comes = report.state == liveband::BridgeState::kPlaying &&
                               (report.latency_samples > 0) == aligned && left[0] == sampleAt(at - delay);
            right = comes ? right + 1 : 0;
            due += std::chrono::microseconds(kBlock * 1000000 / 48000);
            std::this_thread::sleep_until(due);
        }
        std::printf("%d %lld %g\n", report.latency_samples, right < 200 ? -1LL : static_cast<long long>(delay),
                    static_cast<double>(step));
    }
    chair->leave();
}

}  // namespace

int main(int count, char** words) {
    if (count > 1 && std::strcmp(words[1], "typed") == 0) {
        typed();
        return 0;
    }
    if (count > 1 && std::strcmp(words[1], "modes") == 0) {
        modes();
        return 0;
    }
    return count > 1 && std::strcmp(words[1], "calls") == 0 ? calls(count > 2) : 2;
}
