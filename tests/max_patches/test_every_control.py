# SPDX-License-Identifier: GPL-3.0-or-later
"""One Pd and one sclang, as they are installed: both set every control, and Pd is told of every error in words."""

import json
import random
import re
import socket
import struct
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbserver.client import Client
from lbserver.engine.backends import style_vector
from lbserver.protocol.controls import CONTROLS, TRIGGERS, ControlInfo
from lbserver.protocol.errors import ERRORS
from lbserver.testing.processes import running
from lbserver.testing.waiting import until
from lbserver.transports.osc.packet import Message, write

# What the test says to Pd's `netreceive`, Pd says over OSC by its own objects: `osc ADDRESS ATOMS`, or the bytes of a packet.
PATCH = r"""#N canvas 0 0 900 600 12;
#X obj 10 10 netreceive PATCH_PORT;
#X obj 10 40 route osc raw;
#X obj 10 70 t a a;
#X obj 110 100 list split 1;
#X obj 10 100 list split 1;
#X msg 110 130 set \$1;
#X obj 10 160 oscformat;
#X obj 10 190 list prepend send;
#X obj 10 220 list trim;
#X obj 10 250 netsend -u -b;
#X obj 300 10 loadbang;
#X msg 300 40 connect 127.0.0.1 BAND_PORT;
#X obj 60 280 oscparse;
#X obj 60 310 list trim;
#X obj 60 340 route lb;
#X obj 60 370 route error welcome deadly pong;
#X obj 60 400 print refused;
#X obj 200 400 unpack f f s s;
#X obj 200 430 list prepend /lb/cookie;
#X obj 400 400 route opened;
#X obj 400 430 unpack f f f f;
#X obj 400 460 t f f;
#X obj 400 490 mod 4096;
#X obj 500 490 div 4096;
#X obj 400 520 print low;
#X obj 500 520 print high;
#X obj 600 400 print pong;
#X obj 200 460 print welcome;
#X connect 0 0 1 0;
#X connect 1 0 2 0;
#X connect 1 1 7 0;
#X connect 2 0 4 0;
#X connect 2 1 3 0;
#X connect 3 0 5 0;
#X connect 4 1 6 0;
#X connect 5 0 6 0;
#X connect 6 0 7 0;
#X connect 7 0 8 0;
#X connect 8 0 9 0;
#X connect 9 1 12 0;
#X connect 10 0 11 0;
#X connect 11 0 9 0;
#X connect 12 0 13 0;
#X connect 13 0 14 0;
#X connect 14 0 15 0;
#X connect 15 0 16 0;
#X connect 15 1 17 0;
#X connect 15 2 19 0;
#X connect 15 3 26 0;
#X connect 17 3 18 0;
#X connect 15 1 27 0;
#X connect 18 0 2 0;
#X connect 19 0 20 0;
#X connect 20 3 21 0;
#X connect 21 0 22 0;
#X connect 21 1 23 0;
#X connect 22 0 24 0;
#X connect 23 0 25 0;
"""
SCLANG = """OSCdef(\\refused, {{ |said| ("refused: " ++ said[1] ++ " " ++ said[2]).postln }}, '/lb/error');
fork {{
\tvar band = NetAddr("127.0.0.1", {port});
{lines}
}}
"""
MISTAKES = {
    "bad_message": ("/lb/pd/set/gain 99", "-60 to 24 dB"),
    "version": ("/lb/hello 99 0 pd", "you speak protocol 99"),
    "unknown_message": ("/lb/pd/tempi 90", "did you mean /lb/pd/tempo?"),
    "unknown_session": ("/lb/nobody/tempo 90", "open: pd, sc"),
    "unknown_control": ("/lb/pd/set/gian 0", "unknown control 'gian': stem, mix, gain"),
    "unknown_model": (
        "/lb/open more bass 48000 2 512 live 40 unheard_of",
        "this server plays test:steerable",
    ),
    "unsupported": ("/lb/open more bass 48000 2 512 bounce", "a bounce must lose nothing"),
    "unauthorised": ("/lb/cookie kwrong", "not the cookie that was sent to you"),
    "not_found": ("/lb/pd/recall nothing", "there is no 'nothing'"),
    "busy": ("/lb/open more", "a peer may have 3 sessions"),
}
"""By what Pd does; see below for those that a worker's death or a disk makes."""
UNTOLD = {
    "overloaded": "no answer over OSC but a session's status: its `state`, and this text as its `reason`"
}


