# SPDX-License-Identifier: GPL-3.0-or-later
"""Streaming sample-rate conversion that keeps positions: output sample q sounds at input position q*in/out."""

import numpy as np
import soxr

from lbserver.accompanist import Audio


class PositionedResampler:
    """soxr's linear-phase streaming resampler with its delay taken out, for audio [C, T] fed in order.

    Sample 0 stays sample 0, so nothing is shifted; the filter's delay shows only as output that comes later
    (about 20 ms of input at 44.1 and 96 kHz). Equal rates pass through untouched, bit for bit.
    Owns the resampler; `pushed` and `emitted` count samples since the start.
    """

    def __init__(self, *, in_rate_hz: int, out_rate_hz: int, channels: int) -> None:
        self.pushed = 0
        self.emitted = 0
        self._channels = channels
        self._stream = (
            None
            if in_rate_hz == out_rate_hz
            else soxr.ResampleStream(in_rate_hz, out_rate_hz, channels, dtype="float32", quality="HQ")
        )

    def push(self, audio: Audio) -> Audio:
        """Feed audio [C, T]; returns what has become final, [C, T'] with any T' >= 0."""
        self.pushed += audio.shape[-1]
        out = audio if self._stream is None else self._run(audio, last=False)
        self.emitted += out.shape[-1]
        return out

    def flush(self, total_samples: int) -> Audio:
        """End of input: what is left so that exactly `total_samples` were emitted, padded with silence if short.

        Returns [C, 0] when as many or more had been emitted before.
        """
        rest = np.zeros((self._channels, 0), dtype=np.float32)
        if self._stream is not None:
            rest = self._run(rest, last=True)
        wanted = max(0, total_samples - self.emitted)
        out = np.zeros((self._channels, wanted), dtype=np.float32)
        out[:, : min(wanted, rest.shape[-1])] = rest[:, :wanted]
        self.emitted += wanted
        return out

    def _run(self, audio: Audio, *, last: bool) -> Audio:
        assert self._stream is not None
        done = self._stream.resample_chunk(np.ascontiguousarray(audio.T, dtype=np.float32), last=last)
        return np.ascontiguousarray(done.T)
