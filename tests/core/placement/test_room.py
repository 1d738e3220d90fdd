"""Who has room for how much, as summaries and digests tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.placement.scenery import summary_of
from zoned.core.placement.room import Room, room_of

TOLD = replace(summary_of("n1", "z1", {}), capacity_objects=10, capacity_bytes=0, used_ratio=1.0)


def test_copies_are_counted_by_the_digest_not_by_the_summary() -> None:
    room = room_of({"n1": TOLD}, {"n1": 8}, "n0", 0.1)
    room.give("n1", 5)
    assert room.fits("n1", 10**9)
    room.give("n1", 5)
    assert not room.fits("n1", 1)
    assert not room_of({"n1": TOLD}, {"n1": 12}, "n0", 0.1).fits("n1", 1), "an overdue digest"


def test_where_bytes_bound_the_summary_tells() -> None:
    told = replace(TOLD, capacity_objects=0, capacity_bytes=1000, used_ratio=0.75)
    room = room_of({"n1": told}, {"n1": 10**6}, "n0", 0.0)
    assert room.fits("n1", 250) and not room.fits("n1", 251)
    room.give("n1", 200)
    assert room.fits("n1", 50) and not room.fits("n1", 51)
    unbounded = replace(TOLD, capacity_objects=0)
    assert room_of({"n1": unbounded}, {"n1": 10**6}, "n0", 0.0).fits("n1", 10**9)


@pytest.mark.parametrize("left", [0.0, 0.2])
def test_our_own_store_tells_itself_and_of_a_stranger_we_think_well(left: float) -> None:
    room = room_of({"n1": TOLD}, {}, "n0", left)
    assert room.fits("n0", 1) == (left > 0.0)
    assert room.fits("stranger", 10**9)


def test_giving_away_in_thought_changes_nothing() -> None:
    room = Room({"n1": 1.0}, {"n1": 100.0})
    thought = room.copy()
    thought.give("n1", 100)
    assert not thought.fits("n1", 0) and room.fits("n1", 100)
