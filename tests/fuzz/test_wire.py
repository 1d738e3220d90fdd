"""Garbage into gossip: 20,000 packets and streams, random or good ones damaged (``make fuzz``: a million).

Only PeerError may leave a decoder, nothing may leave the stage, every packet dropped is counted under its
reason, and what is kept stays within its limits.
"""

from __future__ import annotations

import random

import pytest

from tests.fuzz.machine import Machine
from tests.fuzz.mutations import garbage, good_packets, good_streams
from zoned.core.errors import PeerError
from zoned.core.gossip import decode_stream, stream_complete
from zoned.core.gossip.channel import decode_body
from zoned.core.gossip.messages import User
from zoned.core.gossip.wire import decode_packet

CASES = 20_000


def test_the_material_has_every_kind() -> None:
    messages = [message for data in good_packets() for message in decode_packet(data).messages]
    assert len({type(message) for message in messages}) == 8
    ours = {decode_body(each.body)[0] for each in messages if isinstance(each, User) and each.body[0] == 0x7A}
    streams = [decode_stream(data) for data in good_streams()]
    ours |= {decode_body(each.body)[0] for each in streams if isinstance(each, User) and each.body[0] == 0x7A}
    assert len({type(each) for each in streams}) == 5 and len(ours) >= 7


@pytest.mark.parametrize("seed", range(4))
def test_only_peer_errors_leave_the_decoders(seed: int) -> None:
    rng = random.Random(seed)
    packets, streams = good_packets(), good_streams()
    for _ in range(CASES // 4):
        for read, good in ((decode_packet, packets), (decode_stream, streams), (stream_complete, streams)):
            try:
                read(garbage(rng, good, read is decode_packet))
            except PeerError as error:
                assert error.reason.replace("_", "").isalnum() and len(error.reason) < 32


@pytest.mark.parametrize("seed", range(4))
def test_a_whole_node_keeps_its_invariants(seed: int) -> None:
    machine = Machine(seed)
    machine.run(CASES // 4)
    counters = machine.swim.counters
    rejected = sum(number for name, number in counters.items() if name.startswith("rejected_"))
    assert rejected > CASES // 16 and machine.refused > CASES // 50
