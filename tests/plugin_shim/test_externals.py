# SPDX-License-Identifier: GPL-3.0-or-later
"""Pd and SuperCollider with a real server: what their renders give is the bounce, and live they play in time."""

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from lbserver.client.connection import connected
from lbserver.commands.top import look
from lbserver.engine import backends
from lbserver.engine.bounce import BounceRequest, bounce
from lbserver.music.conditions import read_knowledge
from lbserver.testing.pages import commands
from lbserver.testing.waiting import until

Audio = NDArray[np.float32]
PATCHES = Path(__file__).resolve().parents[2] / "max_patches"
RATE_HZ = 48000
HOP = 1920  # of the test accompanists
FADE_OUT, FADE_IN = 480, 240  # 10 ms and 5 ms
PATIENCE_S = 60.0
HOSTS = ("Pd", "SuperCollider")
PROGRAMS = {"Pd": ("pd",), "SuperCollider": ("sclang", "scsynth")}


class Host:
    """A host's programs with the external installed as a user would have it, in a home of its own."""

    def __init__(self, name: str, bundle: Path, home: Path) -> None:
        self.name, self.bundle = name, bundle
        self.environment = {
            **os.environ,
            "HOME": str(home),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_RUNTIME_DIR": str(home / "runtime"),
            "QT_QPA_PLATFORM": "offscreen",
            "QTWEBENGINE_DISABLE_SANDBOX": "1",
        }
        (home / "runtime").mkdir(parents=True, mode=0o700)
        if name == "SuperCollider":
            shutil.copytree(bundle, home / "data" / "SuperCollider" / "Extensions" / bundle.name)
            # sclang takes a scsynth that a signal ended for one that ended well; a shell tells it as a number.
            told = home / "bin" / "scsynth"
            told.parent.mkdir()
            told.write_text(f'#!/bin/sh\n{shutil.which("scsynth")} "$@"\nexit $?\n')
            told.chmod(0o755)
            self.environment["PATH"] = f"{told.parent}:{self.environment['PATH']}"

    def render(self, source: Path, target: Path, tempo: str, folder: Path | None = None) -> str:
        """What the host says while it plays a file through the band by the example that is shipped, or another."""
        examples = folder or PATCHES / self.name.lower()
        if self.name == "Pd":
            say = f"render {source} {target} drums {tempo}"
            quiet = ["pd", "-nogui", "-nrt", "-batch", "-stderr", "-nosound", "-r", str(RATE_HZ)]
            command = [
                *quiet,
                "-path",
                str(self.bundle.parent),
                "-open",
                str(examples / "render.pd"),
                "-send",
                say,
            ]
        else:
            command = ["sclang", str(examples / "render.scd"), str(source), str(target), "drums", tempo]
        done = subprocess.run(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=5 * PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def perform(self) -> list[str]:
        """The command that plays live, over JACK."""
        if self.name == "Pd":
            quiet = ["pd", "-nogui", "-nrt", "-stderr", "-jack", "-jackname", "Pd", "-nojackconnect"]
            return [*quiet, "-path", str(self.bundle.parent), "-open", str(PATCHES / "pd" / "play.pd")]
        return ["sclang", str(PATCHES / "supercollider" / "play.scd")]


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest, external: Callable[[str], Path], tmp_path: Path) -> Host:
    """Each of the hosts."""
    missing = [program for program in PROGRAMS[request.param] if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} for {request.param} is not installed")
    return Host(request.param, external(request.param), tmp_path / "home")


def music(seconds: float) -> Audio:
    samples = int(seconds * RATE_HZ)
    noise = np.random.default_rng(1).standard_normal((2, samples))
    return np.asarray(0.1 * noise, np.float32)


def bounced(source: Path, target: Path, model: str | None, bpm: float, *, stem: str = "drums") -> Audio:
    """What `liveband bounce` gives, [T, C]."""
    request = BounceRequest(
        source=source,
        stems=(stem,),
        outputs={stem: target},
        anticipation_ms=40.0,
        knowledge=read_knowledge(bpm=bpm, first_beat_s=0.0),
    )
    bounce(request, backends.load(model))
    return read(target)


def read(path: Path) -> Audio:
    found: Audio = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return found


