// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/watcher.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "liveband/rundir.h"

namespace liveband {

using msgpack::Value;
using std::chrono::milliseconds;

namespace {

constexpr auto kTick = milliseconds(20);
constexpr auto kAnswer = milliseconds(15000);  // a session may need its model's first step
constexpr auto kHello = milliseconds(3000);
constexpr auto kFirstBackOff = milliseconds(50);
constexpr auto kLastBackOff = milliseconds(2000);
constexpr auto kRegistryLook = milliseconds(60);  // while nobody is there: has the registry changed?

// The environment is read here, on the thread that makes the bridge, and never again: others may be writing it.
BridgeConfig settled(BridgeConfig config) {
    config.run_directory = runPath(config.run_directory);
    return config;
}

}  // namespace

Watcher::Watcher(BridgeConfig config) : config_(settled(std::move(config))) {}

void Watcher::start() {
    const std::lock_guard<std::mutex> life(life_);
    if (watcher_.joinable()) return;
    stopping_.store(false);
    audio_.abandon(false);
    wake_.clear();
    watcher_ = std::thread([this] { watch(); });
}

void Watcher::stop() {
    const std::lock_guard<std::mutex> life(life_);
    if (!watcher_.joinable()) return;
    stopping_.store(true);
    audio_.abandon(true);
    wake_.set();
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        resting_.notify_all();
    }
    watcher_.join();
    const std::lock_guard<std::mutex> lock(mutex_);
    audio_.withdraw();
    opened_generation_ = 0;
    status_.state = BridgeState::kStopped;
    status_.text = "Stopped";
    changed_.notify_all();
}

bool Watcher::prepare(const Preparation& wish) {
    std::unique_lock<std::mutex> lock(mutex_);
    audio_.forgetProcessed();
    if (generation_ > 0 && sameSession(wish, wish_)) {
        audio_.requestEpoch();
        adoptLocked();
    } else {
        ++generation_;
        audio_.withdraw();
    }
    wish_ = wish;
    wake_.set();
    if (wish.wait.count() > 0 && watcher_.joinable())
        changed_.wait_for(lock, wish.wait, [this] { return opened_generation_ == generation_ || stopping_.load(); });
    return opened_generation_ == generation_;
}

bool Watcher::adoptLatency() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return adoptLocked();
}

Status Watcher::status() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    Status seen = status_;
    seen.is_quiet = requests_.empty() && !is_telling_;
    return seen;
}

void Watcher::know(const Knowledge& what) {
    const std::lock_guard<std::mutex> lock(mutex_);
    learn(known_, what);
    for (Value& message : knowMessages(config_.session, what)) request(std::move(message));
}

void Watcher::moment(const char* type, const std::string& name) {
    const std::lock_guard<std::mutex> lock(mutex_);
    request(momentMessage(type, config_.session, name));
}

void Watcher::request(Value message) {
    constexpr std::size_t kMostWaiting = 64;
    if (opened_generation_ == 0 && message.textOf("type") == "know") return;  // told when a session opens
    if (requests_.size() >= kMostWaiting) requests_.erase(requests_.begin());
    requests_.push_back(std::move(message));
    wake_.set();
}

bool Watcher::adoptLocked() {
    if (opened_generation_ == 0 || status_.pending_latency_samples == audio_.latencySamples()) return false;
    audio_.setLatency(status_.pending_latency_samples);
    status_.latency_samples = status_.pending_latency_samples;
    return true;
}

void Watcher::watch() {
    std::uint64_t stamp = 0;
    auto back_off = kFirstBackOff;
    while (!stopping_.load()) {
        stamp = registryStamp(config_.run_directory);
        const auto before = status().connections;
        converse();
        connection_.reset();
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            opened_generation_ = 0;
            is_telling_ = false;
            status_.band = protocol::State::kClosed;
            if (status_.connections != before) back_off = kFirstBackOff;
        }
        rest(stamp, back_off);
        back_off = std::min(kLastBackOff, back_off * 8 / 5);
    }
}

void Watcher::rest(std::uint64_t stamp, milliseconds back_off) {
    std::uniform_real_distribution<double> jitter(0.8, 1.2);
    const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(back_off * jitter(random_));
    while (!stopping_.load() && Clock::now() < until) {
        const auto left = std::chrono::duration_cast<milliseconds>(until - Clock::now());
        {
            std::unique_lock<std::mutex> lock(mutex_);
            resting_.wait_for(lock, std::min(left + milliseconds(1), kRegistryLook),
                              [this] { return stopping_.load(); });
            audio_.reclaim();
        }
        if (registryStamp(config_.run_directory) != stamp) return;
    }
}

