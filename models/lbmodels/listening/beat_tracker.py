# SPDX-License-Identifier: GPL-3.0-or-later
"""A beat tracker: hears the mix and tells the beat of the frame to be played, where the host does not.

Network (`network`), belief about the beat (`pointer`) and about the bar (`bars`); what is told comes on when the belief is
sure and goes off when it is no longer, with a gap between the two so that it does not flicker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lbmodels.contract.spec import Control
from lbmodels.listening.bars import BarPlace, BarsState
from lbmodels.listening.network import BeatNetwork, NetworkState
from lbmodels.listening.onsets import STRIDES, BandFrontEnd
from lbmodels.listening.pointer import BeatPointer, Pointer, PointerState
from lbmodels.streaming.spectral import FrontState
from lbmodels.streaming.state import select


@dataclass(frozen=True, kw_only=True)
class BeatTrackerConfig:
    """Sizes, and how the filter weighs what it hears. A stride is a quarter of a frame.

    `delay_strides`: how late the network answers. `shortest_strides`: of a beat, one tempo for each length from there on.
    `*_on` and `*_off`: sureness at which telling begins and ends.
    """

    sample_rate: int = 48000
    hop: int = 1920
    bands: int = 32
    features: int = 64
    kernel: int = 5
    depth: int = 6
    tempi: int = 96
    shortest_strides: int = 28
    delay_strides: int = 3
    width_strides: float = 1.2
    trust: float = 0.6
    usual: float = -2.0
    doubt: float = 0.4
    tempo_trust: float = 0.02
    span_trust: float = 0.5
    tempo_change: float = 60.0
    forget: float = 0.001
    bar_trust: float = 1.0
    bar_forget: float = 0.01
    beat_on: float = 0.6
    beat_off: float = 0.3
    bar_on: float = 0.5
    bar_off: float = 0.3

    @property
    def stride_hz(self) -> float:
        return self.sample_rate * STRIDES / self.hop


TEMPO_CONTROLS = tuple(
    Control(name=name, unit="BPM", minimum=20.0, maximum=400.0, default=default, description=description)
    for name, default, description in (
        ("tempo_low", 20.0, "the slowest tempo to be believed where no host tells it"),
        ("tempo_high", 400.0, "the fastest tempo to be believed where no host tells it"),
    )
)


def span_of(conditions: Mapping[str, Tensor]) -> Tensor | None:
    """The controls [...] as a span [..., 2]; None where there are none."""
    if "tempo_low" not in conditions or "tempo_high" not in conditions:
        return None
    return torch.stack([conditions["tempo_low"], conditions["tempo_high"]], dim=-1)


class Kept(NamedTuple):
    """What is known at the end of a frame, each [...]. Its beat is `delay_strides` old.

    `phase` and `beats` since the bar began, in beats; `period` in strides; `metre` in beats; the last two are 1 if told.
    """

    phase: Tensor
    period: Tensor
    beats: Tensor
    metre: Tensor
    beat_told: Tensor
    bar_told: Tensor


class BeatTrackerState(NamedTuple):
    """`steady` [B, 3]: sureness and log period, smoothed, and sureness of the bar; `told` [B, 2]: of beat and bar, 1 or 0."""

    front: FrontState
    network: NetworkState
    pointer: PointerState
    bars: BarsState
    steady: Tensor
    told: Tensor


class BeatTracker(nn.Module):
    """Mix [B, F, C, hop] -> what `Kept` holds, stacked: [B, F, 6]."""

    def __init__(self, config: BeatTrackerConfig) -> None:
        super().__init__()
        self.config = config
        self.front = BandFrontEnd(sample_rate=config.sample_rate, hop=config.hop, bands=config.bands)
        self.network = BeatNetwork(
            bands=config.bands,
            features=config.features,
            kernel=config.kernel,
            depth=config.depth,
            tempi=config.tempi,
        )
        self.pointer = BeatPointer(
            shortest=config.shortest_strides,
            tempi=config.tempi,
            width_strides=config.width_strides,
            trust=config.trust,
            usual=config.usual,
            doubt=config.doubt,
            tempo_change=config.tempo_change,
            forget=config.forget,
        )
        self.register_buffer("open_ends", torch.tensor([1.0, 1000.0]), persistent=False)
        self.bars = BarPlace(trust=config.bar_trust, forget=config.bar_forget)

    def forward(self, x: Tensor, host_bpm: Tensor | None = None, span_bpm: Tensor | None = None) -> Tensor:
        return self.follow(self.network(self.front(x)), host_bpm, span_bpm)

    def follow(self, heard: Tensor, host_bpm: Tensor | None = None, span_bpm: Tensor | None = None) -> Tensor:
        """The network's answers [B, F, D] -> [B, F, 6]: the beliefs go frame by frame."""
        batch = heard.shape[0]
        pointer, bars = self.pointer.init_state(batch), self.bars.init_state(batch)
        steady, told = heard.new_zeros(batch, 3), heard.new_zeros(batch, 2)
        active = torch.ones(batch, dtype=torch.bool, device=heard.device)
        outputs = []
        for n in range(heard.shape[1]):
            bpm = None if host_bpm is None else host_bpm[:, n]
            span = None if span_bpm is None else span_bpm[:, n]
            y, pointer, bars, steady, told = self._believe(
                heard[:, n], bpm, span, pointer, bars, steady, told, active
            )
            outputs.append(y)
        return torch.stack(outputs, dim=1)

    def init_state(self, batch: int) -> BeatTrackerState:
        front = self.front.init_state(batch)
        zeros = front.past.new_zeros(batch, 3)
        return BeatTrackerState(
            front,
            self.network.init_state(batch),
            self.pointer.init_state(batch),
            self.bars.init_state(batch),
            zeros,
            zeros[:, :2].clone(),
        )

    def step(
        self,
        x: Tensor,
        state: BeatTrackerState,
        active: Tensor,
        host_bpm: Tensor | None = None,
        span_bpm: Tensor | None = None,
        spectra: Tensor | None = None,
    ) -> tuple[Tensor, BeatTrackerState]:
        """One frame [B, C, hop] -> [B, 6]. `host_bpm` [B], NaN where the host tells no tempo, decides among tempi;
        `span_bpm` [B, 2] says between which two it lies, NaN where nobody does. `spectra`: see `BandFrontEnd.step`.
        """
        powers, front = self.front.step(x, state.front, active, spectra)
        heard, network = self.network.step(powers, state.network, active)
        y, pointer, bars, steady, told = self._believe(
            heard, host_bpm, span_bpm, state.pointer, state.bars, state.steady, state.told, active
        )
        return y, BeatTrackerState(front, network, pointer, bars, steady, told)

    def _tempo_evidence(self, logits: Tensor, host_bpm: Tensor | None, span_bpm: Tensor | None) -> Tensor:
        """Log likelihoods of one frame, [B, tempi]: what the network thinks, or what the host says."""
        evidence = self.config.tempo_trust * logits
        if span_bpm is not None:
            evidence = evidence - self._outside(span_bpm)
        if host_bpm is None:
            return evidence
        known = ~host_bpm.isnan()
        bpm = torch.where(known, host_bpm, 120.0).clamp(20, 400)
        log_period = torch.log(60.0 * self.config.stride_hz / bpm).unsqueeze(-1)
        off = (self.pointer.get_buffer("log_period") - log_period) / 0.03
        said = (-0.5 * off.square()).clamp(min=-2.0)
        return torch.where(known.unsqueeze(-1), said, evidence)

    def _outside(self, span_bpm: Tensor) -> Tensor:
        """What a frame speaks against tempi outside of a span [B, 2] in bpm, NaN for an end that is open: [B, tempi].

        Only where half or twice the tempo lies within: between these the span decides, and it makes no other tempo be
        believed that is not heard.
        """
        ends = torch.where(span_bpm.isnan(), self.get_buffer("open_ends"), span_bpm.clamp(1.0, 1000.0))
        ends = torch.log(60.0 * self.config.stride_hz / ends)
        swapped = ends[:, :1] < ends[:, 1:]
        longest = torch.where(swapped, ends[:, 1:], ends[:, :1])
        shortest = torch.where(swapped, ends[:, :1], ends[:, 1:])
        log_period = self.pointer.get_buffer("log_period")
        beyond = (log_period - longest).clamp(min=0.0) + (shortest - log_period).clamp(min=0.0)
        instead = torch.zeros_like(beyond)
        for octave in (-log(2.0), log(2.0)):
            other = log_period + octave
            exists = (other >= log_period[0]) & (other <= log_period[-1])
            instead = torch.where(exists & (other <= longest) & (other >= shortest), 1.0, instead)
        return self.config.span_trust * instead * (beyond / 0.1).clamp(max=1.0)

    def _believe(
        self,
        heard: Tensor,
        host_bpm: Tensor | None,
        span_bpm: Tensor | None,
        pointer_state: PointerState,
        bars_state: BarsState,
        steady: Tensor,
        told: Tensor,
        active: Tensor,
    ) -> tuple[Tensor, PointerState, BarsState, Tensor, Tensor]:
        c = self.config
        beat, downbeat, tempo = self.network.split(heard)
        evidence = self._tempo_evidence(tempo, host_bpm, span_bpm)
        pointer, pointer_state = self.pointer.step(beat, evidence, pointer_state, active)
        log_period = pointer.period.log()
        jump = ((log_period - steady[:, 1]).abs() > 0.05).float()
        weight = jump + (1 - jump) * 0.06
        log_period = steady[:, 1] + weight * (log_period - steady[:, 1])
        pointer = Pointer(pointer.phase, log_period.exp(), pointer.sure)
        place, bars_state = self.bars.step(beat, downbeat, pointer, bars_state, active)
        sure = steady[:, 0] + 0.1 * (pointer.sure - steady[:, 0])
        bar_sure = steady[:, 2] + 0.1 * (place.sure - steady[:, 2])
        beat_told = sure > c.beat_on + told[:, 0] * (c.beat_off - c.beat_on)
        bar_told = (bar_sure > c.bar_on + told[:, 1] * (c.bar_off - c.bar_on)) & beat_told
        now = torch.stack([beat_told.float(), bar_told.float()], dim=-1)
        y = torch.cat(
            [torch.stack([pointer.phase, pointer.period, place.beats, place.metre], dim=-1), now], dim=-1
        )
        steady = select(active, torch.stack([sure, log_period, bar_sure], dim=-1), steady)
        return y, pointer_state, bars_state, steady, select(active, now, told)

    def _onward(self, y: Tensor, anticipation: Tensor) -> tuple[Kept, Tensor, Tensor]:
        """What is kept, the beats from there to the frame to be played, and the beat's phase in it."""
        kept = Kept(*y.unbind(-1))
        # From the network's last stride, which spoke of the past, to the beginning of frame n + 1 + A.
        strides = STRIDES * (1.0 + anticipation) - (STRIDES - 1.0) + self.config.delay_strides
        onward = strides / kept.period
        own = kept.phase + onward
        return kept, onward, own - own.floor()

    def ahead(self, y: Tensor, anticipation: Tensor) -> Tensor:
        """What it knows itself of the frame to be played, whatever the host tells: beat phase, bar phase, bpm and metre
        [..., 4]; -1 where it does not know.
        """
        kept, onward, own = self._onward(y, anticipation)
        told, barred = kept.beat_told > 0.5, kept.bar_told > 0.5
        beats = (kept.beats + onward - own + 0.5).floor() + own
        bar = beats / kept.metre
        unknown = torch.full_like(own, -1.0)
        bpm = 60.0 * self.config.stride_hz / kept.period
        return torch.stack(
            [
                torch.where(told, own, unknown),
                torch.where(barred, bar - bar.floor(), unknown),
                torch.where(told, bpm, unknown),
                torch.where(barred, kept.metre, unknown),
            ],
            dim=-1,
        )

    def tell(self, y: Tensor, conditions: Mapping[str, Tensor], anticipation: Tensor) -> dict[str, Tensor]:
        """Conditions of the frame to be played, with what the host leaves open filled in.

        Args:
            y: the output of `step`, or of `forward`, [..., 6].
            conditions: the host's, `beat_phase`, `bar_phase` and `tempo` [...] among them, NaN where unknown;
                `tempo_scale`, if it is there, is what a tempo is multiplied by that the host leaves open.
            anticipation: A in frames, [...].
        """
        kept, onward, own = self._onward(y, anticipation)
        unknown = torch.full_like(own, torch.nan)
        host_beat = conditions["beat_phase"]
        told = kept.beat_told > 0.5
        beat = torch.where(host_beat.isnan(), torch.where(told, own, unknown), host_beat)
        # A bar that goes with the beat as told, be it the host's or ours.
        beats = kept.beats + onward
        lag = beats - beat
        whole = (lag + 0.5).floor()
        agreed = (lag - whole).abs() < 0.2
        bar = (whole + beat) / kept.metre
        bar = bar - bar.floor()
        bar = torch.where((kept.bar_told > 0.5) & agreed, bar, unknown)
        host_bar, host_tempo = conditions["bar_phase"], conditions["tempo"]
        bpm = 60.0 * self.config.stride_hz / kept.period
        scale = conditions.get("tempo_scale")
        if scale is not None:
            bpm = bpm * torch.where(scale.isnan(), 1.0, scale)
        tempo = torch.where(told, bpm, unknown)
        return {
            **conditions,
            "beat_phase": beat,
            "bar_phase": torch.where(host_bar.isnan(), bar, host_bar),
            "tempo": torch.where(host_tempo.isnan(), tempo, host_tempo),
        }
