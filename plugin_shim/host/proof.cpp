// SPDX-License-Identifier: GPL-3.0-or-later
#include "proof.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

// One name to be measured.
extern "C" __attribute__((noinline)) Steinberg::tresult liveband_process(Steinberg::Vst::IAudioProcessor* audio,
                                                                         Steinberg::Vst::ProcessData* data) {
    return audio->process(*data);
}

namespace host {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<int> trapped{0}, last_trapped{-1};

void onTrap(int, siginfo_t* info, void*) {
    trapped.fetch_add(1);
    last_trapped.store(info->si_syscall);
}

bool forbidAll() {
    // All but the return from the handler is trapped.
    struct sock_filter code[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_rt_sigreturn},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRAP},
    };
    struct sock_fprog program {
        4, code
    };
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

class Runner {
  public:
    Runner(Module& module, const Blocks& blocks) : plug(module), blocks_(blocks) {
        setup_.rate_hz = blocks.rate_hz;
        setup_.block_samples = blocks.samples;
        if (!plug.start(setup_)) throw Unusable("the plug-in refuses this set-up");
        block_ = std::make_unique<Block>(setup_);
        for (const char* title : {"gain", "mix", "density"}) moved_[moved_count_++] = plug.parameter(title)->info.id;
        due_ = Clock::now();
    }

    /// Waits by sleeping, or where no call may be made by turning.
    void pace(bool sleep) {
        due_ += std::chrono::nanoseconds(
            static_cast<std::int64_t>(1e9 * static_cast<double>(blocks_.samples) / blocks_.rate_hz));
        if (!blocks_.paced) return;
        if (sleep)
            std::this_thread::sleep_until(due_);
        else
            while (Clock::now() < due_) {
            }
    }

    void prepare(int n, bool busy) {
        block_->changes.clear();
        block_->told.clear();
        block_->data.numSamples = busy && n % 50 == 0 ? 0 : blocks_.samples;
        if (busy && n % 10 == 0) block_->changes.add(moved_[n / 10 % moved_count_], 0, 0.3 + 0.6 * (n % 100) / 100.0);
        if (busy && n % 500 == 0) song_ += 100000;
        block_->noise(seed_);
        block_->playhead(!busy || n % 1000 < 900, song_);
        song_ += blocks_.samples;
    }

    std::int64_t process() {
        const auto begun = Clock::now();
        liveband_process(plug.audio, &block_->data);
        return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begun).count();
    }

    /// Whether the band plays, after 15 s at most.
    bool waitForBand() {
        int sounding = 0;
        const auto deadline = Clock::now() + std::chrono::seconds(15);
        for (int n = 1; sounding < 100 && Clock::now() < deadline; ++n) {
            prepare(n, false);
            process();
            sounding = block_->peak() > 1e-6f ? sounding + 1 : 0;
            due_ = std::max(due_, Clock::now() - std::chrono::milliseconds(20));
            pace(true);
        }
        return sounding >= 100;
    }

    bool sounds() const { return block_->peak() > 1e-6f; }

    Plug plug;

  private:
    Blocks blocks_;
    Setup setup_;
    std::unique_ptr<Block> block_;
    vst::ParamID moved_[3] = {};
    int moved_count_ = 0;
    std::int64_t song_ = 0;
    std::uint32_t seed_ = 1;
    Clock::time_point due_;
};

struct Left {
    long fds = 0, maps = 0, threads = 0, rss_kb = 0;
};

long entries(const char* folder) {
    long count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) count += entry.path().empty() ? 0 : 1;
    return count;
}

Left left() {
    Left seen;
    seen.fds = entries("/proc/self/fd");
    seen.threads = entries("/proc/self/task");
    std::string line;
    for (std::ifstream maps("/proc/self/maps"); std::getline(maps, line);) ++seen.maps;
    // Memory of its own, counted in the page tables: the kernel's running counts lag by pages on each processor, and
    // how much of a library's file is in sight depends on what else the machine reads.
    for (std::ifstream rollup("/proc/self/smaps_rollup"); std::getline(rollup, line);)
        if (line.rfind("Anonymous:", 0) == 0) seen.rss_kb = std::atol(line.c_str() + 10);
    return seen;
}

bool isMapped(const std::string& library) {
    std::string line;
    for (std::ifstream maps("/proc/self/maps"); std::getline(maps, line);)
        if (line.find(std::filesystem::path(library).filename()) != std::string::npos) return true;
    return false;
}

