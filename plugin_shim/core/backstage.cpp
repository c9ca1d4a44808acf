// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/backstage.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "liveband/peer.h"
#include "liveband/spoken.h"
#include "liveband/waiting.h"

namespace liveband {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kLook = milliseconds(5), kLookWhenEmpty = milliseconds(20), kReportEvery = milliseconds(50);
constexpr auto kFadeAway = milliseconds(100);  // nobody plays if nothing has faded by then
constexpr auto kPatience = milliseconds(30000), kPatienceAlone = milliseconds(1000), kStep = milliseconds(20);
constexpr int kOfflineBlock = 512;
constexpr double kSettleSeconds = 0.05;  // longer than any fade

template <std::size_t size>
void write(std::array<char, size>& into, const std::string& text) {
    std::snprintf(into.data(), size, "%s", text.c_str());
}

}  // namespace

/// What is kept for a chair that somebody sits on.
struct Tended {
    Chair& chair;
    const std::string client, session;
    std::unique_ptr<Bridge> bridge;
    std::optional<Format> format;
    std::optional<Mode> mode;
    double anticipation_ms = 40.0;
    bool is_wished = false;  // a preparation is to be made
    std::size_t lines = 0;
    std::uint32_t formats = 0;
    std::deque<std::string> misunderstood;  // not reported yet
    std::string reported_error;
    std::optional<Report> reported;
    Clock::time_point report_at{};

    Tended(Chair& seat, std::string host, std::string name)
        : chair(seat), client(std::move(host)), session(std::move(name)) {}

    void tend(const std::function<void(int, const Report&)>& tell) {
        if (!bridge) {
            BridgeConfig config;
            config.session = session;
            config.client = "LiveBand in " + client;
            bridge = std::make_unique<Bridge>(std::move(config));
            bridge->start();
        }
        hear();
        if (is_wished && format) prepare();
        // The latency that the server asks for: here is no host that would compensate another one.
        if (format && !format->offline && chair.bridge_.load() != nullptr) {
            const Status seen = bridge->status();
            if (seen.latency_samples != seen.pending_latency_samples && seen.pending_latency_samples >= 0)
                apart([this] { bridge->adoptLatency(); });
        }
        report(tell);
    }

    void hear() {
        while (const Format* const asked = chair.formats_.oldest()) {
            format = *asked;
            chair.formats_.pop();
            ++formats;
            is_wished = true;
        }
        while (const Chair::Line* const line = chair.lines_.oldest()) {
            obey(understand(std::string_view(line->text.data(), line->length)));
            chair.lines_.pop();
            ++lines;
        }
        if (chair.answered_.load() != lines && !is_wished && bridge->status().is_quiet) chair.answered_.store(lines);
    }

    void obey(const Meaning& meaning) {
        if (const auto* setting = std::get_if<Setting>(&meaning)) {
            if (setting->control == protocol::Control::kMode) {
                mode = static_cast<Mode>(static_cast<int>(setting->value));
                is_wished = true;
            } else if (setting->control == protocol::Control::kAnticipation) {
                anticipation_ms = setting->value;
                is_wished = true;
            } else {
                bridge->setControl(setting->control, setting->value);
            }
        } else if (const auto* known = std::get_if<Knowledge>(&meaning)) {
            bridge->know(*known);
        } else if (const auto* moment = std::get_if<Moment>(&meaning)) {
            moment->keep ? bridge->keep(moment->name) : bridge->recall(moment->name);
        } else if (const auto* misunderstanding = std::get_if<Misunderstood>(&meaning)) {
            misunderstood.push_back(misunderstanding->why);
        }
    }

    void prepare() {
        Preparation wish;
        wish.rate_hz = format->rate_hz;
        wish.channels = format->channels;
        wish.offline = format->offline;
        // Offline nothing is late, however long the blocks.
        wish.block_samples = format->offline ? kOfflineBlock : format->block_samples;
        wish.mode = mode.value_or(format->offline ? Mode::kBounce : Mode::kLive);
        if (wish.mode == Mode::kBounce) wish.latency_samples = 0;
        wish.anticipation_ms = anticipation_ms;
        apart([&] {
            chair.passControls(*bridge);
            bridge->prepare(wish);
            chair.prepared_ = wish;
        });
        is_wished = false;
        chair.formatted_.store(formats);
    }

