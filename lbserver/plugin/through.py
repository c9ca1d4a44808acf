# SPDX-License-Identifier: GPL-3.0-or-later
"""A render through the plug-in itself, loaded in a host (pedalboard): what a DAW would export."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lbmodels.contract.accompanist import Audio
from lbmodels.contract.spec import Spec
from lbserver.client.connection import Connection
from lbserver.engine import backends
from lbserver.engine.bounce import BounceReport, BounceRequest, Progress, plan_anticipation_frames, render
from lbserver.engine.describe import understood
from lbserver.engine.lane import Queue, grid_of
from lbserver.engine.stream import check_controls
from lbserver.errors import LiveBandError
from lbserver.host import isolation
from lbserver.host.rundir import ServerInfo, find_server
from lbserver.music.conditions import HostKnowledge, SteadyBeat
from lbserver.plugin.bundles import installed_vst3
from lbserver.protocol.controls import CONTROLS, INDEX
from lbserver.protocol.ranges import RANGES
from lbserver.ring import timeline

CHANNELS = 2
MOST_SEED = 16777215
_MOST_POSITION_S = 3600.0
_MOST_BLOCK = 65536
_PATIENCE_S = 30.0


def find_plugin(path: Path | None) -> Path:
    """The VST3 to load. Raises LiveBandError when there is none."""
    found = installed_vst3() if path is None else path
    if found is None:
        raise LiveBandError("the plug-in is not installed: run `make plugin`, then `liveband plugin install`")
    if not found.exists():
        raise LiveBandError(f"no plug-in at {found}: run `make plugin`, then `liveband plugin install`")
    return found


@contextlib.contextmanager
def a_server(model: str | None) -> Iterator[tuple[ServerInfo, Spec]]:
    """The server that runs, and what it plays; with a model named, or where none runs, one of our own for a while.

    It plays every session by itself, so that a render's bits do not depend on how many stems there are.
    Raises LiveBandError.
    """
    running = find_server() if model is None else None
    if running is not None:
        yield running, _spec_of(running)
        return
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="liveband-"))
        before = os.environ.get("LIVEBAND_RUN")
        run = Path(folder) / "run"
        command = isolation.python("lbserver", "serve", "--exact", "--workers", "1", "--json")
        command += ["--osc-port", "off", "--http-port", "off", "--sessions-per-peer", "16"]
        command += ["--model", backends.whole_name(model)] if model else []
        process = subprocess.Popen(
            command,
            cwd=isolation.SAFE_FOLDER,
            env=isolation.environment({"LIVEBAND_RUN": str(run)}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this program, which ends it
            text=True,
        )
        stack.callback(_end, process)
        assert process.stdout is not None
        info = find_server(run) if process.stdout.readline() else None
        if info is None:
            _end(process)
            assert process.stderr is not None
            words = process.stderr.read().strip().splitlines()
            raise LiveBandError(
                words[-1].removeprefix("liveband: error: ") if words else "the server did not start"
            )
        # The plug-in lives in this process and looks there.
        os.environ["LIVEBAND_RUN"] = str(run)
        stack.callback(_restore, before)
        yield info, _spec_of(info)


def bounce_through_plugin(
    request: BounceRequest,
    plugin: Path,
    server: ServerInfo,
    spec: Spec,
    progress: Progress = lambda _done_s, _total_s: None,
) -> BounceReport:
    """Render with one plug-in for each stem, in mode bounce; its files and report are those of `bounce`.

    Raises LiveBandError: what a host cannot tell the plug-in, or the band went away.
    """
    parameters = parameters_of(
        request.knowledge, seed=request.seed, variation=request.variation, feed_samples=request.feed_samples
    )
    check_controls(spec, request.controls)
    parameters |= dict(_parameter(name, value) for name, value in request.controls.items())
    frames = plan_anticipation_frames(spec, request.anticipation_ms)

    def perform(rate_hz: int) -> "_Hosted":
        timing = timeline.timing(
            grid_of(spec, rate_hz),
            timeline.Mode.BOUNCE,
            anticipation_frames=frames,
            anticipations=spec.anticipations,
        )
        parameters["anticipation_ms"] = frames * spec.frame_ms / RANGES["anticipation"].maximum
        return _Hosted(plugin, request, rate_hz, timing, parameters, lambda: _check_lives(server))

    return render(request, spec, perform, progress)


def _parameter(name: str, value: float) -> tuple[str, float]:
    """A control as the host knows it: its unit is part of the name, its range is 0 to 1."""
    control = CONTROLS[INDEX[name]]
    unit = f"_{control.unit.lower()}" if control.unit else ""
    return name + unit, (value - control.minimum) / (control.maximum - control.minimum)


class _Hosted:
    """Plug-ins in pedalboard, one for each stem, as a performer."""

    channels = CHANNELS

    def __init__(
        self,
        plugin: Path,
        request: BounceRequest,
        rate_hz: int,
        timing: timeline.Timing,
        parameters: dict[str, float],
        check: Callable[[], None],
    ) -> None:
        self.timing = timing
        self._rate_hz, self._feed, self._check = rate_hz, request.feed_samples, check
        self._heard = self._given = 0
        self._plugins = [_load(plugin, stem, request.seed, parameters) for stem in request.stems]
        self._waiting = [Queue(CHANNELS) for _ in self._plugins]
        for each in self._plugins:
            each.reset()

    def push(self, block: Audio) -> Audio:
        self._heard += block.shape[-1]
        return self._process(block)

    def flush(self) -> Audio:
        """The host has taken the reported latency off the beginning: so much is still to come."""
        parts = [np.zeros((len(self._plugins), CHANNELS, 0), np.float32)]
        for _ in range(1 + self._heard // self._feed + self._rate_hz // self._feed):
            if self._given >= self._heard:
                break
            parts.append(self._process(np.zeros((CHANNELS, self._feed), np.float32)))
        if self._given < self._heard:
            raise LiveBandError(f"the plug-in gave {self._given} samples of {self._heard}")
        self._check()
        return np.concatenate(parts, axis=-1)

    def _process(self, block: Audio) -> Audio:
        self._check()
        ready = self._heard - self._given
        for plugin, waiting in zip(self._plugins, self._waiting, strict=True):
            waiting.put(plugin.process(block, self._rate_hz, buffer_size=self._feed, reset=False))
            ready = min(ready, waiting.length)
        self._given += ready
        return np.stack([waiting.take(ready) for waiting in self._waiting])


def _load(path: Path, stem: str, seed: int, parameters: dict[str, float]) -> Any:
    import pedalboard

    try:
        plugin: Any = pedalboard.load_plugin(str(path))
    except (ImportError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise LiveBandError(f"cannot load {path}: {reason}") from None
    missing = {"stem", "mode", "seed", *parameters} - set(plugin.parameters)
    if missing:
        raise LiveBandError(
            f"{path} is not LiveBand, or another version: it has no {', '.join(sorted(missing))}"
        )
    plugin.mode, plugin.stem = "bounce", stem
    # Through its text the host would round a number.
    for name, value in parameters.items():
        plugin.parameters[name].raw_value = value
    _set_seed(plugin, seed)
    return plugin


def _set_seed(plugin: Any, seed: int) -> None:
    """Hosts hold a parameter as 32 bits from 0 to 1, which are just enough for 24 bits of a seed."""
    nearest = np.float32(seed / MOST_SEED)
    for value in (nearest, *(np.nextafter(nearest, np.float32(end)) for end in (0, 1))):
        plugin.parameters["seed"].raw_value = float(value)
        if round(float(plugin.seed)) == seed:
            return
    raise LiveBandError(f"the plug-in does not take the seed {seed}, it takes {plugin.seed:g}: try another")


def parameters_of(
    known: HostKnowledge, *, seed: int, variation: float, feed_samples: int
) -> dict[str, float]:
    """The host's parameters, 0 to 1 each, for a render. Raises LiveBandError for what has none."""
    if known.spans or known.chart or known.key is not None:
        raise LiveBandError(
            "--chords and --key do not go --through plugin: a host has no parameter for them "
            "(the plug-in's window has)"
        )
    if not 0 <= seed <= MOST_SEED:
        raise LiveBandError(f"seed {seed} does not go through the plug-in: 0 to {MOST_SEED}")
    if not 1 <= feed_samples <= _MOST_BLOCK:
        raise LiveBandError(f"a block of {feed_samples} samples does not fit: 1 to {_MOST_BLOCK}")
    values = {
        "bpm": 0.0,
        "position_s": 0.0,
        "variation": variation / RANGES["variation"].maximum,
    }
    if known.beat is None:
        return values
    beat = known.beat
    if not isinstance(beat, SteadyBeat) or beat.first_beat_s is None:
        raise LiveBandError(
            "--through plugin needs --first-beat with --bpm: a host tells where the beats are, or nothing"
        )
    bar_s = beat.beats_per_bar * 60.0 / beat.bpm
    values["bpm"] = beat.bpm / RANGES["bpm"].maximum
    values["position_s"] = (-beat.first_beat_s) % bar_s / _MOST_POSITION_S
    values["beats_per_bar"] = (beat.beats_per_bar - 1) / (RANGES["beats_per_bar"].maximum - 1)
    return values


def _spec_of(server: ServerInfo) -> Spec:
    line = Connection(server, "bounce")
    try:
        spec, _budget = understood(line.ask("description", "describe"))
    finally:
        line.close()
    return spec


def _check_lives(server: ServerInfo) -> None:
    """What would come now is silence. Raises LiveBandError."""
    found = find_server()
    if found is None or found.pid != server.pid:
        raise LiveBandError("the server ended during the render: nothing was written")


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _restore(run: str | None) -> None:
    if run is None:
        os.environ.pop("LIVEBAND_RUN", None)
    else:
        os.environ["LIVEBAND_RUN"] = run
