# SPDX-License-Identifier: GPL-3.0-or-later
"""The Prometheus page: every figure in base units, nothing shown that is not known."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from lbserver.protocol.status import BY_NAME, STATUS
from lbserver.transports.metrics import (
    FIGURES,
    ServerFigures,
    Sessions,
    exposition,
)

SERVER = ServerFigures(
    version="1.2.3", uptime_s=5.0, workers=2, worker_restarts=1, worker_resident_bytes=1000
)

PLAYING = {
    "state": "playing",
    "reason": "",
    "latency_samples": 0,
    "latency_ms": 0.0,
    "anticipation_samples": 1920.0,
    "anticipation_ms": 40.0,
    "recency_gap_ms": 40.0,
    "headroom_ms": -2.5,
    "queue_age_ms": 12.0,
    "step_ms": 8.0,
    "rtf": 5.0,
    "frames": 1000,
    "late_frames": 3,
    "skipped_frames": 1,
    "missing_samples": 480,
    "ladder": "skip",
    "position": 96000,
    "epoch": 2,
    "tempo": float("nan"),
    "beat": float("nan"),
}


def read(
    sessions: Sessions, server: ServerFigures = SERVER, *, process: bool = False
) -> dict[str, dict[str, float]]:
    """metric -> labels -> value, as Prometheus itself would understand the page."""
    page = exposition(sessions, server, process=process).decode()
    return {
        family.name + ("_total" if family.type == "counter" else ""): {
            ",".join(f"{name}={value}" for name, value in sample.labels.items()): sample.value
            for sample in family.samples
        }
        for family in text_string_to_metric_families(page)
    }


def test_playing_session() -> None:
    page = read({"guitar": PLAYING})
    assert page["liveband_sessions"] == {"": 1}
    assert page["liveband_late_frames_total"] == {"session=guitar": 3}
    assert page["liveband_frames_total"] == {"session=guitar": 1000}
    assert page["liveband_missing_samples_total"] == {"session=guitar": 480}
    assert page["liveband_headroom_seconds"] == {"session=guitar": -0.0025}
    assert page["liveband_anticipation_seconds"] == {"session=guitar": 0.04}
    assert page["liveband_latency_samples"] == {"session=guitar": 0}
    assert page["liveband_real_time_factor"] == {"session=guitar": 5}
    assert page["liveband_session_state"] == {"session=guitar,state=playing": 1}
    assert page["liveband_overload_step"] == {"session=guitar": 2}
    assert page["liveband_worker_restarts_total"] == {"": 1}
    assert page["liveband_build_info"] == {"version=1.2.3": 1}


def test_unknown_is_left_out_rather_than_zero() -> None:
    """A zero for a round trip that nobody measured is a lie on a dashboard."""
    page = read({"a": PLAYING, "b": {"state": "opening"}}, ServerFigures(version="1", uptime_s=0))
    assert "liveband_tempo_bpm" not in page
    assert "liveband_round_trip_seconds" not in page
    assert "liveband_worker_restarts_total" not in page
    assert set(page["liveband_step_seconds"]) == {"session=a"}


def test_measured_figures_where_a_transport_knows_them() -> None:
    page = read({"a": PLAYING | {"round_trip_ms": 11.0, "measured_latency_samples": 256}})
    assert page["liveband_round_trip_seconds"] == {"session=a": 0.011}
    assert page["liveband_measured_latency_samples"] == {"session=a": 256}


def test_no_sessions() -> None:
    page = read({})
    assert page["liveband_sessions"] == {"": 0}
    assert "liveband_frames_total" not in page


def test_memory_of_the_process() -> None:
    page = read({}, process=True)
    assert page["process_resident_memory_bytes"][""] > 1e6
    assert page["process_open_fds"][""] >= 3


def test_figures_are_those_of_the_status_table() -> None:
    """A renamed status would silently vanish from every dashboard."""
    assert {figure.name for figure in FIGURES} <= BY_NAME.keys()
    shown_elsewhere = {
        "state",
        "reason",
        "ladder",
        "position",
        "beat",
        "anticipation_samples",
        "quality",
        "style",
    }
    shown_elsewhere |= {
        "chord",
        "section",
        "heard_tempo",
        "heard_beat",
        "heard_chord",
    }  # what passes, as cues
    assert {status.name for status in STATUS} - {figure.name for figure in FIGURES} == shown_elsewhere
    assert len({figure.metric for figure in FIGURES}) == len(FIGURES)


VALUES = st.one_of(st.integers(), st.floats(), st.text(), st.none(), st.booleans())


@given(
    st.dictionaries(
        st.text(max_size=20),
        st.dictionaries(st.sampled_from([s.name for s in STATUS]), VALUES),
        max_size=4,
    )
)
def test_page_can_be_read_whatever_the_sessions_say(sessions: Sessions) -> None:
    """A name with a quote or a newline must not break the page for all the others."""
    page = read(sessions)
    assert page["liveband_sessions"] == {"": len(sessions)}