class Pd:
    """One Pd: what it is to say, and what it has printed."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.printed = ""
        self._line = until(lambda: connected(port), "Pd")
        self._reader = threading.Thread(target=self._read, args=(process.stderr,), daemon=True)
        self._reader.start()

    def osc(self, *messages: str) -> None:
        for one in messages:
            self._line.sendall(f"osc {one};\n".encode())

    def raw(self, packet: bytes) -> None:
        self._line.sendall(f"raw {' '.join(map(str, packet))};\n".encode())

    def told(self, pattern: str) -> list[str]:
        """What stands in its window where a pattern matches."""
        return re.findall(pattern, self.printed, re.M)

    def _read(self, pipe: Any) -> None:
        for line in pipe:
            self.printed += re.sub(r"\\(.)", r"\1", line)


def connected(port: int) -> socket.socket | None:
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=60)
    except ConnectionRefusedError:
        return None


def drawn(control: ControlInfo, dice: random.Random) -> float | str:
    """A value that is not the default, as a patcher writes it."""
    if control.kind == "choice":
        # Over OSC nobody bounces; and live is the default.
        return dice.choice(
            [word for n, word in enumerate(control.choices) if n != control.default and word != "bounce"]
        )
    if control.kind == "bool":
        return 1 - int(control.default)
    if control.kind == "int":
        return dice.randint(1, 9999)
    return round(dice.uniform(control.minimum, control.maximum), 2)


def drawn_for_all(seed: int) -> dict[str, float | str]:
    """By name, in the order in which they are set: the anticipation before the mode, which it would make `manual`."""
    dice = random.Random(seed)
    values = {one.name: drawn(one, dice) for one in CONTROLS if one.kind != "trigger"}
    names = sorted(values, key=lambda name: (name == "mode", dice.random()))
    return {name: values[name] for name in names}


def test_pd_and_sclang_set_every_control_and_pd_is_told_every_error(
    client: Callable[[str], str],
    serve: Callable[..., dict[str, Any]],
    free_port: Callable[[], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A control that one of the two cannot reach, that is forgotten when a session begins anew, or that OSCQuery does not show
    as it stands; an error that has no words, or whose words Pd does not get."""
    pd_program, sclang = client("pd"), client("sclang")
    moments = tmp_path / "moments"
    models = ("--model", "test:fragile", "--model", "test:style")
    options = (*models, "--sessions-per-peer", "3", "--moments", str(moments))
    server = serve(*options, model="test:steerable")
    port = free_port()
    text = PATCH.replace("PATCH_PORT", str(port)).replace("BAND_PORT", str(server["osc_port"]))
    (tmp_path / "every.pd").write_text(text)
    quiet = ["-nogui", "-nrt", "-stderr", "-nosound", "-open", str(tmp_path / "every.pd")]
    environment = server["environment"] | {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_DISABLE_SANDBOX": "1"}
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    monkeypatch.setenv("LIVEBAND_RUN", environment["LIVEBAND_RUN"])

    def asked(session: str) -> dict[str, Any]:
        """What OSCQuery shows of each control."""
        url = f"http://127.0.0.1:{server['http_port']}/lb/{session}/set"
        with direct.open(url, timeout=60) as answer:
            return {
                name: node.get("VALUE", [None])[0] for name, node in json.load(answer)["CONTENTS"].items()
            }

    def holds(session: str, values: dict[str, float | str]) -> bool:
        shown = asked(session)
        return all(
            shown[name] == value if isinstance(value, str) else shown[name] == pytest.approx(value, rel=1e-6)
            for name, value in values.items()
        )

    with running([pd_program, *quiet], stderr=subprocess.PIPE, text=True, env=environment) as process:
        pd = Pd(process, port)
        pd.osc("/lb/hello 1 0 pd")
        until(lambda: pd.told("^welcome: "), "a welcome, which Pd answers by itself with its cookie")
        pd.osc("/lb/open pd", "/lb/open sc", "/lb/open deadly bass 8000 1 64 live 40 test:fragile")
        until(lambda: shown_session(direct, server, "sc"), "the sessions")
        refused_before = len(pd.told("^refused: "))

        of_pd, of_sclang = drawn_for_all(1), drawn_for_all(2)
        script = tmp_path / "every.scd"
        lines = [
            f"\tband.sendMsg('/lb/sc/set/{name}', {literal(value)});" for name, value in of_sclang.items()
        ]
        script.write_text(SCLANG.format(port=server["osc_port"], lines="\n".join(lines)))
        with (
            (tmp_path / "sclang.log").open("w") as log,
            running([sclang, str(script)], stdout=log, env=environment),
        ):
            pd.osc(*(f"/lb/pd/set/{name} {value}" for name, value in of_pd.items()))
            until(lambda: holds("pd", of_pd), "what Pd has set")
            # Presses: nothing can be read back but what they do. Nobody has told a tempo, so it is the taps that a count-in needs.
            assert {"reset", "tap", "next_section", "count_in"} == TRIGGERS
            pd.osc("/lb/pd/set/reset")
            for _ in range(3):
                pd.osc("/lb/pd/set/tap")
                time.sleep(0.4)
            pd.osc("/lb/pd/chart | [A] C | [B] F |", "/lb/pd/set/next_section", "/lb/pd/set/count_in")
            until(lambda: holds("pd", of_pd | {"tacet": 0}), "what a count-in does")
            until(lambda: holds("sc", of_sclang), "what sclang has set")
        assert "refused" not in (tmp_path / "sclang.log").read_text()
        assert len(pd.told("^refused: ")) == refused_before, pd.printed

        # A style that Pd tells changes what plays.
        with Client() as python:
            for line in ("upright bass", "bright synth pad *2 | drums"):
                wish = {"stem": "bass", "rate_hz": 48_000, "offline": True, "model": "test:style"}
                with python.open(name="heard", **wish) as heard:
                    pd.osc("/lb/heard/glide 0", f"/lb/heard/style {line}")
                    until(lambda line=line, heard=heard: heard.status()["style"] == line, line)
                    assert heard.play(np.zeros((2, 9600), np.float32))[0, -1] == style_vector(line)[0]
        pd.osc("/lb/pd/style bass theremin")
        until(lambda: pd.told("^refused: bad_message .*unknown: theremin"), "theremin")

        provoked = set()
        low, high = until(lambda: stream(pd), "a stream")
        for code, (mistake, words) in MISTAKES.items():
            pd.osc(mistake)
            until(lambda code=code, words=words: pd.told(f"^refused: {code} .*{re.escape(words)}"), code)
            provoked.add(code)
        moments.rename(tmp_path / "away")
        pd.osc("/lb/pd/keep this")
        until(lambda: pd.told("^refused: internal .*keep failed"), "internal")
        (tmp_path / "away").rename(moments)
        # Its worker dies of what it is sent, and again when it is back.
        deadly, number = struct.pack("<64f", *[8.0] * 64), 0
        deadline = time.monotonic() + 60
        while not pd.told("^refused: quarantined"):
            assert time.monotonic() < deadline, pd.printed
            values = (low + 4096 * high, number, 64 * number, 0, deadly)
            pd.raw(write(Message("/lb/deadly/audio", "iiiib", values)))
            pd.osc("/lb/deadly/keep it")
            number += 1
            time.sleep(0.02)
        pd.osc("/lb/open deadly")
        until(lambda: pd.told("^refused: quarantined .*use another name"), "quarantined")
        assert pd.told("^refused: crashed /lb/deadly/keep")
        provoked |= {"internal", "quarantined", "crashed"}
        assert provoked | set(UNTOLD) == set(ERRORS)
        assert not provoked & set(UNTOLD)


def stream(pd: Pd) -> tuple[int, int] | None:
    """The number of the deadly session's stream in two parts, since Pd prints six digits; None as long as there is none."""
    low, high = pd.told(r"^low: (\d+)\n"), pd.told(r"^high: (\d+)\n")
    return (int(low[-1]), int(high[-1])) if low and high else None


def shown_session(direct: Any, server: dict[str, Any], session: str) -> bool:
    """Whether OSCQuery shows a session."""
    with direct.open(f"http://127.0.0.1:{server['http_port']}/lb", timeout=60) as answer:
        return session in json.load(answer)["CONTENTS"]


def literal(value: float | str) -> str:
    """As sclang has it."""
    return f"\\{value}" if isinstance(value, str) else repr(value)
