# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what other languages and people read of the protocol: the C++ header, SuperCollider's class, the reference.

python -m lbserver.protocol.generate          # writes the files
python -m lbserver.protocol.generate --check  # exit 1 if one of them is not what it would write
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from lbmodels.contract.stems import STEMS
from lbserver.protocol import MAJOR, MINOR, chord_names, osc
from lbserver.protocol import segment as layout
from lbserver.protocol.controls import CONTROLS, MODES, ControlInfo
from lbserver.protocol.errors import ERRORS
from lbserver.protocol.messages import MAX_MESSAGE_BYTES, MESSAGES, Part
from lbserver.protocol.reference import page
from lbserver.protocol.sclang import controls_class
from lbserver.protocol.status import STATUS
from lbserver.protocol.styles import STYLE_WORDS

_ROOT = Path(__file__).resolve().parents[2]
HEADER = _ROOT / "plugin_shim" / "include" / "liveband" / "protocol.h"
REFERENCE = _ROOT / "lbserver" / "protocol" / "REFERENCE.md"
SCLANG = _ROOT / "plugin_shim" / "supercollider" / "Classes" / "LiveBandControls.sc"

_CPP_TYPES = {"H": "std::uint16_t", "I": "std::uint32_t", "Q": "std::uint64_t", "q": "std::int64_t", "d": "double"}  # fmt: skip
_BYTES = {"H": 2, "I": 4, "Q": 8, "q": 8, "d": 8}
_WORDS = {"H": "uint16", "I": "uint32", "Q": "uint64", "q": "int64", "d": "float64"}


def _camel(name: str) -> str:
    return "k" + "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _number(value: float) -> str:
    return repr(float(value))


def _array(kind: str, name: str, rows: Iterable[str]) -> str:
    rows = list(rows)
    body = "".join(f"    {row},\n" for row in rows)
    return f"inline constexpr std::array<{kind}, {len(rows)}> {name}{{{{\n{body}}}}};\n"


def _enum(name: str, word: str, values: Iterable[tuple[str, int]], meaning: str) -> str:
    body = "".join(f"    {_camel(key)} = {value},\n" for key, value in values)
    return f"/// {meaning}\nenum class {name} : {word} {{\n{body}}};\n"


def _constants() -> str:
    values = (
        ("std::uint16_t", "kMajor", MAJOR, "another major version is refused"),
        ("std::uint16_t", "kMinor", MINOR, "a newer minor version adds fields at the end"),
        ("std::uint32_t", "kMagic", f"0x{layout.MAGIC:08X}u", "LBD1 in memory"),
        ("std::uint32_t", "kEndian", f"0x{layout.ENDIAN:08X}u", "reads otherwise on another byte order"),
        ("std::size_t", "kHeaderBytes", layout.HEADER_BYTES, "the rings begin after it"),
        ("std::size_t", "kEventBytes", layout.EVENT_BYTES, "size of one event"),
        ("std::size_t", "kEventCapacity", layout.EVENT_CAPACITY, "events that the event ring holds"),
        ("unsigned", "kPositionBits", layout.POSITION_BITS, "of a cursor; the epoch is above them"),
        ("std::uint64_t", "kPositionMask", f"0x{layout.POSITION_MASK:X}u", "of a cursor"),
        ("std::uint32_t", "kEpochMask", f"0x{layout.EPOCH_MASK:X}u", "epochs wrap past it to 1"),
        ("std::uint32_t", "kMaxCapacity", layout.MAX_CAPACITY, "samples of a ring, at most"),
        ("std::uint32_t", "kMaxChannels", layout.MAX_CHANNELS, "of the mix or the stem"),
        ("std::uint32_t", "kMinRateHz", layout.MIN_RATE_HZ, "host sample rate"),
        ("std::uint32_t", "kMaxRateHz", layout.MAX_RATE_HZ, "host sample rate"),
        ("std::uint32_t", "kMaxBlock", layout.MAX_BLOCK, "longest block of a host"),
        ("double", "kFadeOutMs", layout.FADE_OUT_MS, "where a stem breaks off"),
        ("double", "kFadeInMs", layout.FADE_IN_MS, "when it is back"),
        ("std::size_t", "kMaxMessageBytes", MAX_MESSAGE_BYTES, "longest message of the local socket"),
        ("std::uint16_t", "kOscPort", osc.PORT, "UDP"),
        ("std::uint16_t", "kHttpPort", osc.HTTP_PORT, "TCP"),
        ("std::uint16_t", "kZmqPort", osc.ZMQ_PORT, "TCP"),
        ("std::size_t", "kMaxPacketBytes", osc.MAX_PACKET_BYTES, "of an OSC packet with audio"),
    )
    return "".join(
        f"inline constexpr {kind} {name} = {value};  // {why}\n" for kind, name, value, why in values
    )


