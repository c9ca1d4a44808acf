# SPDX-License-Identifier: GPL-3.0-or-later
"""What is heard when audio is missing: a fade to silence without a step, and a fade in when it is back."""

import numpy as np

from lbmodels.contract.accompanist import Audio
from lbserver.protocol.segment import FADE_IN_MS, FADE_OUT_MS


class Concealer:
    """Renders a stream of pieces, each there or missing; audio that was never broken passes bit for bit.

    A gap begins with the last samples mirrored and faded, so it neither steps nor repeats a phrase; after it the
    audio is faded in. Holds the last `fade_out` samples, and how far a fade has come.
    """

    def __init__(self, *, rate_hz: int, channels: int) -> None:
        self._out_samples = max(1, round(rate_hz * FADE_OUT_MS / 1000))
        self._in_samples = max(1, round(rate_hz * FADE_IN_MS / 1000))
        self._out_ramp = np.linspace(1.0, 0.0, self._out_samples + 1, dtype=np.float32)[1:]
        self._in_ramp = np.linspace(0.0, 1.0, self._in_samples + 1, dtype=np.float32)[1:]
        self._last = np.zeros((channels, self._out_samples), np.float32)
        self._echo = np.zeros((channels, 0), np.float32)  # what is left of a fade out
        self._risen = self._in_samples  # samples of the fade in that are done
        self._held = False  # the fade in waits for the first sample that sounds
        self.missing = False

    def present(self, audio: Audio) -> Audio:
        """Audio [C, T] that is there. Returned as it is unless a fade is under way."""
        length = audio.shape[-1]
        if length and self._held:
            sounding = audio.any(axis=0)
            if not sounding.any():
                return audio
            self._held = False
            first = int(np.argmax(sounding))
            return np.concatenate((audio[:, :first], self.present(audio[:, first:])), axis=-1)
        if length and (self._risen < self._in_samples or self._echo.shape[-1]):
            audio = audio.copy()
            rising = min(length, self._in_samples - self._risen)
            audio[:, :rising] *= self._in_ramp[self._risen : self._risen + rising]
            self._risen += rising
            self._add_echo(audio)
        if length:
            self.missing = False
            self._remember(audio)
        return audio

    def absent(self, samples: int) -> Audio:
        """What to hear, [C, samples], while nothing is there."""
        out = np.zeros((self._last.shape[0], samples), np.float32)
        if samples:
            if not self.missing:
                self._echo = self._last[:, ::-1] * self._out_ramp
                self.missing = True
                self._risen = 0
            self._add_echo(out)
            self._remember(out)
        return out

    def reset(self, *, fade_in: bool = False, hold: bool = False) -> None:
        """Forget the past: a new epoch begins. With `fade_in` its audio rises from silence, with `hold` as well
        not before the first sample that sounds: for audio that is taken up in its middle.
        """
        self._last[:] = 0.0
        self._echo = self._echo[:, :0]
        self._risen = 0 if fade_in else self._in_samples
        self._held = fade_in and hold
        self.missing = fade_in

    def _add_echo(self, audio: Audio) -> None:
        length = min(audio.shape[-1], self._echo.shape[-1])
        audio[:, :length] += self._echo[:, :length]
        self._echo = self._echo[:, length:]

    def _remember(self, audio: Audio) -> None:
        length, kept = audio.shape[-1], self._out_samples
        if length >= kept:
            self._last[:] = audio[:, length - kept :]
        else:
            self._last[:, :-length] = self._last[:, length:]
            self._last[:, -length:] = audio
