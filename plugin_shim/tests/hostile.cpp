// SPDX-License-Identifier: GPL-3.0-or-later
// Headers, cursors, messages and registries that cannot be: refused or survived, and what is heard stays bearable.
//
//     hostile SEED ROUNDS
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "band.h"
#include "liveband/host_port.h"
#include "liveband/msgpack.h"
#include "liveband/rundir.h"

namespace {

using Random = std::mt19937_64;

std::uint64_t strange(Random& random) {
    static const std::uint64_t kEdges[] = {0,
                                           1,
                                           ~0ull,
                                           1ull << 63,
                                           (1ull << 48) - 1,
                                           1ull << 48,
                                           0x7FF8000000000000ull,
                                           0x7FEFFFFFFFFFFFFFull,
                                           4096,
                                           0xFFFFFFFFull};
    switch (random() % 3) {
        case 0:
            return kEdges[random() % (sizeof kEdges / sizeof kEdges[0])];
        case 1:
            return random();
        default:
            return random() % 100000;
    }
}

bool headers(Random& random, int rounds) {
    const liveband::Shape good{48000, 2, 2, 8192};
    for (int i = 0; i < rounds; ++i) {
        band::protocol::StaticHeader header = band::header(good);
        auto* bytes = reinterpret_cast<unsigned char*>(&header);
        for (std::uint64_t change = random() % 4; change-- > 0;)
            bytes[random() % sizeof header] = static_cast<unsigned char>(random());
        const std::uint64_t size = random() % 3 == 0 ? strange(random) : good.totalBytes();
        liveband::Shape shape;
        std::string error;
        if (liveband::checkHeader(header, size, shape, error)) {
            if (shape.totalBytes() != size || shape.capacity > band::protocol::kMaxCapacity) return false;
        } else if (error.empty()) {
            return false;
        }
    }
    return true;
}

// A worker that writes nonsense, everywhere and at any time.
bool cursors(Random& random, int rounds) {
    const liveband::Shape shape{48000, 2, 2, 1024};
    auto segment = band::create(shape);
    if (!segment) return false;
    liveband::Segment& shared = *segment;
    liveband::HostPort port(std::move(segment), static_cast<std::int64_t>(random() % 3 * 300));
    std::vector<float> left(1024), right(1024);
    for (int i = 0; i < rounds; ++i) {
        for (std::uint64_t change = random() % 4; change-- > 0;)
            shared.store(random() % (band::protocol::kHeaderBytes / 8) * 8, strange(random));
        if (random() % 2 == 0)
            shared.store(band::offset::stem_cursor,
                         band::protocol::cursor(port.epoch(), random() % 2 == 0 ? strange(random) : port.position()));
        if (random() % 4 == 0) {
            const std::uint64_t bits = strange(random);
            std::memcpy(shared.stem(0) + random() % (shape.capacity - 1), &bits, sizeof bits);
        }
        const auto samples = static_cast<std::uint32_t>(random() % 1025);
        float* planes[2] = {left.data(), right.data()};
        port.write(planes, 2, samples);
        port.read(planes, 2, samples);
        for (std::uint32_t n = 0; n < samples; ++n) {
            if (!(std::fabs(left[n]) <= 4.0f && std::fabs(right[n]) <= 4.0f)) return false;
        }
        if (random() % 8 == 0) port.tell(band::protocol::EventKind::kTransport, 1, {});
        if (random() % 64 == 0) port.beginEpoch(random() % 2 == 0, random() % 2 == 0);
        if (random() % 64 == 0) port.setLatency(static_cast<std::int64_t>(random() % 5000));
        if (random() % 256 == 0) port.wait(samples, std::chrono::milliseconds(0));
    }
    return true;
}

bool bytes(Random& random, int rounds) {
    using liveband::msgpack::Value;
    Value seed = Value::map()
                     .with("type", "opened")
                     .with("latency_samples", 123456)
                     .with("gap", 3.5)
                     .with("resume", true)
                     .with("status", Value::map().with("state", "playing").with("none", Value()));
    const std::string good = liveband::msgpack::pack(seed);
    const std::string registry =
        R"({"pid": 12, "major": 1, "minor": 0, "socket": "/a\u00e9\n", "more": [null, {"x": 1e5}]})";
    Value back;
    std::string error;
    liveband::ServerInfo info;
    if (!liveband::msgpack::unpack(good, back, error) || back.integerOf("latency_samples") != 123456) return false;
    if (!liveband::parseRegistry(registry, info) || info.pid != 12 || info.socket != "/a\xc3\xa9\n") return false;
    for (int i = 0; i < rounds; ++i) {
        for (const std::string* from : {&good, &registry}) {
            std::string text = *from;
            for (std::uint64_t change = random() % 6; change-- > 0 && !text.empty();) {
                const std::size_t at = random() % text.size();
                switch (random() % 4) {
                    case 0:
                        text.erase(at, random() % 4);
                        break;
                    case 1:
                        text.insert(at, 1 + random() % 3, static_cast<char>(random()));
                        break;
                    default:
                        text[at] = static_cast<char>(random());
                }
            }
            if (from == &good) {
                liveband::msgpack::unpack(text, back, error);
            } else {
                liveband::parseRegistry(text, info);
            }
        }
    }
    // What claims much and holds little, and what is nested without end.
    if (liveband::msgpack::unpack(std::string(100000, '\x81'), back, error)) return false;
    if (liveband::msgpack::unpack(std::string(100000, '\x91'), back, error)) return false;
    if (liveband::msgpack::unpack("\xdd\xff\xff\xff\xff", back, error)) return false;
    if (liveband::msgpack::unpack("\xc6\xff\xff\xff\xff", back, error)) return false;
    return !liveband::parseRegistry("{\"a\":" + std::string(100000, '['), info);
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) return 2;
    Random random(std::strtoull(arguments[1], nullptr, 10));
    const int rounds = std::atoi(arguments[2]);
    const bool good_headers = headers(random, rounds * 10);
    const bool good_cursors = cursors(random, rounds);
    const bool good_bytes = bytes(random, rounds);
    std::printf("headers %d cursors %d bytes %d\n", good_headers, good_cursors, good_bytes);
    return good_headers && good_cursors && good_bytes ? 0 : 1;
}
