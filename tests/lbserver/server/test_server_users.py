# SPDX-License-Identifier: GPL-3.0-or-later
"""Another user of this machine, at every door of a running server: nothing is read, steered or written."""

import contextlib
import http.client
import json
import os
import pathlib
import select
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from lbserver.client.osc import OscClient
from lbserver.errors import LiveBandError
from lbserver.protocol.wire import pack, unpack
from lbserver.testing.waiting import until
from lbserver.transports.osc.doorway import sign
from lbserver.transports.osc.packet import Message, parse, timed_messages, write

NOBODY = 65534
"localhost".encode("idna")  # loaded now: user nobody may not read where Python lies
TOKEN = b"a token of the test"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def as_nobody(act: Callable[[], Any]) -> Any:
    """What `act` returns in a process of user nobody; all that it imports must be imported already."""
    reads, writes = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            told = json.dumps(act())
        except BaseException as error:  # noqa: BLE001 (the parent is to see it, whatever it is)
            told = json.dumps(f"{type(error).__name__}: {error}")
        os.write(writes, told.encode())
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return json.loads(told)


STEERING = (
    Message("/lb/mine/set/gain", "f", (-20.0,)),
    Message("/lb/*/set/listen", "i", (0,)),
    Message("/lb/mine/keep", "s", ("moment",)),
    Message("/lb/mine/recall", "s", ("moment",)),
    Message("/lb/panic"),
    Message("/lb/hello", "iis", (1, 0, "x")),
    Message("/lb/open", "ssiiis", ("other", "bass", 48000, 2, 128, "live")),
    Message("/lb/mine/subscribe"),
)
LONG = Message("/lb/mine/keep", "s", ("a name that is longer than the refusal",))


def answers(line: socket.socket) -> list[str]:
    """The next packet: of each message its address and first argument."""
    return [f"{one.address} {one.arguments[0]}" for _, one in timed_messages(parse(line.recv(1 << 16)))]


def refusals(port: int, bound: str) -> list[str]:
    """Send every message from a port of its own; the first answer that comes.

    A refusal is never longer than what it refuses, so short messages get none: a long one comes behind each.
    """
    codes = []
    for one in STEERING:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.bind((bound, 0))
            line.settimeout(60)
            for each in (one, LONG):
                line.sendto(write(each), ("127.0.0.1", port))
            codes += answers(line)
    return codes


def send_and_leave(port: int, bound: str) -> None:
    """Send every message, and be gone before it is known who that was."""
    for one in STEERING:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.bind((bound, 0))
            line.sendto(write(one), ("127.0.0.1", port))


