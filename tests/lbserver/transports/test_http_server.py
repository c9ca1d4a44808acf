# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP: answers programs of this machine, and neither web pages nor garbage."""

import asyncio
import http.client
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from lbserver.errors import LiveBandError
from lbserver.testing.waiting import until_async as until
from lbserver.transports.http import Described, HttpConfig, health, http_server, is_our_host
from lbserver.transports.metrics import ServerFigures, Sessions

PLAYING = {"state": "playing", "reason": "", "late_frames": 3}


class Hub:
    def __init__(self, sessions: Mapping[str, Mapping[str, Any]]) -> None:
        self.answer = sessions

    def sessions(self) -> Mapping[str, Mapping[str, Any]]:
        return self.answer


Call = Callable[[Callable[[str, int], Any]], Awaitable[Any]]


@asynccontextmanager
async def serving(**changes: Any) -> AsyncIterator[Call]:
    config = HttpConfig(**({"port": 0} | changes))
    async with http_server(Hub({"guitar": PLAYING}), config) as server:

        async def call(client: Callable[[str, int], Any]) -> Any:
            return await asyncio.to_thread(client, *server.address)

        yield call


def get(
    path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> Callable[[str, int], Any]:
    def client(host: str, port: int) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(host, port, timeout=60)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    return client


def raw(data: bytes) -> Callable[[str, int], bytes]:
    """What comes back for these bytes until the server closes."""

    def client(host: str, port: int) -> bytes:
        with socket.create_connection((host, port), timeout=60) as line:
            try:
                line.sendall(data)
                line.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: line.recv(65536), b""))
            except ConnectionError:
                return b""

    return client


def run(test: Callable[[Call], Awaitable[None]], **changes: Any) -> None:
    async def main() -> None:
        async with serving(**changes) as call:
            await test(call)

    asyncio.run(asyncio.wait_for(main(), 120))


def test_metrics_and_health() -> None:
    async def test(call: Call) -> None:
        status, headers, body = await call(get("/metrics"))
        assert status == 200
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert b'liveband_late_frames_total{session="guitar"} 3.0' in body
        assert b"process_resident_memory_bytes" in body
        status, headers, body = await call(get("/healthz"))
        assert (status, json.loads(body)) == (200, {"status": "ok", "sessions": 1, "troubled": {}})
        assert headers["Content-Type"] == "application/json"
        assert (await call(get("/elsewhere")))[0] == 404

    run(test)


def test_server_figures_and_fault_are_asked_for_each_time() -> None:
    faults = iter(["", "every worker died: no room for the model"])

    async def test(call: Call) -> None:
        assert b"liveband_worker_restarts_total 7.0" in (await call(get("/metrics")))[2]
        assert (await call(get("/healthz")))[0] == 200
        status, _, body = await call(get("/healthz"))
        assert status == 503
        assert json.loads(body)["reason"] == "every worker died: no room for the model"

    run(
        test,
        server=lambda: ServerFigures(version="1", uptime_s=1, worker_restarts=7),
        fault=lambda: next(faults),
    )


def test_health_names_sessions_in_trouble() -> None:
    sessions: Sessions = {
        "a": {"state": "playing", "reason": ""},
        "b": {"state": "faded", "reason": "the machine is too slow"},
        "c": {"state": "recovering", "reason": ""},
    }
    status, answer = health(sessions, "")
    assert (status, answer["status"]) == (200, "degraded")
    assert answer["troubled"] == {"b": "the machine is too slow", "c": "recovering"}


def test_oscquery_has_all_other_paths() -> None:
    def describe(path: str, query: str, sessions: Sessions) -> Described:
        if query == "VALUE":
            return Described(204, None)
        return Described(200, {"FULL_PATH": path, "query": query, "sessions": list(sessions)})

    async def test(call: Call) -> None:
        status, headers, body = await call(get("/lb/guitar%20x/set?HOST_INFO"))
        assert (status, headers["Content-Type"]) == (200, "application/json")
        assert json.loads(body) == {
            "FULL_PATH": "/lb/guitar x/set",
            "query": "HOST_INFO",
            "sessions": ["guitar"],
        }
        assert (await call(get("/lb?VALUE")))[0] == 204
        assert (await call(get("/metrics")))[2].startswith(b"# HELP")

    run(test, describe=describe)


