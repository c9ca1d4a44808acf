// SPDX-License-Identifier: GPL-3.0-or-later
// Checks with names: what a check gets, and the lists of them.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "plug.h"

namespace host {

/// For one check, in a process of its own.
class Bench {
  public:
    Bench(std::string bundle_path, std::uint32_t seed_value) : bundle(std::move(bundle_path)), seed(seed_value) {}
    /// What is not so is noted, once a text; the check goes on. Any thread.
    bool expect(bool is_so, const std::string& what) {
        if (is_so) return true;
        const std::lock_guard<std::mutex> lock(mutex_);
        for (const auto& known : problems)
            if (known == what) return false;
        if (problems.size() < 12) problems.push_back(what);
        return false;
    }
    /// A whole number of 0..`below`-1, by the seed.
    std::uint32_t random(std::uint32_t below) {
        seed = seed * 1664525u + 1013904223u;
        return (seed >> 8) % below;
    }
    double unit() { return random(1u << 20) / static_cast<double>(1u << 20); }
    /// Processes marked blocks of noise and expects them whole and finite.
    void play(Plug& plug, Block& block, int blocks, const std::string& when);

    const std::string bundle;
    std::uint32_t seed;
    std::vector<std::string> problems;

  private:
    std::mutex mutex_;
};

struct Check {
    /// The list that it comes from ("validator", "pluginval-3", "clap", "liveband"), a slash, and its name there.
    const char* name;
    void (*run)(Bench&);
};

std::vector<Check> classChecks();
std::vector<Check> stateChecks();
std::vector<Check> processChecks();
std::vector<Check> levelChecks();
/// In the program, not in the library: they take the place of malloc.
std::vector<Check> allocationChecks();
std::vector<Check> ownChecks();
std::vector<Check> windowChecks();

/// All of them, or those whose name begins with `prefix`; each in a child process with `limit_s`; a line of JSON each.
/// The number that failed.
int runChecks(const std::string& bundle, const std::string& prefix, std::uint32_t seed, int limit_s);
void listChecks();

}  // namespace host
