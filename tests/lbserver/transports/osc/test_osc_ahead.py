# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes sent ahead of their time, as Tidal and SuperCollider send them: each acts at its time tag."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from lbserver.transports.osc.packet import Bundle, message, parse, timed_messages, write
from lbserver.transports.osc.schedule import time_tag

CHANGES = 16
LATE_S = 0.02

Change = tuple[str, object]


class Acts:
    """When the hub began with each change and when the band had it, by the wall clock that time tags count in."""

    def __init__(self, band: Any, patched: pytest.MonkeyPatch) -> None:
        self.done: list[tuple[Change, float, float]] = []
        self._loop, self._woken_s = band.loop, dict[float, float]()
        set_control, know = band.hub.set_control, band.hub.know

        async def noted_control(session: str, name: str, value: float, **more: Any) -> None:
            begun_s = time.time()
            await set_control(session, name, value, **more)
            self.done.append(((name, value), begun_s, time.time()))

        async def noted_know(request: dict[str, Any], **more: Any) -> None:
            begun_s = time.time()
            await know(request, **more)
            self.done += [
                ((name, request[name]), begun_s, time.time()) for name in ("chord",) if name in request
            ]

        patched.setattr(band.hub, "set_control", noted_control)
        patched.setattr(band.hub, "know", noted_know)

    def expect(self, due_s: float) -> None:
        """See when the same event loop wakes for something else that is due then: a busy machine is late for all."""

        def sleep() -> None:
            ahead_s = due_s - time.time()
            self._loop.call_later(ahead_s, lambda: self._woken_s.update({due_s: time.time()}))

        self._loop.call_soon_threadsafe(sleep)

    def hold(self, tagged: list[tuple[float, Change]]) -> None:
        """Each is done once, none is early, and none is late by more than 20 ms, but for what the machine was late itself: the
        loop woke later for all, or the band took its time with the change before."""
        done, late_s, had_by_s = list(self.done), [], []
        before_s = dict(zip((one[1] for one in done[1:]), (one[2] for one in done), strict=False))
        for due_s, change in sorted(tagged, key=lambda one: one[0]):
            acted = next(one for one in done if one[0] == change)
            done.remove(acted)
            _, begun_s, had_s = acted
            assert begun_s >= due_s - 2e-4, f"{change} acted {1e3 * (due_s - begun_s):.1f} ms early"
            allowed_s = max(due_s, self._woken_s.get(due_s, due_s), before_s.get(begun_s, due_s))
            late_s.append(begun_s - allowed_s)
            had_by_s.append(had_s - due_s)
        print(
            f"{len(late_s)} changes: the latest began {1e3 * max(late_s):.1f} ms behind what the machine allowed,"
            f" the band had it {1e3 * max(had_by_s):.1f} ms behind its time tag"
        )
        assert done == []
        assert max(late_s) < LATE_S


def test_changes_act_at_their_time_tags_and_late_ones_at_once(
    band, until, opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tidal sends 0.2 s early: whoever ignores the tag plays early. Sent out of order, by pairs, as two patterns are."""
    server = band.serve()
    client, _ = opened(server)
    acts = Acts(band, monkeypatch)
    sent_s = time.time()
    tagged = [(sent_s + 0.2 + 0.05 * number, ("gain", -float(number))) for number in range(CHANGES)]
    for due_s, (name, value) in tagged[1::2] + tagged[::2]:
        acts.expect(due_s)
        client.socket.send(write(Bundle(time_tag(due_s), (message(f"/lb/guitar/set/{name}", value),))))
    until(lambda: len(acts.done) == CHANGES)
    acts.hold(tagged)
    acts.done.clear()
    client.socket.send(write(Bundle(time_tag(time.time() - 5), (message("/lb/guitar/set/gain", -1.0),))))
    until(lambda: acts.done)
    client.socket.send(write(Bundle(time_tag(time.time() + 60), (message("/lb/guitar/set/gain", 0.0),))))
    assert "10 s" in str(client.expect("/lb/error").arguments["text"])
    client.close()


@contextmanager
def tidal(text: str) -> Iterator[None]:
    """ghci with these lines typed in, until the end of the block."""
    process = subprocess.Popen(["ghci", "-v0"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stdin is not None
    try:
        process.stdin.write(text)
        process.stdin.flush()
        yield
    finally:
        process.kill()
        process.stdin.close()
        process.wait(60)


@pytest.mark.slow
def test_tidal_s_block_plays_chords_in_order_at_their_time_tags(
    band, until, opened, repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block that ghci refuses; messages without time tags, which play when the network likes; a bar that is not Tidal's."""
    if (
        shutil.which("ghci") is None
        or subprocess.run(["ghc-pkg", "describe", "tidal"], capture_output=True, check=False).returncode
    ):
        pytest.skip("ghci is not installed with tidal")
    page = (repository / "max_patches" / "live-coding" / "tidal.md").read_text()
    begin, play = re.findall(r"```haskell\n(.*?)```", page, re.S)
    server = band.serve()
    client, _ = opened(server)
    acts = Acts(band, monkeypatch)
    tagged: list[tuple[float, Change]] = []
    # Who stands between passes all on, and notes what it was and for when.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as between:
        between.bind(("127.0.0.1", 0))
        between.settimeout(60)
        assert "9460" in begin
        text = ":set -XOverloadedStrings\n" + begin.replace("9460", str(between.getsockname()[1])) + play
        with tidal(text):
            while len(tagged) < CHANGES:
                data = between.recv(4096)
                for tag, one in timed_messages(parse(data)):
                    assert one.address != "/lb/error", one.arguments
                    name = one.address.rpartition("/")[2]
                    tagged.append((tag / 2**32 - 2_208_988_800, (name, one.arguments[0])))
                    acts.expect(tagged[-1][0])
                between.sendto(data, server.address)
        until(lambda: len(acts.done) >= len(tagged))
    acts.hold(tagged)
    chords = [change[1] for _, change in tagged if change[0] == "chord"]
    form = ["Am7", "Dm7", "G7", "Cmaj7"] * CHANGES
    assert chords == form[form.index(chords[0]) :][: len(chords)]
    # A bar each, at Tidal's own tempo, by the tags and not by when they came.
    due_s = [due for due, change in tagged if change[0] == "chord"]
    assert [later - due for due, later in pairwise(due_s)] == pytest.approx(
        [1 / 0.5625] * (len(due_s) - 1), abs=0.02
    )
    client.close()
