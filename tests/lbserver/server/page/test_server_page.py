# SPDX-License-Identifier: GPL-3.0-or-later
"""The jam page as somebody at a browser has it: a real server, a real `liveband jam --browser`, a headless Chromium."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lbserver.engine.backends import style_vector
from lbserver.jam.page.players import FILE_BLOCK
from lbserver.protocol.controls import CONTROLS
from lbserver.testing.waiting import until

RATE_HZ, HOP, SECONDS = 48000, 1920, 8


def song(seconds: float) -> np.ndarray:
    """Dark noise that swells, never the same twice, [2, T], in steps of 16 bits."""
    generator = np.random.default_rng(18)
    samples = round(seconds * RATE_HZ)
    dark = np.convolve(generator.normal(0.0, 1.0, samples + 95), np.ones(96) / 96, "valid")
    mix = np.stack((dark, 0.7 * dark)) * (1.5 + np.sin(np.arange(samples) / RATE_HZ * 9.0))
    return (np.round(np.clip(mix, -0.6, 0.6) * 32768) / 32768).astype(np.float32)


def copied(mix: np.ndarray, frames: int, hop: int = HOP) -> np.ndarray:
    """What test:copy makes of it: the same, 1 + A frames later."""
    late = (1 + frames) * hop
    return np.concatenate((np.zeros((2, late), np.float32), mix), axis=-1)[:, : mix.shape[-1]]


def type_in(browser: Any, label: str, value: str) -> None:
    """Into the field of this name."""
    browser.run(
        f"(() => {{ const field = document.querySelector('[aria-label={label}], #{label}'); field.value = '{value}';"
        " field.dispatchEvent(new Event('change')); })()"
    )


def until_words(browser: Any, *words: str) -> None:
    browser.until(f"{list(words)}.includes(document.getElementById('words').textContent)", timeout_s=120)


@pytest.mark.slow
def test_a_file_is_the_bounce_to_the_bit(
    serve: Callable[..., Any], page: Callable[..., Any], tmp_path: Path
) -> None:
    """A block that is dropped, shifted, resampled or rounded on its way would differ; so would one that a server
    which died took along, where the page does not go on from there."""
    mix = song(SECONDS)
    soundfile.write(tmp_path / "song.wav", mix.T, RATE_HZ, subtype="PCM_16")
    server = serve("--workers", "1", "--model", "test:copy")
    subprocess.run(
        [sys.executable, "-m", "lbserver", "bounce", str(tmp_path / "song.wav"), "-o", str(tmp_path / "bass.wav"),
         "--stem", "bass", "--model", "test:copy", "--anticipation", "80"],
        env=server.environment, check=True, capture_output=True,
    )  # fmt: skip
    expected, _ = soundfile.read(tmp_path / "bass.wav", dtype="float32", always_2d=True)
    shown = page(server)
    browser = shown.open()
    until_words(browser, "Ready")
    text = browser.run("document.body.textContent")
    assert [
        c.name for c in CONTROLS if c.name != "mode" and c.name.capitalize().replace("_", " ") not in text
    ] == ["stem"]
    assert [
        word for c in CONTROLS for word in c.choices if word.capitalize().replace("_", " ") not in text
    ] == []
    type_in(browser, "Anticipation", "80")
    type_in(browser, "bpm", "96")
    browser.choose("chosen", tmp_path / "song.wav")
    browser.until("document.getElementById('tempo_line').textContent.includes('96.0 bpm')")
    until_words(browser, "Playing")
    front_end = server.connect()
    front_end.until("page", lambda status: status["tempo"] == 96.0)
    server.kill()
    until_words(browser, "The band is gone")
    server.start()
    browser.click("render")
    rendered = f"document.getElementById('record_line').textContent === '{SECONDS}.0 s rendered'"
    browser.until(rendered, timeout_s=120)
    np.testing.assert_array_equal(shown.download("input"), mix)
    broken = shown.download("band")
    # It listens anew from where the server died: silence as at any beginning, and L of the stem that was owed; then the same as ever.
    begun = np.flatnonzero(~(broken == copied(mix, 2)).all(axis=0))
    np.testing.assert_array_equal(broken[:, begun.max() + 1 :], copied(mix, 2)[:, begun.max() + 1 :])
    assert begun.size <= 3 * HOP + FILE_BLOCK
    browser.choose("chosen", tmp_path / "song.wav")
    browser.until(f"!({rendered})")
    browser.click("render")
    browser.until(rendered, timeout_s=120)
    np.testing.assert_array_equal(shown.download("band"), expected.T)
    np.testing.assert_array_equal(expected.T, copied(mix, 2))
    assert browser.faults == []


@pytest.mark.slow
def test_a_microphone_is_answered_at_a_constant_lag(
    serve: Callable[..., Any], page: Callable[..., Any], tmp_path: Path
) -> None:
    """A lag that drifts, or differs from the one that the page shows, before or after the server died. A chart that was typed
    before the tempo kept the page from opening a session, or was never told again."""
    soundfile.write(tmp_path / "played.wav", song(20).T, RATE_HZ, subtype="PCM_16")
    server = serve("--workers", "1", "--model", "test:copy")
    shown = page(
        server,
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={tmp_path / 'played.wav'}",
    )
    browser = shown.open()
    until_words(browser, "Ready")
    type_in(browser, "lag", "1000")  # more than a busy machine needs
    type_in(browser, "chart", "| Am7 |")
    browser.click("microphone")
    until_words(browser, "Playing")
    front_end = server.connect()
    type_in(browser, "bpm", "96")
    front_end.until("page", lambda status: status["chord"] == "Am7")
    type_in(browser, "bpm", "0")
    front_end.until("page", lambda status: not status["chord"])
    type_in(browser, "chart", "| Dm7 |")
    browser.until("document.getElementById('said').textContent.includes('tempo')")
    for _ in range(5):  # the first of which belong to nothing where the machine is busy
        browser.click("tap")
        time.sleep(0.5)
    front_end.until("page", lambda status: status["chord"] == "Dm7")
    browser.until("document.getElementById('timing_line').textContent.includes('lag 1000')")
    assert lags_heard(shown) == {1.0}
    server.kill()
    until_words(browser, "The band is gone")
    server.start()
    until_words(browser, "Playing", "Parts are missing")
    assert lags_heard(shown) == {1.0}
    assert browser.faults == []


@pytest.mark.slow
def test_a_style_that_is_typed_changes_what_plays(
    serve: Callable[..., Any], page: Callable[..., Any], tmp_path: Path
) -> None:
    """A field that reaches nobody; a word that is guessed; no song played because of a wrong one. What the command line tells and
    the page has no field for broke it as it opened."""
    soundfile.write(tmp_path / "song.wav", song(2).T, RATE_HZ, subtype="PCM_16")
    shown = page(
        serve("--workers", "1", "--model", "test:style"), jam=("--classes=-drums", "--injection", "off")
    )
    browser = shown.open()
    until_words(browser, "Ready")
    browser.run(
        "(() => { window.wishes = []; const post = Worker.prototype.postMessage; Worker.prototype.postMessage = function (...all) {"
        " window.wishes.push(JSON.stringify(all[0])); return post.apply(this, all); }; })()"
    )
    browser.until("document.getElementById('styles').children.length > 40")
    for line in ("upright bass", "bright, synth pad *2 | drums"):
        type_in(browser, "style", line)
        browser.choose("chosen", tmp_path / "song.wav")
        until_words(browser, "Playing")
        browser.click("render")
        browser.until("document.getElementById('record_line').textContent === '2.0 s rendered'")
        wanted = style_vector(line)[0]
        until(lambda: shown.download("band")[0, -1] == wanted)  # noqa: B023 - it is asked before the next line
    told = '"classes":"-drums","injection":"off"'
    browser.until(f"window.wishes.some((wish) => wish.includes({told!r}))")
    type_in(browser, "style", "theremin")
    browser.until("document.getElementById('said').textContent.includes('unknown: theremin')")
    assert browser.faults == []


def lags_heard(shown: Any) -> set[float]:
    """Seconds by which what is heard lags the stem of the input, in each half second of a recording that is whole; on a
    machine that has no time for anything the first recordings may have none."""
    return next((lags for _ in range(6) if (lags := lags_recorded(shown, 4.0))), set())


def lags_recorded(shown: Any, seconds: float) -> set[float]:
    """Of one recording."""
    browser = shown.browser
    assert browser is not None
    browser.click("record")
    # The words of an earlier recording stand there until this one has begun.
    begun = "document.getElementById('record_line').textContent.match(/^recording: ([0-9.]+)/)"
    browser.until(f"Number({begun}?.[1] ?? 0) > {seconds}")
    browser.click("record")
    given, heard = shown.download("input"), shown.download("heard")
    half, lags = shown.rate_hz // 2, set()
    ahead = browser.run("document.getElementById('timing_line').textContent.match(/ahead ([0-9.]+)/)[1]")
    stem = copied(given, round(float(ahead) / 40), hop=shown.rate_hz // 25)
    for at in range(3 * half, min(given.shape[-1], heard.shape[-1]) - half, half):
        piece = heard[0, at : at + half]
        if (piece == 0.0).mean() > 0.01:
            continue  # a part that was missing
        match = found(stem[0, at - 3 * half : at + half], piece)
        lags.add(round((3 * half - match) / shown.rate_hz, 5))
        whole = stem[0, at - 3 * half + match :][:half]
        assert np.corrcoef(whole, piece)[0, 1] > 0.99
    return lags


def found(audio: np.ndarray, piece: np.ndarray) -> int:
    """Where in the audio the piece is, by its changes, which are never alike."""
    audio, piece = np.diff(audio), np.diff(piece)
    size = 1 << (audio.size + piece.size).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(audio, size) * np.conj(np.fft.rfft(piece, size)), size)
    return int(likeness[: audio.size - piece.size + 1].argmax())
