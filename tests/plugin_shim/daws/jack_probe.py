# SPDX-License-Identifier: GPL-3.0-or-later
"""A JACK client that plays noise into a host's first two ports and records what comes back, by JACK's own frame clock.

Arguments: JACK name of the host, a file for the recording, seconds at most. Commands on standard input, one a line:
`transport BPM BEATS_PER_BAR`, `roll`, `halt`, `locate FRAME`, `at`, `end` (saves). Each but the last is answered with
how many samples were played by then.
"""

import json
import sys
import time
from typing import Any

import jack
import numpy as np

PATIENCE_S = 60.0


class Probe:
    def __init__(self, seconds: float) -> None:
        self.client = jack.Client("probe", no_start_server=True)
        self.samples = int(seconds * self.client.samplerate)
        noise = np.random.default_rng(5).standard_normal((2, self.samples))
        self.played = (0.1 * noise).astype(np.float32)
        self.heard = np.zeros((2, self.samples), np.float32)
        self.outs = [self.client.outports.register(f"out_{i}") for i in (1, 2)]
        self.ins = [self.client.inports.register(f"in_{i}") for i in (1, 2)]
        self.first = -1  # JACK's frame at which the noise began
        self.begun = False
        self.at = 0
        self.lost = 0  # samples of JACK cycles that never came to this client
        self.tempo: tuple[float, float] | None = None
        self.client.set_process_callback(self.process)

    def process(self, frames: int) -> None:
        now = self.client.last_frame_time
        if self.begun and self.first < 0:
            self.first = now
        at = now - self.first if self.first >= 0 else 0
        if self.first < 0 or at + frames > self.samples:
            for out in self.outs:
                out.get_array()[:] = 0
            return
        self.lost += at - self.at
        for channel in (0, 1):
            self.outs[channel].get_array()[:] = self.played[channel, at : at + frames]
            self.heard[channel, at : at + frames] = self.ins[channel].get_array()
        self.at = at + frames

    def timebase(self, _state: Any, _frames: int, position: Any, _new: bool) -> None:
        assert self.tempo is not None
        bpm, per_bar = self.tempo
        beats = position.frame / position.frame_rate * bpm / 60.0
        position.valid = 0x10  # bar, beat and tick
        position.bar = int(beats // per_bar) + 1
        position.beat = int(beats % per_bar) + 1
        position.ticks_per_beat = 1920.0
        position.tick = int((beats % 1.0) * 1920)
        position.bar_start_tick = (position.bar - 1) * per_bar * 1920.0
        position.beats_per_bar, position.beat_type, position.beats_per_minute = per_bar, 4.0, bpm

    def obey(self, command: str, values: list[str]) -> None:
        if command == "transport":
            self.tempo = float(values[0]), float(values[1])
            self.client.set_timebase_callback(self.timebase)
        elif command == "roll":
            self.client.transport_start()
        elif command == "halt":
            self.client.transport_stop()
        elif command == "locate":
            self.client.transport_locate(int(values[0]))


def connect(client: jack.Client, source: str, target: str) -> None:
    """A host's ports are there before it is active, and cannot be connected until then."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            client.connect(source, target)
        except jack.JackError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def ports(client: jack.Client, host: str, *, inputs: bool) -> list[str]:
    """The first two of a host's audio inputs, or outputs, once they are there."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = client.get_ports(f"^{host}:", is_audio=True, is_input=inputs, is_output=not inputs)
        if len(found) >= 2:
            return [port.name for port in found[:2]]
        assert time.monotonic() < deadline, f"{host} has no ports"
        time.sleep(0.05)


def main() -> None:
    host, recording, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    probe = Probe(seconds)
    probe.client.activate()
    for channel, port in enumerate(ports(probe.client, host, inputs=True), 1):
        connect(probe.client, f"probe:out_{channel}", port)
    for channel, port in enumerate(ports(probe.client, host, inputs=False), 1):
        connect(probe.client, port, f"probe:in_{channel}")
    probe.begun = True
    print("begun", flush=True)
    for line in sys.stdin:
        command, *values = line.split()
        if command == "end":
            break
        probe.obey(command, values)
        print(probe.at, flush=True)
    probe.client.deactivate()
    np.save(recording, np.stack([probe.played, probe.heard]))
    told = {"period": probe.client.blocksize}
    print(json.dumps(told | {"played": probe.at, "lost": probe.lost}), flush=True)


if __name__ == "__main__":
    main()
