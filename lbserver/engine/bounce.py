# SPDX-License-Identifier: GPL-3.0-or-later
"""Offline rendering: a recording goes through the engine as live audio would, and comes out as stem files."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import log10
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lbmodels.contract.accompanist import Accompanist, Audio
from lbmodels.contract.spec import Spec
from lbserver.audio import writing
from lbserver.audio.channels import sounding, to_channels
from lbserver.audio.limiter import Limiter
from lbserver.audio.loudness import LoudnessMeter, peak_dbfs
from lbserver.audio.reading import BLOCK_SAMPLES, STANDARD_INPUT, AudioReader, Recording
from lbserver.audio.writing import AudioWriter
from lbserver.engine.lane import Queue, grid_of
from lbserver.engine.stream import SessionConfig, StreamDriver
from lbserver.errors import LiveBandError
from lbserver.files.paths import beside
from lbserver.music.conditions import HostKnowledge, condition_source
from lbserver.protocol.ranges import refusal
from lbserver.ring import timeline

OUTPUT_CHANNELS = 2
MIX = "mix"
_BLEND_PEAK = 10 ** (-1.0 / 20)  # a blend that would clip is turned down to -1 dBFS


@dataclass(frozen=True, kw_only=True)
class Take:
    """How to play along, to whatever recording. `feed_samples` is the block size the engine is fed with; it changes no bit."""

    stems: tuple[str, ...]
    knowledge: HostKnowledge = HostKnowledge()
    anticipation_ms: float | None = None
    seed: int = 0
    variation: float = 1.0
    controls: Mapping[str, float] = field(default_factory=dict)
    gain_db: float = 0.0
    feed_samples: int = 4096


@dataclass(frozen=True, kw_only=True)
class BounceRequest(Take):
    """What to render. `outputs` maps stem names, and `mix` for the blend of input and stems, to files.

    `stems` are rendered; those without an entry in `outputs` are heard in the blend only.
    """

    source: Path | Recording
    outputs: Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """One written file; loudness and peak are None where there is none to speak of."""

    name: str
    path: Path
    loudness_lufs: float | None
    peak_dbfs: float | None
    clipped_samples: int
    lowered_db: float = 0.0


@dataclass(frozen=True, kw_only=True)
class BounceReport:
    """What was rendered; `rtf` is seconds of audio per second of compute, of all stems at once."""

    source: Path
    duration_s: float
    samples: int
    rate_hz: int
    source_channels: int
    source_loudness_lufs: float | None
    model: str
    weights_id: str
    stems: tuple[str, ...]
    seed: int
    timing: timeline.Timing
    anticipation_ms: float
    frame_ms: float
    compute_s: float
    rtf: float
    files: tuple[FileReport, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        values = {**vars(self), "source": str(self.source), "stems": list(self.stems)}
        values["files"] = [{**vars(file), "path": str(file.path)} for file in self.files]
        values["timing"] = {
            name: float(value) if not isinstance(value, int) else value
            for name, value in vars(self.timing).items()
        }
        return values


Progress = Callable[[float, float], None]
"""Called with the seconds of audio done, and in all."""


def plan_anticipation_frames(spec: Spec, anticipation_ms: float | None) -> int:
    """Frames nearest to the wish, of those that the model was made for; by default the usual one.

    Raises LiveBandError outside of the model's range.
    """
    least, most = spec.anticipation_frames
    if anticipation_ms is None:
        return spec.usual_anticipation
    grid = timeline.Grid(host_rate_hz=spec.sample_rate, model_rate_hz=spec.sample_rate, hop_samples=spec.hop)
    frames = -1
    if not refusal("anticipation", anticipation_ms):
        frames = timeline.anticipation_frames_nearest(grid, anticipation_ms, spec.anticipations)
    if not least <= frames <= most:
        raise LiveBandError(
            f"an anticipation of {anticipation_ms:g} ms is out of range: {spec.name} takes "
            f"{least * spec.frame_ms:g} to {most * spec.frame_ms:g} ms"
        )
    return frames


def plan_outputs(
    source: Path, out: Path, stems: tuple[str, ...], *, mix: bool, mix_only: bool, folder: bool = False
) -> dict[str, Path]:
    """Which file each stem, and the blend as `mix`, is written to.

    One file is written to `out` itself. Several become `out` with the name before the ending: `o.wav` ->
    `o_bass.wav`, `o_mix.wav`. If `out` is a `folder`, or has no ending, they go into it, named after the source:
    `song_bass.wav`, or `stdin_bass.wav`.
    """
    names = output_names(stems, mix=mix, mix_only=mix_only)
    if folder or not out.suffix:
        title = "stdin" if source == STANDARD_INPUT else source.stem
        return {name: out / f"{title}_{name}.wav" for name in names}
    if len(names) == 1:
        return {names[0]: out}
    return {name: out.with_name(f"{out.stem}_{name}{out.suffix}") for name in names}


def output_names(stems: Sequence[str], *, mix: bool, mix_only: bool) -> list[str]:
    """What is written: stems, and `mix` for the blend."""
    return [MIX] if mix_only else [*stems, *([MIX] if mix else [])]


class Performer(Protocol):
    """Whoever plays the stems of a render: hears [C, T], gives [B, 1 or 2, T] for the same positions, later."""

    @property
    def channels(self) -> int:
        """C, of what it hears."""
        ...

    @property
    def timing(self) -> timeline.Timing:
        """What it reports of its timing."""
        ...

    def push(self, block: Audio) -> Audio:
        """Hear a block; what can be heard of the stems by now."""
        ...

    def flush(self) -> Audio:
        """The rest, up to the last sample that was heard."""
        ...


class _Driven:
    """The engine's offline driver as a performer."""

    def __init__(self, driver: StreamDriver) -> None:
        self._driver = driver
        self.channels = driver.accompanist.spec.channels
        self.timing = driver.timing

    def push(self, block: Audio) -> Audio:
        return self._driver.push(block).audio

    def flush(self) -> Audio:
        return self._driver.flush().audio


