// SPDX-License-Identifier: GPL-3.0-or-later
#include "live.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <limits>
#include <memory>
#include <sstream>
#include <thread>

namespace host {
namespace {

constexpr std::size_t kCommands = 1024, kRecords = 2048;

std::int64_t nanosecondsNow() {
    timespec at{};
    clock_gettime(CLOCK_MONOTONIC, &at);
    return std::int64_t{at.tv_sec} * 1000000000 + at.tv_nsec;
}

void sleepUntil(std::int64_t ns) {
    const timespec at{static_cast<time_t>(ns / 1000000000), static_cast<long>(ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) != 0) {
    }
}

enum class What { kParameter, kPlay, kLocate, kTempo, kSignature, kLoop, kInput };

struct Command {
    What what = What::kParameter;
    vst::ParamID id = 0;
    double one = 0.0, two = 0.0;
};

/// From the thread that reads commands to the one of audio.
class Commands {
  public:
    bool push(const Command& command) {
        const auto at = written_.load(std::memory_order_relaxed);
        if (at - read_.load(std::memory_order_acquire) >= kCommands) return false;
        all_[at % kCommands] = command;
        written_.store(at + 1, std::memory_order_release);
        return true;
    }
    bool pop(Command& command) {
        const auto at = read_.load(std::memory_order_relaxed);
        if (at == written_.load(std::memory_order_acquire)) return false;
        command = all_[at % kCommands];
        read_.store(at + 1, std::memory_order_release);
        return true;
    }

  private:
    std::array<Command, kCommands> all_;
    std::atomic<std::size_t> written_{0}, read_{0};
};

const char* const kInputs[] = {"noise", "sine", "silence", "nan", "inf", "dc", "square", "denormal", "huge"};

class Live {
  public:
    Live(Module& module, const Setup& setup, const std::string& file)
        : plug_(module), setup_(setup), block_(setup), file_(file, std::ios::binary) {
        bytes_ = sizeof(Record) + sizeof(float) * 2 * static_cast<std::size_t>(block_.mainChannels()) *
                                      static_cast<std::size_t>(setup.block_samples);
        memory_.resize(kRecords * bytes_);
        start();
    }
    ~Live() {
        halt();
        drain();
    }

    std::string answer(const std::string& line) {
        std::istringstream words(line);
        std::string name;
        words >> name;
        if (name == "status" || name == "mark") return status();
        if (name == "until") return until(words);
        if (name == "set" || name == "text") return set(words, name == "text");
        if (name == "restart") {
            halt();
            start();
            return status();
        }
        if (name == "save" || name == "load") return state(words, name == "save");
        if (name == "input") {
            std::string kind;
            words >> kind;
            for (int i = 0; i < static_cast<int>(std::size(kInputs)); ++i)
                if (kind == kInputs[i]) return send({What::kInput, 0, static_cast<double>(i), 0.0});
            return "{\"error\": \"input accepts noise, sine, silence, nan, inf, dc, square, denormal, huge\"}";
        }
        Command command;
        if (name == "play" || name == "stop") {
            command = {What::kPlay, 0, name == "play" ? 1.0 : 0.0, 0.0};
        } else if (name == "bypass") {
            double on = 0.0;
            words >> on;
            const auto found = plug_.parameter("bypass");
            if (!found) return "{\"error\": \"no bypass\"}";
            command = {What::kParameter, found->info.id, on, 0.0};
            plug_.control->setParamNormalized(command.id, on);
        } else {
            const std::pair<const char*, What> kinds[] = {{"locate", What::kLocate},
                                                          {"tempo", What::kTempo},
                                                          {"signature", What::kSignature},
                                                          {"loop", What::kLoop}};
            const auto* found =
                std::find_if(std::begin(kinds), std::end(kinds), [&](const auto& kind) { return name == kind.first; });
            if (found == std::end(kinds)) return "{\"error\": \"unknown command\"}";
            command.what = found->second;
            words >> command.one >> command.two;
        }
        return send(command);
    }

  private:
    void start() {
        if (!plug_.start(setup_)) throw Unusable("the plug-in refuses this set-up");
        ending_ = false;
        audio_ = std::thread([this] { run(); });
        writer_ = std::thread([this] {
            while (!ending_) {
                drain();
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
            }
        });
    }

    void halt() {
        ending_ = true;
        if (audio_.joinable()) audio_.join();
        if (writer_.joinable()) writer_.join();
        plug_.stop();
    }

    std::string send(const Command& command) {
        return commands_.push(command) ? status() : "{\"error\": \"too many commands\"}";
    }

