# SPDX-License-Identifier: GPL-3.0-or-later
"""The line of programs that ask one question at a time: whom it speaks to."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from lbserver.client import AsyncClient, ClientError, lines
from lbserver.client.connection import Connection
from lbserver.errors import LiveBandError
from lbserver.host.rundir import SOCKET, ServerInfo
from lbserver.protocol.wire import Framer, frame

NOBODY = 65534


def test_another_users_server_is_not_spoken_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches `liveband top`, jam and the plug-in's bounce that say hello to whoever holds the socket; clients of asyncio did not."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        if os.geteuid() == 0:
            os.seteuid(NOBODY)  # whose a socket is the kernel remembers of the time when it began to listen
        try:
            listener.listen()
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
        if os.getuid() != 0:
            monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        with pytest.raises(LiveBandError, match="runs as uid"):
            Connection(ServerInfo(pid=1, major=1, minor=0, socket=str(tmp_path / "s")), "top")
        listener.setblocking(False)
        peer, _ = listener.accept()
        with peer:
            assert peer.recv(100) == b""  # hung up, without a word


def test_a_server_that_is_gone_is_one_error_for_every_client(tmp_path: Path) -> None:
    """Two families of errors for one fault: who handled the one died of the other."""
    with pytest.raises(ClientError, match="does not answer") as gone:
        Connection(ServerInfo(pid=1, major=1, minor=0, socket=str(tmp_path / "s")), "top")
    assert gone.value.code == "crashed"


def test_an_opening_waits_until_its_model_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a client that gives up after its usual patience, while the server loads and measures what it asked for."""
    welcome = {"type": "welcome", "major": 1, "minor": 0, "server": "s", "model": "m", "pid": 1}
    told = {"type": "error", "code": "busy", "text": "loaded, but there is no room"}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = Framer()
        while data := await reader.read(1 << 16):
            for message in framer.feed(data):
                if message["type"] == "open":
                    await asyncio.sleep(0.6)
                if message["type"] in ("hello", "open"):
                    answer = welcome if message["type"] == "hello" else told
                    writer.write(frame(answer | {"id": message["id"]}))
        writer.close()

    async def scene() -> None:
        async with (
            await asyncio.start_unix_server(talk, tmp_path / SOCKET),
            AsyncClient(run=tmp_path) as client,
        ):
            monkeypatch.setattr(lines, "_ANSWER_S", 0.2)
            with pytest.raises(ClientError, match="no room"):
                await client.open(stem="bass", rate_hz=48000, model="large")
            with pytest.raises(ClientError, match=r"not answered for 0\.2 s"):
                await client.sessions()

    tmp_path.chmod(0o700)
    asyncio.run(scene())