void someBlocks(Plug& plug, const Setup& setup) {
    if (!plug.start(setup)) throw Unusable("the plug-in refuses this set-up");
    Block block(setup);
    std::uint32_t seed = 1;
    for (int n = 0; n < 4; ++n) {
        block.noise(seed);
        block.playhead(true, n * setup.block_samples);
        plug.process(block);
    }
    plug.stop();
}

}  // namespace

int weigh(Module& module, const Blocks& blocks, const std::string& file) {
    Runner runner(module, blocks);
    const bool band = blocks.wait_for_band && runner.waitForBand();
    std::vector<std::int64_t> took;
    took.reserve(static_cast<std::size_t>(blocks.count));
    int sounding = 0;
    for (int n = 1; n <= blocks.count; ++n) {
        runner.prepare(n, false);
        took.push_back(runner.process());
        sounding += runner.sounds() ? 1 : 0;
        runner.pace(true);
    }
    if (!file.empty()) {
        std::ofstream out(file, std::ios::binary);
        out.write(reinterpret_cast<const char*>(took.data()),
                  static_cast<std::streamsize>(took.size() * sizeof(took[0])));
    }
    std::printf("{\"blocks\": %d, \"band\": %s, \"sounding\": %d}\n", blocks.count, band ? "true" : "false", sounding);
    return 0;
}

int watch(Module& module, const Blocks& blocks, const Around& around) {
    Runner runner(module, blocks);
    runner.prepare(1, false);
    around.learn(true);
    runner.process();
    around.learn(false);
    const bool band = blocks.wait_for_band && runner.waitForBand();
    int sounding = 0;
    for (int n = 1; n <= blocks.count; ++n) {
        runner.prepare(n, true);
        around.before();
        runner.process();
        around.after();
        sounding += runner.sounds() ? 1 : 0;
        runner.pace(true);
    }
    std::printf("{\"blocks\": %d, \"band\": %s, \"sounding\": %d}\n", blocks.count, band ? "true" : "false", sounding);
    return 0;
}

void trap(Module& module, const Blocks& blocks, bool on_purpose) {
    struct sigaction action {};
    action.sa_sigaction = onTrap;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSYS, &action, nullptr);
    Runner runner(module, blocks);
    std::atomic<int> done{0}, sounding{0};
    bool band = false;
    std::thread audio([&] {
        band = blocks.wait_for_band && runner.waitForBand();
        for (int n = 1; n <= 1000; ++n) {  // everything is touched once
            runner.prepare(n, true);
            runner.process();
            runner.pace(true);
        }
        if (!forbidAll()) {
            done = 2;
            return;
        }
        if (on_purpose) syscall(SYS_getppid);
        for (int n = 1; n <= blocks.count; ++n) {
            runner.prepare(n, true);
            runner.process();
            if (runner.sounds()) sounding.fetch_add(1);
            runner.pace(false);
        }
        done = 1;
        while (true) asm volatile("" ::: "memory");  // to end would be a call too
    });
    while (done.load() == 0) usleep(1000);
    std::printf("{\"blocks\": %d, \"band\": %s, \"sounding\": %d, \"filter\": %s, \"calls\": %d, \"last\": %d}\n",
                blocks.count, band ? "true" : "false", sounding.load(), done == 1 ? "true" : "false", trapped.load(),
                last_trapped.load());
    std::fflush(stdout);
    _exit(done == 1 ? 0 : 3);
}

int cycles(const std::string& bundle, bool load, int count) {
    Setup setup;
    setup.block_samples = 256;
    Left first;
    std::unique_ptr<Module> module;
    std::unique_ptr<Plug> plug;
    std::string library;
    for (int n = 0; n < count; ++n) {
        if (load || !plug) {
            module = std::make_unique<Module>(bundle);
            library = module->library();
            plug = std::make_unique<Plug>(*module);
        }
        someBlocks(*plug, setup);
        if (load) {
            plug = nullptr;
            module = nullptr;
        }
        if (n == count / 10) first = left();
    }
    const auto end = left();
    const bool mapped = isMapped(library);
    std::printf(
        "{\"cycles\": %d, \"fds\": %ld, \"maps\": %ld, \"threads\": %ld, \"rss_kb\": %ld, "
        "\"rss_at_end_kb\": %ld, \"threads_at_end\": %ld, \"still_mapped\": %s}\n",
        count, end.fds - first.fds, end.maps - first.maps, end.threads - first.threads, end.rss_kb - first.rss_kb,
        end.rss_kb, end.threads, mapped ? "true" : "false");
    return 0;
}

}  // namespace host
