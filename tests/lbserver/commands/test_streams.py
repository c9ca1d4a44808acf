# SPDX-License-Identifier: GPL-3.0-or-later
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

PRINTS = """
import sys
from lbserver import cli
def work(arguments):
    print("na\\udcefve \\u266b")
    print("words", file=sys.stderr)
    return 0
cli._run = work
sys.exit(cli.main([]))
"""
SHELL = ["sh", "-c"]


def through(redirections: str, encoding: str = "utf-8") -> "subprocess.CompletedProcess[bytes]":
    """A command that prints a name that is no text, and words to standard error, with redirections of a shell."""
    command = f'exec "$0" -c "$1" {redirections}'
    return subprocess.run(
        [*SHELL, command, sys.executable, PRINTS],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )


def test_closed_streams_are_fine() -> None:
    """Before, a closed standard error was a None that print took for standard output, and a closed output a traceback."""
    for redirections in ("2>&-", ">&-", "<&- >&- 2>&-"):
        done = through(redirections)
        assert done.returncode == 0, redirections
        assert b"words" not in done.stdout


def test_a_name_is_printed_as_its_bytes_on_any_terminal() -> None:
    """A name that is not UTF-8, or a sign that the terminal lacks, was a traceback after the work was done."""
    assert through("").stdout == "na\xefve ".encode("latin-1") + "\u266b\n".encode()
    assert through("", "ascii").stdout == b"na\xefve \\u266b\n"


def test_a_full_device_is_an_error_of_printing_alone() -> None:
    """/dev/full refuses every byte: that was a traceback. A reader that has had enough is no error at all."""
    done = through("> /dev/full")
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    assert lines == [
        "words",
        "liveband: error: the work is done, but it cannot be printed: the disk is full",
    ]
    done = through("| true; exit ${PIPESTATUS:-0}")
    assert b"error" not in done.stderr
    version = [sys.executable, "-m", "lbserver", "--version"]
    with Path("/dev/full").open("wb") as full:
        told = subprocess.run(version, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (told.returncode, b"cannot be printed" in told.stderr) == (1, True)


def test_a_bounce_with_odd_names_into_a_full_device_is_done(tmp_path: Path) -> None:
    """The whole command: names in and out that are no text, nobody to print to; the file is whole under its name."""
    song = os.fsencode(tmp_path) + b"/s\xf8ng.wav"
    audio = 0.1 * np.random.default_rng(1).standard_normal((9600, 2))
    with open(song, "wb") as file:  # noqa: PTH123 (soundfile takes no such name)
        soundfile.write(file, audio, 48000, format="WAV", subtype="FLOAT")
    out = os.fsencode(tmp_path) + b"/b\xe4nd.wav"
    command = 'exec "$@" > /dev/full 2>&-'
    bounce = [sys.executable, "-m", "lbserver", "bounce", song, "-o", out, "--stem", "bass"]
    done = subprocess.run([*SHELL, command, "sh", *bounce, "--model", "test:copy"], check=False)
    assert done.returncode == 1
    with open(out, "rb") as file:  # noqa: PTH123
        assert soundfile.info(file).frames == 9600
    assert len(list(tmp_path.iterdir())) == 2
