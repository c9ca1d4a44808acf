# SPDX-License-Identifier: GPL-3.0-or-later
"""What a package that is not installed belongs to: one rule for every command."""

EXTRAS = {
    "torch": "torch",
    "onnx": "torch",
    "fluidsynth": "data",
    "mido": "data",
    "sounddevice": "jam",
    "jack": "jam",
    "aalink": "link",
    "zeroconf": "discovery",
    "mir_eval": "evaluate",
    "av": "formats",
    "ray": "cluster",
}
"""Import name -> the extra of liveband that brings it, as in pyproject.toml."""


def install(extra: str) -> str:
    """The command that brings an extra."""
    return f"pip install 'liveband[{extra}]'"


def advice(error: ModuleNotFoundError) -> str:
    """What to do about a module that is not there."""
    name = (error.name or str(error)).partition(".")[0]
    if name in EXTRAS:
        return f"this needs the package {name}, which is not installed: {install(EXTRAS[name])}"
    return (
        f"the package {name} is missing, which LiveBand needs: install LiveBand again (pip install liveband)"
    )
