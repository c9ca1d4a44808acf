# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that holds DawDreamer: a job on each line of standard input, an answer on each line of output.

DawDreamer and pedalboard each bring a host of their own with the same symbols: apart, neither disturbs the other.
"""

import json
import sys
from typing import Any

import dawdreamer
import numpy as np


def tempo_curve(steps: list[list[float]]) -> np.ndarray:
    """[[beats, bpm], ...] -> bpm at each of 960 parts of a beat."""
    return np.concatenate([np.full(int(beats * 960), bpm, np.float32) for beats, bpm in steps])


def render(job: dict[str, Any], kept: list[Any]) -> dict[str, Any]:
    """Renders `mix` (a file) through the plug-in `renders` times; the last engine lives on for who looks at it."""
    mix = np.load(job["mix"])
    engine = dawdreamer.RenderEngine(job["rate_hz"], job["block"])
    source = engine.make_playback_processor("source", mix)
    band = engine.make_plugin_processor("band", job["plugin"])
    for index, value in job["parameters"].items():
        band.set_parameter(int(index), value)
    engine.load_graph([(source, []), (band, ["source"])])
    found = []
    for tempo in job["tempi"]:
        if isinstance(tempo, list):
            engine.set_bpm(tempo_curve(tempo), 960)
        else:
            engine.set_bpm(tempo)
        engine.render(mix.shape[1] / job["rate_hz"])
        found.append(engine.get_audio())
    np.save(job["out"], np.stack(found))
    kept[:] = [engine, source, band]
    return {
        "latency_samples": band.get_latency_samples(),
        "names": [each["name"] for each in band.get_parameters_description()],
    }


def main() -> None:
    kept: list[Any] = []
    for line in sys.stdin:
        print(json.dumps(render(json.loads(line), kept)), flush=True)


if __name__ == "__main__":
    main()
