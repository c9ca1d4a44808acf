# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams a session through an accompanist, frame by frame, with everything placed by position.

This is the offline driver: it waits for the model and drops nothing. It holds no clock and no file.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbserver import timeline
from lbserver.accompanist import CONDITION_WIDTHS, Accompanist, Audio, Spec
from lbserver.conditions import ConditionSource, FrameConditions, nothing_known
from lbserver.errors import LiveBandError
from lbserver.resample import PositionedResampler


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """What one session asks for; several stems share the mix and play as one batch.

    `variation` is the temperature of the noise; `seed` gives every stem its own stream of noise, the same
    whether it plays alone or with others.
    """

    host_rate_hz: int
    stems: tuple[str, ...]
    anticipation_frames: int
    seed: int = 0
    variation: float = 1.0


class Placed(NamedTuple):
    """Accompaniment [B, C, T] that sounds from host sample `position` on."""

    position: int
    audio: Audio


def stem_seed(seed: int, stem: str) -> int:
    """A 31-bit seed for one stem of a session, a function of nothing but the two."""
    digest = hashlib.sha256(f"{seed}:{stem}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def grid_of(spec: Spec, host_rate_hz: int) -> timeline.Grid:
    """The clocks of a session between a host and an accompanist."""
    return timeline.Grid(
        host_rate_hz=host_rate_hz,
        model_rate_hz=spec.sample_rate,
        hop_samples=spec.hop,
        chunk_frames=spec.chunk_frames,
    )


class StreamDriver:
    """One session, offline: `push` the mix in blocks of any size, read the accompaniment, `flush` at the end.

    All told it gives exactly as many samples as it was pushed, and the same bits for any block sizes: the model
    hears whole frames and the resamplers whole host frames, whatever the blocks were.

    State: `model_state` (the accompanist's), `steps` (model steps done), `pushed` and `read` (host samples in
    and out), the two resamplers, and the audio that waits between them.
    """

    def __init__(
        self,
        accompanist: Accompanist,
        config: SessionConfig,
        conditions: ConditionSource = nothing_known,
    ) -> None:
        """Raises LiveBandError for an unknown stem or an anticipation the accompanist was not made for."""
        spec = accompanist.spec
        self.accompanist = accompanist
        self.config = config
        self.grid = grid_of(spec, config.host_rate_hz)
        self.timing = timeline.timing(
            self.grid,
            timeline.Mode.BOUNCE,
            anticipation_frames=config.anticipation_frames,
            anticipation_range=spec.anticipation_frames,
        )
        if not config.stems:
            raise LiveBandError(f"no stem asked for: {spec.name} plays {', '.join(spec.stems)}")
        if len(set(config.stems)) != len(config.stems):
            raise LiveBandError(f"a stem is asked for twice: {', '.join(config.stems)}")
        rows = len(config.stems)
        self._always: dict[str, float | NDArray[np.float32]] = {
            "stem": np.array([spec.stem_index(stem) for stem in config.stems], np.float32),
            "anticipation": float(config.anticipation_frames),
            "variation": config.variation,
        }
        self._conditions = conditions
        self._active = np.ones(rows, np.bool_)
        self.model_state: Any = accompanist.init_state(
            [stem_seed(config.seed, stem) for stem in config.stems]
        )
        self.steps = 0
        self.pushed = 0
        self.read = 0
        self._to_model = PositionedResampler(
            in_rate_hz=config.host_rate_hz, out_rate_hz=spec.sample_rate, channels=spec.channels
        )
        # The stems share one resampler as so many channels: one filter, one position.
        self._to_host = PositionedResampler(
            in_rate_hz=spec.sample_rate, out_rate_hz=config.host_rate_hz, channels=rows * spec.channels
        )
        self._host_frame = 0
        self._boundary = timeline.frame_start(self.grid, 1)  # where the host frame under way ends
        self._heard = Queue(spec.channels)
        self._mix = Queue(spec.channels)
        self._played = Queue(rows * spec.channels)
        silent = timeline.silent_frames(self.grid, config.anticipation_frames) * spec.hop
        self._played.put(self._to_host.push(np.zeros((rows * spec.channels, silent), np.float32)))

    def push(self, block: Audio) -> Placed:
        """Give the next host samples [C, T], any T >= 0; returns what can be heard by now, perhaps [B, C, 0].

        Never returns audio of a position that was not pushed yet, so a caller who stops pushing has no excess.
        """
        self._heard.put(block)
        self.pushed += block.shape[-1]
        while self._heard.end >= self._boundary:
            self._mix.put(self._to_model.push(self._heard.take(self._boundary - self._heard.start)))
            self._host_frame += 1
            self._boundary = timeline.frame_start(self.grid, self._host_frame + 1)
            self._run_steps()
        return self._take_until(min(self.pushed, self._played.end))

    def flush(self) -> Placed:
        """End of the mix: the rest, so that the output is as long as the input. The driver is spent after it."""
        self._mix.put(self._to_model.push(self._heard.take(self._heard.length)))
        self._mix.put(self._to_model.flush(timeline.model_samples_before(self.grid, self.pushed)))
        self._run_steps()
        self._played.put(self._to_host.flush(self.pushed))
        return self._take_until(self.pushed)

    def _run_steps(self) -> None:
        """Play every step whose mix is complete. A frame the output still needs never lacks its mix at the end,
        because it sounds after the mix it was decided from.
        """
        spec = self.accompanist.spec
        rows, length = len(self.config.stems), spec.hop * spec.chunk_frames
        while self._mix.length >= length:
            mix = np.repeat(self._mix.take(length)[None], rows, axis=0)
            first = timeline.output_frames_of_step(self.grid, self.steps, self.config.anticipation_frames)[0]
            stem, self.model_state = self.accompanist.step(
                mix,
                batch_conditions(self._always, self._conditions(first), rows),
                self.model_state,
                self._active,
            )
            if not np.isfinite(stem).all():
                raise LiveBandError(
                    f"{spec.name} produced samples that are not numbers at "
                    f"{float(timeline.frame_time_s(self.grid, first)):.3f} s: its weights are damaged or unfit"
                )
            assert first * spec.hop == self._to_host.pushed  # placed by position, not by arrival
            self._played.put(self._to_host.push(stem.reshape(rows * spec.channels, length)))
            self.steps += 1

    def _take_until(self, position: int) -> Placed:
        rows, start = len(self.config.stems), self.read
        audio = self._played.take(max(0, position - start))
        self.read = start + audio.shape[-1]
        return Placed(start, audio.reshape(rows, self.accompanist.spec.channels, audio.shape[-1]))


def batch_conditions(
    always: FrameConditions, known: FrameConditions, rows: int
) -> dict[str, NDArray[np.float32]]:
    """All conditions of one output frame as float32 [B] or [B, width]; NaN where nobody knows."""
    batch = {}
    for name, width in CONDITION_WIDTHS.items():
        value = always.get(name, known.get(name, np.nan))
        shape = (rows,) if width == 1 else (rows, width)
        batch[name] = np.array(np.broadcast_to(value, shape), np.float32)
    return batch


class Queue:
    """Samples [C, T] in order: `start` is the position of the first that waits, `end` that after the last."""

    def __init__(self, channels: int) -> None:
        self.start = 0
        self.end = 0
        self._blocks: list[Audio] = []
        self._channels = channels

    @property
    def length(self) -> int:
        return self.end - self.start

    def put(self, block: Audio) -> None:
        assert block.shape[0] == self._channels
        if block.shape[-1]:
            self._blocks.append(block)
            self.end += block.shape[-1]

    def take(self, samples: int) -> Audio:
        """The first `samples`, which must be waiting; not to be written to."""
        assert 0 <= samples <= self.length
        if not samples:
            return np.zeros((self._channels, 0), np.float32)
        joined = self._blocks[0] if len(self._blocks) == 1 else np.concatenate(self._blocks, axis=1)
        self._blocks = [joined[:, samples:]] if joined.shape[-1] > samples else []
        self.start += samples
        return joined[:, :samples]
