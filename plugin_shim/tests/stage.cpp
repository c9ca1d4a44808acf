// SPDX-License-Identifier: GPL-3.0-or-later
// The VST3 on a stage: hosted at the pace of a sound card, with commands on the standard input, each answered with a
// line of JSON.
//
//     stage BUNDLE RECORDING
//
// At the end RECORDING holds float32: all that went in, then all that came out (the left side); RECORDING.blocks holds
// for each block the moment it was done in seconds of the monotonic clock and the microseconds it took, float64.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "../host/module.h"
#include "../host/plug.h"

namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point at) {
    return std::chrono::duration<double>(at.time_since_epoch()).count();
}

class Stage {
  public:
    explicit Stage(const std::string& bundle) : module_(bundle) { create(); }
    ~Stage() { halt(); }

    void create() {
        halt();
        plug_.reset();
        plug_ = std::make_unique<host::Plug>(module_);
    }

    bool start(double rate_hz, int samples, bool offline) {
        halt();
        setup_.rate_hz = rate_hz;
        setup_.block_samples = samples;
        setup_.mode = offline ? host::vst::kOffline : host::vst::kRealtime;
        block_ = std::make_unique<host::Block>(setup_);
        return plug_->start(setup_);
    }

    void play() {
        playing_ = true;
        thread_ = std::thread([this] {
            auto due = Clock::now();
            const auto period = std::chrono::duration_cast<Clock::duration>(
                std::chrono::duration<double>(setup_.block_samples / setup_.rate_hz));
            while (playing_.load()) {
                one();
                due += period;
                std::this_thread::sleep_until(due);
            }
        });
    }

    void halt() {
        playing_ = false;
        if (thread_.joinable()) thread_.join();
    }

    /// The input of the next so many samples: tone, nan, inf, huge, dc, square, denormal.
    void strange(const std::string& kind, int samples) {
        kind_ = kind == "nan"        ? std::numeric_limits<float>::quiet_NaN()
                : kind == "inf"      ? std::numeric_limits<float>::infinity()
                : kind == "huge"     ? 1e30f
                : kind == "denormal" ? 1e-40f
                                     : 1.0f;
        square_ = kind == "square";
        strange_left_ = samples;
    }

    void set(const std::string& name, double normalized) {
        if (const auto found = plug_->parameter(name)) plug_->set(found->info.id, normalized, nullptr);
    }
    double value(const std::string& name) {
        const auto found = plug_->parameter(name);
        return found ? plug_->control->getParamNormalized(found->info.id) : -1.0;
    }
    std::size_t stateBytes() { return plug_->state().size(); }

    void one() {
        const auto samples = setup_.block_samples;
        block_->data.numSamples = samples;
        for (int i = 0; i < samples; ++i) {
            const double t = static_cast<double>(at_ + i) / setup_.rate_hz;
            float value = static_cast<float>(0.3 * std::sin(2.0 * M_PI * (200.0 * t + 3.0 * t * t)));
            if (strange_left_.load() > 0) {
                --strange_left_;
                value = square_ ? ((at_ + i) / 120 % 2 == 0 ? 1.0f : -1.0f) : kind_;
            }
            block_->in(0)[i] = block_->in(1)[i] = value;
        }
        block_->playhead(true, at_);
        const auto begun = Clock::now();
        plug_->process(*block_);
        const auto ended = Clock::now();
        blocks.push_back(seconds(ended));
        blocks.push_back(std::chrono::duration<double, std::micro>(ended - begun).count());
        in.insert(in.end(), block_->in(0), block_->in(0) + samples);
        out.insert(out.end(), block_->out(0), block_->out(0) + samples);
        at_ += samples;
        peak_ = block_->peak();
        done_at_ = seconds(ended);
        ++blocks_done_;
    }

    /// Waits until a block of the output sounds, or is silent. The moment that block was done, 0 if none came.
    double until(bool sounding, double patience_ms) {
        const auto end = Clock::now() + std::chrono::duration<double, std::milli>(patience_ms);
        while (Clock::now() < end) {
            if (blocks_done_.load() > 0 && (peak_.load() > 0.0f) == sounding) return done_at_.load();
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return 0.0;
    }

    std::vector<float> in, out;
    std::vector<double> blocks;
    void destroy() {
        halt();
        plug_.reset();
    }

  private:
    host::Module module_;
    std::unique_ptr<host::Plug> plug_;
    std::unique_ptr<host::Block> block_;
    host::Setup setup_;
    std::thread thread_;
    std::atomic<bool> playing_{false};
    std::atomic<int> strange_left_{0}, blocks_done_{0};
    std::atomic<float> peak_{0.0f};
    std::atomic<double> done_at_{0.0};
    float kind_ = 0.0f;
    bool square_ = false;
    host::int64 at_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) return 2;
    Stage stage(arguments[1]);
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        std::string word, name;
        words >> word;
        double number = 0.0;
        int samples = 0;
        bool good = true;
        double answer = 0.0;
        const auto begun = Clock::now();
        if (word == "start") {
            words >> number >> samples;
            good = stage.start(number, samples, false);
        } else if (word == "play") {
            stage.play();
        } else if (word == "halt") {
            stage.halt();
        } else if (word == "until") {
            words >> name >> number;
            answer = stage.until(name == "sound", number);
            good = answer > 0.0;
        } else if (word == "strange") {
            words >> name >> samples;
            stage.strange(name, samples);
        } else if (word == "set") {
            words >> name >> number;
            stage.set(name, number);
        } else if (word == "value") {
            words >> name;
            answer = stage.value(name);
        } else if (word == "state") {
            answer = static_cast<double>(stage.stateBytes());
        } else if (word == "destroy") {
            stage.destroy();
        } else if (word == "create") {
            stage.create();
        }
        const double ms = std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
        std::cout.precision(9);
        std::cout << std::fixed << "{\"good\": " << (good ? "true" : "false") << ", \"value\": " << answer
                  << ", \"ms\": " << ms << ", \"now\": " << seconds(Clock::now()) << "}" << std::endl;
    }
    stage.destroy();
    const std::string path = arguments[2];
    std::ofstream file(path, std::ios::binary);
    for (const auto* audio : {&stage.in, &stage.out})
        file.write(reinterpret_cast<const char*>(audio->data()),
                   static_cast<std::streamsize>(audio->size() * sizeof(float)));
    std::ofstream times(path + ".blocks", std::ios::binary);
    times.write(reinterpret_cast<const char*>(stage.blocks.data()),
                static_cast<std::streamsize>(stage.blocks.size() * sizeof(double)));
    return 0;
}
