# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is let in at the jam page's door, and what bytes that are none of the page's come to."""

import asyncio
import hmac
import http.client
import json
import os
import re
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, suppress
from inspect import signature
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile
from wsproto import ConnectionType, WSConnection
from wsproto.events import BytesMessage, CloseConnection, Request, TextMessage

import lbserver.jam.page
from lbserver.errors import LiveBandError
from lbserver.jam.page import door, recordings
from lbserver.jam.page.blocks import MIX, STEM, Block, pack, unpack
from lbserver.jam.page.recordings import Recordings, own_folder
from lbserver.jam.page.site import site
from lbserver.jam.page.visit import PageConfig
from lbserver.protocol.controls import CONTROLS
from lbserver.protocol.messages import MessageError
from lbserver.protocol.status import STATUS
from lbserver.testing.servers import serving

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


def asked(
    what: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any, run: str | None = None
) -> Any:
    """What a caller finds out: given host, port and the page's path, and the page's secret where it takes one."""
    monkeypatch.setenv("LIVEBAND_RUN", run or str(tmp_path / "nobody"))

    async def work() -> Any:
        async with site(PageConfig(), port=0) as address:
            parts = urlsplit(address)
            assert parts.hostname is not None
            assert parts.port is not None
            secret = {"secret": parts.fragment} if "secret" in signature(what).parameters else {}
            return await asyncio.to_thread(what, parts.hostname, parts.port, parts.path, **secret)

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
        looked = call(host, port, path, "HEAD")
        assert (looked.status, looked.text) == (200, "")
        assert looked.headers["Content-Length"] == shown.headers["Content-Length"]
        assert call(host, port, path + "nothing.js", "HEAD").status == 404
        assert call(host, port, path + "recording", "HEAD", Origin=f"http://{host}:{port}").status == 405

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

    def __init__(self, host: str, port: int, path: str, nonce: str = "") -> None:
        self.code = 0  # that the other side closed with
        self._socket = socket.create_connection((host, port), timeout=30)
        self._line = WSConnection(ConnectionType.CLIENT)
        origin = [(b"Origin", f"http://{host}:{port}".encode())]
        self._socket.sendall(
            self._line.send(
                Request(host=f"{host}:{port}", target=f"{path}socket?{nonce}", extra_headers=origin)
            )
        )

    def say(self, *messages: str | bytes) -> None:
        for message in messages:
            event = TextMessage(message) if isinstance(message, str) else BytesMessage(message)
            with suppress(ConnectionError):
                self._socket.sendall(self._line.send(event))

    def say_pieces(self, number: int) -> None:
        """A message of so many empty pieces that does not end."""
        for _ in range(number):
            with suppress(ConnectionError):
                self._socket.sendall(self._line.send(TextMessage("", message_finished=False)))

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
                    self.code = event.code
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


