# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the model is whole, how quickly it plays, and which mode that allows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lbmodels.contract.spec import Spec
from lbserver.commands.checks.finding import Finding, bad, ok, warning
from lbserver.engine.budget import Budget, Wish, epoch_timing
from lbserver.errors import LiveBandError
from lbserver.ring.timeline import Mode

_RATE_HZ, _BLOCK_SAMPLES = 48000, 256
_LONG_GAP_MS = 150.0


def check_weights(right: Mapping[str, bool]) -> list[Finding]:
    """`right`: for each weights file of the manifest, whether it is there with the right SHA-256."""
    damaged = sorted(name for name, is_right in right.items() if not is_right)
    if not right:
        return [
            bad(
                "model",
                "no model ships with this copy",
                advice="reinstall liveband, or name a folder with weights of your own: --model FOLDER",
            )
        ]
    if damaged:
        return [
            bad(
                "model",
                f"weights missing or not as published: {', '.join(damaged)}",
                advice="reinstall: pip install --force-reinstall liveband (in a checkout: git lfs pull, or git checkout models/weights)",
                data={"damaged": damaged},
            )
        ]
    return [
        ok(
            "model",
            f"weights there and as published: {', '.join(sorted(right))}",
            data={"files": sorted(right)},
        )
    ]


def check_sizes(bytes_of: Mapping[str, int]) -> list[Finding]:
    """What a worker reads of each model when it is loaded, by its name."""
    told = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in bytes_of.items())
    text = f"weights to be loaded, once for each worker, whatever it has of sessions: {told}"
    return [ok("model", text, data={"bytes": dict(bytes_of)})] if bytes_of else []


@dataclass(frozen=True, kw_only=True)
class RuntimeFigure:
    """What one step costs with a runtime; `error` if it cannot play."""

    name: str
    step_ms: float | None = None
    error: str = ""


def check_runtimes(figures: Sequence[RuntimeFigure], chosen: str, frame_ms: float) -> list[Finding]:
    """`chosen` is the runtime that the server takes by itself."""
    found = []
    for figure in figures:
        mark = " (the one that is used)" if figure.name == chosen else ""
        if figure.step_ms is None:
            found.append(
                Finding(
                    topic="model",
                    level="bad" if figure.name == chosen else "warning",
                    text=f"runtime {figure.name}{mark} cannot play: {figure.error}",
                    advice="another one is used instead" if figure.name != chosen else "reinstall liveband",
                    data={"runtime": figure.name, "error": figure.error},
                )
            )
            continue
        rtf = frame_ms / figure.step_ms
        slow = rtf < 1.5 and figure.name == chosen
        found.append(
            Finding(
                topic="model",
                level=("bad" if rtf < 1 else "warning") if slow else "ok",
                text=f"runtime {figure.name}{mark}: {figure.step_ms:.1f} ms a frame of {frame_ms:g} ms, "
                f"{rtf:.1f} x real time",
                advice="this machine is too slow to play live; `liveband bounce` works at any speed"
                if slow and rtf < 1
                else "one session at most, and nothing beside it"
                if slow
                else "",
                data={"runtime": figure.name, "step_ms": figure.step_ms, "rtf": rtf},
            )
        )
    best = min((f for f in figures if f.step_ms is not None), key=lambda f: f.step_ms or 0.0, default=None)
    used = next((f for f in figures if f.name == chosen and f.step_ms is not None), None)
    if best is not None and used is not None and (used.step_ms or 0.0) > 1.2 * (best.step_ms or 0.0):
        found.append(
            warning(
                "model",
                f"runtime {best.name} is quicker here than {used.name}",
                advice=f"set LIVEBAND_RUNTIME={best.name}",
                data={"quicker": best.name},
            )
        )
    return found


def check_timing(spec: Spec, budget: Budget) -> list[Finding]:
    """What the modes give on this machine, and which to take; for blocks of 256 at 48 kHz."""
    needs = ok(
        "timing",
        f"from the last sample of a frame to the stem: S = {1000 * budget.compute_s:.1f} ms, "
        f"margin J = {1000 * budget.margin_s:.1f} ms",
        data={"s_ms": 1000 * budget.compute_s, "j_ms": 1000 * budget.margin_s},
    )
    found, gaps = [needs], {}
    for mode, use in ((Mode.LIVE, "playing along"), (Mode.ALIGNED, "a recorded track in a DAW")):
        finding, gap_ms = _mode(spec, budget, mode, use)
        found.append(finding)
        if gap_ms is not None:
            gaps[mode] = gap_ms
    found.append(_recommended(gaps))
    return found


def _mode(spec: Spec, budget: Budget, mode: Mode, use: str) -> tuple[Finding, float | None]:
    """What a mode gives, and its recency gap in ms; None if it is of no use here."""
    wish = Wish(rate_hz=_RATE_HZ, block_samples=_BLOCK_SAMPLES, mode=mode)
    try:
        timing = epoch_timing(spec, wish, budget)
    except LiveBandError as error:
        text = f"mode {mode.value} ({use}) is not possible: {error}"
        advice = "take another mode"
        return warning("timing", text, advice, data={"mode": mode.value, "error": str(error)}), None
    ahead_ms = 1000.0 * float(timing.anticipation_samples) / _RATE_HZ
    latency_ms = 1000.0 * timing.latency_samples / _RATE_HZ
    text = (
        f"mode {mode.value} ({use}): it writes {ahead_ms:.0f} ms ahead, latency {latency_ms:.1f} ms "
        f"({timing.latency_samples} samples of {_RATE_HZ // 1000} kHz, blocks of {_BLOCK_SAMPLES})"
    )
    data = {
        "mode": mode.value,
        "anticipation_ms": ahead_ms,
        "latency_samples": timing.latency_samples,
        "recency_gap_ms": timing.recency_gap_ms,
    }
    if mode is Mode.LIVE and timing.latency_samples:
        advice = "too slow to play in time with you: free the CPU, measure again (liveband doctor --again)"
        return bad("timing", text, advice, data), None
    if timing.recency_gap_ms > _LONG_GAP_MS:
        advice = f"it reacts {timing.recency_gap_ms:.0f} ms after you: free the CPU and measure again"
        return warning("timing", text, advice, data), timing.recency_gap_ms
    return ok("timing", text, data=data), timing.recency_gap_ms


def _recommended(gaps: Mapping[Mode, float]) -> Finding:
    if Mode.LIVE in gaps:
        text = f"recommended: live; it answers {gaps[Mode.LIVE]:.0f} ms after you, in time with you"
        if Mode.ALIGNED in gaps:
            text += (
                f". For a track that is recorded already: aligned ({gaps[Mode.ALIGNED]:.0f} ms, compensated)"
            )
        return ok("timing", text, data={"recommended": "live"})
    if Mode.ALIGNED in gaps:
        return warning(
            "timing",
            "recommended: aligned; this machine cannot play along live",
            advice="play to a track that is recorded already, or bounce",
            data={"recommended": "aligned"},
        )
    return bad(
        "timing",
        "recommended: bounce; this machine is too slow for anything live",
        advice="liveband bounce song.wav -o band.wav",
        data={"recommended": "bounce"},
    )


def cannot_play(error: str) -> Finding:
    """The model could not even be loaded."""
    return bad(
        "model",
        f"the model cannot be loaded: {error}",
        advice="reinstall liveband, or choose another: --model",
    )
