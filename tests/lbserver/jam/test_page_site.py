# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is let in at the jam page's door, and what bytes that are none of the page's come to."""

import asyncio
import http.client
import json
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile
from wsproto import ConnectionType, WSConnection
from wsproto.events import BytesMessage, CloseConnection, Request, TextMessage

import lbserver.jam.page
from lbserver.jam.page.blocks import MIX, STEM, Block, pack, unpack
from lbserver.jam.page.site import site
from lbserver.jam.page.visit import PageConfig
from lbserver.protocol.controls import CONTROLS
from lbserver.protocol.messages import MessageError
from lbserver.protocol.status import STATUS

STATIC = Path(lbserver.jam.page.__file__).parent / "static"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Answer:
    """What the door answered."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers = response.status, response.headers
        self.text = "" if response.status == 101 else response.read().decode()


def asked(what: Callable[[str, int, str], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """What a caller finds out: given host, port and the page's path."""
    monkeypatch.setenv("LIVEBAND_RUN", str(tmp_path / "nobody"))

    async def work() -> Any:
        async with site(PageConfig(), port=0) as address:
            parts = urlsplit(address)
            assert parts.hostname is not None
            assert parts.port is not None
            return await asyncio.to_thread(what, parts.hostname, parts.port, parts.path)

    return asyncio.run(work())