def test_the_door_proves_that_it_is_the_page_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Whoever took the port when jam had ended was taken for it by an open page, and got its microphone."""

    def callers(host: str, port: int, path: str, secret: str) -> None:
        assert len(secret) >= 32
        assert secret not in path
        for nonce in ("00ff", "11"):
            with PageLine(host, port, path, nonce) as line:
                right = hmac.new(secret.encode(), nonce.encode(), "sha256").hexdigest()
                assert line.next()["proof"] == right

    asked(callers, monkeypatch, tmp_path)


def test_a_page_too_many_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """It was hung up on without a word; and one that has gone kept its place."""

    def callers(host: str, port: int, path: str) -> None:
        with ExitStack() as stack:
            lines = [stack.enter_context(PageLine(host, port, path)) for _ in range(8)]
            assert all(line.next()["type"] == "hello" for line in lines)
            with PageLine(host, port, path) as ninth:
                assert ninth.next() == {}
                assert ninth.code == 1013
        with PageLine(host, port, path) as line:
            while line.next() == {}:
                line.__exit__()
                line.__init__(host, port, path)  # type: ignore[misc]

    asked(callers, monkeypatch, tmp_path)


def test_a_message_of_empty_pieces_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Fragments of no length were kept without end."""
    monkeypatch.setattr(door, "LARGEST_MESSAGE_BYTES", 4096)

    def callers(host: str, port: int, path: str) -> None:
        with PageLine(host, port, path) as line:
            line.next("hello")
            line.say_pieces(1000)
            assert line.next("nothing") == {}
            assert line.code == 1009

    asked(callers, monkeypatch, tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_strangers_keep_nobody_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Another user of the machine took all 64 connections, and the user's page was not answered."""
    monkeypatch.setattr(door, "_PATIENCE_S", 600.0)

    def callers(host: str, port: int, path: str) -> None:
        os.seteuid(65534)  # a socket belongs to whoever makes it
        try:
            silent = [socket.socket() for _ in range(100)]
        finally:
            os.seteuid(0)
        for line in silent:
            line.connect((host, port))
        for _ in range(3):
            assert call(host, port, path).status == 200
        for line in silent:
            line.close()

    asked(callers, monkeypatch, tmp_path)


def test_recordings_are_few_and_small_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Several at once, and the last four of the largest, filled the folder of temporary files."""
    soundfile.write(tmp_path / "a.wav", np.zeros(1000), 8000, subtype="PCM_16")
    data = (tmp_path / "a.wav").read_bytes()
    monkeypatch.setattr(recordings, "LARGEST_BYTES", 2 * len(data) + 1)
    (tmp_path / "kept").mkdir()

    async def pieces() -> AsyncIterator[bytes]:
        await asyncio.sleep(0)
        assert len(list((tmp_path / "kept").iterdir())) <= 3  # two that are kept, and this one
        yield data

    async def work() -> None:
        kept = Recordings(tmp_path / "kept")
        await asyncio.gather(*(kept.take(pieces()) for _ in range(5)))
        assert [kept[4].number, kept[5].number] == [4, 5]
        with pytest.raises(LiveBandError, match="choose the file again"):
            kept[3]
        monkeypatch.setattr(recordings, "_SPARE_BYTES", 1 << 62)
        with pytest.raises(LiveBandError, match="has no room"):
            await kept.take(pieces())

    asyncio.run(work())
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_folders_of_the_killed_are_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What SIGKILL left stayed for ever; and what another program still uses, or is somebody else's business, must stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, other, fresh = (
        tmp_path / name for name in ("liveband-page-left", "liveband-pages", "liveband-page-new")
    )
    link = tmp_path / "liveband-page-link"
    for folder in (left, other, fresh):
        folder.mkdir()
        (folder / "recording-1").touch()
    link.symlink_to(other)
    with own_folder() as used:
        for folder in (left, other, used):
            os.utime(folder, (0, 0))
        os.utime(link, (0, 0), follow_symlinks=False)
        with own_folder() as second:
            assert second != used
            assert not left.exists()
            assert used.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        path.name for path in (link, other, fresh)
    )
    assert (other / "recording-1").exists()


@pytest.mark.slow
def test_what_the_server_refuses_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """An epoch out of range killed the page's audio without a word; a control that is refused at the start left a session
    without a player; a block far behind, or a wrong word of the music, spoiled what came later."""

    def callers(host: str, port: int, path: str) -> None:
        def wish(**more: Any) -> str:
            return json.dumps({"type": "open", "rate_hz": 48000, "epoch": 1} | more)

        with PageLine(host, port, path) as line:
            line.next("description")
            for epoch in (-1, 1 << 32):
                line.say(wish(epoch=epoch))
                assert "out of range: 0 to 4294967295" in line.next("error")["text"]
            line.say(wish(controls={"gain": "loud"}))
            assert line.next("error")["text"]
            line.say(wish(knows={"bpm": -3}))
            assert line.next("error")["text"]
            line.say(json.dumps({"type": "keep", "name": "nothing is open"}))
            line.say(wish(epoch=2), json.dumps({"type": "know", "first_beat_s": "soon"}))
            opened = line.next("opened")
            assert (opened["epoch"], opened["session"]) == (2, "page")  # the name is free again
            assert line.next("error")["text"]
            far, block = 480_000, np.zeros((2, 2048), np.float32)
            for position in (far, far + 2048, 0, 2048):
                line.say(pack(Block(kind=MIX, epoch=2, position=position, audio=block)))
            line.say(wish(epoch=3), wish(epoch=4), json.dumps({"type": "close"}), wish(epoch=5))
            while (opened := line.next("opened"))["epoch"] != 5:
                pass
            line.say(
                json.dumps({"type": "set", "control": "gain", "value": -3.0}),
                json.dumps({"type": "keep", "name": "x"}),
            )
            assert line.next("kept")["name"] == "x"

    with serving("--workers", "1", "--model", "test:copy") as server:
        asked(callers, monkeypatch, tmp_path, server["run"])


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