void Watcher::show(BridgeState state, const std::string& text, const std::string& error) {
    bool changed = false;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        changed = status_.state != state || status_.text != text;
        status_.state = state;
        status_.text = text;
        if (!error.empty()) {
            changed = changed || status_.error != error;
            status_.error = error;
        }
    }
    if (changed) tellChange();
}

void Watcher::tellChange() {
    if (config_.on_change && !stopping_.load()) config_.on_change();
}

void Watcher::converse() {
    const std::string& directory = config_.run_directory;
    ServerInfo info;
    std::string error;
    if (!findServer(directory, info, error)) {
        if (!error.empty()) {
            show(BridgeState::kRefused, error, error);
        } else if (status().connections > 0) {
            show(BridgeState::kLost, "The band is gone; waiting for it to come back");
        } else {
            show(BridgeState::kNoServer, "No band is there yet: start `liveband serve`");
        }
        return;
    }
    if (info.major != protocol::kMajor) {
        error = "the server speaks protocol " + std::to_string(info.major) + ", this plug-in speaks " +
                std::to_string(protocol::kMajor) + ": update the older of the two";
        show(BridgeState::kRefused, error, error);
        return;
    }
    connection_ = Connection::connect(info.socket, error);
    if (!connection_) {
        show(status().connections > 0 ? BridgeState::kLost : BridgeState::kNoServer, error, error);
        return;
    }
    if (status().connections == 0) show(BridgeState::kConnecting, "Connecting to the band");
    Value welcome;
    if (!ask(helloMessage(config_.client), welcome, kHello)) return;
    if (welcome.textOf("type") != "welcome") {
        refuse(welcome);
        return;
    }
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        status_.server = welcome.textOf("server");
        status_.model = welcome.textOf("model");
        status_.server_pid = welcome.integerOf("pid");
    }
    session_is_open_ = false;
    while (!stopping_.load()) {
        if (!openAsWished() || !tellAgain() || !sendRequests() || !listen()) return;
    }
}

void Watcher::refuse(const Value& answer) {
    const std::string text = answer.textOf("text", "the server refused without saying why");
    show(BridgeState::kRefused, text, text);
}

bool Watcher::openAsWished() {
    Preparation wish;
    std::uint64_t generation = 0;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (generation_ == 0 || opened_generation_ == generation_ || refused_generation_ == generation_) return true;
        wish = wish_;
        generation = generation_;
    }
    if (const std::string refusal = refusalOf(wish); !refusal.empty()) {
        refused_generation_ = generation;
        show(BridgeState::kRefused, refusal, refusal);
        return true;
    }
    const double seed = audio_.control(static_cast<std::size_t>(protocol::Control::kSeed));
    Value answer;
    if (!ask(session_is_open_ ? configureMessage(config_.session, wish)
                              : openMessage(config_.session, wish, openingWith(seed)),
             answer, kAnswer))
        return false;
    const std::string type = answer.textOf("type");
    if (type != "opened" && type != "configured") {
        refuse(answer);
        return false;
    }
    std::string error;
    const Handle memory = connection_->takeMemory(answer, error);
    std::unique_ptr<Segment> segment = memory == kNoHandle ? nullptr : Segment::map(memory, error);
    closeHandle(memory);
    if (segment && (segment->shape().rate_hz != static_cast<std::uint32_t>(wish.rate_hz) ||
                    segment->shape().mix_channels != static_cast<std::uint32_t>(wish.channels))) {
        segment.reset();
        error = "the server's segment is not of the rate and channels that were asked for";
    }
    if (!segment) {
        show(BridgeState::kRefused, error, error);
        return false;
    }
    session_is_open_ = true;
    publish(std::move(segment), answer, wish, generation, seed);
    return tellKnown();
}

Opening Watcher::openingWith(double seed) const {
    const double stem = audio_.control(static_cast<std::size_t>(protocol::Control::kStem));
    return {config_.model, std::string(protocol::kStems[static_cast<std::size_t>(stem)]), seed,
            status().connections > 0};
}

// Only now that the session is open, so that nothing that was said meanwhile is lost.
bool Watcher::tellKnown() {
    Knowledge known;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        known = known_;
    }
    for (const Value& message : knowMessages(config_.session, known)) {
        if (!demand(message)) return false;
    }
    hasTold();
    return true;
}

void Watcher::hasTold() {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_telling_ = false;
}

// A chart counts bars, and is refused before the host has told a tempo: it is told again then.
bool Watcher::tellAgain() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!unheard_ || std::isnan(status_.tempo_bpm)) return true;
        unheard_ = false;
        status_.error.clear();
    }
    return tellKnown();
}

