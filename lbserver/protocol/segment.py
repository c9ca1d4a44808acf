# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared segment: one header, one ring of events, one ring of mix audio, one ring of stem audio.

Little-endian. Every field that changes is 8 bytes, 8-aligned, and written by one side only; fields that two
threads touch at the block rate stand on lines of their own. Audio is planar float32, [channel][capacity]:
the sample at position p lies at p modulo capacity.

A cursor is one 64-bit word, epoch << 48 | position, so that an epoch and its position can never be seen apart.
"""

from dataclasses import dataclass

MAGIC = 0x3144424C  # "LBD1" in memory
ENDIAN = 0x01020304
HEADER_BYTES = 4096
EVENT_BYTES = 64
EVENT_CAPACITY = 1024
POSITION_BITS = 48
POSITION_MASK = (1 << POSITION_BITS) - 1
EPOCH_MASK = 0xFFFF
MAX_CAPACITY = 1 << 20
MAX_CHANNELS = 64
MIN_RATE_HZ = 8000
MAX_RATE_HZ = 192000
MAX_BLOCK = 1 << 16
FADE_OUT_MS = 10.0
"""Where a stem breaks off; law 4 allows no longer one. A front end fades as the server does, to the bit,"""
FADE_IN_MS = 5.0
"""and back."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of the header: `code` is struct's letter, `writer` the side that may write it."""

    name: str
    offset: int
    code: str
    writer: str
    meaning: str


def _line(base: int, writer: str, *fields: tuple[str, str, str]) -> tuple[Field, ...]:
    """Fields of 8 bytes, one after the other."""
    return tuple(
        Field(name=name, offset=base + 8 * index, code=code, writer=writer, meaning=meaning)
        for index, (name, code, meaning) in enumerate(fields)
    )


STATIC = (
    Field(name="magic", offset=0, code="I", writer="server", meaning="0x3144424C"),
    Field(name="endian", offset=4, code="I", writer="server", meaning="0x01020304"),
    Field(name="major", offset=8, code="H", writer="server", meaning="protocol major version"),
    Field(name="minor", offset=10, code="H", writer="server", meaning="protocol minor version"),
    Field(name="header_bytes", offset=12, code="I", writer="server", meaning="4096"),
    Field(name="total_bytes", offset=16, code="Q", writer="server", meaning="size of the whole segment"),
    Field(name="rate_hz", offset=24, code="I", writer="server", meaning="host sample rate"),
    Field(name="mix_channels", offset=28, code="H", writer="server", meaning="channels of the mix"),
    Field(name="stem_channels", offset=30, code="H", writer="server", meaning="channels of the stem"),
    Field(
        name="capacity", offset=32, code="I", writer="server", meaning="samples a ring holds, a power of two"
    ),
    Field(name="event_capacity", offset=36, code="I", writer="server", meaning="events the event ring holds"),
    Field(name="events_offset", offset=40, code="Q", writer="server", meaning="bytes from the start"),
    Field(name="mix_offset", offset=48, code="Q", writer="server", meaning="bytes from the start"),
    Field(name="stem_offset", offset=56, code="Q", writer="server", meaning="bytes from the start"),
)
"""Written once by the server before the segment is handed over; each side copies them once and never looks again."""

HOST = (
    *_line(128, "host", ("mix_cursor", "Q", "cursor after the last mix sample written")),
    *_line(256, "host", ("stem_read", "Q", "cursor after the last stem sample asked for")),
    *_line(384, "host", ("event_count", "Q", "events written since the segment began")),
    *_line(
        512,
        "host",
        ("host_heartbeat", "Q", "rises while the front end lives"),
        ("host_flags", "Q", "bits: see host_flags below"),
        ("missing_samples", "Q", "stem samples that were not there when they were needed"),
        ("gaps", "Q", "times the stem broke off"),
        ("lag_samples", "Q", "mix written less stem read, after a read: the latency as it is lived"),
    ),
)

