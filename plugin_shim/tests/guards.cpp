// SPDX-License-Identifier: GPL-3.0-or-later
// Every guard of the audio path by itself, without a server: prints the names of those that do not hold.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <thread>
#include <vector>

#include "band.h"
#include "liveband/audio_side.h"
#include "liveband/health.h"
#include "strange.h"

namespace {

using std::chrono::milliseconds;
constexpr std::uint32_t kBlock = 480;
constexpr liveband::Shape kShape{48000, 1, 1, 8192};

/// One channel of a block, for in and out.
struct Plane {
    explicit Plane(float value = 0.0f, std::size_t samples = kBlock) : audio(samples, value) {}
    float* const* planes() { return &plane; }
    std::vector<float> audio;
    float* plane = audio.data();
};

float step(const std::vector<float>& audio) {
    float most = 0.0f;
    for (std::size_t i = 1; i < audio.size(); ++i) most = std::max(most, std::fabs(audio[i] - audio[i - 1]));
    return most;
}

/// Maps memory whose header or size is not as it should be.
bool isMapped(const liveband::protocol::StaticHeader& header, std::size_t bytes) {
    std::string error;
    const liveband::Handle memory = band::memory(header, bytes);
    const bool mapped = memory != liveband::kNoHandle && liveband::Segment::map(memory, error) != nullptr;
    liveband::closeHandle(memory);
    return mapped;
}

/// What is right to the byte, and can be changed by others.
bool forms() {
    std::string error;
    const liveband::Handle open = strange::memory(band::header(kShape), kShape.totalBytes());
    const bool refused = open != liveband::kNoHandle && !liveband::Segment::map(open, error) && !error.empty();
    liveband::closeHandle(open);
    return refused && isMapped(band::header(kShape), kShape.totalBytes());
}

bool sizes() {
    return !isMapped(band::header(kShape), kShape.totalBytes() + 4096);
}

bool capacities() {
    const liveband::Shape odd{48000, 1, 1, 8000};
    return !isMapped(band::header(odd), odd.totalBytes());
}

bool offsets() {
    auto header = band::header(kShape);
    header.stem_offset += 4096;
    return !isMapped(header, kShape.totalBytes());
}

/// A port, and a stem of ones that is there for some blocks.
struct Bed {
    Bed() : segment(band::create(kShape)), shared(*segment), port(std::move(segment), 0) {
        std::fill_n(shared.stem(0), kShape.capacity, 1.0f);
    }
    void there(std::uint32_t epoch, std::uint64_t samples) {
        shared.store(band::offset::stem_cursor, band::protocol::cursor(epoch, samples));
        shared.store(band::offset::mix_read, band::protocol::cursor(epoch, samples));
    }
    std::vector<float> blocks(int count) {
        std::vector<float> heard;
        for (int i = 0; i < count; ++i) {
            Plane plane(0.5f);
            port.write(plane.planes(), 1, kBlock);
            port.read(plane.planes(), 1, kBlock);
            heard.insert(heard.end(), plane.audio.begin(), plane.audio.end());
        }
        return heard;
    }
    std::unique_ptr<liveband::Segment> segment;
    liveband::Segment& shared;
    liveband::HostPort port;
};

bool epochs() {
    Bed bed;
    bed.there(bed.port.epoch() + 7, 1 << 20);
    const auto heard = bed.blocks(4);
    return std::all_of(heard.begin(), heard.end(), [](float value) { return value == 0.0f; });
}

bool fades() {
    Bed bed;
    bed.there(bed.port.epoch(), 4 * kBlock);
    auto heard = bed.blocks(8);
    return step(heard) < 0.02f && heard[2 * kBlock] == 1.0f && heard.back() == 0.0f;
}

bool rises() {
    Bed bed;
    bed.there(bed.port.epoch(), kBlock);
    auto heard = bed.blocks(4);
    bed.there(bed.port.epoch(), 8 * kBlock);
    const auto more = bed.blocks(4);
    heard.insert(heard.end(), more.begin(), more.end());
    return step(heard) < 0.02f && heard.back() == 1.0f;
}

bool bounds() {
    Bed bed;
    const float bad[] = {1e30f, std::numeric_limits<float>::infinity(), std::nanf(""), -3e38f};
    for (std::uint32_t i = 0; i < kShape.capacity; ++i) bed.shared.stem(0)[i] = bad[i % 4];
    bed.there(bed.port.epoch(), 8 * kBlock);
    const auto heard = bed.blocks(8);
    return std::all_of(heard.begin(), heard.end(), [](float value) { return std::fabs(value) <= 2.0f; });
}

/// What a worker that hangs has not read is not written over.
bool lapses() {
    Bed bed;
    bed.blocks(40);
    return bed.port.droppedSamples() > 0 && bed.port.position() <= kShape.capacity;
}

bool ends() {
    Bed bed;
    const auto begun = std::chrono::steady_clock::now();
    return !bed.port.wait(kBlock, milliseconds(50)) && std::chrono::steady_clock::now() - begun < milliseconds(2000);
}

bool jumps() {
    liveband::AudioSide side;
    auto segment = band::create(kShape);
    band::Copyist copyist(*segment);
    side.offer(std::make_unique<liveband::Port>(std::move(segment), 0, 1, 0.0));
    liveband::Transport transport;
    transport.playing = true;
    std::uint32_t epoch = 0;
    for (const std::int64_t at : {0, 480, 960, 100000}) {
        transport.song_sample = at;
        Plane plane(0.5f);
        side.process(plane.planes(), plane.planes(), 1, kBlock, transport);
        copyist.work();
        const auto now = band::protocol::epoch_of(side.offered()->host.segment().load(band::offset::mix_cursor));
        if (at == 480 || at == 960) {
            if (now != epoch) return false;
        } else if (at == 100000 && now == epoch) {
            return false;
        }
        epoch = now;
    }
    return true;
}

bool render(liveband::AudioSide& side, int patience_ms) {
    Plane plane(0.5f);
    return side.processOffline(plane.planes(), plane.planes(), 1, kBlock, {}, milliseconds(patience_ms), 1);
}

/// A dead session costs a render one wait, not one for every block.
bool patience() {
    liveband::AudioSide side;
    side.offer(std::make_unique<liveband::Port>(band::create(kShape), 0, 1, 0.0));
    const auto begun = std::chrono::steady_clock::now();
    for (int i = 0; i < 10; ++i) {
        if (render(side, 200)) return false;
    }
    return std::chrono::steady_clock::now() - begun < milliseconds(1500);
}

/// A render that waits for a dead session goes on with the one that follows it, also after a failure.
bool successors() {
    liveband::AudioSide side;
    side.offer(std::make_unique<liveband::Port>(band::create(kShape), 0, 1, 0.0));
    const liveband::Port* const dead = side.offered();
    if (render(side, 20)) return false;
    std::atomic<bool> over{false};
    std::thread other([&] {
        auto segment = band::create(kShape);
        band::Copyist copyist(*segment);
        side.offer(std::make_unique<liveband::Port>(std::move(segment), 0, 1, 0.0));
        while (!over.load()) {
            std::this_thread::sleep_for(milliseconds(5));
            copyist.work();
        }
    });
    while (side.offered() == dead) std::this_thread::yield();
    bool good = true;
    for (int i = 0; i < 4; ++i) good = render(side, 3000) && good;
    over = true;
    other.join();
    return good;
}

bool heartbeats() {
    liveband::Heartbeat heart;
    auto now = liveband::Heartbeat::Clock::now();
    for (int i = 1; i < 20; ++i) {
        if (heart.hasStopped(static_cast<std::uint64_t>(i), 5.0, now += milliseconds(20))) return false;
    }
    if (heart.hasStopped(19, 5.0, now += milliseconds(10000))) return false;  // the machine slept
    bool stopped = false;
    for (int i = 0; i < 10; ++i) stopped = heart.hasStopped(19, 5.0, now += milliseconds(20));
    return stopped;
}

}  // namespace

int main() {
    const struct {
        const char* name;
        bool (*holds)();
    } guards[] = {
        {"forms", forms},           {"sizes", sizes}, {"capacities", capacities}, {"offsets", offsets},
        {"epochs", epochs},         {"fades", fades}, {"rises", rises},           {"bounds", bounds},
        {"lapses", lapses},         {"jumps", jumps}, {"patience", patience},     {"successors", successors},
        {"heartbeats", heartbeats}, {"ends", ends},
    };
    for (const auto& guard : guards) {
        if (!guard.holds()) std::printf("%s\n", guard.name);
        std::fflush(stdout);
    }
    return 0;
}
