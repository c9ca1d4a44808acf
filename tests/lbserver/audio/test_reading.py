# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings as users have them: whole, cut short, damaged, of every kind, through pipes."""

import contextlib
import os
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbserver.audio.reading import AudioReader, Recording
from lbserver.errors import LiveBandError

RATE_HZ = 48000
AUDIO = (0.1 * np.random.default_rng(5).standard_normal((2 * RATE_HZ, 2))).astype(np.float32)
COUNTED = {
    "WAV": "PCM_16",
    "RF64": "FLOAT",
    "AIFF": "PCM_24",
    "W64": "FLOAT",
    "AU": "PCM_16",
    "CAF": "PCM_16",
}
"""Formats whose header counts the bytes of their audio."""
LENGTHS = {  # bytes before the field, name of the chunk, how the field is packed
    "WAV": (4, b"data", "<I"),
    "RF64": (16, b"ds64", "<Q"),
    "AIFF": (4, b"SSND", ">I"),
    "W64": (16, b"data", "<Q"),
    "AU": (8, b".snd", ">I"),
    "CAF": (4, b"data", ">Q"),
}


def made(folder: Path, form: str, subtype: str | None = None) -> Path:
    path = folder / f"x.{form.lower()}"
    with soundfile.SoundFile(path, "w", samplerate=RATE_HZ, channels=2, format=form, subtype=subtype) as file:
        for at in range(0, len(AUDIO), 4096):
            file.write(AUDIO[at : at + 4096])
    return path


def read(source: Path | Recording) -> np.ndarray:
    with AudioReader(source) as reader:
        return np.concatenate(list(reader.blocks(10000)), axis=-1)


def why(source: Path | Recording) -> str:
    with pytest.raises(LiveBandError) as refused:
        read(source)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("form", COUNTED)
def test_what_is_cut_short_is_refused_with_both_lengths(tmp_path: Path, form: str) -> None:
    """libsndfile takes what is there for all there ever was: the stem was short, and the exit code 0."""
    path = made(tmp_path, form, COUNTED[form])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    said = why(path)
    assert "cut short: its header promises 2.0" in said
    assert "it holds 0.9" in said or "it holds 1.0" in said
    path.write_bytes(whole[:-8])
    assert "cut short" in why(path)


@pytest.mark.parametrize("form", ["FLAC", "MP3"])
def test_a_cut_stream_is_refused_with_both_lengths(tmp_path: Path, form: str) -> None:
    path = made(tmp_path, form)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    said = why(path)
    assert "cut short" in said
    assert "2.000 s" in said


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_without_its_last_page_is_refused(tmp_path: Path, subtype: str) -> None:
    path = made(tmp_path, "OGG", subtype)
    whole = path.read_bytes()
    assert read(path).shape == (2, len(AUDIO))
    for share in (0.5, 0.99):
        path.write_bytes(whole[: int(share * len(whole))])
        assert "cut short: it ends " in why(path)


@pytest.mark.parametrize("form", ["WAV", "OGG"])
def test_a_recording_that_is_cut_while_it_is_read_is_refused(tmp_path: Path, form: str) -> None:
    """The header was read when the file was whole; its end comes early all the same."""
    path = made(tmp_path, form)
    with AudioReader(path) as reader:
        blocks = reader.blocks(4800)
        next(blocks)
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(LiveBandError, match=r"promises 2.000 s, it holds [01]\.\d+ s"):
            list(blocks)


@pytest.mark.parametrize(("form", "frame_s"), [("FLAC", 4096 / RATE_HZ), ("MP3", 1152 / RATE_HZ)])
def test_the_place_of_damage_is_known(tmp_path: Path, form: str, frame_s: float) -> None:
    """It was told to a block of 65,536 samples: 0.000 s for anything in the first. What can be read is given."""
    path = made(tmp_path, form)
    data = bytearray(path.read_bytes())
    middle = int(0.7 * len(data))
    data[middle : middle + 4000] = bytes(range(250)) * 16
    path.write_bytes(data)
    blocks: list[np.ndarray] = []
    with AudioReader(path) as reader, pytest.raises(LiveBandError, match="damaged") as refused:
        blocks.extend(reader.blocks(480))
    place_s = float(str(refused.value).split("after ")[1].split(" s")[0])
    assert place_s == pytest.approx(sum(block.shape[-1] for block in blocks) / RATE_HZ, abs=0.01)
    assert 1.4 - 2 * frame_s - 0.02 <= place_s <= 1.42