    std::string status() {
        std::ostringstream text;
        text << "{\"block\": " << blocks_ << ", \"ns\": " << nanosecondsNow() << ", \"peak\": " << peak_
             << ", \"late\": " << late_ << ", \"longest_ns\": " << longest_ns_ << ", \"not_finite\": " << not_finite_
             << ", \"unwritten\": " << unwritten_ << ", \"unrecorded\": " << unrecorded_
             << ", \"latency_samples\": " << plug_.audio->getLatencySamples()
             << ", \"latency_restarts\": " << plug_.handler.latency_restarts << "}";
        return text.str();
    }

    std::string until(std::istringstream& words) {
        std::string what;
        int patience_ms = 10000;
        words >> what >> patience_ms;
        const auto deadline = nanosecondsNow() + std::int64_t{patience_ms} * 1000000;
        const bool wants = what != "silence";
        // Five blocks in a row: one that is silent may be a gap.
        int row = 0;
        for (auto seen = blocks_.load(); row < 5 && nanosecondsNow() < deadline;) {
            if (blocks_ != seen) {
                seen = blocks_;
                row = (peak_.load() > 1e-6f) == wants ? row + 1 : 0;
            }
            std::this_thread::sleep_for(std::chrono::microseconds(500));
        }
        return row >= 5 ? status() : "{\"error\": \"not reached\"}";
    }

    std::string set(std::istringstream& words, bool is_text) {
        std::string title, value;
        words >> title;
        std::getline(words >> std::ws, value);
        const auto found = plug_.parameter(title);
        if (!found) return "{\"error\": \"no such parameter\"}";
        double normalized = 0.0;
        if (is_text) {
            vst::String128 wide;
            widen(value, wide);
            if (plug_.control->getParamValueByString(found->info.id, wide, normalized) != kResultOk)
                return "{\"error\": \"not a value\"}";
        } else {
            normalized = std::atof(value.c_str());
        }
        plug_.control->setParamNormalized(found->info.id, normalized);
        return send({What::kParameter, found->info.id, normalized, 0.0});
    }

    std::string state(std::istringstream& words, bool save) {
        std::string path;
        words >> path;
        if (save) {
            const auto bytes = plug_.state();
            std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
            return status();
        }
        std::ifstream file(path, std::ios::binary);
        const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
        return plug_.load(bytes) == kResultOk ? status() : "{\"error\": \"the state is refused\"}";
    }

    // Audio thread from here.

    void run() {
        const auto period_ns = static_cast<double>(setup_.block_samples) / setup_.rate_hz * 1e9;
        const auto begun = nanosecondsNow();
        for (std::int64_t n = 0; !ending_; ++n) {
            const auto due = begun + static_cast<std::int64_t>(static_cast<double>(n) * period_ns);
            sleepUntil(due);
            block(due, period_ns);
        }
    }

    void take(const Command& command) {
        switch (command.what) {
            case What::kParameter:
                block_.changes.add(command.id, 0, command.one);
                break;
            case What::kPlay:
                playing_ = command.one > 0.5;
                break;
            case What::kLocate:
                song_ = static_cast<std::int64_t>(command.one);
                break;
            case What::kTempo:
                bpm_ = command.one;
                break;
            case What::kSignature:
                above_ = static_cast<int>(command.one), below_ = static_cast<int>(command.two);
                break;
            case What::kLoop:
                loop_from_ = command.one, loop_to_ = command.two;
                break;
            case What::kInput:
                input_ = static_cast<int>(command.one);
                break;
        }
    }

    void fillInput() {
        constexpr float kInfinity = std::numeric_limits<float>::infinity();
        switch (input_) {
            case 0:
                block_.noise(seed_);
                return;
            case 1:
                for (int channel = 0; channel < block_.mainChannels(); ++channel)
                    for (int i = 0; i < setup_.block_samples; ++i)
                        block_.in(channel)[i] =
                            0.25f * static_cast<float>(std::sin(
                                        6.283185307 * 220.0 * static_cast<double>(blocks_ * setup_.block_samples + i) /
                                        setup_.rate_hz));
                return;
            case 2:
                block_.fill(0.0f);
                return;
            case 3:
                block_.fill(std::nanf(""));
                return;
            case 4:
                block_.fill(kInfinity);
                return;
            case 5:
                block_.fill(1.0f);
                return;
            case 6:
                for (int channel = 0; channel < block_.mainChannels(); ++channel)
                    for (int i = 0; i < setup_.block_samples; ++i)
                        block_.in(channel)[i] = i / 32 % 2 == 0 ? 1.0f : -1.0f;
                return;
            case 7:
                block_.fill(1e-40f);
                return;
            default:
                block_.fill(1e30f);
                return;
        }
    }

