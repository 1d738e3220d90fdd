"""Moves of traffic in a replay: the same reads three times, and what being prepared is worth."""

from __future__ import annotations

from random import Random

import pytest

from zoned.core.names import InstanceKey
from zoned.simulation.moves import run
from zoned.simulation.results import ReplayOptions
from zoned.simulation.tolls import Kind, Move, MoveResult, Prepared
from zoned.simulation.trace import Trace

pytestmark = pytest.mark.timeout(120)  # whole runs, on a machine that may be busy

ZONES = ("east", "north", "west")
OBJECTS, READS, GAP_S = 240, 2400, 0.5


def trace() -> Trace:
    """Each zone reads mostly a third of its own, so that what a zone alone holds matters; clients stay."""
    rng = Random(3)
    zones = [rng.randrange(len(ZONES)) for _ in range(READS)]
    third = OBJECTS // 3
    objects = [
        zone * third + rng.randrange(third) if rng.random() < 0.9 else rng.randrange(OBJECTS)
        for zone in zones
    ]
    return Trace(
        name="made",
        ts=[GAP_S * number for number in range(READS)],
        zones=zones,
        objects=objects,
        sizes=[1] * READS,
        clients=[b"%d" % rng.randrange(50) for _ in range(READS)],
        zone_names=ZONES,
        instances=tuple(InstanceKey("made", b"%d" % number) for number in range(OBJECTS)),
        object_sizes=[1] * OBJECTS,
    )


def played(kind: Kind, capacity: int = OBJECTS, at: float = 0.6) -> MoveResult:
    """With room for everything (by default), so that whatever is fetched again was lost by the move."""
    move = Move(kind, "north", at * READS * GAP_S)
    return run(trace(), capacity, ReplayOptions(seed=2), move, reads_after=800)


def test_a_drain_leaves_nothing_to_fetch_again() -> None:
    found = played(Kind.DRAIN)
    without, warm, cold = (found.tolls[how] for how in Prepared)
    assert without.reads == warm.reads == cold.reads == 800
    assert without.failed == warm.failed == cold.failed == 0
    assert warm.origin_fetches <= without.origin_fetches + 3  # of what came in the last seconds
    assert cold.origin_fetches >= warm.origin_fetches + 40, "its third is fetched anew"
    assert warm.waited_s > 0.0 == cold.waited_s
    assert found.burst < 0.1
    assert warm.mean_latency_ms < cold.mean_latency_ms
    told = found.as_json()
    assert told["extra_origin_ratio"] == {
        how.value: round(found.extra(how, "origin_fetches"), 4) for how in (Prepared.WARM, Prepared.COLD)
    }


def test_who_leaves_for_good_takes_nothing_with_it() -> None:
    found = played(Kind.LEAVE)
    without = found.tolls[Prepared.NOT_AT_ALL].origin_fetches
    assert found.tolls[Prepared.WARM].origin_fetches <= without + 3  # of what came in the last seconds
    assert found.tolls[Prepared.COLD].origin_fetches > found.tolls[Prepared.WARM].origin_fetches + 40


def test_a_crash_fails_no_read_and_costs_what_was_held_there_alone() -> None:
    found = played(Kind.CRASH)
    assert set(found.tolls) == {Prepared.NOT_AT_ALL, Prepared.WARM}
    crash = found.tolls[Prepared.WARM]
    assert crash.failed == 0 and crash.waited_s == 0.0
    assert found.burst > 0.3, "most of it in the first 500 reads; before, the caches filled"
    assert found.burst_without < 0.1, "with room for everything nothing is fetched twice"
    assert abs(found.surge - (found.burst - found.burst_without)) < 0.05
    assert 40 <= crash.origin_fetches - found.tolls[Prepared.NOT_AT_ALL].origin_fetches <= OBJECTS


def test_a_zone_that_joins_fills_from_the_others() -> None:
    found = played(Kind.JOIN)
    without, warm = found.tolls[Prepared.NOT_AT_ALL], found.tolls[Prepared.WARM]
    assert warm.failed == 0
    assert warm.origin_fetches <= without.origin_fetches + 2  # the others hold what its clients want
    assert warm.peer_transfers > without.peer_transfers


def test_a_run_repeats() -> None:
    assert played(Kind.CRASH, capacity=40) == played(Kind.CRASH, capacity=40)


def test_a_zone_that_is_not_there_is_no_move() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        run(trace(), 10, ReplayOptions(), Move(Kind.DRAIN, "nowhere", 1.0), reads_after=10)
