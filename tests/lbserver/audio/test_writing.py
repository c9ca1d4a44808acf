# SPDX-License-Identifier: GPL-3.0-or-later
import os
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbserver.audio.channels import to_channels
from lbserver.audio.reading import BLOCK_SAMPLES, AudioReader
from lbserver.audio.writing import AudioWriter
from lbserver.errors import LiveBandError


def noise(channels: int, samples: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(3).standard_normal((channels, samples))).astype(np.float32)


def read(path: Path, size: int = 1000) -> np.ndarray:
    with AudioReader(path) as reader:
        return np.concatenate(list(reader.blocks(size)), axis=-1)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("samples", [1, 4096, 50001])
def test_what_is_written_is_read_back(tmp_path: Path, ending: str, samples: int) -> None:
    path = tmp_path / f"x.{ending}"
    audio = noise(2, samples)
    with AudioWriter(path, rate_hz=44100, channels=2) as writer:
        writer.write(audio)
        writer.finish()
        assert not path.exists()
        writer.publish()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    back = read(path)
    assert back.shape == audio.shape
    if ending == "wav":
        np.testing.assert_array_equal(back, audio)
    if ending == "flac":
        np.testing.assert_allclose(back, audio, atol=2e-7)


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_formats_read(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"x.{form.lower()}"
    soundfile.write(path, noise(2, 44100).T, 44100, format=form)
    with AudioReader(path) as reader:
        assert (reader.rate_hz, reader.channels, reader.frames) == (44100, 2, 44100)
    assert read(path).shape == (2, 44100)


def test_what_is_not_published_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"the file that was there")
    with AudioWriter(path, rate_hz=48000, channels=2) as writer:
        writer.write(noise(2, 10000))
        assert writer.part.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]
    assert path.read_bytes() == b"the file that was there"


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
def test_a_full_disk_is_one_clear_error(tmp_path: Path, ending: str) -> None:
    """A limit on the size of files stands for the disk: the kernel refuses the write the same way."""
    program = """
import resource, sys
from pathlib import Path
import numpy as np
from lbserver.audio.writing import AudioWriter
from lbserver.errors import LiveBandError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
audio = np.random.default_rng(0).uniform(-1, 1, (2, 300_000)).astype(np.float32)
try:
    with AudioWriter(Path(sys.argv[1]), rate_hz=48000, channels=2) as writer:
        for at in range(0, 300_000, 10_000):
            writer.write(audio[:, at:at + 10_000])
        writer.finish()
        writer.publish()
except LiveBandError as error:
    print(error)
"""
    path = tmp_path / f"x.{ending}"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith(f"cannot write {path}: ")
    assert not list(tmp_path.iterdir())


def test_a_sample_that_is_not_a_number_is_named_by_its_place(tmp_path: Path) -> None:
    audio = noise(2, 20000)
    audio[1, 12000] = np.nan
    soundfile.write(tmp_path / "x.wav", audio.T, 48000, subtype="FLOAT")
    with pytest.raises(LiveBandError, match=r"at 0\.250000 s \(sample 12000, channel 2\)"):
        read(tmp_path / "x.wav", 4096)


def test_long_files_are_rf64(tmp_path: Path) -> None:
    """A plain WAV of 4 hours would count its bytes past 32 bits."""
    with AudioWriter(
        tmp_path / "x.wav", rate_hz=48000, channels=2, expected_samples=4 * 3600 * 48000
    ) as writer:
        writer.write(noise(2, 100))
        writer.finish()
        writer.publish()
    assert (tmp_path / "x.wav").read_bytes()[:4] == b"RF64"
    assert read(tmp_path / "x.wav").shape == (2, 100)


def test_louder_than_full_scale_is_kept_in_wav_and_counted_in_flac(tmp_path: Path) -> None:
    loud = np.full((2, 10), 1.5, np.float32)
    for ending, clipped, peak in (("wav", 0, 1.5), ("flac", 20, 1.0)):
        path = tmp_path / f"x.{ending}"
        with AudioWriter(path, rate_hz=48000, channels=2) as writer:
            writer.write(loud)
            writer.finish()
            writer.publish()
            assert writer.clipped_samples == clipped
        assert read(path).max() == pytest.approx(peak, abs=1e-6)


def test_channels() -> None:
    audio = noise(6, 100)
    np.testing.assert_allclose(to_channels(audio, 2), np.stack([audio.mean(0)] * 2), atol=1e-7)
    assert to_channels(audio[:2], 2) is not None
    np.testing.assert_array_equal(to_channels(audio[:2], 2), audio[:2])
    np.testing.assert_array_equal(to_channels(audio[:1], 2), np.repeat(audio[:1], 2, axis=0))


def test_no_time_of_writing_is_in_the_file(tmp_path: Path) -> None:
    """Found when two takes with one seed differed: float WAV files held the second they were written in."""
    with AudioWriter(tmp_path / "x.wav", rate_hz=48000, channels=2) as writer:
        writer.write(noise(2, 100))
        writer.finish()
        writer.publish()
    assert b"PEAK" not in (tmp_path / "x.wav").read_bytes()


