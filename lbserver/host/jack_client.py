# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of JACK's, or of PipeWire's by its JACK library: ports of its own that stay as whoever patches them wants them."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from lbserver.errors import LiveBandError
from lbserver.host.logs import shown

NAME = "LiveBand"
_INSTALL = "pip install 'liveband[jam]'"
_CHANNELS = 2


@dataclass(kw_only=True)
class Flags:
    """Whether samples were lost since the block before."""

    input_overflow: bool = False
    output_underflow: bool = False


@dataclass(frozen=True, kw_only=True)
class Times:
    """When a block is, on JACK's clock, in seconds: a period is heard while the one before it is played."""

    inputBufferAdcTime: float  # noqa: N815 (PortAudio's names)
    outputBufferDacTime: float  # noqa: N815
    currentTime: float  # noqa: N815


class JackClient:
    """An open client. `active` until JACK ends or throws it out."""

    def __init__(self, client: Any, refusal: type[Exception], callback: Callable[..., None]) -> None:
        """`refusal` is what the client's calls raise."""
        self.active = False
        self.name, self.rate_hz, self.block_samples = (
            str(client.name),
            int(client.samplerate),
            int(client.blocksize),
        )
        self._client, self._refusal, self._callback = client, refusal, callback
        self._inputs = [client.inports.register(f"in_{n + 1}") for n in range(_CHANNELS)]
        self._outputs = [client.outports.register(f"out_{n + 1}") for n in range(_CHANNELS)]
        self._flags = Flags()
        client.set_process_callback(self._process)
        client.set_xrun_callback(self._missed)
        client.set_shutdown_callback(self._ended)

    def start(self) -> None:
        """Play from the next block on."""
        self.active = True
        self._client.activate()

    def connect(self) -> None:
        """Connect to the machine's first inputs and outputs. Raises LiveBandError: JACK refuses."""
        client = self._client
        sources = client.get_ports(is_audio=True, is_physical=True, is_output=True)
        sinks = client.get_ports(is_audio=True, is_physical=True, is_input=True)
        try:
            for source, own in zip(sources, self._inputs, strict=False):
                client.connect(source, own)
            for own, sink in zip(self._outputs, sinks, strict=False):
                client.connect(own, sink)
        except self._refusal as error:
            raise LiveBandError(f"JACK does not connect {NAME}: {shown(error, 200)}") from None

    def _process(self, frames: int) -> None:
        heard = np.stack([port.get_array() for port in self._inputs], axis=1)
        played = np.zeros((frames, _CHANNELS), np.float32)
        flags, self._flags = self._flags, Flags()
        begun_s = self._client.last_frame_time / self.rate_hz
        times = Times(
            inputBufferAdcTime=begun_s - frames / self.rate_hz,
            outputBufferDacTime=begun_s + frames / self.rate_hz,
            currentTime=self._client.frame_time / self.rate_hz,
        )
        self._callback(heard, played, frames, times, flags)
        for channel, port in enumerate(self._outputs):
            port.get_array()[:] = played[:, channel]

    def _missed(self, _delayed_us: float) -> None:
        self._flags = Flags(input_overflow=True, output_underflow=True)

    def _ended(self, _status: Any, _reason: str) -> None:
        self.active = False


def load_jack() -> Any:
    """The module. Raises LiveBandError saying what to install."""
    try:
        return importlib.import_module("jack")
    except ImportError:
        raise LiveBandError(f"`liveband jam --jack` needs the package JACK-Client: {_INSTALL}") from None
    except OSError:
        raise LiveBandError(
            "`liveband jam --jack` needs the JACK library: sudo apt install libjack-jackd2-0, or with PipeWire pipewire-jack"
        ) from None


@contextmanager
def jack_client(callback: Callable[..., None]) -> Iterator[JackClient]:
    """A client until the end of the block, not yet started and connected to nothing.

    Raises LiveBandError: no JACK runs, or it refuses.
    """
    library = load_jack()
    library.set_error_function(lambda _text: None)
    try:
        client = library.Client(NAME, no_start_server=True)
    except library.JackError as error:
        raise LiveBandError(
            f"no JACK server answers: start jackd, or with PipeWire run `pw-jack liveband jam --jack` ({shown(error, 120)})"
        ) from None
    try:
        yield JackClient(client, library.JackError, callback)
    finally:
        client.close()