def call(
    host: str, port: int, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> Answer:
    connection = http.client.HTTPConnection(host, port, timeout=30)
    connection.putrequest(method, path, skip_host=True)
    named: Mapping[str, str] = {"Host": f"{host}:{port}"} | {
        key.replace("_", "-"): value for key, value in headers.items()
    }
    for name, value in named.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    try:
        return Answer(connection.getresponse())
    finally:
        connection.close()


def test_only_the_page_with_its_token_is_let_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Another site that guesses the port, rebinds a name, or asks without the token would play, or read the log."""

    def callers(host: str, port: int, path: str) -> None:
        ours, elsewhere = f"http://{host}:{port}", "http://elsewhere.example"
        assert call(host, port, path).status == 200
        assert call(host, port, path + "page.js").status == 200
        assert call(host, port, path + "socket", Origin=ours, **UPGRADE).status == 101
        wrong = "/" + "x" * (len(path) - 2) + "/"
        for refused in ("/", "/page.js", wrong, wrong + "page.js", path[:-1], "//" + path):
            assert call(host, port, refused).status == 403, refused
        assert call(host, port, wrong + "socket", Origin=ours, **UPGRADE).status == 403
        for name in ("elsewhere.example", "elsewhere.example:80", "", "localhost.elsewhere.example"):
            assert call(host, port, path, Host=name).status == 421, name
            assert (
                call(host, port, path + "socket", Host=name, Origin=f"http://{name}", **UPGRADE).status == 421
            )
        for origin in (
            elsewhere,
            f"http://localhost:{port}",
            f"https://{host}:{port}",
            f"http://{host}",
            "null",
        ):
            assert call(host, port, path + "socket", Origin=origin, **UPGRADE).status == 403, origin
            assert call(host, port, path + "recording", "POST", b"", Origin=origin).status == 403, origin
            assert call(host, port, path, Origin=origin).status == 403, origin
        assert call(host, port, path + "socket", **UPGRADE).status == 403  # no browser leaves it out
        assert call(host, port, path + "recording", "POST", b"").status == 403
        assert call(host, port, path + "socket", Origin=ours).status == 426

    asked(callers, monkeypatch, tmp_path)


def test_nothing_but_its_own_files_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A path out of the folder, a page that loads from elsewhere, or one that another page may frame."""

    def callers(host: str, port: int, path: str) -> None:
        for name in (
            "../door.py",
            "..%2fdoor.py",
            "static/page.js",
            "door.py",
            "/etc/passwd",
            "index.html/",
            "favicon.ico",
        ):
            assert call(host, port, path + name).status == 404, name
        shown = call(host, port, path)
        policy = dict(
            part.strip().split(" ", 1) for part in shown.headers["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert {
            value for name, value in policy.items() if name.endswith("-src") and name != "default-src"
        } == {"'self'"}
        assert shown.headers["Referrer-Policy"] == "no-referrer"
        assert call(host, port, path, "POST", b"", Origin=f"http://{host}:{port}").status == 405

    asked(callers, monkeypatch, tmp_path)


def test_recordings_are_taken_or_refused_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """What is no recording would be kept, or answered with a trace."""
    soundfile.write(tmp_path / "a.flac", np.zeros((1000, 3), np.float32), 22050)

    def callers(host: str, port: int, path: str) -> None:
        def hand_over(data: bytes) -> Answer:
            return call(host, port, path + "recording", "POST", data, Origin=f"http://{host}:{port}")

        taken = hand_over((tmp_path / "a.flac").read_bytes())
        assert json.loads(taken.text) == {"recording": 1, "rate_hz": 22050, "channels": 3, "frames": 1000}
        for data in (b"", b"no recording"):
            refused = hand_over(data)
            assert refused.status == 415
            assert "the file" in refused.text
            assert "recording-" not in refused.text
            assert refused.text.count("\n") == 1

    asked(callers, monkeypatch, tmp_path)


def test_what_nobody_understands_is_refused_and_the_line_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """A message that is wrong would end the page's line, or be taken for something else."""

    def callers(host: str, port: int, path: str) -> None:
        wrong: list[str | bytes] = [
            "no JSON", "[]", "{}", '{"type": "dance"}', '{"type": "open"}', '{"type": "open", "rate_hz": "many"}',
            '{"type": "open", "recording": 7}', '{"type": "open", "rate_hz": 48000, "controls": 3}', "[" * 5000, b"", bytes(16),
        ]  # fmt: skip
        with PageLine(host, port, path) as line:
            assert line.next()["type"] == "hello"
            line.say(*wrong)
            told = [line.next("error") for _ in wrong]
            assert all(error["text"] and "\n" not in error["text"] for error in told)
            assert line.next("state")["state"] == "no_server"
            line.say(" " * (1 << 21))
            assert line.next("nothing") == {}  # so long a message ends it

    asked(callers, monkeypatch, tmp_path)


class PageLine:
    """A WebSocket as a page has it."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._socket = socket.create_connection((host, port), timeout=30)
        self._line = WSConnection(ConnectionType.CLIENT)
        origin = [(b"Origin", f"http://{host}:{port}".encode())]
        self._socket.sendall(
            self._line.send(Request(host=f"{host}:{port}", target=f"{path}socket", extra_headers=origin))
        )

    def say(self, *messages: str | bytes) -> None:
        for message in messages:
            event = TextMessage(message) if isinstance(message, str) else BytesMessage(message)
            with suppress(ConnectionError):
                self._socket.sendall(self._line.send(event))

    def next(self, kind: str | None = None) -> dict[str, Any]:
        """The next message, or the next of a kind; empty when the line has ended."""
        text = ""
        while True:
            for event in self._events:
                if isinstance(event, TextMessage):
                    text += event.data
                    if event.message_finished:
                        message, text = json.loads(text), ""
                        if kind in (None, message["type"]):
                            return dict(message)
                elif isinstance(event, CloseConnection):
                    return {}
            try:
                data = self._socket.recv(1 << 16)
            except ConnectionError:
                data = b""
            if not data:
                return {}
            self._line.receive_data(data)
            self._events = self._line.events()

    _events: Any = iter(())

    def __enter__(self) -> "PageLine":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def test_names_that_the_page_uses_are_those_of_the_tables() -> None:
    """A control or a figure that is renamed in its table alone would be gone from the page without a word."""
    scripts = "".join(path.read_text() for path in sorted(STATIC.glob("*.js")))
    controls = set(re.findall(r"\b(?:widgets|values|table|seen\.controls)\??\.([a-z_]+)\b(?!\()", scripts))
    quoted = re.search(r"const kept = \[(.*?)\]", scripts)
    assert quoted is not None
    controls |= set(re.findall(r'"([a-z_]+)"', quoted[1])) | set(
        re.findall(r'control\.name === "([a-z_]+)"', scripts)
    )
    assert {"mix", "seed", "mode", "anticipation", "listen", "freeze"} <= controls
    assert controls - {"length"} <= {control.name for control in CONTROLS}
    figures = set(re.findall(r"\b(?:status|figures)\.([a-z_]+)\b(?!\()", scripts))
    assert {"headroom_ms", "round_trip_ms", "late_frames"} <= figures
    assert figures <= {figure.name for figure in STATUS}


def test_blocks_come_back_as_they_were() -> None:
    audio = np.random.default_rng(0).normal(size=(2, 7)).astype(np.float32)
    block = unpack(pack(Block(kind=STEM, epoch=3, position=1 << 40, audio=audio)))
    assert (block.kind, block.epoch, block.position) == (STEM, 3, 1 << 40)
    np.testing.assert_array_equal(block.audio, audio)
    holes = np.array([[np.nan, np.inf, -np.inf, 1.0]], np.float32)
    np.testing.assert_array_equal(
        unpack(pack(Block(kind=MIX, epoch=0, position=0, audio=holes))).audio, [[0, 0, 0, 1]]
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(15),
        bytes(16),
        pack(Block(kind=9, epoch=0, position=0, audio=np.zeros((2, 4), np.float32))),
        pack(Block(kind=MIX, epoch=0, position=0, audio=np.zeros((3, 4), np.float32))),
        pack(Block(kind=MIX, epoch=0, position=-1, audio=np.zeros((2, 4), np.float32))),
        pack(Block(kind=MIX, epoch=0, position=0, audio=np.zeros((2, 4), np.float32)))[:-1],
        pack(Block(kind=MIX, epoch=0, position=0, audio=np.zeros((1, 1 << 16), np.float32))),
    ],
)
def test_bytes_that_are_no_block_are_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        unpack(data)