SERVER = (
    *_line(640, "server", ("stem_cursor", "Q", "cursor after the last stem sample written")),
    *_line(768, "server", ("mix_read", "Q", "cursor after the last mix sample taken")),
    *_line(896, "server", ("event_read", "Q", "events taken")),
    *_line(
        1024,
        "server",
        ("server_heartbeat", "Q", "rises while the worker lives"),
        ("state", "Q", "index: see state below"),
        ("ladder", "Q", "index: see ladder below"),
        ("latency_samples", "Q", "L: the only figure for the host's delay compensation"),
        ("anticipation_samples", "d", "A*H in host samples"),
        ("recency_gap_ms", "d", "G = A*H + (k-1)*H + L"),
        ("headroom_ms", "d", "time left before the last frame was needed, when it landed"),
        ("queue_age_ms", "d", "age of the oldest mix frame that waits"),
        ("step_ms", "d", "what a model step costs, mean of the last ones"),
        ("frames", "Q", "frames played"),
        ("late_frames", "Q", "frames that landed after they were needed"),
        ("skipped_frames", "Q", "frames not played, to catch up"),
        ("gain", "d", "linear gain of the stem"),
        ("mix", "d", "0 dry to 1 wet"),
        ("tempo", "d", "tempo the host tells in bpm, NaN if none"),
        ("beat", "d", "beat of the bar the host tells, from 1, NaN if none"),
        ("round_trip_ms", "d", "from the last mix sample of the last frame to its stem in the ring"),
        ("heard_tempo", "d", "tempo it hears by itself in bpm, 0 or NaN if none"),
        ("heard_beat", "d", "beat of the bar it hears by itself, from 1, 0 or NaN if none"),
        (
            "chord",
            "d",
            "chord the host tells: 1 + 12-bit mask of pitch classes from C + 4096 * (1 + bass, 0 if none); 0 unknown",
        ),
        ("heard_chord", "d", "likewise the chord it hears by itself"),
        ("section", "d", "which section of the chart sounds, from 1; 0 if none is known"),
        ("quality", "d", "which quality steps have, from 1; 0 if the model has one alone"),
    ),
)

FIELDS = (*STATIC, *HOST, *SERVER)
OFFSETS = {field.name: field.offset for field in FIELDS}

HOST_FLAGS = {"offline": 1, "bypassed": 2}
"""offline: the host waits for the stem and nothing may be dropped. bypassed: the stem is not heard."""

LADDER = ("on_time", "hold", "skip", "fade", "bypass")
"""What overload has come to, from nothing to not playing at all."""

STATES = (
    "opening",
    "listening",
    "playing",
    "late",
    "faded",
    "bypassed",
    "recovering",
    "quarantined",
    "closed",
)
"""What a session is doing: the header's `state` is an index into it."""

EVENT_FIELDS = (
    Field(name="epoch", offset=0, code="I", writer="host", meaning="epoch it belongs to"),
    Field(name="kind", offset=4, code="H", writer="host", meaning="see the values by kind below"),
    Field(name="flags", offset=6, code="H", writer="host", meaning="bits: see the flags below"),
    Field(name="position", offset=8, code="q", writer="host", meaning="host position from which it holds"),
    *(
        Field(
            name=f"value_{i}",
            offset=16 + 8 * i,
            code="d",
            writer="host",
            meaning="see the values by kind below",
        )
        for i in range(6)
    ),
)
EVENT_STRUCT = "<IHHq6d"

EVENT_KINDS = {"transport": 1, "control": 2, "chord": 3}
EVENT_VALUES = {
    "transport": (
        "tempo in bpm",
        "quarter notes since the song began",
        "quarter notes at the bar's start",
        "time signature above",
        "time signature below",
        "",
    ),
    "control": ("index into the control table", "value in the control's unit", "", "", "", ""),
    "chord": (
        "12-bit mask of pitch classes from C, 0 = no chord",
        "bass 0 to 11",
        "key 0 to 23",
        "",
        "",
        "",
    ),
}
"""NaN is unknown everywhere."""
TRANSPORT_FLAGS = {"playing": 1, "looping": 2, "recording": 4}


def cursor(epoch: int, position: int) -> int:
    """The word for an epoch and a position."""
    return (epoch & EPOCH_MASK) << POSITION_BITS | (position & POSITION_MASK)


def split(word: int) -> tuple[int, int]:
    """(epoch, position) of a cursor."""
    return word >> POSITION_BITS, word & POSITION_MASK


def epoch_after(epoch: int) -> int:
    """Epochs count from 1 and wrap past 65535 to 1: 0 means none yet."""
    return epoch % EPOCH_MASK + 1
