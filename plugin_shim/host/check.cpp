// SPDX-License-Identifier: GPL-3.0-or-later
#include "check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <sstream>
#include <thread>

namespace host {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<Check> all() {
    std::vector<Check> every;
    for (const auto& list : {classChecks(), stateChecks(), processChecks(), levelChecks(), allocationChecks(),
                             windowChecks(), ownChecks()})
        every.insert(every.end(), list.begin(), list.end());
    return every;
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char letter : text) {
        if (letter == '"' || letter == '\\') out += '\\';
        out += letter >= 0 && letter < 32 ? ' ' : letter;
    }
    return out + "\"";
}

std::string line(const Check& check, const std::vector<std::string>& problems, double seconds) {
    std::ostringstream text;
    text << "{\"check\": " << quoted(check.name) << ", \"seconds\": " << seconds << ", \"problems\": [";
    for (std::size_t i = 0; i < problems.size(); ++i) text << (i == 0 ? "" : ", ") << quoted(problems[i]);
    text << "]}";
    return text.str();
}

[[noreturn]] void child(const Check& check, const std::string& bundle, std::uint32_t seed, int pipe) {
    Bench bench(bundle, seed);
    try {
        check.run(bench);
    } catch (const Unusable& error) {
        bench.expect(false, error.what());
    }
    std::string text;
    for (const auto& problem : bench.problems) text += problem + "\n";
    const auto sent = write(pipe, text.data(), text.size());
    // As a host ends: what a plug-in leaves to the end of the process is run too.
    exit(sent < 0 ? 2 : 0);
}

/// What went wrong; empty if nothing did.
std::vector<std::string> one(const Check& check, const std::string& bundle, std::uint32_t seed, int limit_s) {
    int ends[2];
    if (pipe(ends) != 0) return {"no pipe"};
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child(check, bundle, seed, ends[1]);
    }
    close(ends[1]);
    std::vector<std::string> problems;
    int status = 0;
    bool ended = false;
    for (const auto deadline = Clock::now() + std::chrono::seconds(limit_s); !ended && Clock::now() < deadline;) {
        ended = waitpid(pid, &status, WNOHANG) == pid;
        if (!ended) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    if (!ended) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        problems.push_back("hangs: killed after " + std::to_string(limit_s) + " s");
    } else if (WIFSIGNALED(status)) {
        problems.push_back("ended by signal " + std::to_string(WTERMSIG(status)));
    } else if (WEXITSTATUS(status) != 0) {
        problems.push_back("ended with " + std::to_string(WEXITSTATUS(status)));
    }
    std::string text;
    char piece[4096];
    for (ssize_t got; (got = read(ends[0], piece, sizeof piece)) > 0;)
        text.append(piece, static_cast<std::size_t>(got));
    close(ends[0]);
    std::istringstream lines(text);
    for (std::string problem; std::getline(lines, problem);) problems.push_back(problem);
    return problems;
}

}  // namespace

void Bench::play(Plug& plug, Block& block, int blocks, const std::string& when) {
    for (int n = 0; n < blocks; ++n) {
        block.noise(seed);
        block.mark();
        const auto result = plug.process(block);
        expect(result == kResultOk, when + ": process() fails");
        expect(block.unwritten() == 0, when + ": samples are left unwritten");
        expect(block.notFinite() == 0, when + ": the output is not finite");
        expect(block.subnormal() == 0, when + ": the output has subnormal numbers");
        expect(block.guardsWhole(), when + ": written beyond a buffer");
        block.playhead(true, block.context.projectTimeSamples + block.data.numSamples);
        block.changes.clear();
        block.told.clear();
    }
}

int runChecks(const std::string& bundle, const std::string& prefix, std::uint32_t seed, int limit_s) {
    int failed = 0;
    for (const auto& check : all()) {
        if (std::string(check.name).rfind(prefix, 0) != 0) continue;
        const auto begun = Clock::now();
        const auto problems = one(check, bundle, seed, limit_s);
        const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
        std::printf("%s\n", line(check, problems, seconds).c_str());
        std::fflush(stdout);
        failed += problems.empty() ? 0 : 1;
    }
    return failed;
}

void listChecks() {
    for (const auto& check : all()) std::printf("%s\n", check.name);
}

}  // namespace host
