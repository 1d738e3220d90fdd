"""Summaries as bytes: exact round trips, small, bounded, and only PeerError from garbage."""

from __future__ import annotations

import zlib
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import PeerError
from zoned.core.gossip.summary import Remembered, decode_summary, encode_summary
from zoned.core.members import DependencyDemand, HotInstance, Summary
from zoned.core.names import InstanceKey
from zoned.core.records import Load

LIMIT = 262144
SOME = Summary(
    node="a",
    zone="z",
    made_wall_s=1.0,
    ring_id="ab",
    load=Load(cpu=0.5),
    capacity_bytes=1,
    capacity_objects=2,
    used_ratio=0.5,
    hit_ratio=0.25,
    demand=(),
    hot=(),
)
ratios = st.floats(0, 1)
sizes = st.integers(0, 1 << 40)
counts = st.floats(0, 1e9)
dependencies = st.sampled_from(["pricing-api", "catalog-db", "été"])
summaries = st.builds(
    Summary,
    node=st.sampled_from(["a", "node-17.eu"]),
    zone=st.text("abcé", max_size=8),
    made_wall_s=st.floats(0, 4e9),
    ring_id=st.text("0123456789abcdef", max_size=16),
    load=st.builds(Load, cpu=ratios, memory=ratios, network=ratios, loop_lag_s=counts),
    capacity_bytes=sizes,
    capacity_objects=sizes,
    used_ratio=ratios,
    hit_ratio=ratios,
    demand=st.lists(
        st.builds(DependencyDemand, dependencies, st.tuples(counts, counts, counts), counts), max_size=4
    ).map(tuple),
    hot=st.lists(
        st.builds(HotInstance, st.builds(InstanceKey, dependencies, st.binary(max_size=60)), counts, sizes),
        max_size=20,
    ).map(tuple),
    draining=st.booleans(),
    drained=st.booleans(),
    warming=st.integers(0, (1 << 64) - 1),
    warming_since_wall_s=st.floats(0, 4e9),
)


@given(summaries, st.sampled_from([0, 1300]))
def test_every_summary_comes_back(summary: Summary, packet_bytes: int) -> None:
    assert decode_summary(encode_summary(summary, packet_bytes), LIMIT) == summary


@given(summaries, st.data())
def test_damage_is_a_peer_error_or_another_summary(summary: Summary, data: st.DataObject) -> None:
    whole = bytearray(encode_summary(summary, 1300))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(whole), bytes(whole[:at])):
        try:
            found = decode_summary(damaged, LIMIT)
        except PeerError:
            continue
        assert type(found) is Summary


def test_it_compresses_when_long_and_unpacking_is_bounded() -> None:
    bomb = bytes((1, 1)) + zlib.compress(b"\0" * 10_000_000)
    with pytest.raises(PeerError, match="summary_limit"):
        decode_summary(bomb, LIMIT)
    with pytest.raises(PeerError, match="summary_layout"):
        decode_summary(b"\x02\x00", LIMIT)


@given(st.lists(st.tuples(st.binary(max_size=3), st.integers(0, 400)), max_size=60))
def test_what_is_remembered_is_bounded_by_bytes(said: list[tuple[bytes, int]]) -> None:
    kept, naive = Remembered(1000), dict[bytes, int]()
    for data, size in said:
        kept.keep(data, size, SOME)
        naive.pop(data, None)
        naive[data] = size
        while sum(len(each) + naive[each] for each in naive) > 1000:
            del naive[next(iter(naive))]
        assert kept.held_bytes == sum(len(each) + naive[each] for each in naive) <= 1000
        assert len(kept) == len(naive)
        for each in list(naive):
            assert kept.find(each, naive[each]) is SOME and kept.find(each, naive[each] - 1) is None


def test_what_was_read_lately_is_not_read_again_and_a_smaller_limit_holds() -> None:
    data = encode_summary(SOME, 1300)
    assert decode_summary(data, LIMIT) is decode_summary(bytes(bytearray(data)), LIMIT)
    squeezed = encode_summary(SOME, 0)
    decode_summary(squeezed, LIMIT)
    with pytest.raises(PeerError, match="summary_limit"):
        decode_summary(squeezed, 20)


def test_agents_from_before_say_nothing_of_warming_and_may_take_what_we_say_of_it() -> None:
    data = encode_summary(replace(SOME, draining=True), 1300)
    fields = msgpack.unpackb(data[2:], use_list=False)
    assert fields[6][:2] == (True, False), "where those agents look"
    older = data[:2] + msgpack.packb((*fields[:6], fields[6][:2], *fields[7:]))
    assert decode_summary(older, LIMIT) == replace(SOME, draining=True)
    odd = data[:2] + msgpack.packb((*fields[:6], (True, False, -1, 0.0), *fields[7:]))
    with pytest.raises(PeerError):
        decode_summary(odd, LIMIT)