    void block(std::int64_t due, double period_ns) {
        block_.changes.clear();
        block_.told.clear();
        Command command;
        while (commands_.pop(command)) take(command);
        fillInput();
        for (int channel = 0; channel < block_.listenChannels(); ++channel)
            std::fill_n(block_.listen(channel), setup_.block_samples, 0.0f);
        block_.mark();
        using Context = vst::ProcessContext;
        block_.playhead(playing_, song_, bpm_);
        auto& context = block_.context;
        context.timeSigNumerator = above_;
        context.timeSigDenominator = below_;
        const double bar = 4.0 * above_ / below_;
        context.barPositionMusic = std::floor(context.projectTimeMusic / bar) * bar;
        context.state |= Context::kCycleValid;
        if (loop_to_ > loop_from_) {
            context.state |= Context::kCycleActive;
            context.cycleStartMusic = loop_from_;
            context.cycleEndMusic = loop_to_;
        }
        const auto start = nanosecondsNow();
        const auto result = plug_.process(block_);
        const auto took = nanosecondsNow() - start;
        if (start + took > due + static_cast<std::int64_t>(period_ns)) ++late_;
        if (took > longest_ns_) longest_ns_ = took;
        const int left_out = result == kResultOk ? block_.unwritten() : setup_.block_samples * block_.mainChannels();
        unwritten_ += left_out;
        const float peak = block_.peak();
        if (std::isnan(peak)) ++not_finite_;
        peak_ = std::isnan(peak) ? -1.0f : peak;
        record(due, start, took, left_out);
        ++blocks_;
        if (!playing_) return;
        song_ += setup_.block_samples;
        if (loop_to_ > loop_from_ && context.projectTimeMusic >= loop_to_)
            song_ = static_cast<std::int64_t>(loop_from_ * 60.0 / bpm_ * setup_.rate_hz);
    }

    void record(std::int64_t due, std::int64_t start, std::int64_t took, int left_out) {
        const auto at = recorded_.load(std::memory_order_relaxed);
        if (at - drained_.load(std::memory_order_acquire) >= kRecords) {
            ++unrecorded_;
            return;
        }
        Record one{};
        one.block = blocks_;
        one.due_ns = due;
        one.start_ns = start;
        one.took_ns = took;
        one.song_sample = song_;
        one.latency_samples = static_cast<std::int64_t>(plug_.audio->getLatencySamples());
        one.samples = setup_.block_samples;
        one.channels = block_.mainChannels();
        one.playing = playing_ ? 1 : 0;
        one.unwritten = left_out;
        char* into = memory_.data() + at % kRecords * bytes_;
        std::memcpy(into, &one, sizeof one);
        into += sizeof one;
        const auto plane = static_cast<std::size_t>(setup_.block_samples) * sizeof(float);
        for (int half = 0; half < 2; ++half)
            for (int channel = 0; channel < block_.mainChannels(); ++channel, into += plane)
                std::memcpy(into, half == 0 ? block_.in(channel) : block_.out(channel), plane);
        recorded_.store(at + 1, std::memory_order_release);
    }

    // Writer's thread.
    void drain() {
        const auto end = recorded_.load(std::memory_order_acquire);
        for (auto at = drained_.load(std::memory_order_relaxed); at < end; ++at) {
            if (file_.is_open())
                file_.write(memory_.data() + at % kRecords * bytes_, static_cast<std::streamsize>(bytes_));
            drained_.store(at + 1, std::memory_order_release);
        }
        file_.flush();
    }

    Plug plug_;
    Setup setup_;
    Block block_;
    std::ofstream file_;
    Commands commands_;
    std::size_t bytes_ = 0;
    std::vector<char> memory_;
    std::atomic<std::size_t> recorded_{0}, drained_{0};
    std::atomic<std::int64_t> blocks_{0}, late_{0}, longest_ns_{0}, not_finite_{0}, unwritten_{0}, unrecorded_{0};
    std::atomic<float> peak_{0.0f};
    std::atomic<bool> ending_{false};
    std::thread audio_, writer_;
    // The audio thread's own.
    bool playing_ = false;
    std::int64_t song_ = 0;
    double bpm_ = 120.0, loop_from_ = 0.0, loop_to_ = 0.0;
    int above_ = 4, below_ = 4, input_ = 0;
    std::uint32_t seed_ = 1;
};

}  // namespace

int live(Module& module, const Setup& setup, const std::string& file) {
    std::int64_t left_ns = 0;
    {
        auto host = std::make_unique<Live>(module, setup, file);
        std::string line;
        while (std::getline(std::cin, line)) {
            if (line == "end") break;
            std::cout << host->answer(line) << std::endl;
        }
        left_ns = nanosecondsNow();
    }
    std::cout << "{\"destroyed_ms\": " << static_cast<double>(nanosecondsNow() - left_ns) / 1e6 << "}" << std::endl;
    return 0;
}

}  // namespace host
