# SPDX-License-Identifier: GPL-3.0-or-later
"""What the first and last bytes of an audio file say: of what kind it is, and how much audio its header promises."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

Look = Callable[[int, int], bytes]
"""Bytes of a file from a position on, at most so many: `look(position, count)`."""

READ = "WAV, FLAC, OGG, MP3, AIFF, CAF, W64, AU"
READ_WITH_EXTRA = "M4A, MP4, WebM, Matroska, WMA, AAC, AC-3, AMR, WavPack, Monkey's Audio, FLV"
ENDINGS = frozenset(
    {
        ".wav",
        ".wave",
        ".rf64",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".aif",
        ".aiff",
        ".aifc",
        ".caf",
        ".w64",
        ".au",
    }
    | {
        ".snd",
        ".m4a",
        ".m4b",
        ".mp4",
        ".mov",
        ".webm",
        ".mka",
        ".mkv",
        ".wma",
        ".aac",
        ".ac3",
        ".amr",
        ".wv",
        ".ape",
    }
    | {".flv"}
)
"""What names of recordings end with, where many files are looked through."""

_MOST_CHUNKS = 4096
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_UNKNOWN_FROM = (
    0x7FFF0000  # what programs write as a length of 32 bits when they cannot go back: near 2^31 or 2^32
)
_MOST_STRAY_BYTES = 1 << 16  # tags and the like that some programs put behind a file
_TAIL_BYTES = 1 << 17  # a page of Ogg is no longer than 65307 bytes


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a file is. `demuxer` names FFmpeg's reader of it, for kinds that libsndfile does not read.

    `tells_length` is False for streams without a header, whose length FFmpeg guesses from their bit rate.
    """

    name: str
    is_audio: bool = True
    demuxer: str = ""
    tells_length: bool = True


@dataclass(frozen=True, kw_only=True)
class Body:
    """Where the audio of an uncompressed file lies: `held` bytes from `start` on, `declared` by the header.

    `declared` is None where the header does not know. Its field is at `field_at`, packed as `field`, which counts
    `extra` bytes more than the audio. `goes_on`: behind the audio comes much that is no chunk, so probably more of it.
    """

    start: int
    held: int
    declared: int | None
    field_at: int
    field: str
    extra: int = 0
    goes_on: bool = False

    def mended(self) -> tuple[int, bytes]:
        """The field as it would be if the header knew: its place and its bytes."""
        most = (1 << 8 * struct.calcsize(self.field)) - 1
        return self.field_at, struct.pack(self.field, min(self.held + self.extra, most))


_KINDS = (
    (0, b"fLaC", Kind(name="FLAC")),
    (0, b"OggS", Kind(name="OGG", demuxer="ogg")),
    (0, b"ID3", Kind(name="MP3")),
    (0, b"caff", Kind(name="CAF", demuxer="caf")),
    (0, b"riff\x2e\x91\xcf\x11", Kind(name="W64")),
    (0, b".snd", Kind(name="AU")),
    (4, b"ftyp", Kind(name="M4A or MP4", demuxer="mov")),
    (4, b"moov", Kind(name="QuickTime", demuxer="mov")),
    (4, b"mdat", Kind(name="QuickTime", demuxer="mov")),
    (4, b"wide", Kind(name="QuickTime", demuxer="mov")),
    (0, b"\x1a\x45\xdf\xa3", Kind(name="WebM or Matroska", demuxer="matroska")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind(name="WMA", demuxer="asf")),
    (0, b"#!AMR", Kind(name="AMR", demuxer="amr", tells_length=False)),
    (0, b"wvpk", Kind(name="WavPack", demuxer="wv")),
    (0, b"MAC ", Kind(name="Monkey's Audio", demuxer="ape")),
    (0, b"\x0b\x77", Kind(name="AC-3", demuxer="ac3", tells_length=False)),
    (0, b"FLV\x01", Kind(name="FLV", demuxer="flv")),
    (0, b"MThd", Kind(name="MIDI: notes, no audio", is_audio=False)),
    (0, b"\x89PNG", Kind(name="a picture", is_audio=False)),
    (0, b"\xff\xd8\xff", Kind(name="a picture", is_audio=False)),
    (0, b"GIF8", Kind(name="a picture", is_audio=False)),
    (0, b"%PDF", Kind(name="a PDF document", is_audio=False)),
    (0, b"PK\x03\x04", Kind(name="a zip archive", is_audio=False)),
    (0, b"\x1f\x8b", Kind(name="a gzip archive", is_audio=False)),
    (0, b"7z\xbc\xaf", Kind(name="a 7z archive", is_audio=False)),
    (0, b"\x7fELF", Kind(name="a program", is_audio=False)),
)
_FORMS = {b"WAVE": Kind(name="WAV", demuxer="wav"), b"AIFF": Kind(name="AIFF"), b"AIFC": Kind(name="AIFF")}


def kind_of(look: Look) -> Kind | None:
    """What a file is by its first bytes; None for what is not known, which may be audio or anything."""
    head = look(0, 4096)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM") and head[8:12] in _FORMS:
        return _FORMS[head[8:12]]
    for at, magic, kind in _KINDS:
        if head[at : at + len(magic)] == magic:
            return kind
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") and _is_utf16(
        head
    ):  # its mark looks like the first bytes of an MP3
        return Kind(name="text", is_audio=False)
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return Kind(name="AAC", demuxer="aac", tells_length=False)
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return Kind(name="MP3")
    if head and b"\0" not in head:
        try:
            head[:-4].decode("utf-8")
        except UnicodeDecodeError:
            return None
        return Kind(name="text", is_audio=False)
    return None