// A request whose answer matters only if it is a refusal. False if the connection is to end.
bool Watcher::demand(const Value& message) {
    // Asked before: the tempo may come while the answer is on its way.
    const bool without_tempo = std::isnan(status().tempo_bpm);
    Value answer;
    if (!ask(message, answer, kAnswer)) return false;
    if (answer.textOf("type") != "error") return true;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        status_.error = answer.textOf("text");
        if (message.textOf("type") == "know" && without_tempo) unheard_ = true;
    }
    tellChange();
    return true;
}

void Watcher::publish(std::unique_ptr<Segment> segment, const Value& answer, const Preparation& wish,
                      std::uint64_t generation, double seed) {
    const auto latency =
        static_cast<int>(std::clamp<std::int64_t>(answer.integerOf("latency_samples"), 0, protocol::kMaxCapacity));
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        // What the host was told stays true while it plays.
        if (!audio_.hasProcessed()) audio_.setLatency(latency);
        auto port = std::make_unique<Port>(std::move(segment), audio_.latencySamples(), generation, seed);
        if (generation == generation_) audio_.offer(std::move(port));
        heartbeat_.restart();
        opened_generation_ = generation;
        is_telling_ = true;  // until tellKnown is through
        ++status_.connections;
        status_.error.clear();
        status_.tempo_bpm = status_.beat = Transport::kUnknown;
        unheard_ = false;
        status_.rate_hz = wish.rate_hz;
        status_.latency_samples = audio_.latencySamples();
        status_.pending_latency_samples = latency;
        status_.anticipation_ms = 1000.0 * answer.realOf("anticipation_samples") / wish.rate_hz;
        status_.recency_gap_ms = answer.realOf("recency_gap_ms");
        status_.state = BridgeState::kListening;
        status_.text = "Listening";
        changed_.notify_all();
    }
    tellChange();
}

bool Watcher::sendRequests() {
    std::vector<Value> requests;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (opened_generation_ == 0) return true;
        requests.swap(requests_);
        is_telling_ = true;
    }
    for (const Value& one : requests) {
        if (!demand(one)) return false;
    }
    hasTold();
    return true;
}

bool Watcher::listen() {
    Value message;
    std::string error;
    switch (connection_->receive(message, kTick, wake_, error)) {
        case Connection::Outcome::kMessage:
            return notice(message);
        case Connection::Outcome::kGone:
            if (!stopping_.load()) show(BridgeState::kLost, "The band is gone; waiting for it to come back", error);
            return false;
        case Connection::Outcome::kWoken:
            wake_.clear();
            break;
        case Connection::Outcome::kNothing:
            break;
    }
    look();
    return true;
}

bool Watcher::ask(Value message, Value& answer, milliseconds patience) {
    const std::int64_t id = ++asked_;
    message.with("id", id);
    std::string error = "the server takes no message";
    bool gone = !connection_->send(message);
    const auto deadline = Clock::now() + patience;
    while (!gone && !stopping_.load() && Clock::now() < deadline) {
        switch (connection_->receive(answer, kTick, wake_, error)) {
            case Connection::Outcome::kMessage:
                // What ends the conversation may come without a number.
                if (answer.integerOf("id") == id || (answer.textOf("type") == "error" && answer.find("id") == nullptr))
                    return true;
                if (!notice(answer)) return false;
                break;
            case Connection::Outcome::kGone:
                gone = true;
                break;
            case Connection::Outcome::kWoken:
                wake_.clear();
                break;
            case Connection::Outcome::kNothing:
                break;
        }
        look();
    }
    if (!gone) error = "the server did not answer";
    if (!stopping_.load())
        show(status().connections > 0 ? BridgeState::kLost : BridgeState::kConnecting,
             "The band does not answer; trying again", error);
    return false;
}

bool Watcher::notice(const Value& message) {
    const std::string type = message.textOf("type");
    if (type == "closed") {
        const std::string reason = message.textOf("reason", "the server closed the session");
        show(BridgeState::kLost, reason, reason);
        return false;
    }
    if (type == "error") {
        const std::lock_guard<std::mutex> lock(mutex_);
        status_.error = message.textOf("text");
    }
    return true;
}

void Watcher::look() {
    bool changed = false;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        audio_.reclaim();
        const Port* port = audio_.offered();
        if (port == nullptr || opened_generation_ == 0) return;
        const Segment& segment = port->host.segment();
        Status& s = status_;
        readFigures(segment, s);
        s.latency_samples = audio_.latencySamples();
        const std::uint64_t beats = segment.load(protocol::offset::server_heartbeat);
        const auto [state, text] = judge(s, heartbeat_.hasStopped(beats, s.step_ms, Clock::now()));
        changed = s.state != state || s.text != text;
        s.state = state;
        s.text = text;
    }
    if (changed) tellChange();
}

}  // namespace liveband