def test_two_writers_of_one_name_do_not_mix(tmp_path: Path) -> None:
    """Both wrote one part file before: the second says so and touches nothing."""
    path = tmp_path / "x.wav"
    first = AudioWriter(path, rate_hz=48000, channels=2)
    first.write(noise(2, 1000))
    with pytest.raises(LiveBandError, match=r"x.wav: another liveband is writing it"):
        AudioWriter(path, rate_hz=48000, channels=2)
    first.finish()
    first.publish()
    # The name is free again: a part file that appears now is another's, and the first leaves it alone.
    with AudioWriter(path, rate_hz=48000, channels=2) as second:
        first.__exit__(None, None, None)
        assert second.part.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]
    assert read(path).shape == (2, 1000)


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    program = """
import os, signal, sys
from pathlib import Path
import numpy as np
from lbserver.audio.writing import AudioWriter
with AudioWriter(Path(sys.argv[1]), rate_hz=48000, channels=2) as writer:
    writer.write(np.zeros((2, 500_000), np.float32))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert (tmp_path / "x.wav.part").stat().st_size > 1_000_000
    with AudioWriter(path, rate_hz=48000, channels=2) as writer:
        writer.write(noise(2, 100))
        writer.finish()
        writer.publish()
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]
    assert path.stat().st_size < 2000
    np.testing.assert_array_equal(read(path), noise(2, 100))


def test_a_part_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """In a folder that others may write to, a link in its place would lead to any file of the user's."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"years of work")
    (tmp_path / "x.wav.part").symlink_to(precious)
    with pytest.raises(LiveBandError, match=r"cannot write .*x.wav: x.wav.part"):
        AudioWriter(tmp_path / "x.wav", rate_hz=48000, channels=2)
    assert precious.read_bytes() == b"years of work"


def test_a_disk_without_room_is_refused_before_the_first_sample(tmp_path: Path) -> None:
    free_bytes = shutil.disk_usage(tmp_path).free
    with pytest.raises(LiveBandError, match=r"needs \d+ MB, \d+ MB are free"):
        AudioWriter(tmp_path / "x.wav", rate_hz=48000, channels=2, expected_samples=free_bytes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_disk_that_changes_a_sample_is_noticed(tmp_path: Path, ending: str) -> None:
    """The length is right and all samples are numbers: only the checksum of a WAV file, or FLAC's own, can tell."""
    path = tmp_path / f"x.{ending}"
    with AudioWriter(path, rate_hz=48000, channels=2) as writer:
        writer.write(noise(2, 50_000))
        writer._file.close()
        data = bytearray(writer.part.read_bytes())
        data[len(data) // 2] ^= 0x10
        writer.part.write_bytes(data)
        with pytest.raises(LiveBandError, match=r"cannot write .*: (other samples|it did not read back)"):
            writer.finish()
    assert not list(tmp_path.iterdir())


def test_hours_that_a_header_claims_are_read_in_blocks(tmp_path: Path) -> None:
    """A FLAC file of 3 MB may be 4 hours, 11 GB as floats: reading starts at once and keeps one block."""
    path = tmp_path / "hours.flac"
    soundfile.write(path, noise(2, 200_000).T, 44100, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    field = int.from_bytes(data[18:26], "big")  # STREAMINFO: the last 36 bits are the number of samples
    data[18:26] = (field >> 36 << 36 | 4 * 3600 * 44100).to_bytes(8, "big")
    path.write_bytes(data)
    tracemalloc.start()
    with AudioReader(path) as reader:
        assert reader.frames == 4 * 3600 * 44100
        assert next(reader.blocks()).shape == (2, BLOCK_SAMPLES)
        with pytest.raises(LiveBandError, match=r"promises 14400.000 s, it holds [0-9.]+ s"):
            for _ in reader.blocks():
                pass
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "rate_hz", "says"),
    [
        ("x.ogg", 384000, "OGG takes up to 200000 Hz, this is 384000 Hz"),
        ("x.flac", 700000, "FLAC takes up to 655350 Hz, this is 700000 Hz"),
        ("x.flac", 96001, "FLAC counts rates above 65535 Hz in tens, this is 96001 Hz"),
    ],
)
def test_a_format_is_asked_before_its_encoder(tmp_path: Path, name: str, rate_hz: int, says: str) -> None:
    """Vorbis at 384 kHz was a segmentation fault, which left a part file."""
    with pytest.raises(LiveBandError, match=says):
        AudioWriter(tmp_path / name, rate_hz=rate_hz, channels=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "rate_hz"), [("x.ogg", 200000), ("x.flac", 655350), ("x.ogg", 1000)])