def _is_utf16(head: bytes) -> bool:
    try:
        head[: len(head) // 2 * 2].decode("utf-16")
    except UnicodeDecodeError as error:
        return error.end >= len(head) - 2  # a pair that was cut in two
    return True


def body_of(look: Look, size: int) -> Body | None:
    """Where the audio lies, for the kinds that count its bytes in a header; None for all others, and for damage."""
    head = look(0, 28)
    try:
        match head[:4]:
            case b"RIFF" | b"RF64" | b"BW64":
                return _in_chunks(look, size, order="<", data=b"data")
            case b"RIFX":
                return _in_chunks(look, size, order=">", data=b"data")
            case b"FORM":
                return _in_chunks(look, size, order=">", data=b"SSND")
            case b"riff":
                return _in_w64(look, size)
            case b"caff":
                return _in_caf(look, size)
            case b".snd":
                start, told = struct.unpack(">II", head[4:12])
                return _body(look, size, start=start, told=told, field_at=8, field=">I")
    except struct.error:
        return None
    return None


def is_closed_ogg(look: Look, size: int) -> bool:
    """Whether the last page of an Ogg file is whole and says that it is the last."""
    first = max(0, size - _TAIL_BYTES)
    tail = look(first, _TAIL_BYTES)
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return False
    segments = tail[at + 27 : at + 27 + tail[at + 26]]
    whole = len(segments) == tail[at + 26] and len(tail) >= at + 27 + len(segments) + sum(segments)
    return whole and bool(tail[at + 5] & 4)


def counts_its_frames(look: Look) -> bool:
    """Whether an MP3 file tells its length in its first frame; else it can only be guessed."""
    head = look(0, 10)
    at = 0
    if head[:3] == b"ID3" and len(head) == 10:
        at = 10 + sum((byte & 0x7F) << 7 * (3 - place) for place, byte in enumerate(head[6:10]))
    first = look(at, 1024)
    return any(mark in first for mark in (b"Xing", b"Info", b"VBRI"))


def asf_length_s(look: Look) -> float | None:
    """What the header of a WMA file promises; FFmpeg guesses by the size of what is there. None if it does not say."""
    head = look(0, 1 << 16)
    at = head.find(_ASF_FILE_PROPERTIES)
    if at < 0 or len(head) < at + 92:
        return None
    play, _send, preroll_ms, flags = struct.unpack("<QQQI", head[at + 64 : at + 92])
    length_s = play / 1e7 - preroll_ms / 1e3
    return length_s if length_s > 0 and not flags & 1 else None  # 1: broadcast, its numbers mean nothing


def _in_chunks(look: Look, size: int, *, order: str, data: bytes) -> Body | None:
    at, long_at = 12, 0
    for _ in range(_MOST_CHUNKS):
        name, told = struct.unpack(f"{order}4sI", look(at, 8))
        if name == b"ds64":
            long_at = at + 16  # behind the length of the whole
        if name == data == b"SSND":
            return _body(look, size, start=at + 16, told=told, field_at=at + 4, field=">I", extra=8)
        if name == data and long_at and told == 0xFFFFFFFF:
            (told,) = struct.unpack("<Q", look(long_at, 8))
            return _body(look, size, start=at + 8, told=told, field_at=long_at, field="<Q")
        if name == data:
            return _body(look, size, start=at + 8, told=told, field_at=at + 4, field=f"{order}I")
        at += 8 + told + told % 2
    return None


def _in_w64(look: Look, size: int) -> Body | None:
    at = 40
    for _ in range(_MOST_CHUNKS):
        name, told = struct.unpack("<4s12xQ", look(at, 24))
        if name == b"data":
            return _body(look, size, start=at + 24, told=told, field_at=at + 16, field="<Q", extra=24)
        at += max(24, (told + 7) // 8 * 8)
    return None


def _in_caf(look: Look, size: int) -> Body | None:
    at = 8
    for _ in range(_MOST_CHUNKS):
        name, told = struct.unpack(">4sQ", look(at, 12))
        if name == b"data":
            return _body(look, size, start=at + 16, told=told, field_at=at + 4, field=">Q", extra=4)
        at += 12 + told
    return None


def _body(look: Look, size: int, *, start: int, told: int, field_at: int, field: str, extra: int = 0) -> Body:
    held = max(0, size - start)
    short = struct.calcsize(field) == 4
    unknown = told - extra > held and told >= (_UNKNOWN_FROM if short else 1 << 62)
    if told <= extra:  # a recorder that was stopped before it came back to its header, or truly nothing
        unknown = held > 0 and not _is_chunk(look(start, 8), held)
    declared = None if unknown else max(0, told - extra)
    goes_on = False
    if declared and short and held - declared > _MOST_STRAY_BYTES:
        behind = look(start + declared + declared % 2, 4096)
        goes_on = not _is_chunk(behind[:8], held) and any(
            behind
        )  # zeros: room that a recorder took and did not need
    return Body(
        start=start,
        held=held,
        declared=declared,
        field_at=field_at,
        field=field,
        extra=extra,
        goes_on=goes_on,
    )


def _is_chunk(head: bytes, held: int) -> bool:
    """Whether these are the name and the length of another chunk rather than audio."""
    if len(head) < 8 or not all(0x20 <= byte < 0x7F for byte in head[:4]):
        return False
    return any(struct.unpack(f"{order}I", head[4:8])[0] <= held for order in "<>")
