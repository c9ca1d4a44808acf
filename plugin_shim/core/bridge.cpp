// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/bridge.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#if !defined(_WIN32)
#include <unistd.h>
#endif

#include "liveband/audio_side.h"
#include "liveband/connection.h"
#include "liveband/rundir.h"

namespace liveband {

namespace {

using Clock = std::chrono::steady_clock;
using msgpack::Value;
using std::chrono::milliseconds;

constexpr auto kTick = milliseconds(20);
constexpr auto kAnswer = milliseconds(15000);  // a session may need its model's first step
constexpr auto kHello = milliseconds(3000);
constexpr auto kFirstBackOff = milliseconds(50);
constexpr auto kLastBackOff = milliseconds(2000);
constexpr auto kRegistryLook = milliseconds(60);  // while nobody is there: has the registry changed?
constexpr double kSilenceMs = 100.0;              // without a heartbeat, beyond twice what a step takes
constexpr double kLongestSilenceMs = 3000.0;
constexpr double kLongestTickMs = 40.0;  // a suspended machine is no dead server

const char* nameOf(Mode mode) noexcept {
    return protocol::kModes[static_cast<std::size_t>(mode)].data();
}

void closeDescriptor(int descriptor) noexcept {
#if !defined(_WIN32)
    if (descriptor >= 0) ::close(descriptor);
#endif
}

// What of a preparation makes another session.
bool sameSession(const Preparation& left, const Preparation& right) {
    return left.rate_hz == right.rate_hz && left.channels == right.channels &&
           left.block_samples == right.block_samples && left.mode == right.mode && left.offline == right.offline &&
           left.anticipation_ms == right.anticipation_ms && left.latency_samples == right.latency_samples;
}

std::string refusalOf(const Preparation& wish) {
    if (!(wish.rate_hz >= protocol::kMinRateHz && wish.rate_hz <= protocol::kMaxRateHz) ||
        wish.rate_hz != std::floor(wish.rate_hz))
        return "a sample rate of " + std::to_string(wish.rate_hz) +
               " Hz is not supported: whole numbers from 8000 to 192000";
    if (wish.channels < 1 || wish.channels > static_cast<int>(protocol::kMaxChannels))
        return std::to_string(wish.channels) + " channels are not supported: 1 to 64";
    return {};
}

}  // namespace

const char* toText(BridgeState state) noexcept {
    switch (state) {
        case BridgeState::kStopped:
            return "stopped";
        case BridgeState::kNoServer:
            return "no server";
        case BridgeState::kConnecting:
            return "connecting";
        case BridgeState::kListening:
            return "listening";
        case BridgeState::kPlaying:
            return "playing";
        case BridgeState::kLate:
            return "late";
        case BridgeState::kLost:
            return "lost";
        case BridgeState::kRefused:
            return "refused";
    }
    return "";
}

class Bridge::Impl {
  public:
    explicit Impl(BridgeConfig config) : config_(std::move(config)) {}

    void start() {
        const std::lock_guard<std::mutex> life(life_);
        if (watcher_.joinable()) return;
        stopping_.store(false);
        audio_.abandon(false);
        wake_.clear();
        watcher_ = std::thread([this] { watch(); });
    }

    void stop() {
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

    bool prepare(const Preparation& wish) {
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
            changed_.wait_for(lock, wish.wait,
                              [this] { return opened_generation_ == generation_ || stopping_.load(); });
        return opened_generation_ == generation_;
    }

    bool adoptLatency() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return adoptLocked();
    }

    Status status() const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return status_;
    }

    std::uint64_t generation() const noexcept { return generation_.load(); }
    AudioSide& audio() noexcept { return audio_; }
    const AudioSide& audio() const noexcept { return audio_; }

    void know(const Knowledge& what) {
        Value message = Value::map().with("type", "know").with("session", config_.session);
        const std::lock_guard<std::mutex> lock(mutex_);
        if (what.tempo_bpm) known_.tempo_bpm = what.tempo_bpm;
        if (what.beats_per_bar) known_.beats_per_bar = what.beats_per_bar;
        if (what.chart) known_.chart = what.chart;
        if (what.chord) known_.chord = what.chord;
        if (what.key) known_.key = what.key;
        request(with(std::move(message), what));
    }

    void moment(const char* type, const std::string& name) {
        const std::lock_guard<std::mutex> lock(mutex_);
        request(Value::map().with("type", type).with("session", config_.session).with("name", name));
    }

