# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens in an audio device's callback: the input goes into the ring, the band and the input come out.

No device is known here: `DuplexPeer.callback` has the shape that sounddevice calls, and takes its clock as an
argument, so that a driver can be played by a test. It waits for nothing; the other threads talk to it by handing
it values.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import log10
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio
from lbserver.audio.channels import to_channels
from lbserver.audio.fades import Concealer
from lbserver.music.room_beat import RoomBeat
from lbserver.protocol.controls import BY_NAME
from lbserver.protocol.segment import TRANSPORT_FLAGS
from lbserver.ring.ends import HostPort

_TELL_AGAIN_S = 1.0  # the sound card's clock is not the beat's: tell where the beat is before they part
_SILENCE_DB = -120.0


class Flags(Protocol):
    """What PortAudio says of a block; sounddevice.CallbackFlags has these."""

    input_overflow: bool
    output_underflow: bool


class BlockTimes(Protocol):
    """When a block is, on the stream's clock, in seconds."""

    inputBufferAdcTime: float  # noqa: N815 (PortAudio's names)
    outputBufferDacTime: float  # noqa: N815
    currentTime: float  # noqa: N815


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a peer has seen. Peaks in dBFS are those since the figures were last taken.

    `xruns`: blocks in which the device lost or lacked samples; one may do both.
    """

    blocks: int
    samples: int
    input_overflows: int
    output_underflows: int
    xruns: int
    slow_blocks: int
    faults: int
    last_fault: str
    missing_samples: int
    gaps: int
    dropped_samples: int
    longest_ms: float
    load: float
    device_latency_ms: float
    peak_in_db: float
    peak_band_db: float
    peak_out_db: float


class DuplexPeer:
    """A front end at a device. `callback` belongs to the audio thread; the rest may be called from one other.

    It hears the input and puts out `(1 - mix) * input, L late + mix * band`, both for the same positions, so that
    input and band stay together whatever the latency is. Without a port it plays the input alone.
    """

    def __init__(
        self, *, rate_hz: int, out_channels: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.rate_hz = rate_hz
        self._clock = clock
        self._out_channels = out_channels
        self._next: HostPort | None = None
        self._port: HostPort | None = None
        self._late_dry: Audio = np.zeros((out_channels, 0), np.float32)
        self._dry_gap = 0  # samples of the input that are left out because its delay changed
        self._dry_concealer = Concealer(rate_hz=rate_hz, channels=out_channels)
        self._band_concealer = Concealer(rate_hz=rate_hz, channels=out_channels)  # for when it is unseated
        self._wet = 0.0
        self._smoothing = max(1, round(rate_hz * BY_NAME["mix"].smoothing_ms / 1000))
        self._beat: RoomBeat | None = None
        self._told: tuple[RoomBeat | None, HostPort | None, int] = (None, None, 0)
        self._blocks = self._samples = self._overflows = self._underflows = self._xruns = self._slow = (
            self._faults
        ) = 0
        self._fault = ""
        self._longest_s = self._busy_s = self._device_latency_s = 0.0
        self._peaks = [0.0, 0.0, 0.0]

    # From other threads

    def seat(self, port: HostPort | None) -> None:
        """Play through this port from the next block on; None: the input alone."""
        self._next = port

    def follow(self, beat: RoomBeat | None) -> None:
        """Tell the band where the beat is, from the next block on; None: tell it no more."""
        self._beat = beat

    def figures(self) -> Figures:
        """What was seen so far; peaks begin anew."""
        peaks, self._peaks = self._peaks, [0.0, 0.0, 0.0]
        port = self._port
        played_s = self._samples / self.rate_hz
        return Figures(
            blocks=self._blocks,
            samples=self._samples,
            input_overflows=self._overflows,
            output_underflows=self._underflows,
            xruns=self._xruns,
            slow_blocks=self._slow,
            faults=self._faults,
            last_fault=self._fault,
            missing_samples=port.missing_samples if port else 0,
            gaps=port.gaps if port else 0,
            dropped_samples=port.dropped_samples if port else 0,
            longest_ms=1000.0 * self._longest_s,
            load=self._busy_s / played_s if played_s else 0.0,
            device_latency_ms=1000.0 * self._device_latency_s,
            peak_in_db=_db(peaks[0]),
            peak_band_db=_db(peaks[1]),
            peak_out_db=_db(peaks[2]),
        )

    # From the audio thread

    def callback(
        self,
        indata: NDArray[np.float32],
        outdata: NDArray[np.float32],
        frames: int,
        times: BlockTimes,
        status: Flags,
    ) -> None:
        """One block: indata [T, C in], outdata [T, C out], to be filled. Never raises: silence, and a count."""
        begun_s = self._clock()
        try:
            self._overflows += bool(status.input_overflow)
            self._underflows += bool(status.output_underflow)
            self._xruns += bool(status.input_overflow or status.output_underflow)
            self._device_latency_s = times.outputBufferDacTime - times.inputBufferAdcTime
            self._take_seat()
            self._tell_beat(begun_s + times.outputBufferDacTime - times.currentTime)
            outdata[:] = self._play(np.ascontiguousarray(indata.T)).T
        except Exception as error:  # noqa: BLE001 (an exception would end the stream without a word)
            outdata[:] = 0.0
            self._faults += 1
            self._fault = f"{type(error).__name__}: {error}"
        self._blocks += 1
        self._samples += frames
        spent_s = self._clock() - begun_s
        self._busy_s += spent_s
        self._longest_s = max(self._longest_s, spent_s)
        self._slow += spent_s > frames / self.rate_hz

    def _take_seat(self) -> None:
        port = self._next
        if port is self._port:
            return
        self._port = port
        if port is not None and port.latency_samples != self._late_dry.shape[-1]:
            self._late_dry = np.zeros((self._out_channels, port.latency_samples), np.float32)
            if self._blocks:
                self._dry_gap = max(port.latency_samples, self.rate_hz // 100)

    def _tell_beat(self, heard_s: float) -> None:
        """Where the beat is at the next sample of the ring. `heard_s`: when this block is heard, on our clock.

        The stem of a position is heard L after the input of it; that is when its beat must be the room's.
        """
        beat, port = self._beat, self._port
        if port is None:
            return
        told_beat, told_port, told_position = self._told
        changed = beat is not told_beat or port is not told_port or port.position < told_position
        if not changed and (beat is None or port.position - told_position < _TELL_AGAIN_S * self.rate_hz):
            return
        self._told = (beat, port, port.position)
        nan = float("nan")
        if beat is None:
            if told_beat is not None:
                port.tell("transport", (nan, nan, nan, nan, nan))
            return
        quarters = beat.quarters_at(heard_s + port.latency_samples / self.rate_hz)
        bar = quarters // beat.beats_per_bar * beat.beats_per_bar
        port.tell(
            "transport",
            (beat.bpm, quarters, bar, float(beat.beats_per_bar), 4.0),
            flags=TRANSPORT_FLAGS["playing"],
        )

    def _play(self, heard: Audio) -> Audio:
        port, length = self._port, heard.shape[-1]
        dry = np.concatenate((self._late_dry, to_channels(heard, self._out_channels)), axis=-1)
        dry, self._late_dry = dry[:, :length], dry[:, length:]
        gap = min(self._dry_gap, length)
        self._dry_gap -= gap
        faded = self._dry_concealer.absent(gap) if gap else dry[:, :0]
        dry = np.concatenate((faded, self._dry_concealer.present(dry[:, gap:])), axis=-1)
        if port is None:
            wanted, band = 0.0, self._band_concealer.absent(length)
        else:
            stem = port.exchange(to_channels(heard, port.segment.shape.mix_channels))
            band = self._band_concealer.present(to_channels(stem, self._out_channels))
            wanted = port.segment.load_float("mix")
            wanted = min(max(wanted, 0.0), 1.0) if np.isfinite(wanted) else 1.0
        wet = self._ramp(wanted, length)
        out: Audio = dry * (np.float32(1.0) - wet) + band * wet
        for index, audio in enumerate((heard, band, out)):
            if length:
                self._peaks[index] = max(self._peaks[index], float(np.abs(audio).max()))
        return out

    def _ramp(self, wanted: float, length: int) -> NDArray[np.float32] | np.float32:
        """Share of the band, sample by sample: approached at a pace that does not click."""
        if wanted == self._wet or not length:
            return np.float32(wanted)
        reach = np.arange(1, length + 1, dtype=np.float32) / np.float32(self._smoothing)
        away = wanted - self._wet
        ramp: NDArray[np.float32] = np.clip(np.full(length, away, np.float32), -reach, reach)
        ramp += np.float32(self._wet)
        self._wet = wanted if abs(away) * self._smoothing <= length else float(ramp[-1])
        return ramp


def _db(peak: float) -> float:
    return max(_SILENCE_DB, 20.0 * log10(peak)) if peak > 0 else _SILENCE_DB
