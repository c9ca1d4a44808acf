# SPDX-License-Identifier: GPL-3.0-or-later
"""Beats and bars heard by madmom, which knows nothing of our models (Boeck and Schedl 2011, Boeck et al. 2014, 2016).

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
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.metrics import Audio, Floats, mono

TRACKER_RATE_HZ = 44100
FPS = 100
NETWORKS = 1  # of 8: parts right from wrong as well as all, at a quarter of the cost (README.md)
METRES = (4, 3)
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


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """Beats and downbeats in seconds, and how sure the networks are of a beat, per 10 ms [F]."""

    beats_s: Floats
    downbeats_s: Floats
    pulse: Floats


@lru_cache(maxsize=2)
def _processors(networks: int) -> tuple[Any, Any, Any]:
    beats = _import_madmom()
    from madmom.features.downbeats import RNNDownBeatProcessor
    from madmom.ml.nn import NeuralNetworkEnsemble
    from madmom.models import BEATS_BLSTM, DOWNBEATS_BLSTM

    bars = RNNDownBeatProcessor()
    bars.processors[1] = NeuralNetworkEnsemble.load(list(DOWNBEATS_BLSTM)[:networks])
    return (
        beats.RNNBeatProcessor(nn_files=list(BEATS_BLSTM)[:networks]),
        beats.DBNBeatTrackingProcessor(fps=FPS),
        bars,
    )


def track(audio: Audio, sample_rate: int, *, networks: int = NETWORKS) -> Tracked:
    """What is heard in [C, T] or [T]; nothing where the audio is silent.

    `networks` of each ensemble's 8 are asked: cost grows with their number.
    """
    import soxr

    x = mono(audio)
    peak = float(np.abs(x).max(initial=0.0))
    if peak < 1e-3 or len(x) < sample_rate:
        return Tracked(beats_s=np.zeros(0), downbeats_s=np.zeros(0), pulse=np.zeros(0))
    listen, decode, listen_to_bars = _processors(networks)
    # Stems are quiet beside the songs the networks learned from.
    x = soxr.resample(x * (0.7 / peak), sample_rate, TRACKER_RATE_HZ)
    from madmom.audio.signal import Signal

    signal = Signal(x.astype(np.float32), sample_rate=TRACKER_RATE_HZ, num_channels=1)
    pulse = np.asarray(listen(signal), dtype=np.float64)
    beats = np.asarray(decode(pulse), dtype=np.float64)
    first = np.asarray(listen_to_bars(signal), dtype=np.float64)[:, 1]
    return Tracked(beats_s=beats, downbeats_s=bars(beats, first), pulse=pulse)


def bars(beats_s: Floats, first: Floats) -> Floats:
    """The beats that begin bars: every 4th or 3rd, from the one where the network hears first beats best.

    madmom's own decoder of bars tracks its beats anew; these are the beats that beat F1 judges.

    Args:
        beats_s: tracked beats.
        first: [F] how sure the network is of a first beat, per 10 ms.
    """
    if len(beats_s) < max(METRES) or not len(first):
        return np.zeros(0)
    at = np.clip(np.round(beats_s * FPS).astype(int), 0, len(first) - 1)
    # The network may be a few frames off the decoded beat.
    sure = np.max([first[np.clip(at + k, 0, len(first) - 1)] for k in range(-3, 4)], axis=0)
    others = {(n, k): np.delete(sure, np.s_[k::n]).mean() for n in METRES for k in range(n)}
    metre, phase = max(others, key=lambda nk: float(sure[nk[1] :: nk[0]].mean() - others[nk]))
    return beats_s[phase::metre]