def _static_header() -> str:
    members = "".join(
        f"    {_CPP_TYPES[field.code]} {field.name};  // {field.meaning}\n" for field in layout.STATIC
    )
    last = layout.STATIC[-1]
    size = last.offset + _BYTES[last.code]
    checks = "".join(
        f"static_assert(offsetof(StaticHeader, {field.name}) == {field.offset});\n" for field in layout.STATIC
    )
    return (
        "/// The part of the header that is written once, before the segment is handed over: copy it, check the\n"
        "/// copy, never look at the segment's again.\n"
        f"struct StaticHeader {{\n{members}}};\n"
        "static_assert(std::is_standard_layout_v<StaticHeader> && std::is_trivially_copyable_v<StaticHeader>);\n"
        f"static_assert(sizeof(StaticHeader) == {size});\n{checks}"
    )


def _offsets() -> str:
    parts = []
    for title, fields in (
        ("Written by the host (the front end), read by the server.", layout.HOST),
        ("Written by the server, read by the host.", layout.SERVER),
    ):
        lines = "".join(
            f"inline constexpr std::size_t {field.name} = {field.offset};  // {_WORDS[field.code]}: {field.meaning}\n"
            for field in fields
        )
        parts.append(f"// {title}\n{lines}")
    return (
        "/// Bytes from the segment's start of the 64-bit words that change. Each is written by one side only.\n"
        f"namespace offset {{\n{''.join(parts)}}}  // namespace offset\n"
    )


def _event() -> str:
    members = "".join(
        f"    {_CPP_TYPES[field.code]} {field.name};  // {field.meaning}\n"
        for field in layout.EVENT_FIELDS
        if not field.name.startswith("value_")
    )
    values = [field for field in layout.EVENT_FIELDS if field.name.startswith("value_")]
    checks = "".join(
        f"static_assert(offsetof(Event, {field.name}) == {field.offset});\n"
        for field in layout.EVENT_FIELDS
        if not field.name.startswith("value_")
    )
    meanings = "".join(
        f"//   {kind}: {'; '.join(f'{i} {text}' for i, text in enumerate(texts) if text)}\n"
        for kind, texts in layout.EVENT_VALUES.items()
    )
    return (
        f"/// Something the host tells, from a position on. What is not known is NaN. Its values, by kind:\n{meanings}"
        f"struct Event {{\n{members}    double values[{len(values)}];\n}};\n"
        "static_assert(std::is_standard_layout_v<Event> && std::is_trivially_copyable_v<Event>);\n"
        "static_assert(sizeof(Event) == kEventBytes);\n"
        f"{checks}static_assert(offsetof(Event, values) == {values[0].offset});\n"
    )


_CURSORS = """\
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
"""


def _control_row(control: ControlInfo, first_choice: int) -> str:
    numbers = (control.minimum, control.maximum, control.default, control.smoothing_ms)
    return (
        f"{{{_text(control.name)}, {_text(control.kind)}, {_text(control.unit)}, {_text(control.acts)}, "
        f"{_text(control.meaning)}, {', '.join(map(_number, numbers))}, {first_choice}, {len(control.choices)}}}"
    )


def _controls() -> str:
    choices = [choice for control in CONTROLS for choice in control.choices]
    rows, first = [], 0
    for control in CONTROLS:
        rows.append(_control_row(control, first))
        first += len(control.choices)
    return (
        "/// One control: `choices` of them from kChoices[first_choice] on.\n"
        "struct ControlInfo {\n"
        "    std::string_view name, kind, unit, acts, meaning;\n"
        "    double minimum, maximum, initial, smoothing_ms;\n"
        "    std::size_t first_choice, choices;\n};\n"
        + _enum("Control", "std::uint32_t", ((c.name, i) for i, c in enumerate(CONTROLS)),
                "Index into kControls; the number of a control in events.")
        + _array("std::string_view", "kChoices", map(_text, choices))
        + _array("ControlInfo", "kControls", rows)
    )  # fmt: skip


