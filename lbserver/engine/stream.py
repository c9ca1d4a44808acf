# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams a session through an accompanist, frame by frame, with everything placed by position.

This is the offline driver: it waits for the model and drops nothing. It holds no clock and no file.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Accompanist, Audio
from lbmodels.contract.conditions import table
from lbmodels.contract.spec import Spec
from lbserver.engine.lane import Lane, grid_of
from lbserver.engine.shell import Shell, shell_conditions
from lbserver.errors import LiveBandError
from lbserver.music.conditions import ConditionSource, nothing_known
from lbserver.protocol.controls import CONTROLS
from lbserver.protocol.messages import MessageError, control_value
from lbserver.ring import timeline


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """What one session asks for; several stems share the mix and play as one batch.

    `variation` is the temperature of the noise, `controls` what else the model lets be set, by name; `seed` gives every
    stem its own stream of noise, the same whether it plays alone or with others.
    """

    host_rate_hz: int
    stems: tuple[str, ...]
    anticipation_frames: int
    seed: int = 0
    variation: float = 1.0
    controls: Mapping[str, float] = field(default_factory=dict)


class Placed(NamedTuple):
    """Accompaniment [B, C, T] that sounds from host sample `position` on."""

    position: int
    audio: Audio


def check_controls(spec: Spec, values: Mapping[str, float]) -> None:
    """Raises LiveBandError for a control that neither the model nor the shell around it has, or a value out of its range."""
    own = {control.name: control for control in spec.controls}
    shell = [control.name for control in CONTROLS if control.acts == "shell"]
    for name, value in values.items():
        if name in shell:
            try:
                control_value(name, value)
            except MessageError as error:
                raise LiveBandError(str(error)) from None
        elif name not in own:
            raise LiveBandError(
                f"{spec.name} has no control {name!r}; it has {', '.join([*sorted(own), *shell])}"
            )
        elif not own[name].minimum <= value <= own[name].maximum:
            raise LiveBandError(
                f"{name} {value:g} is out of range: {own[name].minimum:g} to {own[name].maximum:g}"
            )


def stem_index(spec: Spec, stem: str) -> int:
    """Index of a stem class; raises LiveBandError naming the ones that exist."""
    if stem not in spec.stems:
        raise LiveBandError(f"unknown stem {stem!r}: {spec.name} plays {', '.join(spec.stems)}")
    return spec.stems.index(stem)


def stem_seed(seed: int, stem: str) -> int:
    """A 31-bit seed for one stem of a session, a function of nothing but the two."""
    digest = hashlib.sha256(f"{seed}:{stem}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


class StreamDriver:
    """One session, offline: `push` the mix in blocks of any size, read the accompaniment, `flush` at the end.

    All told it gives exactly as many samples as it was pushed, and the same bits for any block sizes: the model
    hears whole frames and the resamplers whole host frames, whatever the blocks were.

    State: `model_state` (the accompanist's), `read` (host samples given out), and the lane.
    """

    def __init__(
        self,
        accompanist: Accompanist,
        config: SessionConfig,
        conditions: ConditionSource = nothing_known,
    ) -> None:
        """Raises LiveBandError for an unknown stem or control, or an anticipation the accompanist was not made for."""
        spec = accompanist.spec
        check_controls(spec, config.controls)
        self.accompanist = Shell(accompanist)
        self.config = config
        self.grid = grid_of(spec, config.host_rate_hz)
        self.timing = timeline.timing(
            self.grid,
            timeline.Mode.BOUNCE,
            anticipation_frames=config.anticipation_frames,
            anticipations=spec.anticipations,
        )
        if not config.stems:
            raise LiveBandError(f"no stem asked for: {spec.name} plays {', '.join(spec.stems)}")
        if len(set(config.stems)) != len(config.stems):
            raise LiveBandError(f"a stem is asked for twice: {', '.join(config.stems)}")
        rows = len(config.stems)
        self._always: dict[str, float | NDArray[np.float32]] = {
            "stem": np.array([stem_index(spec, stem) for stem in config.stems], np.float32),
            "anticipation": float(config.anticipation_frames),
            "variation": config.variation,
            **config.controls,
            **shell_conditions(config.controls, live=False),
        }
        self._conditions = conditions
        self._active = np.ones(rows, np.bool_)
        self.model_state: Any = self.accompanist.init_state(
            [stem_seed(config.seed, stem) for stem in config.stems]
        )
        self.lane = Lane(spec, self.grid, config.anticipation_frames, rows=rows)
        self.read = 0

    @property
    def pushed(self) -> int:
        """Host samples pushed so far."""
        return self.lane.heard

    def push(self, block: Audio) -> Placed:
        """Give the next host samples [C, T], any T >= 0; returns what can be heard by now, perhaps [B, C, 0].

        Never returns audio of a position that was not pushed yet, so a caller who stops pushing has no excess.
        """
        self.lane.hear(block)
        self._run_steps()
        return self._take_until(min(self.lane.heard, self.lane.stem.end))

    def flush(self) -> Placed:
        """End of the mix: the rest, so that the output is as long as the input. The driver is spent after it."""
        self.lane.finish()
        self._run_steps()
        self.lane.close_stem()
        return self._take_until(self.lane.heard)

    def _run_steps(self) -> None:
        """Play every step whose mix is complete. A frame the output still needs never lacks its mix at the end,
        because it sounds after the mix it was decided from.
        """
        spec = self.accompanist.spec
        rows = len(self.config.stems)
        while self.lane.waiting > 0:
            mix = np.repeat(self.lane.take_mix()[None], rows, axis=0)
            first = self.lane.output_frame
            known = [self._conditions(first + n) for n in range(spec.chunk_frames)]
            stem, self.model_state = self.accompanist.step(
                mix,
                table(self._always, known, rows),
                self.model_state,
                self._active,
            )
            if not np.isfinite(stem).all():
                raise LiveBandError(
                    f"{spec.name} produced samples that are not numbers at "
                    f"{float(timeline.frame_time_s(self.grid, first)):.3f} s: its weights are damaged or unfit"
                )
            self.lane.play(stem.reshape(rows * spec.channels, -1))

    def _take_until(self, position: int) -> Placed:
        rows, start = len(self.config.stems), self.read
        audio = self.lane.stem.take(max(0, position - start))
        self.read = start + audio.shape[-1]
        return Placed(start, audio.reshape(rows, self.accompanist.spec.channels, audio.shape[-1]))
