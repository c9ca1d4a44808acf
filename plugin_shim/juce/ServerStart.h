// SPDX-License-Identifier: GPL-3.0-or-later
// Starts `liveband serve` when the user asks for it, and asks a server what its model understands. Message thread.
#pragma once

#include <juce_core/juce_core.h>

#include <memory>
#include <set>
#include <string>

namespace liveband::plugin {

/// The program to start: LIVEBAND_COMMAND; the one that ~/.config/liveband/server.toml names, if only this user can
/// have written that; then PATH and the folders where installers put it. Empty if there is none.
juce::File findLiveband();

/// One start of the server, in a session of its own: it outlives the host, and ends when idle.
class ServerStart {
  public:
    ServerStart() = default;
    ~ServerStart();
    /// False, with the reason in `error`, if there is no program or it does not start.
    bool begin();
    /// To be called now and then while it starts: true when it ended without serving; `error` says why.
    bool failed();
    /// Also while another plug-in's server is on its way.
    bool running() const;
    const juce::String& error() const { return error_; }

  private:
    int pid_ = -1;
    juce::File told_;
    juce::String error_;
    double elsewhere_until_ms_ = 0.0;
};

/// Names of the controls that the server's model understands; asked on a thread of its own, once per server.
class ModelLookup {
  public:
    ModelLookup();
    ~ModelLookup();
    /// Begins to ask if this server was not asked yet.
    void ask(std::int64_t server_pid, const std::string& model);
    /// False until an answer came.
    bool known() const { return known_.load(std::memory_order_acquire); }
    bool understands(const std::string& control) const;

  private:
    class Asker;
    std::unique_ptr<Asker> asker_;
    std::int64_t asked_pid_ = 0;
    std::atomic<bool> known_{false};
    mutable std::mutex mutex_;
    std::set<std::string> controls_;
};

}  // namespace liveband::plugin
