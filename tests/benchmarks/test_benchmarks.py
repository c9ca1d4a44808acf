# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmarks run and leave one valid line. No figure is asserted: the machine that tests is busy."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import cost, hop, runtime
from benchmarks.measure.clock import Laps, Measured, joined, measure, spread_ms
from benchmarks.measure.subject import Sizes, parts, random_accompanist, sessions, state_bytes

SMALL = ["--features", "64", "--depth", "1", "--codec-features", "32", "--codec-depth", "1"]


def strict(line: str) -> dict[str, Any]:
    """A JSON line without NaN or infinities, which JSON does not know."""

    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    record = json.loads(line, parse_constant=refuse)
    assert isinstance(record, dict)
    return record


def last_line(output: str) -> str:
    return output.rstrip("\n").split("\n")[-1]


@pytest.fixture
def threads() -> Any:
    """The programs take one thread for themselves; the other tests get theirs back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.weights
def test_the_profile_accounts_for_the_whole_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Parts, and operators, that do not sum up to the step would hide where its time goes; nodes without a part too."""
    results = tmp_path / "cost.jsonl"
    assert cost.main(["--profile", "--batch", "1", "--read-mib", "8", "--results", str(results)]) == 0
    assert "phase" in capsys.readouterr().out
    (run,) = strict(results.read_text())["runs"]
    for kind in ("parts", "operators"):
        assert sum(nodes for nodes, _ in run[kind].values()) == run["nodes"]
        assert sum(ms for _, ms in run[kind].values()) == pytest.approx(run["step_ms"], rel=0.05)
    assert set(run["parts"]) >= {"encoder", "trackers", "trunk", "head", "decoder", "phase", "overlap-add"}
    assert run["parts"].get("the rest", [0])[0] < 0.1 * run["nodes"]
    assert min(run["limit_ms"].values()) > 0


@pytest.mark.usefixtures("threads")
def test_cost_prints_and_appends_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Plots over commits read the file: what is appended must be what was printed, one line a run."""
    results = tmp_path / "deep" / "cost.jsonl"
    words = [*SMALL, "--batch", "1", "2", "--frames", "3", "--read-mib", "1", "--results", str(results)]
    assert cost.main(words) == 0
    assert cost.main(words) == 0
    lines = results.read_text().splitlines()
    assert len(lines) == 2
    assert lines[1] == last_line(capsys.readouterr().out)
    record = strict(lines[1])
    assert {"benchmark", "time", "commit", "device", "versions", "config", "model", "limit", "memory"} <= set(
        record
    )
    assert [(run["batch"], run["paced"]) for run in record["runs"]] == [
        (1, False),
        (1, True),
        (2, False),
        (2, True),
    ]
    for run in record["runs"]:
        assert set(run["times"]) == {"encoder", "ear", "generator", "decoder", "step"}
        assert ("missed" in run) == run["paced"]
    assert record["limit"]["weight_bytes"]["step"] >= 4 * record["model"]["parameters"]
    assert record["device"]["threads"] == 1


@pytest.mark.weights
@pytest.mark.usefixtures("threads")
def test_runtime_compares_what_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "runtime.jsonl"
    words = ["--runtime", "onnx", "torch", "--batch", "1", "2", "--frames", "3", "--parity-frames", "8"]
    assert runtime.main([*words, "--results", str(results)]) == 0
    record = strict(results.read_text())
    assert record == strict(last_line(capsys.readouterr().out))
    assert [(run["runtime"], run["batch"]) for run in record["runs"][::2]] == [
        ("onnx", 1),
        ("onnx", 2),
        ("torch", 1),
        ("torch", 2),
    ]
    assert set(record["parity"]) == {"onnx", "torch, another seed"}
    assert all(run["cpu_ms"]["p50"] > 0 for run in record["runs"])


@pytest.mark.usefixtures("threads")
def test_hop_weighs_each_hop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "hop.jsonl"
    assert hop.main(["--seconds", "0.2", "--rounds", "2", "--results", str(results)]) == 0
    record = strict(results.read_text())
    assert record == strict(last_line(capsys.readouterr().out))
    assert [figures["hop_ms"] for figures in record["hops"]] == [20.0, 30.0, 40.0]
    for figures, model in zip(record["hops"], record["models"], strict=True):
        assert figures["one_frame_ahead"]["recency_gap_ms"] == figures["hop_ms"]
        assert figures["one_frame_ahead"]["worst_reaction_ms"] == 2 * figures["hop_ms"]
        assert model["codec"]["hop"] == figures["hop_samples"]


@pytest.mark.parametrize(
    "words",
    [
        ["--model", "default", "--recipe", "tiny"],
        ["--recipe", "no such recipe"],
        ["--model", "no such model"],
        ["--features", "100"],
        ["--frames", "0"],
    ],
)
def test_bad_arguments_are_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cost.main(words)
    assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_parts_are_timed_in_place_and_then_left_alone() -> None:
    """A wrapper left behind would time every later step, of other tests too."""
    sizes = Sizes(features=64, depth=1, codec_features=32, codec_depth=1)
    accompanist = random_accompanist(sizes)
    measured = measure(sessions(accompanist, 2), parts(accompanist), frames=3, warmup_frames=2, frame_ns=None)
    assert {name: len(laps.wall_ns) for name, laps in measured.parts.items()} == dict.fromkeys(
        parts(accompanist), 3
    )
    assert len(measured.whole.cpu_ns) == 3
    inner = sum(sum(laps.wall_ns) for laps in measured.parts.values())
    assert inner <= sum(measured.whole.wall_ns)
    assert not any("step" in vars(module) for module in parts(accompanist).values())


def test_paced_steps_do_not_begin_before_they_are_due() -> None:
    frame_ns = 2_000_000
    measured = measure(lambda n: None, {}, frames=5, warmup_frames=0, frame_ns=frame_ns)
    assert len(measured.finish_ns) == 5
    assert all(finish > 0 for finish in measured.finish_ns)
    assert measured.missed(0) == 5


def test_figures_of_known_times() -> None:
    figures = spread_ms([n * 1_000_000 for n in range(1, 102)])
    assert figures == {"mean": 51.0, "p50": 51.0, "p95": 96.0, "p99": 100.0, "p99.9": 100.9, "max": 101.0}
    one = Measured(whole=Laps([1], [2]), parts={"a": Laps([3], [4])}, finish_ns=[5], restarts=1)
    both = joined([one, one])
    assert (both.whole, both.parts, both.finish_ns, both.restarts) == (
        Laps([1, 1], [2, 2]),
        {"a": Laps([3, 3], [4, 4])},
        [5, 5],
        2,
    )


def test_another_hop_keeps_the_window_in_seconds() -> None:
    """Otherwise a shorter hop would look cheaper than it is, because it remembers less."""
    windows = [random_accompanist(Sizes(hop=hop)).generator.config.window * hop for hop in (960, 1920)]
    assert windows[0] == windows[1]


def test_state_is_counted_for_one_session() -> None:
    accompanist = random_accompanist(Sizes())
    config = accompanist.generator.config
    rings = 2 * 4 * config.depth * config.window * config.features
    assert rings < state_bytes(accompanist) < 1.2 * rings
