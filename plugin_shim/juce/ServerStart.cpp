// SPDX-License-Identifier: GPL-3.0-or-later
#include "ServerStart.h"

#include <chrono>
#include <mutex>

#include "liveband/connection.h"
#include "liveband/protocol.h"
#include "liveband/rundir.h"

#if !JUCE_WINDOWS
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
extern char** environ;
#endif

namespace liveband::plugin {
namespace {

constexpr const char* kIdleExitSeconds = "600";
constexpr juce::int64 kMostConfigBytes = 65536;
constexpr const char* kRunsAlready = "a server runs already";
constexpr double kElsewhereMs = 60000.0;
constexpr auto kAnswer = std::chrono::milliseconds(2000);

#if !JUCE_WINDOWS
/// Nobody but this user, or the system, can have put it there.
bool isTrusted(const juce::File& file, bool link_is_fine) {
    struct stat info {};
    const auto path = file.getFullPathName();
    if ((link_is_fine ? ::stat : ::lstat)(path.toRawUTF8(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
    // A group of the user's own, as many systems give everybody, is the user.
    const bool own_group = info.st_gid == ::getegid() && ::getegid() == ::geteuid();
    const mode_t others = own_group ? S_IWOTH : S_IWGRP | S_IWOTH;
    return (info.st_uid == ::geteuid() || info.st_uid == 0) && (info.st_mode & others) == 0;
}
#endif

bool isProgram(const juce::File& file) {
#if JUCE_WINDOWS
    return file.existsAsFile();
#else
    return file.existsAsFile() && ::access(file.getFullPathName().toRawUTF8(), X_OK) == 0;
#endif
}

juce::File configFile() {
#if JUCE_WINDOWS
    return juce::File::getSpecialLocation(juce::File::userApplicationDataDirectory)
        .getChildFile("liveband/server.toml");
#else
    const auto told = juce::SystemStats::getEnvironmentVariable("XDG_CONFIG_HOME", {});
    const auto base = juce::File::isAbsolutePath(told)
                          ? juce::File(told)
                          : juce::File::getSpecialLocation(juce::File::userHomeDirectory).getChildFile(".config");
    return base.getChildFile("liveband/server.toml");
#endif
}

/// The program that the server, or `liveband plugin install`, named: `program = "/path"` in server.toml.
juce::File namedProgram() {
    const auto file = configFile();
#if !JUCE_WINDOWS
    if (!isTrusted(file, false)) return {};
#endif
    if (!file.existsAsFile() || file.getSize() > kMostConfigBytes) return {};
    for (const auto& line : juce::StringArray::fromLines(file.loadFileAsString())) {
        const auto value = line.fromFirstOccurrenceOf("=", false, false).trim();
        if (line.upToFirstOccurrenceOf("=", false, false).trim() != "program") continue;
        // A basic string without escapes, which is all that is written there.
        const auto path = value.substring(1, value.length() - 1);
        if (!value.startsWithChar('"') || !value.endsWithChar('"') || path.containsAnyOf("\"\\") ||
            !juce::File::isAbsolutePath(path))
            return {};
        const juce::File program(path);
#if !JUCE_WINDOWS
        if (!isTrusted(program, true)) return {};
#endif
        return isProgram(program) ? program : juce::File();
    }
    return {};
}

}  // namespace

juce::File findLiveband() {
    const auto told = juce::SystemStats::getEnvironmentVariable("LIVEBAND_COMMAND", {});
    if (juce::File::isAbsolutePath(told) && isProgram(told)) return told;
    if (const auto named = namedProgram(); named != juce::File()) return named;
    const auto home = juce::File::getSpecialLocation(juce::File::userHomeDirectory);
    juce::StringArray folders;
    folders.addTokens(juce::SystemStats::getEnvironmentVariable("PATH", {}), ":", {});
    // A desktop starts its programs with a shorter PATH than a terminal has.
    folders.add(home.getChildFile(".local/bin").getFullPathName());
    folders.add(home.getChildFile(".liveband/bin").getFullPathName());
    folders.add("/usr/local/bin");
    folders.add("/opt/homebrew/bin");
    for (const auto& folder : folders) {
        if (!juce::File::isAbsolutePath(folder)) continue;  // never what lies in the project's folder
        const auto file = juce::File(folder).getChildFile("liveband");
        if (isProgram(file)) return file;
    }
    return {};
}

ServerStart::~ServerStart() {
    failed();  // reaps it if it ended; one that serves lives on
}

bool ServerStart::begin() {
#if JUCE_WINDOWS
    error_ = "start it with: liveband serve";
    return false;
#else
    if (running()) return true;
    const auto program = findLiveband();
    if (program == juce::File()) {
        error_ = "liveband was not found: run `liveband plugin install` once, or pip install liveband";
        return false;
    }
    told_ = juce::File::createTempFile("liveband-start.txt");
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, 2, told_.getFullPathName().toRawUTF8(), O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
    // What the host blocks or ignores must not be inherited: else Ctrl-C and kill do nothing to the server.
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
#ifdef POSIX_SPAWN_SETSID
    flags |= POSIX_SPAWN_SETSID;
#endif
    // Nor what the host has open: files, sockets, a sound card.
#if defined(POSIX_SPAWN_CLOEXEC_DEFAULT)
    flags |= POSIX_SPAWN_CLOEXEC_DEFAULT;
#elif defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
#endif
    // Nor does it look for anything in the folder of the host's project.
#if JUCE_MAC || (defined(__GLIBC__) && __GLIBC_PREREQ(2, 29))
    posix_spawn_file_actions_addchdir_np(&files, "/");
#endif
    posix_spawnattr_setflags(&attributes, flags);
    const auto path = program.getFullPathName().toStdString();
    const char* arguments[] = {path.c_str(), "serve", "--idle-exit", kIdleExitSeconds, nullptr};
    pid_t child = -1;
    const int failure = posix_spawn(&child, path.c_str(), &files, &attributes, const_cast<char**>(arguments), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (failure != 0) {
        error_ = "liveband could not be started: " + juce::String(std::strerror(failure));
        told_.deleteFile();
        return false;
    }
    pid_ = child;
    error_.clear();
    return true;
#endif
}

bool ServerStart::running() const {
    return pid_ > 0 || juce::Time::getMillisecondCounterHiRes() < elsewhere_until_ms_;
}

bool ServerStart::failed() {
#if JUCE_WINDOWS
    return false;
#else
    int status = 0;
    if (pid_ <= 0) return false;
    const auto ended = ::waitpid(pid_, &status, WNOHANG);
    // Some hosts have their children reaped by the system: then there is only whether it lives.
    if (ended == 0 || (ended < 0 && ::kill(pid_, 0) == 0)) return false;
    pid_ = -1;
    auto lines = juce::StringArray::fromLines(told_.loadFileAsString().trim());
    lines.removeEmptyStrings();
    told_.deleteFile();
    if (lines.joinIntoString(" ").contains(kRunsAlready)) {
        // Another plug-in was quicker: its server is on its way.
        elsewhere_until_ms_ = juce::Time::getMillisecondCounterHiRes() + kElsewhereMs;
        error_.clear();
        return false;
    }
    const auto last = lines.isEmpty() ? juce::String("it ended at once") : lines[lines.size() - 1].substring(0, 200);
    error_ = "the server could not be started: " + last;
    return true;
#endif
}

class ModelLookup::Asker : public juce::Thread {
  public:
    explicit Asker(ModelLookup& owner) : juce::Thread("LiveBand model"), owner_(owner) {}
    void run() override {
        ServerInfo info;
        std::string error;
        if (!findServer(runPath(), info, error)) return;
        auto connection = Connection::connect(info.socket, error);
        if (connection == nullptr) return;
        auto hello = msgpack::Value::map();
        hello.with("type", "hello").with("major", protocol::kMajor).with("minor", protocol::kMinor);
        hello.with("client", "liveband plug-in");
        msgpack::Value reply;
        if (!ask(*connection, hello, "welcome", reply)) return;
        if (!ask(*connection, msgpack::Value::map().with("type", "describe"), "description", reply)) return;
        const auto* spec = reply.find("spec");
        const auto* controls = spec == nullptr ? nullptr : spec->find("controls");
        if (controls == nullptr) return;
        std::set<std::string> names(controls->keys.begin(), controls->keys.end());
        for (const auto& entry : controls->values) names.insert(entry.textOf("name"));
        const std::lock_guard<std::mutex> lock(owner_.mutex_);
        owner_.controls_ = std::move(names);
        owner_.known_.store(true, std::memory_order_release);
    }

    void stop() {
        signalThreadShouldExit();
        wake_.set();
        stopThread(5000);
    }

  private:
    bool ask(Connection& connection, const msgpack::Value& request, const char* type, msgpack::Value& reply) {
        std::string error;
        return connection.send(request) &&
               connection.receive(reply, kAnswer, wake_, error) == Connection::Outcome::kMessage &&
               reply.textOf("type") == type;
    }

    ModelLookup& owner_;
    Wake wake_;
};

ModelLookup::ModelLookup() = default;

ModelLookup::~ModelLookup() {
    if (asker_ != nullptr) asker_->stop();
}

void ModelLookup::ask(std::int64_t server_pid, const std::string&) {
    if (server_pid == 0 || server_pid == asked_pid_ || (asker_ != nullptr && asker_->isThreadRunning())) return;
    asked_pid_ = server_pid;
    known_.store(false, std::memory_order_release);
    asker_ = std::make_unique<Asker>(*this);
    asker_->startThread();
}

bool ModelLookup::understands(const std::string& control) const {
    if (!known()) return true;
    const std::lock_guard<std::mutex> lock(mutex_);
    return controls_.count(control) > 0;
}

}  // namespace liveband::plugin
