# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio over a bad network, on a virtual clock: every packet's fate is drawn from a seed."""

import numpy as np
import pytest

from lbserver.testing.grids import each, long_or_short
from lbserver.testing.network import Network, Relay
from lbserver.testing.packets import ADDRESS, RATE_HZ, SAMPLES, mix, residual, traffic, transmit
from lbserver.transports.osc.audio import AudioPacket, Packetizer, decode
from lbserver.transports.osc.packet import Message, parse
from lbserver.transports.osc.stream import JitterBuffer, JitterConfig, Piece

CASES = {
    # name: network, redundancy, most of the samples that may be missing, most traffic. The figures follow from
    # p^r * (1 - (1 - p^r)^2)^4: four requests fit into 60 ms at a round trip of 20 ms.
    "5 % loss": (Network(loss=0.05), 1, 0.0001, 1.2),
    "20 % loss": (Network(loss=0.2), 1, 0.005, 1.6),
    "20 % loss, all twice": (Network(loss=0.2), 2, 0.0001, 2.3),
    "50 % loss": (Network(loss=0.5), 1, 0.2, 3.0),
    "50 % loss, all twice": (Network(loss=0.5), 2, 0.015, 3.0),
    "20 % loss in bursts of ten": (Network(loss=0.2, burst_packets=10), 1, 0.2, 3.0),
    "5 % loss and jitter": (Network(loss=0.05, jitter_ms=10.0), 1, 0.002, 1.2),  # jitter leaves time for two
}


def check(case: str, packets: int, seed: int, chance: float = 1.0) -> None:
    """`chance`: how much more than the figure a short run may show by chance."""
    network, redundancy, most_missing, most_traffic = CASES[case]
    outcome = transmit(packets, network, seed=seed, redundancy=redundancy)
    missing, cost = residual(outcome), traffic(outcome, packets)
    print(
        f"{case}: seed {seed}, {packets} packets, missing {missing:.5%}, traffic {cost:.3f}, {outcome.counts}"
    )
    assert missing <= most_missing
    assert cost <= most_traffic * chance
    assert outcome.most_waiting <= 64  # packets held back: bounded by the wait, not by the loss
    assert outcome.counts.late == 0 or network.jitter_ms


@pytest.mark.parametrize("case", CASES)
def test_loss_is_made_good_in_time_at_bounded_cost(case: str) -> None:
    """Resending that is too slow, too timid or a storm."""
    check(case, 6000, 1, chance=1.03)


@pytest.mark.slow
@pytest.mark.parametrize(("case", "seed"), each(list(CASES), [1, 2, 3]))
def test_loss_is_made_good_in_time_over_many_packets(case: str, seed: int) -> None:
    check(case, long_or_short(100_000, 30_000), seed)


def test_without_loss_jitter_and_duplicates_change_no_bit() -> None:
    """Reordering, duplicates and 30 ms of jitter: the same bits as over a wire, nothing missing at 50 ms."""
    rough = Network(jitter_ms=30.0, duplicate=0.1)
    for seed in (1, 2, 3):
        outcome = transmit(6000, rough, seed=seed, base_ms=50.0)
        assert residual(outcome) == 0.0
        np.testing.assert_array_equal(outcome.audio, mix(6000 * SAMPLES))
        assert outcome.counts.received == 6000
        assert outcome.counts.duplicates > 500
        assert outcome.counts.requested < 60  # packets that overtake each other are not asked for


def test_played_fifty_milliseconds_behind_the_fastest_packet_nothing_runs_dry() -> None:
    """A device that reads at a steady pace never finds its next samples missing."""
    forth: Relay[AudioPacket] = Relay(Network(jitter_ms=30.0, duplicate=0.1), 5)
    buffer = JitterBuffer(rate_hz=RATE_HZ, config=JitterConfig(base_ms=50.0))
    audio = mix(4000 * SAMPLES)
    there, read, dry = 0, 0, 0
    for sent in range(4000):
        now_s = (sent + 1) * SAMPLES / RATE_HZ
        piece = audio[:, sent * SAMPLES : (sent + 1) * SAMPLES]
        forth.send(AudioPacket(1, sent, sent * SAMPLES, piece), now_s)
        for packet in forth.arrived(now_s):
            buffer.push(packet, now_s)
        there += sum(piece.samples for piece in buffer.take(now_s))
        if now_s >= 0.010 + 0.050:
            read += SAMPLES
            dry += read > there
    assert read > 3900 * SAMPLES
    assert dry == 0


