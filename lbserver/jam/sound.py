# SPDX-License-Identifier: GPL-3.0-or-later
"""What a jam is played through: devices of PortAudio's, or a client of JACK's."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from lbserver.host import sound_card
from lbserver.host.jack_client import JackClient, jack_client


@dataclass(frozen=True, kw_only=True)
class Sound:
    """What is played through: `open` gives a stream, not yet started, whose blocks the callback plays."""

    names: str
    rate_hz: int
    block_samples: int
    in_channels: int
    out_channels: int
    open: Callable[[ExitStack, Callable[..., None]], Any]


def by_device(library: Any, found: sound_card.Devices, config: sound_card.StreamConfig) -> Sound:
    """Through PortAudio's devices."""
    return Sound(
        names=_names(found, config),
        rate_hz=config.rate_hz,
        block_samples=config.block_samples,
        in_channels=config.in_channels,
        out_channels=config.out_channels,
        open=lambda stack, callback: stack.enter_context(sound_card.open_stream(library, config, callback)),
    )


def by_jack(stack: ExitStack) -> Sound:
    """Through a JACK client of its own, open from here on, for it alone knows the rate. Raises LiveBandError."""
    later: list[Callable[..., None]] = []
    client = stack.enter_context(jack_client(lambda *block: later[0](*block)))

    def opened(_stack: ExitStack, callback: Callable[..., None]) -> JackClient:
        later.append(callback)
        return client

    return Sound(
        names=f"JACK client {client.name}",
        rate_hz=client.rate_hz,
        block_samples=client.block_samples,
        in_channels=2,
        out_channels=2,
        open=opened,
    )


def _names(found: sound_card.Devices, config: sound_card.StreamConfig) -> str:
    names = {device.index: device.name for device in found.devices}
    return f"{names[config.input_index]} → {names[config.output_index]}"