    // While nobody plays: what sounds fades before.
    template <typename Act>
    void apart(Act act) {
        if (chair.bridge_.load() != nullptr) {
            chair.faded_.store(false);
            chair.fading_.store(true);
            waitUntil(kFadeAway, nullptr, [this] { return chair.faded_.load() || format->offline; }, [] { return 0; });
            chair.closed_.store(true);
            while (chair.inside_.load()) std::this_thread::sleep_for(kShortestPause);
        }
        act();
        chair.bridge_.store(bridge.get());
        chair.fading_.store(false);
        chair.closed_.store(false);
    }

    void report(const std::function<void(int, const Report&)>& tell) {
        const auto now = Clock::now();
        if (misunderstood.empty() && now < report_at) return;
        report_at = now + kReportEvery;
        const Status seen = bridge->status();
        Report told;
        told.state = seen.state;
        told.latency_samples = seen.latency_samples;
        told.anticipation_ms = seen.anticipation_ms;
        told.recency_gap_ms = seen.recency_gap_ms;
        told.headroom_ms = seen.headroom_ms;
        told.late_frames = seen.late_frames;
        write(told.session, session);
        write(told.text, seen.text);
        std::string error = seen.error;
        if (error.empty() && chair.failed_.load()) error = "the band did not answer: what was rendered is silent";
        told.new_error = !error.empty() && error != reported_error;
        write(told.error, error);
        const bool same = reported && reported->state == told.state && reported->text == told.text &&
                          reported->error == told.error && reported->late_frames == told.late_frames &&
                          reported->latency_samples == told.latency_samples &&
                          reported->anticipation_ms == told.anticipation_ms;
        if ((!same || told.new_error) && pass(told, tell)) {
            reported = told;
            reported_error = error;
        }
        told.new_error = true;
        for (; !misunderstood.empty(); misunderstood.pop_front()) {
            write(told.error, misunderstood.front());
            if (!pass(told, tell)) return;
        }
    }

    /// False if the other side has not heard enough yet to be told more.
    bool pass(const Report& told, const std::function<void(int, const Report&)>& tell) {
        if (tell) {
            tell(chair.number_, told);
            return true;
        }
        Report* const place = chair.reports_.next();
        if (place == nullptr) return false;
        *place = told;
        chair.reports_.push();
        return true;
    }

    /// Nobody plays through the bridge from here on.
    void end() {
        chair.closed_.store(true);
        chair.bridge_.store(nullptr);
        waitUntil(kFadeAway, nullptr, [this] { return !chair.inside_.load(); }, [] { return 0; });
        bridge.reset();
    }

    void free() {
        end();
        chair.formats_.clear();
        chair.lines_.clear();
        chair.reports_.clear();
        chair.changed_.store(0);
        chair.answered_.store(0);
        chair.formatted_.store(0);
        chair.failed_.store(false);
        chair.closed_.store(false);
        chair.stage_.store(Chair::Stage::kFree, std::memory_order_release);
    }
};

Backstage::Backstage(std::string client, std::function<void(int, const Report&)> tell)
    : client_(std::move(client)), tell_(std::move(tell)), chairs_(std::make_unique<Chair[]>(kChairs)) {
    for (int i = 0; i < kChairs; ++i) chairs_[static_cast<std::size_t>(i)].number_ = i;
    thread_ = std::thread([this] { work(); });
}

Backstage::~Backstage() {
    stopping_.store(true);
    thread_.join();
}

Chair* Backstage::take(const char* session) noexcept {
    for (int i = 0; i < kChairs; ++i) {
        Chair& chair = chairs_[static_cast<std::size_t>(i)];
        Chair::Stage free = Chair::Stage::kFree;
        if (!chair.stage_.compare_exchange_strong(free, Chair::Stage::kTaken)) continue;
        chair.session_.fill(0);
        for (std::size_t at = 0; session[at] != 0 && at + 1 < chair.session_.size(); ++at)
            chair.session_[at] = session[at];
        chair.time = OwnTime{};
        chair.followed_.fill(0.0);
        chair.asked_formats_ = 0;
        chair.settled_ = chair.in_vain_ = false;
        chair.stage_.store(Chair::Stage::kAsked, std::memory_order_release);
        return &chair;
    }
    return nullptr;
}

