# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio devices through sounddevice (PortAudio): which there are, which is meant, and a stream on two of them."""

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lbserver.errors import LiveBandError
from lbserver.host.logs import shown

_INSTALL = "pip install 'liveband[jam]'"
_PORTAUDIO = {
    "linux": "sudo apt install libportaudio2 (Fedora: dnf install portaudio, Arch: pacman -S portaudio)",
}
_MOST_CHANNELS = 2


@dataclass(frozen=True, kw_only=True)
class Device:
    """One device as PortAudio lists it."""

    index: int
    name: str
    api: str
    inputs: int
    outputs: int
    rate_hz: float


@dataclass(frozen=True, kw_only=True)
class Devices:
    """All devices, and the indices of the defaults (-1: none)."""

    devices: Sequence[Device]
    default_input: int = -1
    default_output: int = -1


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """A duplex stream. Channels are 1 or 2."""

    input_index: int
    output_index: int
    in_channels: int
    out_channels: int
    rate_hz: int
    block_samples: int


def load_sounddevice() -> Any:
    """The module. Raises LiveBandError saying what to install."""
    try:
        return importlib.import_module("sounddevice")
    except ImportError:
        raise LiveBandError(f"`liveband jam` needs the package sounddevice: {_INSTALL}") from None
    except OSError as error:
        if "PortAudio library not found" in str(error):
            advice = _PORTAUDIO.get(sys.platform, "pip install --force-reinstall sounddevice")
            raise LiveBandError(f"`liveband jam` needs the PortAudio library: {advice}") from None
        raise LiveBandError(f"the audio library cannot be loaded: {shown(error, 200)}") from None


def list_devices(library: Any) -> Devices:
    """All devices now. Raises LiveBandError when the sound system refuses."""
    try:
        apis = library.query_hostapis()
        listed = library.query_devices()
        default_input, default_output = library.default.device
    except library.PortAudioError as error:
        raise LiveBandError(f"the sound system does not list its devices: {shown(error, 200)}") from None
    devices = tuple(
        Device(
            index=int(entry["index"]),
            name=shown(entry["name"]),
            api=shown(apis[entry["hostapi"]]["name"]),
            inputs=int(entry["max_input_channels"]),
            outputs=int(entry["max_output_channels"]),
            rate_hz=float(entry["default_samplerate"]),
        )
        for entry in listed
    )
    return Devices(devices=devices, default_input=int(default_input), default_output=int(default_output))


def choose(found: Devices, wish: str | None, *, output: bool) -> Device:
    """The device that a user means: by index, by a part of its name, or the default.

    Raises LiveBandError listing what there is.
    """
    kind = "output" if output else "input"
    usable = [device for device in found.devices if (device.outputs if output else device.inputs)]
    if not usable:
        raise LiveBandError(
            f"there is no {kind} device: connect one; `liveband jam --list` shows what is seen"
        )
    names = "; ".join(f"{device.index} {device.name}" for device in usable)
    if wish is None:
        default = found.default_output if output else found.default_input
        chosen = [device for device in usable if device.index == default]
        if not chosen:
            raise LiveBandError(f"there is no default {kind} device: name one with --{kind}: {names}")
        return chosen[0]
    if wish.isdigit():
        matches = [device for device in usable if device.index == int(wish)]
    else:
        exact = [device for device in usable if device.name.lower() == wish.lower()]
        matches = exact or [device for device in usable if wish.lower() in device.name.lower()]
    if not matches:
        raise LiveBandError(f"no {kind} device '{shown(wish)}': {names}")
    if len(matches) > 1:
        several = "; ".join(f"{device.index} {device.name} ({device.api})" for device in matches)
        raise LiveBandError(f"'{shown(wish)}' means several {kind} devices, give the number: {several}")
    return matches[0]


def plan(
    found: Devices, wish_in: str | None, wish_out: str | None, rate_hz: int | None, block: int
) -> StreamConfig:
    """A stream on the devices that are meant, at the output's own rate unless one is given.

    Raises LiveBandError: no such device, or two of different sound systems.
    """
    source, sink = choose(found, wish_in, output=False), choose(found, wish_out, output=True)
    if source.api != sink.api:
        raise LiveBandError(
            f"input and output are of different sound systems ({source.name}: {source.api}; {sink.name}: {sink.api}): "
            "take both from one, see `liveband jam --list`"
        )
    return StreamConfig(
        input_index=source.index,
        output_index=sink.index,
        in_channels=min(_MOST_CHANNELS, source.inputs),
        out_channels=min(_MOST_CHANNELS, sink.outputs),
        rate_hz=round(sink.rate_hz) if rate_hz is None else rate_hz,
        block_samples=block,
    )


def open_stream(library: Any, config: StreamConfig, callback: Callable[..., None]) -> Any:
    """A sounddevice.Stream, not yet started: a context manager. Raises LiveBandError when the devices refuse."""
    try:
        return library.Stream(
            device=(config.input_index, config.output_index),
            channels=(config.in_channels, config.out_channels),
            samplerate=config.rate_hz,
            blocksize=config.block_samples,
            dtype="float32",
            latency="low",
            callback=callback,
        )
    except (library.PortAudioError, ValueError) as error:
        raise LiveBandError(
            f"the devices cannot be opened at {config.rate_hz} Hz in blocks of {config.block_samples}: "
            f"{shown(error, 200)}; try --rate, --block, or other devices"
        ) from None