def until_the_signed_hello(port: int) -> list[str]:
    """Send every message, and behind them one that is answered: all that comes until then."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(60)
        hello = sign(Message("/lb/hello", "iis", (1, 0, "x")), TOKEN, 1, "")
        for one in (*STEERING, hello):
            line.sendto(write(one), ("127.0.0.1", port))
        codes: list[str] = []
        while "/lb/welcome 1" not in codes:
            codes += answers(line)
    return codes


def socket_of_nobody() -> socket.socket:
    """A UDP socket that belongs to user nobody, in our hands."""
    os.seteuid(NOBODY)  # a socket belongs to whoever makes it
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    finally:
        os.seteuid(0)


def get(port: int, path: str, **headers: str) -> list[Any]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.request("GET", path, headers=headers)
    answer = line.getresponse()
    return [answer.status, answer.read().decode()]


def ask(port: int, *messages: dict[str, Any]) -> list[Any]:
    """Messages over ZeroMQ, and the first answers that come: (type, code)."""
    context = zmq.Context()
    line = context.socket(zmq.DEALER)
    line.setsockopt(zmq.LINGER, 0)
    line.connect(f"tcp://127.0.0.1:{port}")
    answers = []
    for message in messages:
        line.send(pack(message))
        answer: Any = unpack(line.recv()) if line.poll(60_000) else {}
        answers.append([answer.get("type"), answer.get("code")])
    line.close()
    context.term()
    return answers


HELLO = {"type": "hello", "major": 1, "minor": 0, "client": "x"}
OPEN = {"type": "open", "session": "other", "rate_hz": 48000, "channels": 2, "block_samples": 480}
OPEN |= {"mode": "live", "stem": "bass"}
PATHS = ("/metrics", "/healthz", "/", "/lb/mine", "/?HOST_INFO")


def kept(server: Any) -> dict[str, bytes]:
    folder = Path(server.environment["XDG_DATA_HOME"])
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def playing(server: Any) -> Any:
    mine = server.connect()
    mine.open("mine")
    mine.play("mine", np.zeros((2, 9600), np.float32), paced=False)
    assert mine.ask("keep", session="mine", name="moment")["type"] == "kept"
    return mine


def untouched(server: Any, mine: Any, before: dict[str, bytes]) -> None:
    assert kept(server) == before
    assert set(mine.ask("sessions")["sessions"]) == {"mine"}
    assert mine.status("mine")["state"] != "closed"


def test_another_user_is_refused_at_every_door(serve) -> None:
    """Loopback was taken for the user: anybody here could turn the band down, panic it, and take its moments."""
    server = serve("--model", "test:copy", "--osc-port", "0", "--http-port", "0", "--zmq-port", "0")
    mine, info = playing(server), server.info
    before = kept(server)
    line = f"PermissionError: [Errno 13] {os.strerror(13)}"
    assert as_nobody(lambda: socket.socket(socket.AF_UNIX).connect(info["socket"])) == line
    for place in (server.run, *map(pathlib.Path, before)):
        assert as_nobody(lambda place=place: os.access(place, os.R_OK)) is False
    for bound in ("127.0.0.1", "127.0.0.2"):
        as_nobody(lambda bound=bound: send_and_leave(info["osc_port"], bound))
        codes = as_nobody(lambda bound=bound: refusals(info["osc_port"], bound))
        assert codes == ["/lb/error unauthorised"] * len(STEERING)
    for path in PATHS:
        status, text = as_nobody(lambda path=path: get(info["http_port"], path))
        assert status == 403
        assert "mine" not in text
        assert get(info["http_port"], path)[0] == 200
    refused = ["error", "unauthorised"]
    assert as_nobody(lambda: ask(info["zmq_port"], HELLO, OPEN)) == [refused, refused]
    assert ask(info["zmq_port"], HELLO)[0][0] == "welcome"
    untouched(server, mine, before)
    # The user's own programs need nothing.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as patch:
        patch.sendto(write(Message("/lb/mine/keep", "s", ("mine too",))), ("127.0.0.1", info["osc_port"]))
        mine.until("mine", lambda _: any("mine too" in path for path in kept(server)))


def test_with_a_token_nobody_is_heard_without_it(serve, tmp_path: Path) -> None:
    """A token was given and unsigned packets of this machine passed all the same; figures were for everybody."""
    (tmp_path / "token").write_bytes(TOKEN)
    (tmp_path / "token").chmod(0o600)
    token = ("--osc-token-file", str(tmp_path / "token"))
    server = serve("--model", "test:copy", "--osc-port", "0", "--http-port", "0", *token)
    mine, info = playing(server), server.info
    before = kept(server)
    for act in (as_nobody, lambda act: act()):  # a stranger, and the user without the token
        assert act(lambda: until_the_signed_hello(info["osc_port"])) == ["/lb/welcome 1"]
        for path in PATHS:
            status, text = act(lambda path=path: get(info["http_port"], path))
            assert status == 401
            assert "mine" not in text
            wrong = {"Authorization": "Bearer " + TOKEN.decode()[:-1]}
            assert act(lambda path=path, wrong=wrong: get(info["http_port"], path, **wrong))[0] == 401
    untouched(server, mine, before)
    assert get(info["http_port"], "/healthz", Authorization="Bearer " + TOKEN.decode())[0] == 200

    def with_it() -> list[str]:
        codes = []
        with OscClient(("127.0.0.1", info["osc_port"]), token=TOKEN, timeout_s=60) as client:
            client.enter()
            client.open("theirs", stem="bass", rate_hz=48000, channels=2)
            for one in (
                Message("/lb/mine/set/gain", "f", (-9.0,)),
                Message("/lb/mine/keep", "s", ("moment",)),
                Message("/lb/theirs/recall", "s", ("moment",)),
            ):
                client.send(one)
                try:
                    client.expect("/lb/pong")
                except LiveBandError as error:
                    codes.append(str(error).partition(":")[0])
            client.call("/lb/close", "theirs")
            with contextlib.suppress(LiveBandError):
                client.expect("/lb/<session>/closed")
        return codes

    # Another user who knows it has sessions of its own, and nothing of this user's.
    assert as_nobody(with_it) == ["unknown_session", "unknown_session", "not_found"]
    untouched(server, mine, before)


def test_a_port_that_is_another_users_as_well_is_not_the_users(serve) -> None:
    """Two may share a port, and a datagram does not say which of them sent it: a stranger spoke as the user."""
    server = serve("--model", "test:copy", "--osc-port", "0")
    mine, before = playing(server), kept(server)
    door = ("127.0.0.1", server.info["osc_port"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        with socket_of_nobody() as theirs:
            for line in (ours, theirs):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                line.bind(("127.0.0.1", 0) if line is ours else ours.getsockname())
            for line in (ours, theirs):
                line.sendto(write(LONG), door)
                heard, _, _ = select.select([ours, theirs], [], [], 60)
                assert [answers(one) for one in heard] == [["/lb/error unauthorised"]]
        untouched(server, mine, before)
        ours.settimeout(60)
        ours.sendto(write(Message("/lb/ping", "i", (7,))), door)
        assert answers(ours) == ["/lb/pong 7"]


def test_a_guests_streams_do_not_go_to_who_has_its_port_next(serve) -> None:
    """A guest ended, another user took its port, and was sent what the band plays and how it does."""
    server = serve("--model", "test:copy", "--osc-port", "0")
    playing(server)
    door = ("127.0.0.1", server.info["osc_port"])
    with OscClient(door, timeout_s=60) as witness, socket_of_nobody() as theirs:
        guest = OscClient(door, timeout_s=60)
        for client in (witness, guest):
            client.enter()
            client.call("/lb/<session>/subscribe", session="mine")
            client.expect("/lb/<session>/status/<name>")
        address = guest.socket.getsockname()
        guest.close()
        theirs.bind(address)
        nothing_comes(theirs, witness)
        theirs.settimeout(60)
        theirs.sendto(write(LONG), door)
        assert answers(theirs) == ["/lb/error unauthorised"]


def nothing_comes(theirs: socket.socket, witness: OscClient) -> None:
    """The witness is told ten times, and the other nothing meanwhile."""
    theirs.setblocking(False)
    told = silent = 0
    while silent < 10:
        witness.expect("/lb/<session>/status/<name>", lambda call: call.names["name"] == "state")
        told, silent = told + 1, silent + 1
        with contextlib.suppress(BlockingIOError):
            while theirs.recv(1 << 16):
                silent = 0
        assert told < 60, "its streams went on"


def test_a_reply_port_that_another_user_has_now_is_not_answered_at(serve) -> None:
    """Only the port that a guest sends from was asked after: who took the one it receives at was sent its streams."""
    server = serve("--model", "test:copy", "--osc-port", "0")
    playing(server)
    door = ("127.0.0.1", server.info["osc_port"])
    out, inlet, theirs = (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        socket_of_nobody(),
    )
    with OscClient(door, timeout_s=60) as witness, out, inlet, theirs:
        witness.enter()
        witness.call("/lb/<session>/subscribe", session="mine")
        for line in (out, inlet):
            line.bind(("127.0.0.1", 0))
            line.settimeout(60)
        address = inlet.getsockname()
        out.sendto(write(Message("/lb/hello/reply", "iiis", (address[1], 1, 0, "x"))), door)
        ((_, welcome),) = timed_messages(parse(inlet.recv(1 << 16)))
        cookie = Message("/lb/cookie", "s", (welcome.arguments[3],))
        for one in (cookie, Message("/lb/mine/subscribe")):
            out.sendto(write(one), door)
        assert any(answer.startswith("/lb/mine/status") for answer in answers(inlet))
        inlet.close()
        theirs.bind(address)
        nothing_comes(theirs, witness)
        out.sendto(write(cookie), door)  # what was read there is good no more
        assert answers(out) == ["/lb/error unauthorised"]


def test_zeromq_without_keys_is_not_offered_beside_a_token(serve, tmp_path: Path) -> None:
    """It would be the door beside the locked one."""
    (tmp_path / "token").write_bytes(TOKEN)
    (tmp_path / "token").chmod(0o600)
    with pytest.raises(AssertionError, match="ZeroMQ needs keys"):
        serve("--zmq-port", "0", "--osc-token-file", str(tmp_path / "token"))


def test_nothing_of_a_session_is_in_the_next_ones_memory(serve) -> None:
    """Memory that is used again and not cleared: whoever opens next reads what was played before."""
    server = serve("--model", "test:copy")
    first = server.connect()
    first.open("a")
    first.play("a", np.full((2, 48000), 0.7, np.float32), paced=False)
    assert first.ask("close", session="a")["type"] == "closed"
    second = server.connect()
    for name in ("a", "b"):
        second.open(name)
        segment = second.ports[name].segment
        assert not segment.mix.any()
        assert not segment.stem.any()


def test_what_is_not_let_in_costs_the_workers_nothing(serve) -> None:
    """A model's state for whoever asks, before it is known who asks, is memory for strangers."""
    server = serve("--model", "test:copy", "--osc-port", "0", "--zmq-port", "0")
    mine = playing(server)

    def mapped() -> int:
        maps = [Path(f"/proc/{pid}/maps").read_text() for pid in server.children()]
        return sum(text.count("memfd:liveband ") for text in maps)

    before = mapped()
    for number in range(20):
        wish = {**OPEN, "session": f"s{number}"}
        assert as_nobody(lambda wish=wish: ask(server.info["zmq_port"], wish)) == [["error", "unauthorised"]]
    as_nobody(lambda: send_and_leave(server.info["osc_port"], "127.0.0.1"))
    as_nobody(lambda: refusals(server.info["osc_port"], "127.0.0.1"))
    assert set(mine.ask("sessions")["sessions"]) == {"mine"}
    until(lambda: mapped() <= before, "no segment more")