void Backstage::work() {
    std::array<std::unique_ptr<Tended>, kChairs> tended;
    while (!stopping_.load()) {
        bool empty = true;
        for (std::size_t i = 0; i < kChairs; ++i) {
            Chair& chair = chairs_[i];
            const Chair::Stage stage = chair.stage_.load(std::memory_order_acquire);
            if (stage == Chair::Stage::kLeft) {
                if (!tended[i]) tended[i] = std::make_unique<Tended>(chair, client_, "");
                tended[i]->free();
                tended[i].reset();
            }
            if (stage != Chair::Stage::kAsked) continue;
            empty = false;
            if (!tended[i]) {
                std::string name = chair.session_.data();
                if (name.empty())
                    name = client_ + "-" + std::to_string(ownProcess()) + "-" + std::to_string(++made_);
                tended[i] = std::make_unique<Tended>(chair, client_, std::move(name));
            }
            tended[i]->tend(tell_);
        }
        std::this_thread::sleep_for(empty ? kLookWhenEmpty : kLook);
    }
    for (auto& one : tended) {
        if (one) one->end();
    }
}

// Offline, on the thread that renders: it is not an audio thread, and waits.

Bridge* Chair::awaited() noexcept {
    inside_.store(false);
    const bool ready = waitUntil(
        in_vain_ ? milliseconds(0) : kPatience, nullptr,
        [this] {
            return bridge_.load() != nullptr && !closed_.load() && formatted_.load() == asked_formats_ &&
                   answered_.load() == lines_.pushed();
        },
        [] { return 0; });
    if (!ready) {
        in_vain_ = true;
        failed_.store(true);
    }
    inside_.store(true);
    return closed_.load() ? nullptr : bridge_.load();
}

bool Chair::settle(Bridge& bridge) noexcept {
    settled_ = true;
    Preparation step = prepared_;
    step.wait = kStep;
    const auto begun = Clock::now();
    while (!bridge.prepare(step)) {
        const BridgeState state = bridge.status().state;
        const bool alone = state == BridgeState::kNoServer || state == BridgeState::kRefused;
        if (Clock::now() - begun > (alone ? kPatienceAlone : kPatience)) return false;
    }
    if (!waitUntil(kPatience, nullptr, [&] { return bridge.status().is_quiet; }, [] { return 0; })) return false;
    // A render begins with its controls in force, and forgets what was played before it: it is always the same.
    std::vector<float> silence(kOfflineBlock), nowhere(kOfflineBlock * static_cast<std::size_t>(kMostChannels));
    const float* in[kMostChannels] = {silence.data(), silence.data()};
    float* out[kMostChannels] = {nowhere.data(), nowhere.data() + kOfflineBlock};
    for (int left = static_cast<int>(kSettleSeconds * format_.rate_hz); left > 0; left -= kOfflineBlock) {
        const int frames = std::min(left, kOfflineBlock);
        if (!bridge.processOffline(in, out, format_.channels, frames, {}, kPatience)) return false;
    }
    bridge.prepare(step);
    bridge.setControl(protocol::Control::kReset, 1.0);
    return true;
}

void Chair::playOffline(Bridge& bridge, const float* const* in, float* const* out, int frames,
                        const Transport& transport) noexcept {
    passControls(bridge);
    const bool was_in_vain = in_vain_;
    if (!settled_ && !settle(bridge)) in_vain_ = true;
    if (in_vain_)  // one wait is enough for a whole render
        bridge.process(in, out, format_.channels, frames, transport);
    else if (!bridge.processOffline(in, out, format_.channels, frames, transport, kPatience))
        in_vain_ = true;
    if (!in_vain_ || was_in_vain) return;
    failed_.store(true);
    std::this_thread::sleep_for(2 * kReportEvery);  // so that it is said before the render is over
}

}  // namespace liveband