  private:
    static Value with(Value message, const Knowledge& what) {
        if (what.tempo_bpm) message.with("bpm", *what.tempo_bpm);
        if (what.beats_per_bar) message.with("beats_per_bar", *what.beats_per_bar);
        if (what.chart) message.with("chart", *what.chart);
        if (what.chord) message.with("chord", *what.chord);
        if (what.key) message.with("key", *what.key);
        return message;
    }

    void request(Value message) {
        constexpr std::size_t kMostWaiting = 64;
        if (opened_generation_ == 0 && message.textOf("type") == "know") return;  // told when a session opens
        if (requests_.size() >= kMostWaiting) requests_.erase(requests_.begin());
        requests_.push_back(std::move(message));
        wake_.set();
    }

    bool adoptLocked() {
        if (opened_generation_ == 0 || status_.pending_latency_samples == audio_.latencySamples()) return false;
        audio_.setLatency(status_.pending_latency_samples);
        status_.latency_samples = status_.pending_latency_samples;
        return true;
    }

    // The watcher thread from here on

    void watch() {
        std::uint64_t stamp = 0;
        auto back_off = kFirstBackOff;
        while (!stopping_.load()) {
            stamp = registryStamp(runPath(config_.run_directory));
            const auto before = status().connections;
            converse();
            connection_.reset();
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                opened_generation_ = 0;
                status_.band = protocol::State::kClosed;
                if (status_.connections != before) back_off = kFirstBackOff;
            }
            rest(stamp, back_off);
            back_off = std::min(kLastBackOff, back_off * 8 / 5);
        }
    }

    // Wait before the next try, but no longer than until another server has written its registry.
    void rest(std::uint64_t stamp, milliseconds back_off) {
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
            if (registryStamp(runPath(config_.run_directory)) != stamp) return;
        }
    }

    void show(BridgeState state, const std::string& text, const std::string& error = {}) {
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

    void tellChange() {
        if (config_.on_change && !stopping_.load()) config_.on_change();
    }

    // Find the server, open the session, and stay until either is gone.
    void converse() {
        const std::string directory = runPath(config_.run_directory);
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
        const Value hello = Value::map()
                                .with("type", "hello")
                                .with("major", static_cast<int>(protocol::kMajor))
                                .with("minor", static_cast<int>(protocol::kMinor))
                                .with("client", config_.client);
        if (!ask(hello, welcome, kHello)) return;
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
            if (!openAsWished() || !sendRequests() || !listen()) return;
        }
    }

    void refuse(const Value& answer) {
        const std::string text = answer.textOf("text", "the server refused without saying why");
        show(BridgeState::kRefused, text, text);
    }

    // Open or configure the session if it is not as it was wished last. False if the connection is to end.
    bool openAsWished() {
        Preparation wish;
        std::uint64_t generation = 0;
        Knowledge known;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (generation_ == 0 || opened_generation_ == generation_ || refused_generation_ == generation_)
                return true;
            wish = wish_;
            generation = generation_;
            known = known_;
        }
        if (const std::string refusal = refusalOf(wish); !refusal.empty()) {
            refused_generation_ = generation;
            show(BridgeState::kRefused, refusal, refusal);
            return true;
        }
        const double seed = audio_.control(static_cast<std::size_t>(protocol::Control::kSeed));
        Value message = openMessage(wish, seed);
        Value answer;
        if (!ask(message, answer, kAnswer)) return false;
        const std::string type = answer.textOf("type");
        if (type != "opened" && type != "configured") {
            refuse(answer);
            return false;
        }
        const int descriptor = connection_->takeDescriptor();
        std::string error = "the server sent no segment";
        std::unique_ptr<Segment> segment = descriptor >= 0 ? Segment::map(descriptor, error) : nullptr;
        closeDescriptor(descriptor);
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
        const bool knows = known.tempo_bpm || known.beats_per_bar || known.chart || known.chord || known.key;
        if (!knows) return true;
        Value told;
        return ask(with(Value::map().with("type", "know").with("session", config_.session), known), told, kAnswer);
    }

    Value openMessage(const Preparation& wish, double seed) const {
        Value message =
            Value::map()
                .with("type", session_is_open_ ? "configure" : "open")
                .with("session", config_.session)
                .with("rate_hz", static_cast<std::int64_t>(wish.rate_hz))
                .with("channels", wish.channels)
                .with("block_samples", std::clamp(wish.block_samples, 1, static_cast<int>(protocol::kMaxBlock)))
                .with("mode", nameOf(wish.mode))
                .with("offline", wish.offline);
        if (wish.mode == Mode::kManual || wish.mode == Mode::kBounce)
            message.with("anticipation_ms", wish.anticipation_ms);
        if (wish.mode == Mode::kBounce && wish.latency_samples >= 0)
            message.with("latency_samples", wish.latency_samples);
        if (!session_is_open_) {
            const double stem = audio_.control(static_cast<std::size_t>(protocol::Control::kStem));
            message.with("stem", std::string(protocol::kStems[static_cast<std::size_t>(stem)]))
                .with("seed", static_cast<std::int64_t>(seed))
                .with("resume", status().connections > 0);
            if (!config_.model.empty()) message.with("model", config_.model);
        }
        return message;
    }

    void publish(std::unique_ptr<Segment> segment, const Value& answer, const Preparation& wish,
                 std::uint64_t generation, double seed) {
        const auto latency =
            static_cast<int>(std::clamp<std::int64_t>(answer.integerOf("latency_samples"), 0, protocol::kMaxCapacity));
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            // What the host was told stays true while it plays.
            if (!audio_.hasProcessed()) audio_.setLatency(latency);
            auto port = std::make_unique<Port>(std::move(segment), audio_.latencySamples(), generation, seed);
            if (generation == generation_) audio_.offer(std::move(port));
            beats_ = 0;
            silent_ms_ = 0.0;
            opened_generation_ = generation;
            ++status_.connections;
            status_.error.clear();
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

    bool sendRequests() {
        std::vector<Value> requests;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (opened_generation_ == 0) return true;
            requests.swap(requests_);
        }
        for (const Value& one : requests) {
            Value answer;
            if (!ask(one, answer, kAnswer)) return false;
            if (answer.textOf("type") != "error") continue;
            const std::lock_guard<std::mutex> lock(mutex_);
            status_.error = answer.textOf("text");
        }
        return true;
    }

    // One tick: what the server says by itself, and whether it lives. False if it is gone.
    bool listen() {
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

    // The answer to a request; other messages are taken on the way. False if the connection is to end.
    bool ask(Value message, Value& answer, milliseconds patience) {
        const std::int64_t id = ++asked_;
        message.with("id", id);
        std::string error = "the server takes no message";
        bool gone = !connection_->send(message);
        const auto deadline = Clock::now() + patience;
        while (!gone && !stopping_.load() && Clock::now() < deadline) {
            switch (connection_->receive(answer, kTick, wake_, error)) {
                case Connection::Outcome::kMessage:
                    // What ends the conversation may come without a number.
                    if (answer.integerOf("id") == id ||
                        (answer.textOf("type") == "error" && answer.find("id") == nullptr))
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

    bool notice(const Value& message) {
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

    // Figures of the segment, and its heartbeat.
    void look() {
        namespace offset = protocol::offset;
        bool changed = false;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            audio_.reclaim();
            const Port* port = audio_.offered();
            if (port == nullptr || opened_generation_ == 0) return;
            const Segment& segment = port->host.segment();
            const auto now = Clock::now();
            const double tick_ms = std::chrono::duration<double, std::milli>(now - looked_).count();
            looked_ = now;
            const std::uint64_t beats = segment.load(offset::server_heartbeat);
            silent_ms_ = beats != beats_ ? 0.0 : silent_ms_ + std::min(tick_ms, kLongestTickMs);
            beats_ = beats;
            const auto figure = [&segment](std::size_t at) {
                const double value = segment.loadDouble(at);
                return std::isfinite(value) ? value : 0.0;
            };
            Status& s = status_;
            s.headroom_ms = figure(offset::headroom_ms);
            s.queue_age_ms = figure(offset::queue_age_ms);
            s.step_ms = figure(offset::step_ms);
            s.frames = segment.load(offset::frames);
            s.late_frames = segment.load(offset::late_frames);
            s.skipped_frames = segment.load(offset::skipped_frames);
            s.missing_samples = segment.load(offset::missing_samples);
            s.gaps = segment.load(offset::gaps);
            s.tempo_bpm = segment.loadDouble(offset::tempo);
            s.beat = segment.loadDouble(offset::beat);
            s.latency_samples = audio_.latencySamples();
            s.band = static_cast<protocol::State>(
                std::min<std::uint64_t>(segment.load(offset::state), protocol::kStates.size() - 1));
            s.ladder = static_cast<protocol::Ladder>(
                std::min<std::uint64_t>(segment.load(offset::ladder), protocol::kLadder.size() - 1));
            const double patience_ms = std::min(kLongestSilenceMs, kSilenceMs + 2.0 * std::max(0.0, s.step_ms));
            const auto [state, text] = judge(s, silent_ms_ > patience_ms);
            changed = s.state != state || s.text != text;
            s.state = state;
            s.text = text;
        }
        if (changed) tellChange();
    }

    static std::pair<BridgeState, const char*> judge(const Status& s, bool silent) {
        using protocol::State;
        if (silent) return {BridgeState::kLost, "The band has stopped answering"};
        if (s.pending_latency_samples > s.latency_samples)
            return {BridgeState::kLate, "Stop once, so that the host learns the new latency"};
        switch (s.band) {
            case State::kPlaying:
                return {BridgeState::kPlaying, "Playing"};
            case State::kLate:
                return {BridgeState::kLate, "The machine is too slow: parts are missing"};
            case State::kFaded:
            case State::kBypassed:
                return {BridgeState::kLate, "The machine is too slow: silent until it keeps up"};
            case State::kRecovering:
                return {BridgeState::kLost, "The band fell over and is getting up"};
            case State::kQuarantined:
                return {BridgeState::kRefused, "This session made the band fall over twice"};
            case State::kOpening:
            case State::kListening:
            case State::kClosed:
                break;
        }
        return {BridgeState::kListening, "Listening"};
    }

    const BridgeConfig config_;
    AudioSide audio_;
    Wake wake_;
    std::thread watcher_;
    std::mutex life_;
    std::atomic<bool> stopping_{false};

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::condition_variable resting_;
    std::atomic<std::uint64_t> generation_{0};  // written with the mutex held
    std::uint64_t opened_generation_ = 0;       // 0: no session is open
    Preparation wish_;
    Status status_;
    Knowledge known_;
    std::vector<Value> requests_;

    // The watcher's alone.
    std::unique_ptr<Connection> connection_;
    bool session_is_open_ = false;
    std::uint64_t refused_generation_ = 0;
    std::int64_t asked_ = 0;
    std::uint64_t beats_ = 0;
    double silent_ms_ = 0.0;
    Clock::time_point looked_ = Clock::now();
    std::minstd_rand random_{std::random_device{}()};
};

Bridge::Bridge(BridgeConfig config) : impl_(std::make_unique<Impl>(std::move(config))) {}

Bridge::~Bridge() {
    impl_->stop();
}

void Bridge::start() {
    impl_->start();
}

void Bridge::stop() {
    impl_->stop();
}

bool Bridge::prepare(const Preparation& preparation) {
    return impl_->prepare(preparation);
}

int Bridge::latencySamples() const noexcept {
    return impl_->audio().latencySamples();
}

bool Bridge::adoptLatency() noexcept {
    return impl_->adoptLatency();
}

Status Bridge::status() const {
    return impl_->status();
}

std::string Bridge::lastError() const {
    return impl_->status().error;
}

void Bridge::process(const float* const* in, float* const* out, int channels, int frames,
                     const Transport& transport) noexcept {
    impl_->audio().process(in, out, channels, frames, transport);
}

bool Bridge::processOffline(const float* const* in, float* const* out, int channels, int frames,
                            const Transport& transport, std::chrono::milliseconds timeout) noexcept {
    return impl_->audio().processOffline(in, out, channels, frames, transport, timeout, impl_->generation());
}

void Bridge::requestEpoch() noexcept {
    impl_->audio().requestEpoch();
}

bool Bridge::bandAbsent() const noexcept {
    return impl_->audio().bandAbsent();
}

void Bridge::setControl(protocol::Control control, double value) noexcept {
    impl_->audio().setControl(static_cast<std::size_t>(control), value);
}

double Bridge::control(protocol::Control control) const noexcept {
    return impl_->audio().control(static_cast<std::size_t>(control));
}

void Bridge::setBypassed(bool bypassed) noexcept {
    impl_->audio().setBypassed(bypassed);
}

void Bridge::know(const Knowledge& knowledge) {
    impl_->know(knowledge);
}

void Bridge::keep(const std::string& name) {
    impl_->moment("keep", name);
}

void Bridge::recall(const std::string& name) {
    impl_->moment("recall", name);
}

}  // namespace liveband