def bounce(
    request: BounceRequest, accompanist: Accompanist, progress: Progress = lambda _done_s, _total_s: None
) -> BounceReport:
    """Render with an accompanist in this process: see `render`."""
    spec = accompanist.spec
    frames = plan_anticipation_frames(spec, request.anticipation_ms)

    def perform(rate_hz: int) -> Performer:
        config = SessionConfig(
            host_rate_hz=rate_hz,
            stems=request.stems,
            anticipation_frames=frames,
            seed=request.seed,
            variation=request.variation,
            controls=request.controls,
        )
        return _Driven(
            StreamDriver(accompanist, config, condition_source(request.knowledge, grid_of(spec, rate_hz)))
        )

    return render(request, spec, perform, progress)


def render(
    request: BounceRequest,
    spec: Spec,
    perform: Callable[[int], Performer],
    progress: Progress = lambda _done_s, _total_s: None,
) -> BounceReport:
    """Render with the performer that `perform` makes for the source's rate.

    All files appear under their names at the end, together, or none does.
    Memory does not grow with the length of the source, but for 0.3 MB an hour of loudness readings.
    Raises LiveBandError; on any exception the `.part` files are removed.
    """
    asked = {
        "variation": request.variation,
        "gain": request.gain_db,
        "seed": request.seed,
        "chunk": request.feed_samples,
    }
    for name, value in asked.items():
        if why := refusal(name, value):
            raise LiveBandError(f"a {name} of {why}")
    for name in request.outputs:
        if name != MIX and name not in request.stems:
            raise LiveBandError(
                f"an output for {name!r}, which is not among the stems {', '.join(request.stems)}"
            )
    with ExitStack() as stack:
        heard_channels = _heard_channels(request.source)
        reader = stack.enter_context(AudioReader(request.source))
        if any(reader.is_at(path) for path in request.outputs.values()):
            raise LiveBandError(f"the output would replace the input {reader.path}: choose another name")
        if len({os.path.realpath(path) for path in request.outputs.values()}) < len(request.outputs):
            raise LiveBandError("links make two of the outputs one file: choose another name")
        performer = _AtGain(perform(reader.rate_hz), reader.rate_hz, len(request.stems), request.gain_db)
        done = 0

        def open_writer(path: Path) -> AudioWriter:
            return stack.enter_context(
                AudioWriter(
                    path, rate_hz=reader.rate_hz, channels=OUTPUT_CHANNELS, expected_samples=reader.frames
                )
            )

        writers = {name: open_writer(path) for name, path in request.outputs.items()}
        sinks = {name: _Sink(writer) for name, writer in writers.items() if name != MIX}
        # How loud the blend gets is known at its end: it is kept as floats and written in a second pass.
        blend = _Sink(open_writer(_draft(writers[MIX].target))) if MIX in writers else None
        source_meter = LoudnessMeter(rate_hz=reader.rate_hz, channels=OUTPUT_CHANNELS)
        started = time.perf_counter()
        for heard, played in _stream(reader, heard_channels, performer, request.feed_samples):
            source_meter.push(heard)
            for stem, audio in zip(request.stems, played, strict=True):
                if stem in sinks:
                    sinks[stem].put(audio)
            if blend is not None:
                blend.put(heard + played.sum(axis=0))
            done += heard.shape[-1]
            progress(done / reader.rate_hz, (reader.frames or done) / reader.rate_hz)
        compute_s = time.perf_counter() - started
        scale = 1.0
        if blend is not None:
            blend.writer.finish()
            scale = min(1.0, _BLEND_PEAK / blend.meter.peak) if blend.meter.peak > 1.0 else 1.0
            sinks[MIX] = _Sink(writers[MIX])
            with AudioReader(blend.writer.part) as draft:
                for block in draft.blocks():
                    sinks[MIX].put(block * np.float32(scale))
        for writer in writers.values():
            writer.finish()
        for writer in writers.values():
            writer.publish()
    duration_s = done / reader.rate_hz
    return BounceReport(
        source=reader.path,
        duration_s=duration_s,
        samples=done,
        rate_hz=reader.rate_hz,
        source_channels=reader.channels,
        source_loudness_lufs=source_meter.lufs(),
        model=spec.name,
        weights_id=spec.weights_id,
        stems=request.stems,
        seed=request.seed,
        timing=performer.timing,
        anticipation_ms=performer.timing.anticipation_frames * spec.frame_ms,
        frame_ms=spec.frame_ms,
        compute_s=compute_s,
        rtf=duration_s / max(compute_s, 1e-9),
        files=tuple(
            FileReport(
                name=name,
                path=writer.path,
                loudness_lufs=sinks[name].meter.lufs(),
                peak_dbfs=peak_dbfs(sinks[name].meter.peak),
                clipped_samples=writer.clipped_samples,
                lowered_db=-20.0 * log10(scale) if name == MIX and scale < 1.0 else 0.0,
            )
            for name, writer in writers.items()
        ),
    )