@pytest.mark.parametrize("form", COUNTED)
@pytest.mark.parametrize("told", ["zero", "most"])
def test_a_header_that_was_never_finished_is_no_reason(tmp_path: Path, form: str, told: str) -> None:
    """A recorder that died leaves 0, a program that writes to a pipe the largest number: the audio follows."""
    path = made(tmp_path, form, COUNTED[form])
    whole = read(path)
    data = bytearray(path.read_bytes())
    before, name, field = LENGTHS[form]
    at = data.index(name) + before
    least = {"AIFF": 8, "W64": 24, "CAF": 4}.get(form, 0)
    size = struct.calcsize(field)
    data[at : at + size] = struct.pack(field, least if told == "zero" else (1 << 8 * size) - 1)
    if form == "WAV":
        data[4:8] = struct.pack("<I", 36 if told == "zero" else 0xFFFFFFFF)
    path.write_bytes(data)
    np.testing.assert_array_equal(read(path), whole)


def test_a_header_that_stopped_counting_is_told(tmp_path: Path) -> None:
    """A recorder that brings its header up to date now and then: what came behind was left out in silence."""
    path = made(tmp_path, "WAV", "PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", RATE_HZ * 2)  # half a second
    path.write_bytes(data)
    said = why(path)
    assert "holds 2.000 s, its header counts 0.500 s" in said
    assert "ffmpeg -ignore_length 1" in said


@pytest.mark.parametrize(
    "behind",
    [b"LIST" + struct.pack("<I", 100_000) + b"INFO" + b"x" * 99_996, bytes(100_000), b"TAG" + b"x" * 125],
)
def test_what_may_stand_behind_the_audio_is_left_alone(tmp_path: Path, behind: bytes) -> None:
    """Other chunks, room that was not needed, tags of other formats."""
    path = made(tmp_path, "WAV", "PCM_16")
    whole = read(path)
    path.write_bytes(path.read_bytes() + behind)
    np.testing.assert_array_equal(read(path), whole)


def test_an_mp3_that_counts_a_frame_too_many_is_whole(tmp_path: Path) -> None:
    """Some encoders count their own first frame."""
    path = made(tmp_path, "MP3")
    data = bytearray(path.read_bytes())
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    (frames,) = struct.unpack(">I", data[at : at + 4])
    data[at : at + 4] = struct.pack(">I", frames + 1)
    path.write_bytes(data)
    assert read(path).shape[-1] >= len(AUDIO)


def test_a_wav_of_nothing_but_other_chunks_has_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, np.zeros((0, 2)), RATE_HZ)
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 8) + b"INFOISFT")
    assert "0 samples" in why(path)


def test_a_flac_that_does_not_know_its_length_is_read(tmp_path: Path) -> None:
    """As ffmpeg writes it into a pipe: soundfile seeks after each read, which fails, and nothing was read at all."""
    path = made(tmp_path, "FLAC")
    whole = read(path)
    data = bytearray(path.read_bytes())
    data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])  # 36 bits: total samples in STREAMINFO
    path.write_bytes(data)
    with AudioReader(path) as reader:
        assert reader.frames is None
    np.testing.assert_array_equal(read(path), whole)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty: it has 0 bytes"),
        (b"not a song, but words\n" * 50, "it is text (read here: WAV, FLAC"),
        (b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk", "it is MIDI: notes, no audio"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "it is a picture"),
        (b"PK\3\4\x14\0\0\0\0\0", "it is a zip archive"),
        (b"RIFF\x24\0\0\0WAVEjunkjunkjunk", "it begins as WAV does, but is damaged"),
        (b"fLaC" + bytes(100), "it begins as FLAC does, but is damaged"),
        (bytes(5000), "it is not audio, or of a kind that is not known"),
        ("| C | Am | F | G |\n".encode("utf-16") * 2, "it is text (read here: WAV, FLAC"),
    ],
)
def test_what_it_is_instead_is_said(tmp_path: Path, data: bytes, says: str) -> None:
    """All of these were `not audio, or damaged`."""
    path = tmp_path / "song.wav"
    path.write_bytes(data)
    assert says in why(path)


