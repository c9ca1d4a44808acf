# SPDX-License-Identifier: GPL-3.0-or-later
"""Spectral front and back end: STFT frames in, overlap-add out, one model frame per step.

A model frame of `hop` samples holds `hop / step` STFT columns. The analysis windows end inside
the frame, so the front end looks at nothing later than the frame. The back end finishes a sample
when the last window over it has come: `delay_samples = window - step` after the frame it is
computed in. The window is a periodic Hann at 75 % overlap on both sides (Griffin and Lim 1984, eq. 6).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.streaming.state import select


class FrontState(NamedTuple):
    """The last `window - step` samples of each channel, [B, C, window - step]."""

    past: Tensor


class BackState(NamedTuple):
    """Windows not yet summed up, [B, C, window - step]."""

    tail: Tensor


def _hann(window: int) -> Tensor:
    return torch.hann_window(window, periodic=True)


class StftFrontEnd(nn.Module):
    """Samples [B, F, C, hop] -> complex spectra [B, F, C, columns, window / 2 + 1]."""

    def __init__(self, *, hop: int, window: int, step: int) -> None:
        super().__init__()
        if hop % step or window % step:
            raise ValueError(f"hop {hop} and window {window} must be multiples of the step {step}")
        self.hop, self.window_samples, self.step_samples = hop, window, step
        self.register_buffer("window", _hann(window), persistent=False)

    @property
    def columns(self) -> int:
        return self.hop // self.step_samples

    def like(self, other: StftFrontEnd) -> bool:
        """Whether both give the same spectra of the same sound."""
        mine, others = ((end.hop, end.window_samples, end.step_samples) for end in (self, other))
        return mine == others

    def _spectra(self, audio: Tensor) -> Tensor:
        """[B, C, past + n * step] -> [B, C, n, bins]."""
        columns = audio.unfold(-1, self.window_samples, self.step_samples)
        return torch.fft.rfft(columns * self.get_buffer("window"))

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, channels, hop = x.shape
        audio = x.transpose(1, 2).reshape(batch, channels, frames * hop)
        audio = F.pad(audio, (self.window_samples - self.step_samples, 0))
        spectra = self._spectra(audio)
        return spectra.unflatten(2, (frames, self.columns)).transpose(1, 2)

    def init_state(self, batch: int, channels: int = 2) -> FrontState:
        window = self.get_buffer("window")
        return FrontState(window.new_zeros(batch, channels, self.window_samples - self.step_samples))

    def step(self, x: Tensor, state: FrontState, active: Tensor) -> tuple[Tensor, FrontState]:
        """A frame, or several in a row, [B, C, n * hop] -> [B, C, n * columns, bins]."""
        audio = torch.cat([state.past, x], dim=-1)
        return self._spectra(audio), self.onward(x, state, active)

    def onward(self, x: Tensor, state: FrontState, active: Tensor) -> FrontState:
        """What is remembered after a frame [B, C, hop]."""
        count = state.past.shape[-1]
        past = x if count <= self.hop else torch.cat([state.past, x], dim=-1)
        past = past[..., -count:] if count else state.past
        return FrontState(select(active, past, state.past))


class StftBackEnd(nn.Module):
    """Complex spectra [B, F, C, columns, bins] -> samples [B, F, C, hop], `delay_samples` late."""

    def __init__(self, *, hop: int, window: int, step: int) -> None:
        super().__init__()
        self.hop, self.window_samples, self.step_samples = hop, window, step
        hann = _hann(window)
        gain = hann.square().view(-1, step).sum(0)
        self.register_buffer("window", hann / gain.repeat(window // step), persistent=False)

    @property
    def delay_samples(self) -> int:
        return self.window_samples - self.step_samples

    def _overlap_add(self, spectra: Tensor) -> Tensor:
        """[B, C, n, bins] -> [B, C, n * step + window - step]."""
        columns = torch.fft.irfft(spectra, n=self.window_samples) * self.get_buffer("window")
        batch, channels, count, window = columns.shape
        length = (count - 1) * self.step_samples + window
        flat = columns.reshape(batch * channels, count, window).transpose(1, 2)
        summed = F.fold(flat, (1, length), (1, window), stride=(1, self.step_samples))
        return summed.view(batch, channels, length)

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, channels = x.shape[:3]
        audio = self._overlap_add(x.transpose(1, 2).flatten(2, 3))[..., : frames * self.hop]
        return audio.view(batch, channels, frames, self.hop).transpose(1, 2)

    def init_state(self, batch: int, channels: int = 2) -> BackState:
        window = self.get_buffer("window")
        return BackState(window.new_zeros(batch, channels, self.delay_samples))

    def step(self, x: Tensor, state: BackState, active: Tensor) -> tuple[Tensor, BackState]:
        """The columns of a frame, or of several in a row, [B, C, n * columns, bins] -> [B, C, n * hop]."""
        audio, done = self._overlap_add(x), x.shape[2] * self.step_samples
        audio = audio + F.pad(state.tail, (0, audio.shape[-1] - self.delay_samples))
        tail = audio[..., done:]
        return audio[..., :done], BackState(select(active, tail, state.tail))


class SemitoneFrontEnd(nn.Module):
    """What a musician's ear hears in the mix: energy per semitone over a long causal window.

    Samples [B, F, C, hop] -> log energy [B, F, semitones] of the channel mean, scaled to about 0..1.
    The window (`window` samples, 171 ms at 8192 / 48 kHz) ends with the frame, so the layer is causal.
    """

    def __init__(
        self, *, sample_rate: int, hop: int, window: int = 8192, lowest_midi: int = 33, semitones: int = 66
    ) -> None:
        super().__init__()
        self.hop, self.window_samples, self.semitones = hop, window, semitones
        self.register_buffer("window", _hann(window), persistent=False)
        hz = torch.fft.rfftfreq(window, 1 / sample_rate).clamp(min=1.0)
        midi = 69 + 12 * torch.log2(hz / 440)
        notes = lowest_midi + torch.arange(semitones).unsqueeze(1)
        width = (12 * torch.log2(1 + sample_rate / window / hz)).clamp(min=1.0)
        bank = (1 - (midi - notes).abs() / width).clamp(min=0)
        heard = int(bank.any(0).nonzero().max()) + 1  # bins above the highest semitone have no weight
        bank = (bank / bank.sum(1, keepdim=True) / window)[:, :heard]
        for name, table in _two_stages(window, bank.t()).items():
            self.register_buffer(name, table, persistent=False)

    def _energies(self, columns: Tensor) -> Tensor:
        """Of windows [..., samples]: by the two stages of `_two_stages`."""
        first = self.get_buffer("first")
        windows = (columns * self.get_buffer("window")).unflatten(-1, (first.shape[1], -1))
        inner = (first @ windows).unflatten(-2, (-1, 2))
        turned = inner * self.get_buffer("across") + inner.flip(-2) * self.get_buffer("along")
        spectra = turned.flatten(-2) @ self.get_buffer("second")
        power = spectra.square().flatten(-2) @ self.get_buffer("bank")
        return (torch.log10(power + 1e-6) + 6) / 6

    def forward(self, x: Tensor) -> Tensor:
        audio = x.mean(2).flatten(1)
        audio = F.pad(audio, (self.window_samples - self.hop, 0))
        return self._energies(audio.unfold(-1, self.window_samples, self.hop))

    def init_state(self, batch: int) -> FrontState:
        window = self.get_buffer("window")
        return FrontState(window.new_zeros(batch, 1, self.window_samples - self.hop))

    def step(self, x: Tensor, state: FrontState, active: Tensor) -> tuple[Tensor, FrontState]:
        """One frame [B, C, hop] -> [B, semitones], or several that came at once [B, n, C, hop] -> [B, n, semitones]."""
        several, mono = x.dim() == 4, x.mean(-2, keepdim=True)
        if several:
            mono = mono.flatten(1).unsqueeze(1)
        audio = torch.cat([state.past, mono], dim=-1)
        past = audio[..., mono.shape[-1] :]
        windows = audio[:, 0]
        if several:
            windows = windows.unfold(-1, self.window_samples, self.hop)
        return self._energies(windows), FrontState(select(active, past, state.past))


def _two_stages(length: int, bank: Tensor) -> dict[str, Tensor]:
    """Tables of a Fourier transform of real numbers in two products (Cooley and Tukey 1965), of which only powers are wanted.

    With length = P Q, n = p + P q and k = Q j + i: `first` transforms over q, `across` and `along` turn by
    exp(-2 pi i p i / length), `second` transforms over p. Of real numbers i goes to Q / 2 only: what is missing are
    conjugates of what stands at -k, which have the same power. `bank` [bins, bands] says what a bin counts in each band;
    in the tables it says so of each real and imaginary part, in the order in which they come.
    """
    q = max(n for n in range(1, int(length**0.5) + 1) if length % n == 0)
    p, rows, bins = length // q, q // 2 + 1, len(bank)
    most = -(-bins // q)
    columns = torch.tensor([*range(most), *range(-1, -most - 1, -1)])
    i, n = torch.arange(rows).unsqueeze(1), torch.arange(p)

    def waves(turns: Tensor, cycle: int) -> Tensor:
        angle = -2 * torch.pi * (turns % cycle).double() / cycle
        return torch.polar(torch.ones_like(angle), angle)

    inner, outer = waves(i * torch.arange(q), q), waves(n.unsqueeze(1) * columns, p)
    turn = waves(i * n, length)
    frequency = (q * columns + i).abs()
    # What stands at k and at -k is counted once.
    once = (columns >= 0) | ((i > 0) & (2 * i < q))
    heard = (frequency < bins) & once
    counts = torch.where(heard.unsqueeze(-1), bank[frequency.clamp(max=bins - 1)], 0.0)
    tables = {
        "first": torch.stack([inner.real, inner.imag], dim=1).flatten(0, 1),
        "across": torch.stack([turn.real, turn.real], dim=1),
        "along": torch.stack([-turn.imag, turn.imag], dim=1),
        "second": torch.cat(
            [torch.cat([outer.real, outer.imag], dim=1), torch.cat([-outer.imag, outer.real], dim=1)]
        ),
        "bank": counts.unsqueeze(1).expand(-1, 2, -1, -1).flatten(0, 2),
    }
    return {name: table.float().contiguous() for name, table in tables.items()}