def test_the_wait_grows_with_lateness_and_is_back_at_its_base_within_a_minute() -> None:
    """An automatic buffer that only ever grows (sonobus#18)."""

    def change(now_s: float) -> Network:
        return Network(jitter_ms=40.0 if 5.0 <= now_s < 15.0 else 2.0)

    outcome = transmit(12_000, Network(jitter_ms=2.0), seed=4, resend=False, base_ms=10.0, change=change)
    target_ms = {int(at_s): 1000 * target_s for at_s, target_s in outcome.targets_s}
    assert target_ms[4] == 10.0
    assert 38.0 < target_ms[14] < 50.0
    assert target_ms[31] == 10.0  # 16 s after the last late packet
    assert outcome.counts.late > 0
    assert outcome.counts.lost == 0


def test_loss_alone_never_makes_the_wait_grow() -> None:
    """A lossy network is not a slow one."""
    outcome = transmit(
        6000, Network(loss=0.2), seed=4, base_ms=20.0, change=lambda _now_s: Network(loss=0.2, jitter_ms=1.0)
    )
    assert {target_s for _, target_s in outcome.targets_s} == {0.02}
    assert outcome.counts.lost > 0
    assert outcome.counts.late == 0


@pytest.mark.parametrize("sequence", [2**31 - 100, 2**32 - 100])
def test_sequences_wrap_without_a_trace(sequence: int) -> None:
    """A stream dies after 2^31 or 2^32 packets."""
    packetizer = Packetizer(address=ADDRESS, stream=1, channels=2, sequence=sequence)
    buffer = JitterBuffer(rate_hz=RATE_HZ, sequence=sequence)
    audio = mix(300 * SAMPLES)
    pieces: list[Piece] = []
    for index in range(300):
        now_s = index * SAMPLES / RATE_HZ
        for datagram in packetizer.push(audio[:, index * SAMPLES : (index + 1) * SAMPLES]):
            if index % 10 != 3:
                buffer.push(decoded(datagram), now_s)
        for first, last in buffer.requests(now_s):
            for datagram in packetizer.again(first, last, now_s):
                buffer.push(decoded(datagram), now_s)
        pieces += buffer.take(now_s)
    assert buffer.counts.recovered == 30
    np.testing.assert_array_equal(np.concatenate([p.audio for p in pieces if p.audio is not None], 1), audio)


def decoded(datagram: bytes) -> AudioPacket:
    message = parse(datagram)
    assert isinstance(message, Message)
    return decode(message, 2)


def packet(sequence: int, position: int, samples: int = SAMPLES) -> AudioPacket:
    return AudioPacket(1, sequence, position, np.full((1, samples), 0.5, np.float32))


def test_a_sender_that_jumps_is_followed_and_a_damaged_packet_is_not() -> None:
    buffer = JitterBuffer(rate_hz=RATE_HZ)
    buffer.push(packet(0, 0), 0.0)
    buffer.push(packet(70_000, 9_000_000), 0.01)  # alone: damage
    buffer.push(packet(1, SAMPLES), 0.02)
    assert [piece.position for piece in buffer.take(0.02)] == [0, SAMPLES]
    buffer.push(packet(70_000, 9_000_000), 0.03)
    buffer.push(packet(70_001, 9_000_000 + SAMPLES), 0.04)  # the second one in a row: a jump
    assert [piece.position for piece in buffer.take(0.05)] == [9_000_000 + SAMPLES]
    assert buffer.counts.jumps == 1


def test_a_hole_the_sender_left_is_a_hole_of_that_length() -> None:
    """Positions, not arrival, say where audio belongs."""
    buffer = JitterBuffer(rate_hz=RATE_HZ)
    buffer.push(packet(0, 0), 0.0)
    buffer.push(packet(1, 1000), 0.0)
    assert [(p.position, p.samples, p.audio is None) for p in buffer.take(0.0)] == [
        (0, SAMPLES, False),
        (SAMPLES, 1000 - SAMPLES, True),
        (1000, SAMPLES, False),
    ]