@pytest.mark.parametrize(("form", "at", "packed"), [("CAF", 12, ">Q"), ("W64", 56, "<Q")])
def test_a_chunk_that_points_beyond_everything_is_damage(
    tmp_path: Path, form: str, at: int, packed: str
) -> None:
    """A place that no file has was an OverflowError from the system."""
    path = made(tmp_path, form)
    data = bytearray(path.read_bytes())
    data[at : at + 8] = struct.pack(packed, (1 << 63) + 8)
    path.write_bytes(data)
    with contextlib.suppress(LiveBandError):
        read(path)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(
    ("ending", "codec", "container"),
    [
        ("aac", "aac", "adts"),
        ("m4a", "aac", "ipod"),
        ("webm", "libopus", "webm"),
        ("wma", "wmav2", "asf"),
        ("mka", "flac", "matroska"),
    ],
)
def test_other_formats_are_read_by_an_extra_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, codec: str, container: str, missing: bool
) -> None:
    """They were `not audio, or damaged`; what is cut of them is refused as anywhere."""
    av = pytest.importorskip("av")
    path = tmp_path / f"song.{ending}"
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE_HZ) / RATE_HZ)).astype(np.float32)
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=RATE_HZ, layout="stereo")
        stream.bit_rate = 128000
        stream.open()
        into = av.AudioResampler(
            format=stream.format,
            layout="stereo",
            rate=RATE_HZ,
            frame_size=stream.codec_context.frame_size or 1024,
        )
        frame = av.AudioFrame.from_ndarray(np.stack([tone, tone]), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = RATE_HZ, 0
        for part in [*into.resample(frame), *into.resample(None), None]:
            file.mux(stream.encode(part))
    if missing:
        monkeypatch.setitem(sys.modules, "av", None)
        said = why(path)
        assert "pip install 'liveband[formats]'" in said
        assert "ffmpeg -i" in said
        return
    audio = read(path)
    assert audio.shape == (2, pytest.approx(2 * RATE_HZ, abs=4096))
    middle = audio[:, 24000:72000]
    assert np.sqrt((middle**2).mean()) == pytest.approx(0.3 / np.sqrt(2), rel=0.05)
    if ending == "aac":
        return  # a bare stream, whole wherever it ends
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cut short" in why(path) or "damaged" in why(path)


def test_a_playlist_leads_nowhere(tmp_path: Path) -> None:
    """FFmpeg would open what a playlist names: files and addresses. Nothing here is offered to that reader."""
    path = tmp_path / "song.m4a"
    path.write_text("#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n" * 20)
    assert "it is text" in why(path)


def test_pipes_are_read_to_their_end(tmp_path: Path) -> None:
    """A named pipe was refused as no file; MP3 and FLAC cannot even be read from one as they come."""
    for form in ("WAV", "FLAC", "MP3", "OGG"):
        path = made(tmp_path, form)
        pipe = tmp_path / f"pipe.{form}"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(path.read_bytes(),))
        writer.start()
        with Recording(pipe) as recording:
            writer.join()
            np.testing.assert_array_equal(read(recording), read(path))
            assert read(recording).shape[-1] == read(path).shape[-1]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("x" * 300 + ".wav", "the name is too long"),
        ("file/below.wav", "a part of it is not a folder"),
        ("loop.wav", "too many symbolic links"),
        ("null.wav", "neither a file nor a pipe"),
        (".", "is not a file, it is a folder"),
        ("nothing.wav", "no such file"),
    ],
)
def test_what_the_system_refuses_is_a_sentence(tmp_path: Path, name: str, says: str) -> None:
    """Names of more than 255 bytes, links in a circle, folders without permission were tracebacks."""
    (tmp_path / "file").touch()
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    (tmp_path / "null.wav").symlink_to(os.devnull)
    assert says in why(tmp_path / name)


def test_a_wav_beyond_what_its_header_can_count_is_refused(tmp_path: Path) -> None:
    """Some recorders let the count begin anew at 4 GiB: the rest would be left out in silence."""
    path = made(tmp_path, "WAV")
    data = path.read_bytes()
    with path.open("r+b") as file:
        file.truncate(len(data) + (1 << 32))
    assert "longer than its header can count" in why(path)