def assert_same(host: Host, found: Audio, wanted: Audio) -> None:
    """Every sample; Pd's tables hold nothing between 0 and 2^-63, and scsynth ends its last block."""
    if host.name == "Pd":
        wanted = np.where(np.abs(wanted) < 2.0**-63, np.float32(0.0), wanted)
    assert len(wanted) <= len(found) <= len(wanted) + 64
    np.testing.assert_array_equal(found[: len(wanted)], wanted)


@pytest.mark.parametrize("tempo", ["97", "121.298"])
def test_render_is_the_bounce(
    host: Host, tempo: str, servers: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tempo that went through 32 bits (121.29799652 for 121.298) moves a beat by a sample within seconds."""
    host.environment["LIVEBAND_RUN"] = str(servers("test:click"))
    source = tmp_path / "mix.wav"
    seconds = 20.0 if tempo == "121.298" else 4.0  # so long it takes until the difference is a sample
    soundfile.write(source, music(seconds).T, RATE_HZ, subtype="FLOAT")
    wanted = bounced(source, tmp_path / "bounce.wav", "test:click", float(tempo))
    assert np.abs(wanted).max() > 0.1
    said = host.render(source, tmp_path / "found.wav", tempo)
    assert_same(host, read(tmp_path / "found.wav"), wanted)
    assert "laying" in said

    late = bounced(source, tmp_path / "late.wav", "test:click", float(np.float32(float(tempo))))
    assert (late != wanted).any() == (tempo == "121.298")


def test_one_sample_of_delay_shows(host: Host, servers: Callable[[str], Path], tmp_path: Path) -> None:
    """The comparison sees a single sample, put between what is heard and the band."""
    host.environment["LIVEBAND_RUN"] = str(servers("test:copy"))
    source, delayed = tmp_path / "mix.wav", tmp_path / "delayed"
    soundfile.write(source, music(1.0).T, RATE_HZ, subtype="FLOAT")
    delayed.mkdir()
    for example in (PATCHES / host.name.lower()).glob("render.*"):
        text = example.read_text()
        made = text.replace("LiveBand.ar(SoundIn.ar([0, 1])", "LiveBand.ar(Delay1.ar(SoundIn.ar([0, 1]))")
        # A filter of Pd's whose output is its input one sample ago, between the first table and the band.
        made = made.replace(
            "#X connect 13 0 15 0;",
            "#X obj 20 330 biquad~ 0 0 0 1 0;\n#X connect 13 0 27 0;\n#X connect 27 0 15 0;",
        )
        assert made != text
        (delayed / example.name).write_text(made)
    wanted = bounced(source, tmp_path / "bounce.wav", "test:copy", 97.0)
    host.render(source, tmp_path / "right.wav", "97")
    assert_same(host, read(tmp_path / "right.wav"), wanted)
    host.render(source, tmp_path / "wrong.wav", "97", delayed)
    wrong = read(tmp_path / "wrong.wav")[: len(wanted)]
    with pytest.raises(AssertionError):
        assert_same(host, wrong, wanted)
    np.testing.assert_array_equal(wrong[5001:, 0], wanted[5000:-1, 0])


@pytest.mark.slow
def test_the_page_s_steps_lead_from_nothing_to_the_shipped_band(
    host: Host, servers: Callable[[str], Path], tmp_path: Path, repository: Path
) -> None:
    """Each step is the page's own line, typed in a folder that holds a song; it ends in the bounce of the band as it ships."""
    build, serve, pd, supercollider, _hear = commands(PATCHES / "README.md", "Pd and SuperCollider")
    song, rate_hz = soundfile.read(
        repository / "lbserver" / "assets" / "demo_song.flac", dtype="float32", always_2d=True
    )
    assert rate_hz == RATE_HZ
    source, installed = tmp_path / "song.wav", host.bundle.parents[1]
    song = np.repeat(song[: 12 * rate_hz], 3 - song.shape[1], axis=1)
    soundfile.write(source, song, rate_hz, subtype="FLOAT")
    (tmp_path / "max_patches").symlink_to(PATCHES)
    assert serve == "liveband serve"
    host.environment["LIVEBAND_RUN"] = str(servers(""))
    host.environment["PATH"] = f"{Path(sys.executable).parent}:{host.environment['PATH']}"
    made, install = build.split(" && ")
    assert made == "make plugin"  # it was: the externals are there
    for command in (f"{install} --from {installed}", {"Pd": pd, "SuperCollider": supercollider}[host.name]):
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=host.environment, capture_output=True, text=True,
            timeout=5 * PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    wanted = bounced(source, tmp_path / "bounce.wav", None, 121.298, stem="bass")
    found = read(tmp_path / "bass.wav")
    assert_same(host, found, wanted)
    assert np.sqrt(np.mean(found**2)) > 0.001


def test_without_a_server_it_says_so(host: Host, tmp_path: Path) -> None:
    """A render without a band is silent and says why, rather than wait for ever or give noise."""
    host.environment["LIVEBAND_RUN"] = str(tmp_path / "nobody")
    source = tmp_path / "mix.wav"
    soundfile.write(source, music(0.1).T, RATE_HZ, subtype="FLOAT")
    said = host.render(source, tmp_path / "found.wav", "97")
    assert "liveband serve" in said.replace("\\", "")
    assert not read(tmp_path / "found.wav").any()


def sessions() -> dict[str, Any]:
    with connected("test") as line:
        return dict(look(line).sessions)


@contextlib.contextmanager
def started(command: list[str], environment: dict[str, str], **pipes: int) -> Iterator[subprocess.Popen[str]]:
    """A program and what it starts, until the end of the block."""
    process = subprocess.Popen(command, env=environment, text=True, start_new_session=True, **pipes)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            # A jackd that is killed stays in the list of servers, which has room for eight.
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.mark.skipif(
    any(shutil.which(program) is None for program in ("jackd", "jack_lsp"))
    or importlib.util.find_spec("jack") is None,
    reason="needs jackd and JACK-Client: apt install jackd2; pip install JACK-Client",
)
def test_live_over_jack(
    host: Host, servers: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live, the example plays: what the band gives lies A and a frame behind what went in, to the sample, or is silent."""
    run = servers("test:copy")
    monkeypatch.setenv("LIVEBAND_RUN", str(run))
    name = f"liveband-{host.name}-{os.getpid()}"
    environment = host.environment | {
        "LIVEBAND_RUN": str(run),
        "JACK_DEFAULT_SERVER": name,
        "JACK_NO_AUDIO_RESERVATION": "1",
        "JACK_NO_START_SERVER": "1",
        "SC_JACK_DEFAULT_INPUTS": "",
        "SC_JACK_DEFAULT_OUTPUTS": "",
    }
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    jackd = ["jackd", "-S", "-r", "-n", name, "-d", "dummy", "-r", str(RATE_HZ), "-p", "256"]
    script, recording = Path(__file__).parent / "daws" / "jack_probe.py", tmp_path / "recording.npy"
    probe_command = [sys.executable, str(script), host.name, str(recording), "60"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(started(jackd, environment, **quiet))
        until(
            lambda: (
                subprocess.run(["jack_lsp"], env=environment, capture_output=True, check=False).returncode
                == 0
            ),
            "JACK",
        )
        stack.enter_context(started(host.perform(), environment, **quiet))
        until(sessions, "a session")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        probe = stack.enter_context(started(probe_command, environment, **pipes))
        assert probe.stdin is not None
        assert probe.stdout is not None
        stdin, stdout = probe.stdin, probe.stdout

        def ask(line: str) -> str:
            stdin.write(line + "\n")
            stdin.flush()
            return stdout.readline()

        assert stdout.readline() == "begun\n"
        until(lambda: int(ask("at")) > 2 * RATE_HZ, "what was played")
        (status,) = sessions().values()
        told = json.loads(ask("end"))
        assert probe.wait(PATIENCE_S) == 0
    _, heard = np.load(recording)
    dry, band = heard[:, : told["played"]]
    assert dry.any()
    shift = int(status["anticipation_samples"]) + HOP
    assert status["latency_samples"] == 0
    assert status["tempo"] == 100.0
    wrong = np.flatnonzero(band[shift:] != dry[:-shift])
    print(
        f"{host.name}: {status['late_frames']} late of {status['frames']} frames, {len(wrong)} of {len(band)} samples missing"
    )
    edges = np.flatnonzero(np.diff(wrong) > FADE_OUT)
    for begin, end in (
        zip(wrong[np.r_[0, edges + 1]], wrong[np.r_[edges, len(wrong) - 1]], strict=True)
        if len(wrong)
        else ()
    ):
        assert not band[shift + begin + FADE_OUT : shift + end + 1 - FADE_IN].any(), (
            f"neither right nor silent: {begin}..{end}"
        )
    assert len(wrong) < len(band) - shift, "nothing of the band was heard"
    until(lambda: not sessions(), "no session")