def _chords() -> str:
    rows = (
        f"{{{_text(kind)}, 0x{sum(1 << interval for interval in intervals):X}u}}"
        for kind, intervals in chord_names.KINDS.items()
    )
    return (
        _array("std::string_view", "kNotes", map(_text, chord_names.NOTES))
        + "/// A kind of chord: its tones are bits, semitones above the root. Of two that fit as well the first counts.\n"
        + "struct ChordKind {\n    std::string_view name;\n    std::uint32_t tones;\n};\n"
        + _array("ChordKind", "kChordKinds", rows)
    )


def _messages() -> str:
    parts: list[Part] = []
    rows = []
    for message in MESSAGES:
        rows.append(
            f"{{{_text(message.name)}, {_text(message.direction)}, {len(parts)}, {len(message.parts)}}}"
        )
        parts.extend(message.parts)
    return (
        "/// One field of a message; a number lies within minimum..maximum, a text is no longer than maximum.\n"
        "struct Part {\n    std::string_view name, kind;\n    double minimum, maximum;\n    bool required;\n};\n"
        "/// One message; direction `in` is to the server. Its fields are kParts[first_part] and on.\n"
        "struct Message {\n    std::string_view name, direction;\n    std::size_t first_part, parts;\n};\n"
        + _array(
            "Part",
            "kParts",
            (
                f"{{{_text(part.name)}, {_text(part.kind)}, {_number(part.minimum)}, {_number(part.maximum)}, "
                f"{str(part.required).lower()}}}"
                for part in parts
            ),
        )
        + _array("Message", "kMessages", rows)
    )


def header() -> str:
    """The C++17 header."""
    blocks = (
        _constants(),
        _static_header(),
        _offsets(),
        _CURSORS,
        _enum("EventKind", "std::uint16_t", layout.EVENT_KINDS.items(), "What an event tells."),
        _enum("TransportFlag", "std::uint16_t", layout.TRANSPORT_FLAGS.items(), "Bits of a transport event."),
        _enum("HostFlag", "std::uint64_t", layout.HOST_FLAGS.items(), "Bits of the word host_flags."),
        _event(),
        _enum("Ladder", "std::uint64_t", ((n, i) for i, n in enumerate(layout.LADDER)), "What overload has come to."),
        _array("std::string_view", "kLadder", map(_text, layout.LADDER)),
        _enum("State", "std::uint64_t", ((n, i) for i, n in enumerate(layout.STATES)), "What a session is doing."),
        _array("std::string_view", "kStates", map(_text, layout.STATES)),
        _array("std::string_view", "kModes", map(_text, MODES)),
        _array("std::string_view", "kStems", map(_text, STEMS)),
        _array("std::string_view", "kStyleWords", map(_text, STYLE_WORDS)),
        _controls(),
        _chords(),
        "struct StatusInfo {\n    std::string_view name, kind, unit, meaning;\n};\n",
        _array(
            "StatusInfo",
            "kStatus",
            (f"{{{_text(s.name)}, {_text(s.kind)}, {_text(s.unit)}, {_text(s.meaning)}}}" for s in STATUS),
        ),
        _messages(),
        "struct ErrorInfo {\n    std::string_view code, meaning;\n};\n",
        _array("ErrorInfo", "kErrors", (f"{{{_text(code)}, {_text(why)}}}" for code, why in ERRORS.items())),
    )  # fmt: skip
    return (
        "// SPDX-License-Identifier: GPL-3.0-or-later\n"
        "// Written by `python -m lbserver.protocol.generate` from lbserver/protocol. Do not edit.\n"
        "// clang-format off\n"
        "#pragma once\n\n"
        "#include <array>\n#include <atomic>\n#include <cstddef>\n#include <cstdint>\n#include <cstring>\n"
        "#include <limits>\n#include <string_view>\n#include <type_traits>\n\n"
        "namespace liveband::protocol {\n\n" + "\n".join(blocks) + "\n}  // namespace liveband::protocol\n"
    )


FILES = {HEADER: header, REFERENCE: page, SCLANG: controls_class}


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m lbserver.protocol.generate", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file differs")
    check = parser.parse_args(arguments).check
    if not HEADER.parents[2].is_dir():
        parser.error("this needs the repository: there is no plugin_shim beside this package")
    stale = [
        path
        for path, render in FILES.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != render()
    ]
    for path in stale:
        if check:
            print(f"{path.relative_to(_ROOT)} is not what the protocol says: run this without --check")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(FILES[path](), encoding="utf-8")
            print(f"wrote {path.relative_to(_ROOT)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