def test_the_limits_of_a_format_are_its_own(tmp_path: Path, name: str, rate_hz: int) -> None:
    """A limit that is too careful keeps people from what they could have."""
    with AudioWriter(tmp_path / name, rate_hz=rate_hz, channels=2) as writer:
        writer.write(noise(2, 5000))
        writer.finish()
        writer.publish()
    assert read(tmp_path / name).shape == (2, 5000)


def test_more_channels_or_samples_than_a_format_has(tmp_path: Path) -> None:
    with pytest.raises(LiveBandError, match="FLAC takes up to 8 channels, these are 9"):
        AudioWriter(tmp_path / "x.flac", rate_hz=48000, channels=9)
    with pytest.raises(LiveBandError, match="FLAC takes up to 68719476735 samples"):
        AudioWriter(tmp_path / "x.flac", rate_hz=48000, channels=1, expected_samples=2**36)


def test_a_length_that_nobody_knows_gives_a_plain_wav_if_it_can(tmp_path: Path) -> None:
    """A header of unknown length chose WAV, which holds 4 GB; where it is short, nothing shall tell of that."""
    known, unknown = tmp_path / "known.wav", tmp_path / "unknown.wav"
    for path, expected in ((known, 5000), (unknown, None)):
        with AudioWriter(path, rate_hz=48000, channels=2, expected_samples=expected) as writer:
            writer.write(noise(2, 5000))
            writer.finish()
            writer.publish()
    assert unknown.read_bytes()[:4] == b"RIFF"
    np.testing.assert_array_equal(read(unknown), read(known))


def test_a_wav_that_grows_beyond_its_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The header counts bytes in 32 bits: what comes behind would be there, and nobody would read it."""
    monkeypatch.setattr("lbserver.audio.writing._WAV_LIMIT_BYTES", 8 * 6000)
    with AudioWriter(tmp_path / "x.wav", rate_hz=48000, channels=2, expected_samples=10) as writer:
        writer.write(noise(2, 6000))
        with pytest.raises(LiveBandError, match="WAV holds up to 6000 samples"):
            writer.write(noise(2, 1))
    assert list(tmp_path.iterdir()) == []


def test_a_part_file_that_is_another_files_name_is_refused(tmp_path: Path) -> None:
    """A hard link in its place passed for what a killed process had left, and the file behind it was overwritten."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"years of work")
    (tmp_path / "x.wav.part").hardlink_to(precious)
    with pytest.raises(LiveBandError, match="another name of some file"):
        AudioWriter(tmp_path / "x.wav", rate_hz=48000, channels=2)
    assert precious.read_bytes() == b"years of work"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_part_file_of_another_user_is_refused(tmp_path: Path) -> None:
    """Who had laid it there would have had the take, and could have changed it."""
    (tmp_path / "x.wav.part").touch(0o666)
    os.chown(tmp_path / "x.wav.part", 65534, 65534)
    with pytest.raises(LiveBandError, match="another user"):
        AudioWriter(tmp_path / "x.wav", rate_hz=48000, channels=2)


def test_an_output_that_is_a_link_stays_one(tmp_path: Path) -> None:
    """The link was replaced by the file: who keeps takes on another disk found them on this one."""
    other = tmp_path / "other"
    other.mkdir()
    link = tmp_path / "x.wav"
    link.symlink_to(other / "take.wav")
    for _ in range(2):  # the first makes it, the second replaces it
        with AudioWriter(link, rate_hz=48000, channels=2) as writer:
            writer.write(noise(2, 5000))
            assert writer.part.parent == other
            writer.finish()
            writer.publish()
        assert link.is_symlink()
        assert read(other / "take.wav").shape == (2, 5000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "x.wav"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("x" * 252 + ".wav", "the name is too long"),
        ("pipe.wav", "it is a pipe or a device"),
        ("loop.wav", "its links lead round in a circle"),
        ("lost.wav", "there is no folder"),
        ("file/x.wav", "a part of it is not a folder|there is no folder"),
    ],
)
def test_an_output_that_cannot_be_is_a_sentence(tmp_path: Path, name: str, says: str) -> None:
    """Long names were tracebacks, and a pipe was replaced by a file."""
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    (tmp_path / "lost.wav").symlink_to(tmp_path / "no" / "x.wav")
    (tmp_path / "file").touch()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(LiveBandError, match=says):
        AudioWriter(tmp_path / name, rate_hz=48000, channels=2)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("length", [251, 255])
def test_a_name_as_long_as_the_folder_takes_can_be_written(tmp_path: Path, length: int) -> None:
    """With `.part` behind it the name was too long, and that was a traceback."""
    path = tmp_path / ("\u00e9" * 20 + "x" * (length - 44) + ".wav")
    assert len(os.fsencode(path.name)) == length
    with AudioWriter(path, rate_hz=48000, channels=2) as writer:
        writer.write(noise(2, 5000))
        writer.finish()
        writer.publish()
    assert list(tmp_path.iterdir()) == [path]
