# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of one session's audio from the host's clock to the model's and back, placed by position."""

import numpy as np

from lbmodels.contract.accompanist import Audio
from lbmodels.contract.spec import Spec
from lbserver.audio.fades import Concealer
from lbserver.audio.limiter import Limiter
from lbserver.audio.resample import PositionedResampler
from lbserver.ring import timeline


def grid_of(spec: Spec, host_rate_hz: int) -> timeline.Grid:
    """The clocks of a session between a host and an accompanist."""
    return timeline.Grid(
        host_rate_hz=host_rate_hz,
        model_rate_hz=spec.sample_rate,
        hop_samples=spec.hop,
        chunk_frames=spec.chunk_frames,
    )


_MOST_IN = 8.0  # +18 dBFS
_MOST_OUT = 2.0  # +6 dBFS


class Lane:
    """Host blocks in, whole mix frames out; stem frames in, host samples out. One epoch long.

    The stems of one mix share a lane as `rows`, so many channels of one resampler. `steps` counts the frames that
    were played or skipped, so the next output frame follows from it alone. The offline driver and the live engine
    use the same lane: that is why they give the same bits. `gain` is what will be done to the stem after it left: what is
    turned up then is limited for it here.
    """

    def __init__(
        self,
        spec: Spec,
        grid: timeline.Grid,
        anticipation_frames: int,
        *,
        rows: int = 1,
        first_step: int = 0,
    ) -> None:
        """`first_step` > 0 takes a stream up in its middle: `hear` then expects host samples from `heard` on."""
        self.spec, self.grid, self.anticipation_frames = spec, grid, anticipation_frames
        self.steps = first_step
        self._chunk_samples = spec.hop * spec.chunk_frames
        self._to_model = PositionedResampler(
            in_rate_hz=grid.host_rate_hz,
            out_rate_hz=grid.model_rate_hz,
            channels=spec.channels,
            first_output=first_step * self._chunk_samples,
        )
        first_frame = self.output_frame if first_step else 0
        self._to_host = PositionedResampler(
            in_rate_hz=grid.model_rate_hz,
            out_rate_hz=grid.host_rate_hz,
            channels=rows * spec.channels,
            first_output=timeline.frame_start(grid, first_frame),
        )
        self._limiter = Limiter(rate_hz=grid.host_rate_hz, rows=rows, channels=spec.channels)
        self.gain = 1.0
        self._heard = Queue(spec.channels, start=self._to_model.pushed)
        self._mix = Queue(spec.channels, start=first_step * self._chunk_samples)
        self.stem = Queue(rows * spec.channels, start=self._to_host.emitted)
        self._concealer = Concealer(rate_hz=grid.model_rate_hz, channels=rows * spec.channels)
        self._steps_heard = first_step
        self.needed = self._to_model.input_needed((first_step + 1) * self._chunk_samples)
        """Host samples that must be heard before the next mix frame is whole."""
        silent = self.output_frame * spec.hop - self._to_host.pushed
        self._give(self._to_host.push(np.zeros((rows * spec.channels, silent), np.float32)))
        if first_step:
            self._concealer.reset(fade_in=True)

    @property
    def heard(self) -> int:
        """Host samples heard so far."""
        return self._heard.end

    @property
    def waiting(self) -> int:
        """Whole mix chunks that wait to be played to."""
        return self._steps_heard - self.steps

    @property
    def output_frame(self) -> int:
        """First output frame of the next step."""
        return timeline.output_frames_of_step(self.grid, self.steps, self.anticipation_frames)[0]

    @property
    def needed_for_next(self) -> int:
        """Host samples that decide the next step."""
        return self._to_model.input_needed((self.steps + 1) * self._chunk_samples)

    def hear(self, block: Audio) -> None:
        """The next host samples [C, T], any T >= 0. What no ear could bear is made silent or limited."""
        self._heard.put(_bearable(block, _MOST_IN))
        while self._heard.end >= self.needed:
            self._mix.put(self._to_model.push(self._heard.take(self.needed - self._heard.start)))
            self._steps_heard += 1
            self.needed = self._to_model.input_needed((self._steps_heard + 1) * self._chunk_samples)

    def finish(self) -> None:
        """End of the mix: what is left becomes a last chunk as far as it is whole."""
        samples = timeline.model_samples_before(self.grid, self._heard.end)
        self._mix.put(self._to_model.push(self._heard.take(self._heard.length)))
        self._mix.put(self._to_model.flush(samples))
        self._steps_heard = self._mix.end // self._chunk_samples

    def take_mix(self) -> Audio:
        """The mix chunk [C, k*H] of the next step."""
        return self._mix.take(self._chunk_samples)

    def play(self, stem: Audio) -> None:
        """The step's stem [rows*C, k*H]; it lands at the position its step number says."""
        self._land(self._concealer.present(_bearable(stem, _MOST_OUT)))

    def skip(self) -> None:
        """Go on without the step whose mix was taken: its frames fade to silence."""
        self._land(self._concealer.absent(self._chunk_samples))

    def close_stem(self) -> None:
        """End of the stem: it becomes as long as what was heard."""
        self._give(self._to_host.flush(self._heard.end))

    def _land(self, audio: Audio) -> None:
        assert self.output_frame * self.spec.hop == self._to_host.pushed  # by position, not by arrival
        self._give(self._to_host.push(audio))
        self.steps += 1

    def _give(self, audio: Audio) -> None:
        self.stem.put(self._limiter.push(audio, gain=self.gain))


def _bearable(audio: Audio, most: float) -> Audio:
    """Audio as it is; where it is not finite silent, where it is beyond `most` limited."""
    if audio.size and not (np.abs(audio).max() <= most):  # false for NaN too
        return np.clip(np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0), -most, most).astype(np.float32)
    return audio


def resampling_samples(spec: Spec, host_rate_hz: int) -> int:
    """Host samples by which both resamplers together delay what comes out; a part of the budget S."""
    into = PositionedResampler(in_rate_hz=host_rate_hz, out_rate_hz=spec.sample_rate, channels=1)
    back = PositionedResampler(in_rate_hz=spec.sample_rate, out_rate_hz=host_rate_hz, channels=1)
    # One more each way: a host sample may lie just after a model sample.
    return (
        into.delay_samples
        + -(-back.delay_samples * host_rate_hz // spec.sample_rate)
        + (0 if host_rate_hz == spec.sample_rate else 2)
    )


class Queue:
    """Samples [C, T] in order: `start` is the position of the first that waits, `end` that after the last."""

    def __init__(self, channels: int, *, start: int = 0) -> None:
        self.start = start
        self.end = start
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
