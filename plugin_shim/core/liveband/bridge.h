// SPDX-License-Identifier: GPL-3.0-or-later
// What a plug-in needs of LiveBand: one object that connects, plays, and never hurts its host.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "liveband/protocol.h"

namespace liveband {

/// What the plug-in shows. The band's own state, finer, is Status::band.
enum class BridgeState {
    kStopped,     // not started, or not prepared
    kNoServer,    // nobody listens; it is looked for again and again
    kConnecting,  // a server is there, the session is being opened
    kListening,   // the band hears, and plays soon
    kPlaying,
    kLate,     // the machine is too slow: parts are missing
    kLost,     // the server stopped answering, or died; what sounded has faded
    kRefused,  // the server will not have us (another version, too many sessions); tried again slowly
};

const char* toText(BridgeState state) noexcept;

enum class Mode { kLive, kAligned, kBounce, kManual };

/// Who we are; fixed for the bridge's life.
struct BridgeConfig {
    std::string session;        // letters, digits, _ . -; at most 64; unique per server
    std::string client;         // name of the program
    std::string run_directory;  // empty: LIVEBAND_RUN, $XDG_RUNTIME_DIR/liveband, or as the server chooses
    std::string model;          // empty: the server's
    /// Called on the watcher thread when state, text or a latency changed. May not wait for the message thread.
    std::function<void()> on_change;
};

/// What a host says in prepareToPlay.
struct Preparation {
    double rate_hz = 48000.0;
    int channels = 2;  // of the mix; the stem has as many, at most 2
    int block_samples = 512;
    Mode mode = Mode::kLive;
    bool offline = false;
    double anticipation_ms = 40.0;      // for modes bounce and manual
    int latency_samples = -1;           // for mode bounce: L as in the saved mode; -1: the server's choice
    std::chrono::milliseconds wait{0};  // for the session to be open, at most
};

/// What a host knows at the first sample of a block. NaN: unknown.
struct Transport {
    static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
    bool playing = false;
    bool looping = false;
    bool recording = false;
    double tempo_bpm = kUnknown;
    double quarter = kUnknown;      // quarter notes since the song began
    double bar_quarter = kUnknown;  // quarter notes at the bar's start
    double signature_above = kUnknown;
    double signature_below = kUnknown;
    /// Sample of the song; a jump while playing begins a new epoch. -1: unknown.
    std::int64_t song_sample = -1;
};

/// What the user knows of the music; what is not set stays as it was, an empty text forgets it.
struct Knowledge {
    std::optional<double> tempo_bpm;  // 0 forgets it
    std::optional<int> beats_per_bar;
    std::optional<std::string> chart, chord, key, style;
};

/// Everything that can be seen, as plain values.
struct Status {
    BridgeState state = BridgeState::kStopped;
    std::string text;   // the state in a sentence a musician understands
    std::string error;  // the last error, empty if there was none since the session opened
    std::string server, model;
    std::int64_t server_pid = 0;
    protocol::State band = protocol::State::kClosed;
    protocol::Ladder ladder = protocol::Ladder::kOnTime;
    int latency_samples = 0;          // L as it is read now: what the host must be told
    int pending_latency_samples = 0;  // L as the server wants it; another than the one above: see adoptLatency
    double rate_hz = 0.0;             // of the open session
    double anticipation_ms = 0.0, recency_gap_ms = 0.0;
    double headroom_ms = 0.0, queue_age_ms = 0.0, step_ms = 0.0;
    std::uint64_t frames = 0, late_frames = 0, skipped_frames = 0, missing_samples = 0, gaps = 0;
    double tempo_bpm = Transport::kUnknown, beat = Transport::kUnknown;  // as the host tells them
    double heard_bpm = Transport::kUnknown, heard_beat = Transport::kUnknown;  // as the band hears them by itself
    double heard_chord = 0.0;  // as offset::chord
    std::uint64_t connections = 0;  // sessions opened since start
    bool is_quiet = true;           // nothing that was said waits for the server's answer
};

class Watcher;

/// Threads: start, stop, prepare, know, keep, recall, status: any but the audio thread. process, processOffline,
/// requestEpoch: the audio thread, one call at a time, never at once with prepare. setControl, setBypassed,
/// control, latencySamples: any thread.
class Bridge {
  public:
    explicit Bridge(BridgeConfig config);
    ~Bridge();  // stops; takes at most 200 ms whatever the server does
    Bridge(const Bridge&) = delete;
    Bridge& operator=(const Bridge&) = delete;

    /// Begin to look for the server, on a thread of its own. Idempotent.
    void start();
    /// End the session and the thread. Idempotent; at most 200 ms.
    void stop();
    /// A new rate, layout or mode: the session is opened or configured by the watcher. The host must not be in
    /// `process`. Returns at once, or waits up to `wait`; true if the session is open as asked.
    /// Called again with the same values it begins a new epoch and keeps the session.
    bool prepare(const Preparation& preparation);

    /// L that is in force, for the host's delay compensation. Constant but for prepare and adoptLatency, and for
    /// the first session that opens before any block was processed.
    int latencySamples() const noexcept;
    /// Take over the L that the server asks for, while the host is stopped; begins an epoch. True if L changed.
    bool adoptLatency() noexcept;
    Status status() const;
    std::string lastError() const;

    /// Write the mix, read the stem for it: the stem alone, no dry signal. Any number of frames; `in` and `out`
    /// may be the same, null channels of `in` are silent. Fades to silence when nothing is there.
    void process(const float* const* in, float* const* out, int channels, int frames,
                 const Transport& transport) noexcept;
    /// The same when the host renders faster than real time: waits for the band, and for the server to be found.
    /// False when nothing has come for `timeout`; the rest is silence then.
    bool processOffline(const float* const* in, float* const* out, int channels, int frames, const Transport& transport,
                        std::chrono::milliseconds timeout) noexcept;
    /// The next block begins a new epoch: what was heard is forgotten, what sounds fades.
    void requestEpoch() noexcept;
    /// Nothing of the band could be heard at the end of the last block: no session, or its stem does not come. For
    /// the audio thread, after `process`.
    bool bandAbsent() const noexcept;

    /// A control in its own unit (choices: number of the choice), by its place in protocol::kControls. Takes effect
    /// with the next block, and again in every session opened later. Mode and anticipation go through prepare.
    void setControl(protocol::Control control, double value) noexcept;
    double control(protocol::Control control) const noexcept;
    void setBypassed(bool bypassed) noexcept;

    /// Sent when there is a session, and again in every session opened later.
    void know(const Knowledge& knowledge);
    /// Keep this moment on the server under a name, or go on from one. Errors: see status().error.
    void keep(const std::string& name);
    void recall(const std::string& name);

  private:
    std::unique_ptr<Watcher> watcher_;
};

}  // namespace liveband