def test_fault_in_an_answer_is_500_and_the_server_lives() -> None:
    def describe(path: str, query: str, sessions: Sessions) -> Described:
        if path == "/nan":
            return Described(200, float("nan"))
        raise KeyError(path)

    async def test(call: Call) -> None:
        assert (await call(get("/x")))[0] == 500
        assert (await call(get("/nan")))[0] == 500
        assert (await call(get("/healthz")))[0] == 200

    run(test, describe=describe)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:9461", "localhost.evil.example", "10.0.0.7", "", "[::1", "a@localhost:x"],
)
def test_page_of_the_web_cannot_read_through_a_browser(host: str) -> None:
    """DNS rebinding: a stranger's name that resolves to 127.0.0.1 arrives with that name in Host."""

    async def test(call: Call) -> None:
        status, headers, body = await call(get("/metrics", Host=host))
        assert status == 421 or (host == "" and status in (400, 421))
        assert b"guitar" not in body
        assert "Access-Control-Allow-Origin" not in headers

    run(test)


def test_names_of_this_machine() -> None:
    config = HttpConfig(host="192.168.0.5", names=("Studio.local",))
    for host in (
        "localhost",
        "LOCALHOST:9461",
        "127.0.0.1:1",
        "[::1]:9461",
        "192.168.0.5",
        "studio.LOCAL:80",
    ):
        assert is_our_host(host, config)
    assert not is_our_host("studio.local.evil.example", config)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_looked_at(method: str) -> None:
    async def test(call: Call) -> None:
        status, headers, _ = await call(get("/metrics", method))
        assert status == 405
        assert headers["Allow"] == "GET, HEAD"

    run(test)


def test_head_has_no_body() -> None:
    async def test(call: Call) -> None:
        status, headers, body = await call(get("/metrics", "HEAD"))
        assert (status, body) == (200, b"")
        assert int(headers["Content-Length"]) > 100

    run(test)


