"""What is told to the other zones: our own evidence, once, the most seen first."""

from __future__ import annotations

import random

import pytest

from zoned.core.graph import Analyzer, GraphSettings
from zoned.core.graph.fresh import Fresh
from zoned.core.members import Follower, PairsHeard, Sighting
from zoned.core.names import InstanceKey, Instant, key_hash

PAGE, STYLE, IMAGE = (InstanceKey("web", name) for name in (b"/", b"/style.css", b"/logo.png"))


def at(seconds: float) -> Instant:
    return Instant(seconds, seconds, seconds)


def visit(analyzer: Analyzer, client: bytes, start_s: float) -> None:
    """A page, and a second later its style sheet."""
    analyzer.access(PAGE, key_hash(PAGE), client, at(start_s))
    analyzer.access(STYLE, key_hash(STYLE), client, at(start_s + 1.0))


def predicted(analyzer: Analyzer, now_s: float) -> list[InstanceKey]:
    return [each.key for each in analyzer.access(PAGE, key_hash(PAGE), b"reader", at(now_s))]


def test_three_zones_with_one_sighting_each_believe_it_together() -> None:
    zones = [Analyzer(GraphSettings()) for _ in range(3)]
    for number, zone in enumerate(zones):
        visit(zone, b"client", 10.0 * number)
    for number, zone in enumerate(zones):
        news = PairsHeard(f"n{number}", zone.take_sightings(at(200.0)))
        for other in zones:
            if other is not zone:
                other.heard(news)
    assert all(predicted(zone, 300.0) == [STYLE] for zone in zones)
    assert zones[0].counters["sightings_heard"] == 2


def test_what_was_heard_is_not_told_on_and_what_was_told_not_again() -> None:
    one, other = Analyzer(GraphSettings()), Analyzer(GraphSettings())
    visit(one, b"client", 0.0)
    told = one.take_sightings(at(20.0))
    assert told[0] == Sighting(PAGE, 1, (Follower(STYLE, 1, 1.0),))
    other.heard(PairsHeard("one", told))
    assert other.take_sightings(at(20.0)) == ()
    assert one.take_sightings(at(60.0)) == ()


def test_pace_and_budget_are_kept_and_the_most_seen_go_first() -> None:
    settings = GraphSettings(share_rows=2, share_interval_s=10.0, share_followers=1, share_limit=3)
    fresh = Fresh(settings)
    for number in range(5):
        instance = InstanceKey("web", b"%d" % number)
        for _ in range(number + 1):
            fresh.occurred(instance, number)
        fresh.followed(number, STYLE, 1.0)
        fresh.followed(number, IMAGE, 2.0)
        fresh.followed(number, STYLE, 1.0)
    assert fresh.dropped == 2
    told = fresh.take(100.0, ())
    assert [(row.key.key, row.times) for row in told] == [(b"4", 5), (b"3", 4)]
    assert told[0].followers == (Follower(STYLE, 2, 2.0),)
    assert fresh.take(105.0, ()) == ()
    assert [row.key.key for row in fresh.take(110.0, ())] == [b"2"]


def test_what_nothing_follows_is_told_only_where_something_is_known_to() -> None:
    fresh = Fresh(GraphSettings())
    fresh.occurred(PAGE, 1)
    assert fresh.take(100.0, ()) == ()
    assert [row.times for row in fresh.take(200.0, (1,))] == [1]


@pytest.mark.parametrize("limit", [20, 1000])
def test_what_is_told_is_what_a_walk_through_all_that_waits_would_find(limit: int) -> None:
    rng = random.Random(limit)
    fresh = Fresh(GraphSettings(share_rows=3, share_interval_s=1.0, share_limit=limit))
    waiting: dict[int, list[int]] = {}  # count, and whether something followed; in the order of first sight
    for second in range(1, 200):
        for _ in range(6):
            number = rng.randrange(60)
            fresh.occurred(InstanceKey("web", b"%d" % number), number)
            waiting.setdefault(number, [0, 0])[0] += 1
            if len(waiting) > limit:
                del waiting[next(iter(waiting))]
            if rng.random() < 0.1:
                fresh.followed(number, STYLE, 1.0)
                waiting[number][1] = 1
        known = dict.fromkeys(rng.sample(range(60), rng.choice((0, 2, 40))))
        worth = [number for number, (_, followed) in waiting.items() if followed or number in known]
        worth.sort(key=lambda number: -waiting[number][0])
        told = [(int(row.key.key), row.times) for row in fresh.take(2.0 * second, known)]
        assert told == [(number, waiting.pop(number)[0]) for number in worth[:3]]


def test_sharing_can_be_switched_off() -> None:
    analyzer = Analyzer(GraphSettings(share_rows=0))
    visit(analyzer, b"client", 0.0)
    assert analyzer.take_sightings(at(20.0)) == ()
    deaf = Analyzer(GraphSettings(association=False))
    deaf.heard(PairsHeard("one", (Sighting(PAGE, 9, (Follower(STYLE, 9, 9.0),)),)))
    assert deaf.counters["sightings_heard"] == 0
