# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidecar under Node's own runner: its modules alone, and a conversation with a real server behind a lossy relay."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lbserver.cli import main

HERE = Path(__file__).parent
RATE_HZ, FRAME = 48000, 1920
WINDOWS_MS = (520.0, 270.0, 145.0)
"""(w + 1) r T + fade of the three windows that the conversation plays through."""


def node_test(node: str, *files: str, **environment: str) -> str:
    """Runs test files; what Node's runner printed. A test that Node skipped is one that failed."""
    done = subprocess.run(
        [node, "--test", *(str(HERE / "sidecar" / file) for file in files)],
        capture_output=True, text=True, timeout=300, check=False, env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "# skipped 0" in done.stdout or "ℹ skipped 0" in done.stdout, done.stdout[-2000:]
    return done.stdout


def test_its_modules_do_what_they_say(client: Callable[[str], str]) -> None:
    """Without a server: packets, windows, batches, cross-fades, what a patch may say, the ring in Max's own buffer, strangers."""
    node_test(client("node"), "modules.test.js", "buffer.test.js", "strangers.test.js")


def test_the_published_patch_s_protocol_with_a_peer_from_its_description_and_the_real_server(
    client: Callable[[str], str], serve: Callable[..., dict[str, Any]], free_port: Callable[[], int]
) -> None:
    """A chunk in the wrong place, a fade counted twice, answers that come to a port where nobody listens."""
    ports = free_port(), free_port()
    serve("--osc-compat", "rtap", "--rtap-ports", f"{ports[0]},{ports[1]}")
    given = json.dumps({"port": ports[0], "reply": ports[1]})
    node_test(client("node"), "rtap.test.js", LIVEBAND_RTAP=given)


def test_what_is_watched_and_what_is_set(
    client: Callable[[str], str], server: dict[str, Any], player: Any
) -> None:
    """Status that never reaches the patch, an error without its words, a control that is set under another one's name."""
    given = json.dumps({"port": server["osc_port"], "http": server["http_port"]})
    node_test(client("node"), "patch.test.js", LIVEBAND_PATCH=given)


def windows_of(record: dict[str, Any], mix: np.ndarray) -> list[tuple[int, int]]:
    """[first, end) of the mix that each stream was sent."""
    bases = [epoch["base"] for epoch in record["epochs"]]
    return list(zip(bases, [*bases[1:], record["fed"]], strict=True))


@pytest.mark.slow
def test_what_it_writes_through_five_percent_of_loss_is_the_bounce(
    client: Callable[[str], str], server: dict[str, Any], tmp_path: Path
) -> None:
    """A piece one sample out of its place, a batch written twice, a hole where nothing was lost; counts that the relay denies."""
    mix = (0.1 * np.random.default_rng(18).standard_normal((2, 14 * RATE_HZ))).astype(np.float32)
    soundfile.write(tmp_path / "mix.wav", mix.T, RATE_HZ, subtype="FLOAT")
    given = {name: str(tmp_path / name) for name in ("mix", "heard", "record")} | {"port": server["osc_port"]}
    given["mix"], given["heard"] = str(tmp_path / "mix.wav"), str(tmp_path / "heard.wav")
    node_test(client("node"), "conversation.test.js", LIVEBAND_CONVERSATION=json.dumps(given))
    record = json.loads((tmp_path / "record").read_text())
    heard = soundfile.read(tmp_path / "heard.wav", dtype="float32", always_2d=True)[0].T
    compared = 0
    for number, (anticipation_ms, (first, end)) in enumerate(
        zip(WINDOWS_MS, windows_of(record, mix), strict=True)
    ):
        source, target = tmp_path / f"part{number}.wav", tmp_path / f"bounce{number}.wav"
        soundfile.write(source, mix[:, first:end].T, RATE_HZ, subtype="FLOAT")
        options = ["--stem", "bass", "--model", "test:copy", "--anticipation", f"{anticipation_ms:g}"]
        assert main(["bounce", str(source), "-o", str(target), *options]) == 0
        bounced = soundfile.read(target, dtype="float32", always_2d=True)[0].T
        shift = int(np.flatnonzero(bounced[0])[0])  # the copy's own lag and how far ahead it writes
        sure = np.zeros(end - first, bool)
        written = [one for one in record["batches"] if one["epoch"] == number and one["outcome"] == "on_time"]
        for batch in written:
            sure[max(0, batch["start"] - first + 1200) : batch["start"] - first + batch["length"]] = True
        sure[: shift + 1200] = False  # the fade with which an epoch begins
        stream = record["epochs"][number]["stream"]
        for one in record["log"]:
            # What the server heard late or never is silence in the copy, with fades.
            if (one.get("stream"), one["direction"], one["fate"]) == (stream, "in", "lost"):
                sure[max(0, one["position"] + shift - 500) : one["end"] + shift + 500] = False
        there = heard[:, first:end]
        assert np.count_nonzero(sure) > 1500, number
        np.testing.assert_allclose(there[:, sure], bounced[:, sure], rtol=0, atol=1e-6)
        compared += int(np.count_nonzero(sure))
        far = there[:, shift + 4800 : end - first - 24000], bounced[:, shift + 4800 : end - first - 24000]
        if far[0].shape[-1] > 4800:
            print(f"window {number}: correlation {np.corrcoef(far[0].ravel(), far[1].ravel())[0, 1]:.4f}")
    assert compared > RATE_HZ // 2
    print(f"{compared} samples equal; {record['counts']}")
