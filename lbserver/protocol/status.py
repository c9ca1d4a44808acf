# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session tells of itself, ten times a second, over every transport under the same names."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StatusInfo:
    """One figure; kind is float, int or str."""

    name: str
    kind: str
    unit: str
    meaning: str


STATUS = tuple(
    StatusInfo(name=name, kind=kind, unit=unit, meaning=meaning)
    for name, kind, unit, meaning in (
        ("state", "str", "", "opening, listening, playing, late, faded, bypassed, recovering, quarantined, closed"),
        ("reason", "str", "", "why it does not play, empty if it does"),
        ("latency_samples", "int", "samples", "L: what a host compensates, and nothing else"),
        ("measured_latency_samples", "int", "samples", "by how much the front end reads behind what it writes"),
        ("anticipation_samples", "float", "samples", "A*H: how far ahead of what it heard it writes"),
        ("latency_ms", "float", "ms", "L"),
        ("anticipation_ms", "float", "ms", "A*H"),
        ("recency_gap_ms", "float", "ms", "age of the newest heard sample when a frame starts to sound"),
        ("headroom_ms", "float", "ms", "time left before the last frame was needed, when it landed"),
        ("round_trip_ms", "float", "ms", "from the last mix sample of the last frame to its stem in the ring"),
        ("queue_age_ms", "float", "ms", "age of the oldest mix frame that waits"),
        ("step_ms", "float", "ms", "what a model step costs"),
        ("rtf", "float", "", "seconds of audio per second of compute"),
        ("frames", "int", "", "frames played"),
        ("late_frames", "int", "", "frames that landed after they were needed"),
        ("skipped_frames", "int", "", "frames not played, to catch up"),
        ("missing_samples", "int", "samples", "stem samples that were not there when they were needed"),
        ("ladder", "str", "", "on_time, hold, skip, fade or bypass: what overload has come to"),
        ("position", "int", "samples", "host position reached in this epoch"),
        ("epoch", "int", "", "which epoch it is"),
        ("tempo", "float", "bpm", "tempo the host tells, NaN if none"),
        ("beat", "float", "", "beat of the bar the host tells, NaN if none"),
        ("chord", "str", "", "chord the host tells, N for none; empty if it tells nothing"),
        ("section", "str", "", "section of the chart that sounds, empty if it has none"),
        ("heard_tempo", "float", "bpm", "tempo the band hears by itself, NaN if it is not sure of one"),
        ("heard_beat", "float", "", "beat of the bar the band hears by itself, NaN if it is not sure of one"),
        ("heard_chord", "str", "", "chord the band hears by itself, empty if it is not sure of one"),
        ("style", "str", "", "style that is asked for, empty if none is"),
        ("quality", "str", "", "quality that steps have now, which may be less than was asked for; empty if the model has one alone"),
    )
)  # fmt: skip
BY_NAME = {status.name: status for status in STATUS}