def remove_left(outputs: Mapping[str, Path]) -> None:
    """Remove what a render that was killed left of its files."""
    for name, path in outputs.items():
        writing.remove_left(path)
        if name == MIX:
            writing.remove_left(_draft(Path(os.path.realpath(path))))


def _draft(target: Path) -> Path:
    """The blend before its level is known, beside the file it will be."""
    return beside(target, ".draft.wav")


class _AtGain:
    """A performer turned up or down; turned up, its stems are limited anew."""

    def __init__(self, performer: Performer, rate_hz: int, rows: int, gain_db: float) -> None:
        self._performer, self._rows = performer, rows
        self.channels, self.timing = performer.channels, performer.timing
        self._gain = np.float32(10.0 ** (gain_db / 20.0))
        self._piece = rate_hz // 25 if gain_db > 0 else 0
        self._limiter = Limiter(rate_hz=rate_hz, rows=rows, channels=OUTPUT_CHANNELS)
        self._waiting = Queue(rows * OUTPUT_CHANNELS)

    def push(self, block: Audio) -> Audio:
        return self._turned(self._performer.push(block))

    def flush(self) -> Audio:
        last = self._turned(self._performer.flush())
        if not self._piece:
            return last
        rest = self._limiter.push(self._waiting.take(self._waiting.length))
        return np.concatenate([last, self._by_row(rest)], axis=-1)

    def _turned(self, audio: Audio) -> Audio:
        if audio.shape[1] != OUTPUT_CHANNELS:
            audio = np.repeat(audio, OUTPUT_CHANNELS, axis=1)
        audio = audio * self._gain
        if not self._piece:
            return audio
        # In pieces of one length, whatever the blocks: what a limiter does depends on them.
        self._waiting.put(audio.reshape(self._rows * OUTPUT_CHANNELS, -1))
        whole = self._waiting.length // self._piece
        done = [self._limiter.push(self._waiting.take(self._piece)) for _ in range(whole)]
        return self._by_row(np.concatenate([audio[0, :, :0].repeat(self._rows, axis=0), *done], axis=-1))

    def _by_row(self, audio: Audio) -> Audio:
        return audio.reshape(self._rows, OUTPUT_CHANNELS, -1)


class _Sink:
    """A writer that is measured as it is written."""

    def __init__(self, writer: AudioWriter) -> None:
        self.writer = writer
        self.meter = LoudnessMeter(rate_hz=writer.rate_hz, channels=writer.channels)

    def put(self, audio: Audio) -> None:
        self.writer.write(audio)
        self.meter.push(audio)


def _heard_channels(source: Path | Recording) -> Sequence[int] | None:
    """The channels that count, where there are more than a pair: silent ones would only turn the others down."""
    with AudioReader(source) as reader:
        return sounding(reader.blocks(), reader.channels) if reader.channels > OUTPUT_CHANNELS else None


def _stream(
    reader: AudioReader, heard_channels: Sequence[int] | None, performer: Performer, feed: int
) -> Iterator[tuple[Audio, Audio]]:
    """The source as heard [2, T] beside what was played at the same positions [B, 2, T].

    The file is read and written in large blocks; only the engine sees the small ones.
    """
    waiting = Queue(OUTPUT_CHANNELS)
    for block in reader.blocks(max(BLOCK_SAMPLES, feed)):
        heard = to_channels(block if heard_channels is None else block[heard_channels], OUTPUT_CHANNELS)
        waiting.put(heard)
        mix = to_channels(heard, performer.channels)
        played = [performer.push(mix[:, at : at + feed]) for at in range(0, mix.shape[-1], feed)]
        yield _beside(waiting, played)
    yield _beside(waiting, [performer.flush()])


def _beside(waiting: Queue, played: list[Audio]) -> tuple[Audio, Audio]:
    audio = np.concatenate(played, axis=-1)
    return waiting.take(audio.shape[-1]), audio
