# SPDX-License-Identifier: GPL-3.0-or-later
"""Beats heard by madmom, a tracker that knows nothing of our models (Boeck and Schedl 2011, Boeck et al. 2014).

Its networks travel inside its package (CC BY-NC-SA: for evaluation only, never shipped with LiveBand).
"""

from __future__ import annotations

import collections
import collections.abc
import importlib
import importlib.metadata
import importlib.util
import sys
import types
import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.metrics import Audio, Floats, mono

TRACKER_RATE_HZ = 44100
NETWORKS = 1  # of 8: parts right from wrong as well as all, at a quarter of the cost (README.md)
INSTALL = "pip install cython setuptools wheel && pip install --no-build-isolation madmom==0.16.1"


def _import_madmom() -> Any:
    """madmom.features.beats, with the names it needs from older Python, numpy and setuptools restored."""
    for name in ("MutableSequence", "MutableMapping", "Iterable", "Sequence"):
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    for name, kind in (("float", float), ("int", int), ("bool", bool), ("object", object)):
        if name not in vars(np):
            setattr(np, name, kind)
    borrowed = "pkg_resources" not in sys.modules and importlib.util.find_spec("pkg_resources") is None
    if borrowed:
        stand_in: Any = types.ModuleType("pkg_resources")
        stand_in.get_distribution = lambda name: types.SimpleNamespace(
            version=importlib.metadata.version(name)
        )
        sys.modules["pkg_resources"] = stand_in
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module("madmom.features.beats")
    except ImportError as error:
        raise LiveBandModelError(
            f"the beat tracker madmom cannot be loaded ({error}); install it: {INSTALL}"
        ) from None
    finally:
        if borrowed:
            del sys.modules["pkg_resources"]


def check() -> None:
    """Fail early.

    Raises:
        LiveBandModelError: madmom is not installed; the message holds the command that installs it.
    """
    _import_madmom()


@lru_cache(maxsize=2)
def _processors(networks: int) -> tuple[Any, Any]:
    beats = _import_madmom()
    from madmom.models import BEATS_BLSTM

    return (
        beats.RNNBeatProcessor(nn_files=list(BEATS_BLSTM)[:networks]),
        beats.DBNBeatTrackingProcessor(fps=100),
    )


def track_beats(audio: Audio, sample_rate: int, *, networks: int = NETWORKS) -> Floats:
    """Beat times in seconds of [C, T] or [T]; none where the audio is silent.

    `networks` of the ensemble's 8 are asked: cost grows with their number.
    """
    import soxr

    x = mono(audio)
    peak = float(np.abs(x).max(initial=0.0))
    if peak < 1e-3 or len(x) < sample_rate:
        return np.zeros(0)
    listen, decode = _processors(networks)
    # Stems are quiet beside the songs the networks learned from.
    x = soxr.resample(x * (0.7 / peak), sample_rate, TRACKER_RATE_HZ)
    from madmom.audio.signal import Signal

    activation = listen(Signal(x.astype(np.float32), sample_rate=TRACKER_RATE_HZ, num_channels=1))
    return np.asarray(decode(activation), dtype=np.float64)
