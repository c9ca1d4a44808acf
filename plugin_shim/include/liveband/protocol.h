// SPDX-License-Identifier: GPL-3.0-or-later
// Written by `python -m lbserver.protocol.generate` from lbserver/protocol. Do not edit.
// clang-format off
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>

namespace liveband::protocol {

inline constexpr std::uint16_t kMajor = 1;  // another major version is refused
inline constexpr std::uint16_t kMinor = 0;  // a newer minor version adds fields at the end
inline constexpr std::uint32_t kMagic = 0x3144424Cu;  // LBD1 in memory
inline constexpr std::uint32_t kEndian = 0x01020304u;  // reads otherwise on another byte order
inline constexpr std::size_t kHeaderBytes = 4096;  // the rings begin after it
inline constexpr std::size_t kEventBytes = 64;  // size of one event
inline constexpr std::size_t kEventCapacity = 1024;  // events that the event ring holds
inline constexpr unsigned kPositionBits = 48;  // of a cursor; the epoch is above them
inline constexpr std::uint64_t kPositionMask = 0xFFFFFFFFFFFFu;  // of a cursor
inline constexpr std::uint32_t kEpochMask = 0xFFFFu;  // epochs wrap past it to 1
inline constexpr std::uint32_t kMaxCapacity = 1048576;  // samples of a ring, at most
inline constexpr std::uint32_t kMaxChannels = 64;  // of the mix or the stem
inline constexpr std::uint32_t kMinRateHz = 8000;  // host sample rate
inline constexpr std::uint32_t kMaxRateHz = 192000;  // host sample rate
inline constexpr std::uint32_t kMaxBlock = 65536;  // longest block of a host
inline constexpr double kFadeOutMs = 10.0;  // where a stem breaks off
inline constexpr double kFadeInMs = 5.0;  // when it is back
inline constexpr std::size_t kMaxMessageBytes = 1048576;  // longest message of the local socket
inline constexpr std::uint16_t kOscPort = 9460;  // UDP
inline constexpr std::uint16_t kHttpPort = 9461;  // TCP
inline constexpr std::uint16_t kZmqPort = 9462;  // TCP
inline constexpr std::size_t kMaxPacketBytes = 1200;  // of an OSC packet with audio

/// The part of the header that is written once, before the segment is handed over: copy it, check the
/// copy, never look at the segment's again.
struct StaticHeader {
    std::uint32_t magic;  // 0x3144424C
    std::uint32_t endian;  // 0x01020304
    std::uint16_t major;  // protocol major version
    std::uint16_t minor;  // protocol minor version
    std::uint32_t header_bytes;  // 4096
    std::uint64_t total_bytes;  // size of the whole segment
    std::uint32_t rate_hz;  // host sample rate
    std::uint16_t mix_channels;  // channels of the mix
    std::uint16_t stem_channels;  // channels of the stem
    std::uint32_t capacity;  // samples a ring holds, a power of two
    std::uint32_t event_capacity;  // events the event ring holds
    std::uint64_t events_offset;  // bytes from the start
    std::uint64_t mix_offset;  // bytes from the start
    std::uint64_t stem_offset;  // bytes from the start
};
static_assert(std::is_standard_layout_v<StaticHeader> && std::is_trivially_copyable_v<StaticHeader>);
static_assert(sizeof(StaticHeader) == 64);
static_assert(offsetof(StaticHeader, magic) == 0);
static_assert(offsetof(StaticHeader, endian) == 4);
static_assert(offsetof(StaticHeader, major) == 8);
static_assert(offsetof(StaticHeader, minor) == 10);
static_assert(offsetof(StaticHeader, header_bytes) == 12);
static_assert(offsetof(StaticHeader, total_bytes) == 16);
static_assert(offsetof(StaticHeader, rate_hz) == 24);
static_assert(offsetof(StaticHeader, mix_channels) == 28);
static_assert(offsetof(StaticHeader, stem_channels) == 30);
static_assert(offsetof(StaticHeader, capacity) == 32);
static_assert(offsetof(StaticHeader, event_capacity) == 36);
static_assert(offsetof(StaticHeader, events_offset) == 40);
static_assert(offsetof(StaticHeader, mix_offset) == 48);
static_assert(offsetof(StaticHeader, stem_offset) == 56);

/// Bytes from the segment's start of the 64-bit words that change. Each is written by one side only.
namespace offset {
// Written by the host (the front end), read by the server.
inline constexpr std::size_t mix_cursor = 128;  // uint64: cursor after the last mix sample written
inline constexpr std::size_t stem_read = 256;  // uint64: cursor after the last stem sample asked for
inline constexpr std::size_t event_count = 384;  // uint64: events written since the segment began
inline constexpr std::size_t host_heartbeat = 512;  // uint64: rises while the front end lives
inline constexpr std::size_t host_flags = 520;  // uint64: bits: see host_flags below
inline constexpr std::size_t missing_samples = 528;  // uint64: stem samples that were not there when they were needed
inline constexpr std::size_t gaps = 536;  // uint64: times the stem broke off
inline constexpr std::size_t lag_samples = 544;  // uint64: mix written less stem read, after a read: the latency as it is lived
// Written by the server, read by the host.
inline constexpr std::size_t stem_cursor = 640;  // uint64: cursor after the last stem sample written
inline constexpr std::size_t mix_read = 768;  // uint64: cursor after the last mix sample taken
inline constexpr std::size_t event_read = 896;  // uint64: events taken
inline constexpr std::size_t server_heartbeat = 1024;  // uint64: rises while the worker lives
inline constexpr std::size_t state = 1032;  // uint64: index: see state below
inline constexpr std::size_t ladder = 1040;  // uint64: index: see ladder below
inline constexpr std::size_t latency_samples = 1048;  // uint64: L: the only figure for the host's delay compensation
inline constexpr std::size_t anticipation_samples = 1056;  // float64: A*H in host samples
inline constexpr std::size_t recency_gap_ms = 1064;  // float64: G = A*H + (k-1)*H + L
inline constexpr std::size_t headroom_ms = 1072;  // float64: time left before the last frame was needed, when it landed
inline constexpr std::size_t queue_age_ms = 1080;  // float64: age of the oldest mix frame that waits
inline constexpr std::size_t step_ms = 1088;  // float64: what a model step costs, mean of the last ones
inline constexpr std::size_t frames = 1096;  // uint64: frames played
inline constexpr std::size_t late_frames = 1104;  // uint64: frames that landed after they were needed
inline constexpr std::size_t skipped_frames = 1112;  // uint64: frames not played, to catch up
inline constexpr std::size_t gain = 1120;  // float64: linear gain of the stem
inline constexpr std::size_t mix = 1128;  // float64: 0 dry to 1 wet
inline constexpr std::size_t tempo = 1136;  // float64: tempo the host tells in bpm, NaN if none
inline constexpr std::size_t beat = 1144;  // float64: beat of the bar the host tells, from 1, NaN if none
inline constexpr std::size_t round_trip_ms = 1152;  // float64: from the last mix sample of the last frame to its stem in the ring
inline constexpr std::size_t heard_tempo = 1160;  // float64: tempo it hears by itself in bpm, 0 or NaN if none
inline constexpr std::size_t heard_beat = 1168;  // float64: beat of the bar it hears by itself, from 1, 0 or NaN if none
inline constexpr std::size_t chord = 1176;  // float64: chord the host tells: 1 + 12-bit mask of pitch classes from C + 4096 * (1 + bass, 0 if none); 0 unknown
inline constexpr std::size_t heard_chord = 1184;  // float64: likewise the chord it hears by itself
inline constexpr std::size_t section = 1192;  // float64: which section of the chart sounds, from 1; 0 if none is known
inline constexpr std::size_t quality = 1200;  // float64: which quality steps have, from 1; 0 if the model has one alone
}  // namespace offset

/// A cursor is one word, so that an epoch and its position are never seen apart.
constexpr std::uint64_t cursor(std::uint32_t epoch, std::uint64_t position) noexcept {
    return (static_cast<std::uint64_t>(epoch & kEpochMask) << kPositionBits) | (position & kPositionMask);
}
constexpr std::uint32_t epoch_of(std::uint64_t cursor) noexcept {
    return static_cast<std::uint32_t>(cursor >> kPositionBits);
}
constexpr std::uint64_t position_of(std::uint64_t cursor) noexcept { return cursor & kPositionMask; }
/// Epochs count from 1 and wrap past 65535 to 1: 0 means none yet.
constexpr std::uint32_t epoch_after(std::uint32_t epoch) noexcept { return epoch % kEpochMask + 1; }

/// A word of a mapped segment. Load with memory_order_acquire, store with memory_order_release.
using Word = std::atomic<std::uint64_t>;
static_assert(sizeof(Word) == 8 && alignof(Word) == 8 && Word::is_always_lock_free);
inline Word& word(void* segment, std::size_t offset) noexcept {
    return *reinterpret_cast<Word*>(static_cast<unsigned char*>(segment) + offset);
}
/// A float64 field, as the word that holds it.
inline double as_double(std::uint64_t bits) noexcept {
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
inline std::uint64_t as_word(double value) noexcept {
    std::uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
static_assert(sizeof(double) == 8 && std::numeric_limits<double>::is_iec559);

/// What an event tells.
enum class EventKind : std::uint16_t {
    kTransport = 1,
    kControl = 2,
    kChord = 3,
};

/// Bits of a transport event.
enum class TransportFlag : std::uint16_t {
    kPlaying = 1,
    kLooping = 2,
    kRecording = 4,
};

/// Bits of the word host_flags.
enum class HostFlag : std::uint64_t {
    kOffline = 1,
    kBypassed = 2,
};

/// Something the host tells, from a position on. What is not known is NaN. Its values, by kind:
//   transport: 0 tempo in bpm; 1 quarter notes since the song began; 2 quarter notes at the bar's start; 3 time signature above; 4 time signature below
//   control: 0 index into the control table; 1 value in the control's unit
//   chord: 0 12-bit mask of pitch classes from C, 0 = no chord; 1 bass 0 to 11; 2 key 0 to 23
struct Event {
    std::uint32_t epoch;  // epoch it belongs to
    std::uint16_t kind;  // see the values by kind below
    std::uint16_t flags;  // bits: see the flags below
    std::int64_t position;  // host position from which it holds
    double values[6];
};
static_assert(std::is_standard_layout_v<Event> && std::is_trivially_copyable_v<Event>);
static_assert(sizeof(Event) == kEventBytes);
static_assert(offsetof(Event, epoch) == 0);
static_assert(offsetof(Event, kind) == 4);
static_assert(offsetof(Event, flags) == 6);
static_assert(offsetof(Event, position) == 8);
static_assert(offsetof(Event, values) == 16);

/// What overload has come to.
enum class Ladder : std::uint64_t {
    kOnTime = 0,
    kHold = 1,
    kSkip = 2,
    kFade = 3,
    kBypass = 4,
};

inline constexpr std::array<std::string_view, 5> kLadder{{
    "on_time",
    "hold",
    "skip",
    "fade",
    "bypass",
}};

/// What a session is doing.
enum class State : std::uint64_t {
    kOpening = 0,
    kListening = 1,
    kPlaying = 2,
    kLate = 3,
    kFaded = 4,
    kBypassed = 5,
    kRecovering = 6,
    kQuarantined = 7,
    kClosed = 8,
};

inline constexpr std::array<std::string_view, 9> kStates{{
    "opening",
    "listening",
    "playing",
    "late",
    "faded",
    "bypassed",
    "recovering",
    "quarantined",
    "closed",
}};

inline constexpr std::array<std::string_view, 4> kModes{{
    "live",
    "aligned",
    "bounce",
    "manual",
}};

inline constexpr std::array<std::string_view, 4> kStems{{
    "drums",
    "bass",
    "piano",
    "guitar",
}};

inline constexpr std::array<std::string_view, 27> kStyleWords{{
    "upright bass",
    "electric bass",
    "fretless bass",
    "slap bass",
    "synth bass",
    "grand piano",
    "electric piano",
    "nylon guitar",
    "steel guitar",
    "clean guitar",
    "distorted guitar",
    "standard kit",
    "electronic kit",
    "brushes",
    "bossa",
    "swing",
    "funk",
    "rock",
    "house",
    "reggae",
    "ballad",
    "latin",
    "waltz",
    "sparse",
    "busy",
    "dark",
    "bright",
}};

/// One control: `choices` of them from kChoices[first_choice] on.
struct ControlInfo {
    std::string_view name, kind, unit, acts, meaning;
    double minimum, maximum, initial, smoothing_ms;
    std::size_t first_choice, choices;
};
/// Index into kControls; the number of a control in events.
enum class Control : std::uint32_t {
    kStem = 0,
    kMix = 1,
    kGain = 2,
    kVariation = 3,
    kAdherence = 4,
    kDensity = 5,
    kBrightness = 6,
    kSeed = 7,
    kReset = 8,
    kFreeze = 9,
    kListen = 10,
    kMode = 11,
    kAnticipation = 12,
    kWhenSilent = 13,
    kTimeFeel = 14,
    kTempoLow = 15,
    kTempoHigh = 16,
    kTacet = 17,
    kFade = 18,
    kMute = 19,
    kIntensity = 20,
    kQuantise = 21,
    kCountIn = 22,
    kNextSection = 23,
    kTap = 24,
    kQuality = 25,
};
inline constexpr std::array<std::string_view, 21> kChoices{{
    "drums",
    "bass",
    "piano",
    "guitar",
    "live",
    "aligned",
    "bounce",
    "manual",
    "auto",
    "rest",
    "play_on",
    "half",
    "as_heard",
    "double",
    "at_once",
    "next_beat",
    "next_bar",
    "draft",
    "fast",
    "fine",
    "full",
}};
inline constexpr std::array<ControlInfo, 26> kControls{{
    {"stem", "choice", "", "model", "what is played", 0.0, 3.0, 1.0, 0.0, 0, 4},
    {"mix", "float", "", "port", "0 only what you play, 1 only the band; for front ends that mix: plug-in, jam", 0.0, 1.0, 1.0, 20.0, 4, 0},
    {"gain", "float", "dB", "port", "level of the stem", -60.0, 24.0, 0.0, 20.0, 4, 0},
    {"variation", "float", "", "model", "temperature: 0 the expected part, above 1 risks", 0.0, 2.0, 1.0, 0.0, 4, 0},
    {"adherence", "float", "", "model", "guidance: how strictly it follows what it hears", 0.0, 4.0, 1.0, 0.0, 4, 0},
    {"density", "float", "", "model", "few notes to many", 0.0, 1.0, 0.5, 0.0, 4, 0},
    {"brightness", "float", "", "model", "dark to bright", 0.0, 1.0, 0.5, 0.0, 4, 0},
    {"seed", "int", "", "session", "another number, another take; begins anew", 0.0, 2147483647.0, 0.0, 0.0, 4, 0},
    {"reset", "trigger", "", "session", "forget what was heard and played", 0.0, 1.0, 0.0, 0.0, 4, 0},
    {"freeze", "bool", "", "session", "play on from what was heard, listen no more", 0.0, 1.0, 0.0, 0.0, 4, 0},
    {"listen", "bool", "", "session", "off: it hears silence", 0.0, 1.0, 1.0, 0.0, 4, 0},
    {"mode", "choice", "", "epoch", "how latency is chosen", 0.0, 3.0, 0.0, 0.0, 4, 4},
    {"anticipation", "float", "ms", "epoch", "how far ahead it writes, for modes manual and bounce", 0.0, 1000.0, 40.0, 0.0, 8, 0},
    {"when_silent", "choice", "", "shell", "when you stop playing: rest until you are back, or play on at the level it had; auto rests in mode live", 0.0, 2.0, 0.0, 0.0, 8, 3},
    {"time_feel", "choice", "", "shell", "from the next bar on: half the tempo that is heard or told, the tempo itself, or twice it", 0.0, 2.0, 1.0, 0.0, 11, 3},
    {"tempo_low", "float", "BPM", "model", "where no host tells the tempo: the slowest to be believed", 20.0, 400.0, 20.0, 0.0, 14, 0},
    {"tempo_high", "float", "BPM", "model", "likewise the fastest", 20.0, 400.0, 400.0, 0.0, 14, 0},
    {"tacet", "bool", "", "shell", "on: it stops playing, off: it comes in, within `fade`; it listens on", 0.0, 1.0, 0.0, 0.0, 14, 0},
    {"fade", "float", "beats", "shell", "how long stopping and coming in take", 0.0, 32.0, 2.0, 0.0, 14, 0},
    {"mute", "bool", "", "port", "it plays on unheard", 0.0, 1.0, 0.0, 20.0, 14, 0},
    {"intensity", "float", "", "shell", "one knob for softer, darker, fewer notes, or for louder, brighter, more: it moves density, brightness and level", 0.0, 1.0, 0.5, 0.0, 14, 0},
    {"quantise", "choice", "", "session", "when changes of what is played act: at once, or when the next beat or bar begins, told or heard", 0.0, 2.0, 0.0, 0.0, 14, 3},
    {"count_in", "trigger", "", "shell", "a bar of clicks, then it comes in on the one", 0.0, 1.0, 0.0, 0.0, 17, 0},
    {"next_section", "trigger", "", "session", "at the next bar the chart goes on with its next [section]", 0.0, 1.0, 0.0, 0.0, 17, 0},
    {"tap", "trigger", "", "session", "the beat, from a one: two taps or more tell tempo and beat", 0.0, 1.0, 0.0, 0.0, 17, 0},
    {"quality", "choice", "", "model", "how much work a step gets, of models that can do with less; a live step that is late twice does with less by itself", 0.0, 3.0, 1.0, 0.0, 17, 4},
}};

inline constexpr std::array<std::string_view, 12> kNotes{{
    "C",
    "Db",
    "D",
    "Eb",
    "E",
    "F",
    "F#",
    "G",
    "Ab",
    "A",
    "Bb",
    "B",
}};
/// A kind of chord: its tones are bits, semitones above the root. Of two that fit as well the first counts.
struct ChordKind {
    std::string_view name;
    std::uint32_t tones;
};
inline constexpr std::array<ChordKind, 26> kChordKinds{{
    {"", 0x91u},
    {"m", 0x89u},
    {"7", 0x491u},
    {"maj7", 0x891u},
    {"m7", 0x489u},
    {"6", 0x291u},
    {"m7b5", 0x449u},
    {"dim7", 0x249u},
    {"dim", 0x49u},
    {"aug", 0x111u},
    {"sus4", 0xA1u},
    {"sus2", 0x85u},
    {"m6", 0x289u},
    {"mM7", 0x889u},
    {"7sus4", 0x4A1u},
    {"9", 0x495u},
    {"maj9", 0x895u},
    {"m9", 0x48Du},
    {"add9", 0x95u},
    {"m(add9)", 0x8Du},
    {"5", 0x81u},
    {"aug7", 0x511u},
    {"7b9", 0x493u},
    {"7#9", 0x499u},
    {"13", 0x695u},
    {"6/9", 0x295u},
}};

struct StatusInfo {
    std::string_view name, kind, unit, meaning;
};

inline constexpr std::array<StatusInfo, 29> kStatus{{
    {"state", "str", "", "opening, listening, playing, late, faded, bypassed, recovering, quarantined, closed"},
    {"reason", "str", "", "why it does not play, empty if it does"},
    {"latency_samples", "int", "samples", "L: what a host compensates, and nothing else"},
    {"measured_latency_samples", "int", "samples", "by how much the front end reads behind what it writes"},
    {"anticipation_samples", "float", "samples", "A*H: how far ahead of what it heard it writes"},
    {"latency_ms", "float", "ms", "L"},
    {"anticipation_ms", "float", "ms", "A*H"},
    {"recency_gap_ms", "float", "ms", "age of the newest heard sample when a frame starts to sound"},
    {"headroom_ms", "float", "ms", "time left before the last frame was needed, when it landed"},
    {"round_trip_ms", "float", "ms", "from the last mix sample of the last frame to its stem in the ring"},
    {"queue_age_ms", "float", "ms", "age of the oldest mix frame that waits"},
    {"step_ms", "float", "ms", "what a model step costs"},
    {"rtf", "float", "", "seconds of audio per second of compute"},
    {"frames", "int", "", "frames played"},
    {"late_frames", "int", "", "frames that landed after they were needed"},
    {"skipped_frames", "int", "", "frames not played, to catch up"},
    {"missing_samples", "int", "samples", "stem samples that were not there when they were needed"},
    {"ladder", "str", "", "on_time, hold, skip, fade or bypass: what overload has come to"},
    {"position", "int", "samples", "host position reached in this epoch"},
    {"epoch", "int", "", "which epoch it is"},
    {"tempo", "float", "bpm", "tempo the host tells, NaN if none"},
    {"beat", "float", "", "beat of the bar the host tells, NaN if none"},
    {"chord", "str", "", "chord the host tells, N for none; empty if it tells nothing"},
    {"section", "str", "", "section of the chart that sounds, empty if it has none"},
    {"heard_tempo", "float", "bpm", "tempo the band hears by itself, NaN if it is not sure of one"},
    {"heard_beat", "float", "", "beat of the bar the band hears by itself, NaN if it is not sure of one"},
    {"heard_chord", "str", "", "chord the band hears by itself, empty if it is not sure of one"},
    {"style", "str", "", "style that is asked for, empty if none is"},
    {"quality", "str", "", "quality that steps have now, which may be less than was asked for; empty if the model has one alone"},
}};

/// One field of a message; a number lies within minimum..maximum, a text is no longer than maximum.
struct Part {
    std::string_view name, kind;
    double minimum, maximum;
    bool required;
};
/// One message; direction `in` is to the server. Its fields are kParts[first_part] and on.
struct Message {
    std::string_view name, direction;
    std::size_t first_part, parts;
};
inline constexpr std::array<Part, 105> kParts{{
    {"major", "int", 0.0, 65535.0, true},
    {"minor", "int", 0.0, 65535.0, true},
    {"client", "str", 0.0, 64.0, true},
    {"token", "str", 0.0, 64.0, false},
    {"session", "str", 0.0, 64.0, true},
    {"rate_hz", "int", 8000.0, 192000.0, true},
    {"channels", "int", 1.0, 64.0, true},
    {"block_samples", "int", 1.0, 65536.0, true},
    {"mode", "str", 0.0, 64.0, true},
    {"anticipation_ms", "float", 0.0, 1000.0, false},
    {"latency_samples", "int", 0.0, 1048576.0, false},
    {"offline", "bool", 0.0, 9.223372036854776e+18, false},
    {"stem", "str", 0.0, 64.0, true},
    {"seed", "int", 0.0, 2147483647.0, false},
    {"model", "str", 0.0, 64.0, false},
    {"resume", "bool", 0.0, 9.223372036854776e+18, false},
    {"session", "str", 0.0, 64.0, true},
    {"rate_hz", "int", 8000.0, 192000.0, true},
    {"channels", "int", 1.0, 64.0, true},
    {"block_samples", "int", 1.0, 65536.0, true},
    {"mode", "str", 0.0, 64.0, true},
    {"anticipation_ms", "float", 0.0, 1000.0, false},
    {"latency_samples", "int", 0.0, 1048576.0, false},
    {"offline", "bool", 0.0, 9.223372036854776e+18, false},
    {"session", "str", 0.0, 64.0, true},
    {"control", "str", 0.0, 64.0, true},
    {"value", "value", -1000000000000.0, 1000000000000.0, true},
    {"session", "str", 0.0, 64.0, true},
    {"bpm", "float", 0.0, 400.0, false},
    {"first_beat_s", "float", -1000000.0, 1000000000.0, false},
    {"beats_per_bar", "int", 1.0, 16.0, false},
    {"chart", "str", 0.0, 4096.0, false},
    {"chord", "str", 0.0, 64.0, false},
    {"key", "str", 0.0, 64.0, false},
    {"style", "str", 0.0, 4096.0, false},
    {"glide_s", "float", 0.0, 60.0, false},
    {"classes", "str", 0.0, 64.0, false},
    {"injection", "str", 0.0, 64.0, false},
    {"session", "str", 0.0, 64.0, true},
    {"name", "str", 0.0, 64.0, true},
    {"session", "str", 0.0, 64.0, true},
    {"name", "str", 0.0, 64.0, true},
    {"session", "str", 0.0, 64.0, true},
    {"session", "str", 0.0, 64.0, true},
    {"keep", "bool", 0.0, 9.223372036854776e+18, false},
    {"server", "str", 0.0, 64.0, true},
    {"model", "str", 0.0, 64.0, false},
    {"session", "str", 0.0, 64.0, true},
    {"epoch", "int", 0.0, 65535.0, true},
    {"channels", "int", 1.0, 64.0, true},
    {"format", "str", 0.0, 64.0, true},
    {"data", "bytes", 0.0, 1048576.0, true},
    {"position", "int", 0.0, 9.223372036854776e+18, true},
    {"reply", "bool", 0.0, 9.223372036854776e+18, false},
    {"offline", "bool", 0.0, 9.223372036854776e+18, false},
    {"needed", "int", -1048576.0, 9.223372036854776e+18, false},
    {"session", "str", 0.0, 64.0, true},
    {"epoch", "int", 0.0, 65535.0, true},
    {"kind", "int", 1.0, 65535.0, true},
    {"flags", "int", 0.0, 65535.0, true},
    {"position", "int", 0.0, 9.223372036854776e+18, true},
    {"values", "bytes", 0.0, 48.0, true},
    {"major", "int", 0.0, 65535.0, true},
    {"minor", "int", 0.0, 65535.0, true},
    {"server", "str", 0.0, 64.0, true},
    {"model", "str", 0.0, 64.0, true},
    {"pid", "int", 0.0, 2147483648.0, true},
    {"session", "str", 0.0, 64.0, true},
    {"latency_samples", "int", 0.0, 9.223372036854776e+18, true},
    {"anticipation_samples", "float", 0.0, 1000000000000.0, true},
    {"recency_gap_ms", "float", 0.0, 1000000000.0, true},
    {"anticipation_frames", "int", 0.0, 1048576.0, true},
    {"mode", "str", 0.0, 64.0, true},
    {"memory", "str", 0.0, 64.0, false},
    {"session", "str", 0.0, 64.0, true},
    {"latency_samples", "int", 0.0, 9.223372036854776e+18, true},
    {"anticipation_samples", "float", 0.0, 1000000000000.0, true},
    {"recency_gap_ms", "float", 0.0, 1000000000.0, true},
    {"anticipation_frames", "int", 0.0, 1048576.0, true},
    {"mode", "str", 0.0, 64.0, true},
    {"memory", "str", 0.0, 64.0, false},
    {"session", "str", 0.0, 64.0, true},
    {"session", "str", 0.0, 64.0, true},
    {"name", "str", 0.0, 64.0, true},
    {"session", "str", 0.0, 64.0, true},
    {"name", "str", 0.0, 64.0, true},
    {"session", "str", 0.0, 64.0, true},
    {"status", "map", 0.0, 64.0, true},
    {"session", "str", 0.0, 64.0, true},
    {"reason", "str", 0.0, 4096.0, true},
    {"sessions", "map", 0.0, 4096.0, true},
    {"models", "map", 0.0, 64.0, false},
    {"servers", "map", 0.0, 4096.0, true},
    {"model", "str", 0.0, 64.0, true},
    {"spec", "map", 0.0, 64.0, true},
    {"compute_ms", "float", 0.0, 1000000.0, true},
    {"margin_ms", "float", 0.0, 1000000.0, true},
    {"session", "str", 0.0, 64.0, true},
    {"epoch", "int", 0.0, 65535.0, true},
    {"channels", "int", 1.0, 64.0, true},
    {"format", "str", 0.0, 64.0, true},
    {"data", "bytes", 0.0, 1048576.0, true},
    {"position", "int", -1048576.0, 9.223372036854776e+18, true},
    {"code", "str", 0.0, 64.0, true},
    {"text", "str", 0.0, 4096.0, true},
}};
inline constexpr std::array<Message, 31> kMessages{{
    {"hello", "in", 0, 4},
    {"open", "in", 4, 12},
    {"configure", "in", 16, 8},
    {"set", "in", 24, 3},
    {"know", "in", 27, 11},
    {"keep", "in", 38, 2},
    {"recall", "in", 40, 2},
    {"status", "in", 42, 1},
    {"close", "in", 43, 2},
    {"ping", "in", 45, 0},
    {"sessions", "in", 45, 0},
    {"fleet", "in", 45, 0},
    {"drain", "in", 45, 1},
    {"upgrade", "in", 46, 0},
    {"describe", "in", 46, 1},
    {"audio", "in", 47, 9},
    {"event", "in", 56, 6},
    {"welcome", "out", 62, 5},
    {"opened", "out", 67, 7},
    {"configured", "out", 74, 7},
    {"done", "out", 81, 1},
    {"kept", "out", 82, 2},
    {"recalled", "out", 84, 2},
    {"status", "out", 86, 2},
    {"closed", "out", 88, 2},
    {"pong", "out", 90, 0},
    {"session_list", "out", 90, 2},
    {"fleet_list", "out", 92, 1},
    {"description", "out", 93, 4},
    {"stem", "out", 97, 6},
    {"error", "out", 103, 2},
}};

struct ErrorInfo {
    std::string_view code, meaning;
};

inline constexpr std::array<ErrorInfo, 14> kErrors{{
    {"bad_message", "the message is damaged, too large, or a field is missing or out of range"},
    {"version", "the other side speaks another major version of the protocol"},
    {"unknown_message", "no such message"},
    {"unknown_session", "no such session, or not yours"},
    {"unknown_control", "no such control, or this model does not know it"},
    {"unknown_model", "no such model"},
    {"unsupported", "the rate, the channels or the mode is not supported"},
    {"busy", "no room: too many sessions, opened too fast, or no memory, files or disk left; later there may be"},
    {"unauthorised", "the peer is not who it must be"},
    {"crashed", "the worker died or cannot be started; it is tried again, and the session's reason says when"},
    {"quarantined", "this session made the worker die twice"},
    {"overloaded", "the machine is too slow for this; the stem is silent until it is not"},
    {"not_found", "no saved moment of this name"},
    {"internal", "a fault of the server; its log has more"},
}};

}  // namespace liveband::protocol
