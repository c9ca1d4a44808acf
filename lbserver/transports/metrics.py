# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server measures, as Prometheus reads it: a pure function of the sessions' figures.

Base units, as Prometheus wants them: seconds, samples, bytes. A figure that a session does not know (NaN, or not
told) is left out; it is never shown as zero.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from lbserver.protocol.segment import LADDER

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sessions = Mapping[str, Mapping[str, float | int | str]]
"""Figures of each session by name, as `protocol.status.STATUS` names them."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One metric of every session: `value = status[name] * factor`."""

    metric: str
    name: str
    kind: str
    factor: float
    meaning: str


FIGURES = tuple(
    Figure(metric=f"liveband_{metric}", name=name, kind=kind, factor=factor, meaning=meaning)
    for metric, name, kind, factor, meaning in (
        ("latency_samples", "latency_samples", "gauge", 1, "Reported latency L: what a host compensates."),
        ("latency_seconds", "latency_ms", "gauge", 1e-3, "Reported latency L."),
        ("anticipation_seconds", "anticipation_ms", "gauge", 1e-3, "How far ahead of what it heard it writes, A*H."),
        ("recency_gap_seconds", "recency_gap_ms", "gauge", 1e-3, "Age of the newest heard sample when a frame sounds, G."),
        ("measured_latency_samples", "measured_latency_samples", "gauge", 1, "By how much the front end reads behind what it writes; to be the reported one."),
        ("round_trip_seconds", "round_trip_ms", "gauge", 1e-3, "From the last mix sample of the last frame to its stem in the ring."),
        ("headroom_seconds", "headroom_ms", "gauge", 1e-3, "Time left before the last frame was needed, when it landed; negative: late."),
        ("queue_age_seconds", "queue_age_ms", "gauge", 1e-3, "Age of the oldest mix frame that waits."),
        ("step_seconds", "step_ms", "gauge", 1e-3, "Cost of a model step, mean of the last ones."),
        ("real_time_factor", "rtf", "gauge", 1, "Seconds of audio per second of compute; below 1 it cannot keep up."),
        ("frames", "frames", "counter", 1, "Frames played."),
        ("late_frames", "late_frames", "counter", 1, "Frames that landed after they were needed."),
        ("skipped_frames", "skipped_frames", "counter", 1, "Frames not played, to catch up."),
        ("missing_samples", "missing_samples", "counter", 1, "Stem samples that were not there when they were needed."),
        ("tempo_bpm", "tempo", "gauge", 1, "Tempo that the host tells."),
        ("epoch", "epoch", "gauge", 1, "Which epoch it is; it rises when rate, layout or mode change."),
    )
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ServerFigures:
    """What is known of the whole server. `worker_restarts`: workers started again because they died or hung."""

    version: str
    uptime_s: float
    workers: int | None = None
    worker_restarts: int | None = None
    worker_resident_bytes: int | None = None


def exposition(sessions: Sessions, server: ServerFigures, *, process: bool = True) -> bytes:
    """The page that Prometheus scrapes; `process` adds memory, descriptors and CPU time of this process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed(families(sessions, server)))
    if process:
        ProcessCollector(registry=registry)
    return generate_latest(registry)


def families(sessions: Sessions, server: ServerFigures) -> list[Metric]:
    """All metrics, each once, with a sample per session that knows it."""
    return [*_server_families(sessions, server), *_state_families(sessions), *_figures(sessions)]


def _server_families(sessions: Sessions, server: ServerFigures) -> Iterable[Metric]:
    build = GaugeMetricFamily("liveband_build_info", "Version of the server.", labels=["version"])
    build.add_metric([server.version], 1)
    yield build
    yield GaugeMetricFamily("liveband_uptime_seconds", "Since the server started.", value=server.uptime_s)
    yield GaugeMetricFamily("liveband_sessions", "Open sessions.", value=len(sessions))
    if server.workers is not None:
        yield GaugeMetricFamily("liveband_workers", "Model workers alive.", value=server.workers)
    if server.worker_restarts is not None:
        yield CounterMetricFamily(
            "liveband_worker_restarts", "Workers started again.", value=server.worker_restarts
        )
    if server.worker_resident_bytes is not None:
        yield GaugeMetricFamily(
            "liveband_worker_resident_memory_bytes",
            "Resident memory of all workers.",
            value=server.worker_resident_bytes,
        )


def _state_families(sessions: Sessions) -> Iterable[Metric]:
    states = GaugeMetricFamily(
        "liveband_session_state", "1 for the state that a session is in.", labels=["session", "state"]
    )
    ladder = GaugeMetricFamily(
        "liveband_overload_step",
        "What overload has come to: " + ", ".join(f"{i} {name}" for i, name in enumerate(LADDER)) + ".",
        labels=["session"],
    )
    for session, status in sessions.items():
        if isinstance(status.get("state"), str):
            states.add_metric([session, str(status["state"])], 1)
        if status.get("ladder") in LADDER:
            ladder.add_metric([session], LADDER.index(str(status["ladder"])))
    return states, ladder


def _figures(sessions: Sessions) -> Iterable[Metric]:
    for figure in FIGURES:
        family = (CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily)(
            figure.metric, figure.meaning, labels=["session"]
        )
        for session, status in sessions.items():
            value = status.get(figure.name)
            if isinstance(value, int | float) and isfinite(value):
                family.add_metric([session], float(value) * figure.factor)
        if family.samples:
            yield family


class _Fixed:
    """A collector of metrics that are there already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
