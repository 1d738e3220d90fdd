"""Serf's recent events: the same window as Serf's, told and taken by push/pull, held against a naive twin."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.gossip.test_serf import ME, NOW, serf, swim
from zoned.core.errors import PeerError
from zoned.core.gossip import GossipSettings
from zoned.core.gossip.user_events import MAX_AT_ONCE, MAX_BYTES, MAX_PAYLOAD, WINDOW, UserEvents
from zoned.core.gossip.wire import pack_old, unpack_map
from zoned.core.gossip.wiring import Wiring

HEARD = st.lists(st.tuples(st.integers(1, 3 * WINDOW), st.sampled_from([b"a", b"b"])), max_size=60)


def events() -> UserEvents:
    return UserEvents(Wiring(GossipSettings(), ME, random.Random(1)))


def carried(one: UserEvents) -> object:
    """What another reads of what this one tells."""
    return unpack_map(pack_old({"Events": one.listed()}))[b"Events"]


def flat(one: UserEvents) -> list[tuple[int, bytes]]:
    return sorted((slot["LTime"], each["Name"]) for slot in one.listed() for each in slot["Events"])


@given(HEARD)
def test_the_window_against_a_twin_that_keeps_everything(heard: list[tuple[int, bytes]]) -> None:
    one, kept, clock = events(), dict[tuple[int, bytes], None](), 1
    for time, title in heard:
        clock = max(clock, time + 1)
        newer = any(other % WINDOW == time % WINDOW and other > time for other, _ in kept)
        expected = time + WINDOW >= clock and not newer and (time, title) not in kept
        assert one.hear(time, title, b"") is expected
        if expected:
            kept[time, title] = None
    newest = {time % WINDOW: time for time, _ in sorted(kept)}
    assert flat(one) == sorted(
        (time, title) for time, title in kept if newest[time % WINDOW] == time >= clock - WINDOW
    )


@given(HEARD)
def test_a_latecomer_gets_all_of_it(heard: list[tuple[int, bytes]]) -> None:
    one, late = events(), events()
    for time, title in heard:
        one.hear(time, title, b"x")
    late.clock.witness(one.clock.time - 1)
    late.merge(carried(one))
    assert late.listed() == one.listed()


def test_one_tick_holds_several_events_and_no_more_than_so_many() -> None:
    one = events()
    assert all(one.hear(5, b"deploy", b"%d" % number) for number in range(MAX_AT_ONCE))
    assert not one.hear(5, b"deploy", b"one more") and not one.hear(5, b"deploy", b"0")
    assert len(one.listed()[0]["Events"]) == MAX_AT_ONCE


def test_bytes_are_bounded_and_the_oldest_go_first() -> None:
    one = events()
    for time in range(1, 101):
        one.hear(time, b"big", b"x" * MAX_PAYLOAD)
    assert one.listed()[-1]["LTime"] == 100
    assert (
        MAX_BYTES - MAX_PAYLOAD - 100
        < sum(len(each["Events"][0]["Payload"]) for each in one.listed())
        <= MAX_BYTES
    )


def test_through_push_pull_to_a_stage_that_was_not_there() -> None:
    one, late = swim(), swim()
    for time in (4, 9):
        serf(one, 3, {"LTime": time, "Name": "deploy", "Payload": b"v%d" % time, "CC": False})
    late._serf.merge(one._serf.state(), NOW)
    assert late._serf.events.listed() == one._serf.events.listed() != []
    assert late._serf.events.clock.time == 10 and late.counters["events_merged"] == 2
    before = late.counters["queue_length"]
    serf(late, 3, {"LTime": 4, "Name": "deploy", "Payload": b"v4", "CC": False})
    assert late.counters["queue_length"] == before and "events_heard" not in late.counters  # known already


@pytest.mark.parametrize(
    "told",
    [
        3,
        [3],
        [None] * (WINDOW + 1),
        [{b"LTime": 1}],
        [{b"LTime": -1, b"Events": []}],
        [{b"LTime": 1, b"Events": [3]}],
        [{b"LTime": 1, b"Events": [{b"Name": 3}]}],
    ],
)
def test_damaged_lists(told: object) -> None:
    with pytest.raises(PeerError):
        events().merge(told)