def test_packets_that_overlap_never_move_what_is_there() -> None:
    buffer = JitterBuffer(rate_hz=RATE_HZ)
    for sequence, position in ((0, 0), (1, 100), (2, 10), (3, 100 + SAMPLES)):
        buffer.push(packet(sequence, position), 0.0)
    pieces = buffer.take(0.0)
    assert [(p.position, p.samples) for p in pieces] == [(0, 128), (128, 100), (228, 128)]
    assert buffer.counts.misplaced == 2


def test_a_pause_of_the_sender_is_no_jitter() -> None:
    """Stop for a minute and go on: the wait must not become a minute, nor the clock be lost."""
    buffer = JitterBuffer(rate_hz=RATE_HZ)
    for index in range(100):
        buffer.push(
            packet(index, index * SAMPLES), index * SAMPLES / RATE_HZ + (60.0 if index >= 50 else 0.0)
        )
    assert len(buffer.take(99.0)) == 100
    assert buffer.target_s == pytest.approx(0.06)
    assert buffer.counts.pauses == 1


def test_memory_is_bounded_whatever_comes() -> None:
    """Every second packet for a long time without a moment to give up, then noise for sequence and position."""
    buffer = JitterBuffer(rate_hz=RATE_HZ)
    rng = np.random.default_rng(2)
    asked = 0
    for index in range(20_000):
        wild = index % 3 == 0
        sequence = int(rng.integers(0, 2**32)) if wild else 2 * index % 2**32
        position = int(rng.integers(0, 2**47)) if wild else 2 * index * SAMPLES
        buffer.push(packet(sequence, position), 0.001 * index)
        asked += sum((last - first & 0xFFFFFFFF) + 1 for first, last in buffer.requests(0.001 * index))
        if index % 100 == 0:
            buffer.take(0.001 * index)
        assert buffer.waiting <= 1025
        assert len(buffer._missing) <= 1025
        assert len(buffer._given_up) <= 1024
    assert asked <= 16 * 20_000 * 0.001 / 0.010 + 16


def test_requests_of_one_packet_cannot_make_a_storm() -> None:
    """Asked for a thousand times in a second, a packet is sent again eight times."""
    packetizer = Packetizer(address=ADDRESS, stream=1, channels=2)
    packetizer.push(mix(SAMPLES))
    sent = [packetizer.again(0, 0, index / 1000) for index in range(1000)]
    assert sum(len(datagrams) for datagrams in sent) == 8
    assert packetizer.again(1, 2**32 - 1, 2.0) == []  # all but this one: none of them is kept


@pytest.mark.parametrize("sample_format", ["f32", "i16"])
@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("samples", [1, 17, 128, 4096])
def test_blocks_become_packets_below_1200_bytes_and_come_back(
    sample_format: str, channels: int, samples: int
) -> None:
    packetizer = Packetizer(
        address="/lb/" + "x" * 64 + "/audio", stream=-5, channels=channels, sample_format=sample_format
    )
    audio = (0.3 * np.random.default_rng(1).standard_normal((channels, samples))).astype(np.float32)
    datagrams = packetizer.push(audio)
    assert max(map(len, datagrams)) <= 1200
    packets = []
    for datagram in datagrams:
        message = parse(datagram)
        assert isinstance(message, Message)
        packets.append(decode(message, channels))
    assert [p.position for p in packets] == list(np.cumsum([0] + [p.samples.shape[-1] for p in packets[:-1]]))
    back = np.concatenate([p.samples for p in packets], axis=1)
    if sample_format == "f32":
        np.testing.assert_array_equal(back, audio)
    else:
        np.testing.assert_allclose(back, np.clip(audio, -1, 1), atol=1.01 / 32768)


def test_samples_that_are_no_numbers_are_silence() -> None:
    audio = np.array([[0.5, np.nan, np.inf, -np.inf]], np.float32)
    message = parse(Packetizer(address=ADDRESS, stream=1, channels=1).push(audio)[0])
    assert isinstance(message, Message)
    np.testing.assert_array_equal(decode(message, 1).samples, [[0.5, 0.0, 0.0, 0.0]])
