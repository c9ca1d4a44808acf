# SPDX-License-Identifier: GPL-3.0-or-later
"""A front end over ZeroMQ, written from lbserver/protocol/REFERENCE.md alone.

zmq_client.py PORT SESSION OUT.npz live|offline

It plays noise, each block answered by the stem to hear with it, until a line comes on standard input; between two blocks
it hangs up once and comes back with its token. What happens it prints; in the end it saves mix and stem.
"""

import json
import secrets
import select
import sys
import time

import msgpack
import numpy as np
import zmq

RATE, BLOCK, AHEAD = 48000, 480, 8


class Line:
    """Messages to and from the server."""

    def __init__(self, port, token):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(f"tcp://127.0.0.1:{port}")
        self.number, self.others = 0, []
        self.ask("hello", major=1, minor=0, client="a stranger", token=token)

    def send(self, kind, **fields):
        self.number += 1
        self.socket.send(msgpack.packb({"type": kind, "id": self.number, **fields}))
        return self.number

    def next(self, patience_s):
        if not self.socket.poll(1000 * patience_s):
            return None
        message = msgpack.unpackb(self.socket.recv())
        if message["type"] == "error":
            raise SystemExit(f"{message['code']}: {message['text']}")
        return message

    def ask(self, kind, **fields):
        number = self.send(kind, **fields)
        while (message := self.next(20)) is not None:
            if message.get("id") == number:
                return message
            self.others.append(message)
        raise SystemExit(f"{kind}: no answer")


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Player:
    """One session: blocks out, stems back, in one epoch after the other."""

    def __init__(self, line, session, offline):
        self.line, self.session, self.offline = line, session, offline
        self.epoch, self.position, self.owed, self.kept = 0, 0, 0, {}

    def open(self, **more):
        wish = {
            "rate_hz": RATE,
            "channels": 2,
            "block_samples": BLOCK,
            "mode": "live",
            "stem": "bass",
            **more,
        }
        opened = self.line.ask("open", session=self.session, offline=self.offline, **wish)
        self.epoch, self.position, self.owed = self.epoch + 1, 0, 0
        self.kept[self.epoch] = ([], {})
        return opened

    def send(self, block):
        fields = {"epoch": self.epoch, "position": self.position, "channels": 2, "format": "f32"}
        self.line.send(
            "audio", session=self.session, data=block.tobytes(), reply=True, offline=self.offline, **fields
        )
        self.kept[self.epoch][0].append(block)
        self.position += BLOCK
        self.owed += 1

    def take(self, patience_s):
        """The next stem; False if none came."""
        message = self.line.others.pop(0) if self.line.others else self.line.next(patience_s)
        if message is None:
            return False
        if message["type"] == "stem":
            assert message["format"] == "f32"
            stem = np.frombuffer(message["data"], np.float32).reshape(message["channels"], -1)
            self.kept[message["epoch"]][1][message["position"]] = stem
            self.owed -= 1
        return True


def main(port, session, out, way):
    token = secrets.token_hex(16)
    player = Player(Line(port, token), session, way == "offline")
    opened = player.open()
    latency = opened["latency_samples"]
    tell("opened", anticipation=opened["anticipation_samples"], latency=latency)
    random = np.random.default_rng(7)
    begun, blocks = time.monotonic(), 0
    while not (ended := select.select([sys.stdin], [], [], 0)[0]) or player.epoch < 2:
        if ended:  # once more, after a hang-up
            sys.stdin.readline()
            player.line.socket.close()
            player.line = Line(port, token)
            player.open(resume=True)
            begun, blocks = time.monotonic(), 0
        player.send((0.1 * random.standard_normal((2, BLOCK))).astype(np.float32))
        blocks += 1
        left = begun + blocks * BLOCK / RATE - time.monotonic() if way == "live" else 0.0
        while player.take(max(0.0, left)) or player.owed > AHEAD:
            left = begun + blocks * BLOCK / RATE - time.monotonic() if way == "live" else 0.0
        if blocks == 100:
            tell("steady", epoch=player.epoch)
    while player.owed and player.take(20):
        pass
    closed = player.line.ask("close", session=session)
    arrays = {"timing": np.array([opened["anticipation_samples"], latency])}
    for epoch, (mix, stems) in player.kept.items():
        arrays[f"mix{epoch}"] = np.concatenate(mix, axis=1)
        heard = np.zeros_like(arrays[f"mix{epoch}"])
        there = np.zeros(heard.shape[1], bool)
        for position, stem in stems.items():
            at = position + latency  # the mix that it is heard with
            heard[:, at : at + stem.shape[1]], there[at : at + stem.shape[1]] = stem, True
        arrays |= {f"stem{epoch}": heard, f"there{epoch}": there}
    np.savez(out, **arrays)
    tell("closed", reason=closed["reason"], ours="lbserver" in sys.modules)


if __name__ == "__main__":
    main(*sys.argv[1:])