GARBAGE = {
    "noise": bytes(range(256)) * 8,
    "long line": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    "body": b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
    "two lengths": b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "length and chunks": b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two hosts": b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "no host": b"GET /metrics HTTP/1.1\r\n\r\n",
    "old and no host": b"GET /metrics HTTP/1.0\r\n\r\n",
    "zero in header": b"GET /metrics HTTP/1.1\r\nHost: localhost\x00evil\r\n\r\n",
    "half": b"GET /metrics HTTP/1.1\r\nHost: local",
    "a proxy's": b"CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_refused_and_the_server_lives(name: str) -> None:
    async def test(call: Call) -> None:
        answer = await call(raw(GARBAGE[name]))
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
        assert b"liveband_" not in answer
        assert (await call(get("/healthz")))[0] == 200

    run(test)


def test_damaged_requests_leave_nothing_behind(descriptors: Callable[[], int]) -> None:
    """500 requests with bytes changed, cut, doubled: each is answered or hung up on, and nothing stays open."""
    rng = np.random.default_rng(11)
    good = b"GET /metrics?a=b HTTP/1.1\r\nHost: localhost:9461\r\nAccept: */*\r\nContent-Length: 0\r\n\r\n"

    def damaged() -> bytes:
        data = bytearray(good)
        for _ in range(rng.integers(1, 5)):
            at = int(rng.integers(0, len(data)))
            match rng.integers(0, 4):
                case 0:
                    data[at] = int(rng.integers(0, 256))
                case 1:
                    del data[at:]
                case 2:
                    data[at:at] = data[max(0, at - 9) : at] * int(rng.integers(1, 50))
                case _:
                    data[at:at] = rng.bytes(int(rng.integers(1, 40)))
            data = data or bytearray(b"\r\n")
        return bytes(data)

    def client(host: str, port: int) -> set[bytes]:
        return {raw(damaged())(host, port)[:12] for _ in range(500)}

    async def test(call: Call) -> None:
        await call(get("/healthz"))
        before = descriptors()
        answers = await call(client)
        assert b"HTTP/1.1 400" in answers
        assert not [answer for answer in answers if answer.startswith(b"HTTP/1.1 5")]
        assert (await call(get("/healthz")))[0] == 200
        await until(lambda: descriptors() <= before + 1)

    run(test)


def test_damaged_percent_code_is_refused() -> None:
    async def test(call: Call) -> None:
        assert (await call(get("/lb/%ff")))[0] == 400
        assert (await call(get("//[")))[0] == 400

    run(test)


def test_requests_follow_each_other_on_one_connection() -> None:
    def client(host: str, port: int) -> list[int]:
        connection = http.client.HTTPConnection(host, port, timeout=60)
        statuses = []
        for path in ("/metrics", "/nowhere", "/healthz"):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        return statuses

    async def test(call: Call) -> None:
        assert await call(client) == [200, 404, 200]

    run(test)


def test_silent_and_too_many_clients_are_let_go() -> None:
    def client(host: str, port: int) -> int:
        lines = [socket.create_connection((host, port), timeout=60) for _ in range(40)]
        closed = sum(line.recv(1) == b"" for line in lines)  # all at last: those that said nothing too
        for line in lines:
            line.close()
        return closed

    def healthy(host: str, port: int) -> bool:
        try:
            return bool(get("/healthz")(host, port)[0] == 200)
        except (OSError, http.client.HTTPException):  # so little patience is too little on a busy machine
            return False

    async def test(call: Call) -> None:
        assert await call(client) == 40
        for _ in range(100):
            if await call(healthy):
                return
        pytest.fail("nobody is answered any more")

    run(test, patience_s=0.2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("token", [b"", b"a token of the test"], ids=["plain", "token"])
def test_a_crowd_of_strangers_keeps_nobody_out(token: bytes) -> None:
    """Another user took every connection, asked, was refused, and kept them: the user got no answer any more."""

    refusal = b"HTTP/1.1 401 " if token else b"HTTP/1.1 403 "
    shown = {"Authorization": "Bearer " + token.decode()} if token else {}

    def strangers(count: int) -> list[socket.socket]:
        os.seteuid(65534)  # a socket belongs to whoever makes it
        try:
            return [socket.socket() for _ in range(count)]
        finally:
            os.seteuid(0)

    def crowd(host: str, port: int) -> None:
        for line in strangers(3):
            with line:
                line.settimeout(60)
                line.connect((host, port))
                line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = b"".join(
                    iter(lambda line=line: line.recv(65536), b"")
                )  # its connection ends with it
                assert answer.startswith(refusal)
                assert answer.count(b"HTTP/1.1 ") == 1
        silent = strangers(100)
        for line in silent:
            line.connect((host, port))
        for _ in range(40):
            assert get("/healthz", **shown)(host, port)[0] == 200
        for line in silent:
            line.close()

    async def test(call: Call) -> None:
        await call(crowd)

    run(test, token=token, patience_s=600.0)


def test_port_that_is_taken_is_named_with_its_holder() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(LiveBandError, match=rf"HTTP port {port} .*taken by .*pid.*--http-port"):
                async with http_server(Hub({}), HttpConfig(port=port)):
                    pass

    asyncio.run(main())


def test_everything_is_closed_at_the_end() -> None:
    async def main() -> None:
        async with http_server(Hub({}), HttpConfig(port=0)) as server:
            _, writer = await asyncio.open_connection(*server.address)  # says nothing
            await asyncio.sleep(0.01)
        writer.close()
        assert not [task for task in asyncio.all_tasks() if "serve" in repr(task.get_coro())]
        with socket.create_server(server.address):
            pass

    asyncio.run(asyncio.wait_for(main(), 60))
