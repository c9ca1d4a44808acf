# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband~` as a patcher meets it: what its messages do, what it says when it does not understand, its help."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lbserver.client.connection import connected
from lbserver.commands.top import look
from lbserver.protocol.controls import CONTROLS

PATCHES = Path(__file__).resolve().parents[2] / "max_patches" / "pd"
PATCH = """#N canvas 0 0 600 400 12;
#X obj 10 10 loadbang;
#X obj 10 40 t b b b;
#X msg 300 70 \\; pd dsp 1;
#X msg 10 100 {messages};
#X obj 10 130 liveband~ {arguments};
#X obj 10 160 print band;
#X obj 100 70 delay {wait_ms};
#X msg 100 100 \\; pd quit;
#X connect 0 0 1 0;
#X connect 1 2 2 0;
#X connect 1 1 3 0;
#X connect 1 0 6 0;
#X connect 3 0 4 0;
#X connect 4 {status} 5 0;
#X connect 6 0 7 0;
"""


@pytest.fixture
def say(external: Callable[[str], Path], tmp_path: Path) -> Callable[..., str]:
    """Pd's console after a patch with one `liveband~` was sent messages; without a server if none is named."""
    if shutil.which("pd") is None:
        pytest.skip("pd is not installed: apt install puredata-core")
    folder = external("Pd").parent

    def said(*messages: str, arguments: str = "-offline", run: Path | None = None, wait_ms: int = 200) -> str:
        channels = 1 if "-channels 1" in arguments else 2
        text = PATCH.format(
            messages=" \\, ".join(messages), arguments=arguments, wait_ms=wait_ms, status=channels
        )
        (tmp_path / "one.pd").write_text(text)
        command = ["pd", "-nogui", "-nrt", "-batch", "-stderr", "-nosound", "-r", "48000"]
        command += ["-path", str(folder), "-open", str(tmp_path / "one.pd")]
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "LIVEBAND_RUN": str(run or tmp_path / "nobody"),
        }
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return re.sub(r"\\(.)", r"\1", done.stderr)

    return said


def status(run: Path) -> dict[str, Any]:
    with connected("test") as line:
        return dict(look(line).sessions)


WRONG = {
    "set densty 0.5": "no control is called 'densty': there are stem, mix, gain",
    "density 1.5": "density cannot be '1.5': accepted are 0 to 1",
    "gain loud": "gain cannot be 'loud': accepted are -60 to 24 dB",
    "stem violin": "stem cannot be 'violin': accepted are drums, bass, piano, guitar",
    "freeze": "freeze wants a value: accepted are 0, 1",
    "tempo 1e+09": "tempo wants beats per minute, 10 to 400",
    "tempo fast": "tempo wants beats per minute, 10 to 400",
    "bar 4.5": "bar wants the quarter notes of a bar, 1 to 16",
    "play now": "play wants nothing, or the beat to begin at",
    "jump 3": "'jump' is not understood: accepted are set, chord",
}


def test_what_is_wrong_is_said(say: Callable[..., str]) -> None:
    """Each mistyped message is answered in the console and at the status outlet, also where many come at once."""
    console = say(*WRONG)
    for message, answer in WRONG.items():
        assert f"liveband~: {answer}" in console, message
        assert f"band: error {answer}" in console, message


@pytest.mark.parametrize("arguments", ["-chanels 1", "-channels 3", "one two", "-block 0"])
def test_wrong_arguments_make_no_object(say: Callable[..., str], arguments: str) -> None:
    """A mistyped argument is not taken for a name in silence."""
    accepted = "is not understood: [NAME] [-channels 1|2] [-block SAMPLES] [-offline]"
    assert accepted in say("bang", arguments=arguments, wait_ms=1)


@pytest.mark.parametrize(
    ("wrong", "named"), [("chord Hxy", "Hxy"), ("style bass theremin", "unknown: theremin")]
)
def test_what_cannot_be_read_is_named(
    say: Callable[..., str], servers: Callable[[str], Path], wrong: str, named: str
) -> None:
    """What the server refuses is printed in Pd, in the server's words."""
    console = say(
        "chord Am7",
        wrong,
        "bang",
        arguments="song -offline -channels 1",
        run=servers("test:copy"),
        wait_ms=10_000,  # of Pd's time, which runs ahead of ours here: what is refused is told by ours
    )
    assert re.search(rf"error: liveband~: .*{named}", console), console
    assert "Am7" not in console
    assert "band: session song" in console


def test_help_and_examples(say: Callable[..., str], external: Callable[[str], Path], tmp_path: Path) -> None:
    """Help shows each control, lies beside the external, and opens without a complaint."""
    text = (PATCHES / "liveband~-help.pd").read_text()
    shown = re.findall(r"#X msg \d+ \d+ (\w+)", text)
    missing = [control.name for control in CONTROLS if control.name not in shown]
    assert not missing, f"liveband~-help.pd does not show {missing}"
    words = {"tempo", "stop", "play", "bar", "chord", "chart", "key", "style", "keep", "recall"}
    assert set(shown) == words | {control.name for control in CONTROLS}
    folder = external("Pd")
    for patch in PATCHES.glob("*.pd"):
        assert (folder / patch.name).read_bytes() == patch.read_bytes()
        command = ["pd", "-nogui", "-nrt", "-batch", "-stderr", "-nosound", "-path", str(folder.parent)]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LIVEBAND_RUN": str(tmp_path)}
        done = subprocess.run(
            [*command, "-open", str(patch), "-send", "pd quit"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "create" not in done.stderr
        assert "error" not in done.stderr, done.stderr
