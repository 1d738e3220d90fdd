"""What is told to the other zones: our own evidence, once, the most seen first."""

from __future__ import annotations

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
    told = fresh.take(100.0, lambda _: False)
    assert [(row.key.key, row.times) for row in told] == [(b"4", 5), (b"3", 4)]
    assert told[0].followers == (Follower(STYLE, 2, 2.0),)
    assert fresh.take(105.0, lambda _: False) == ()
    assert [row.key.key for row in fresh.take(110.0, lambda _: False)] == [b"2"]


def test_what_nothing_follows_is_told_only_where_something_is_known_to() -> None:
    fresh = Fresh(GraphSettings())
    fresh.occurred(PAGE, 1)
    assert fresh.take(100.0, lambda _: False) == ()
    assert [row.times for row in fresh.take(200.0, lambda hashed: hashed == 1)] == [1]


def test_sharing_can_be_switched_off() -> None:
    analyzer = Analyzer(GraphSettings(share_rows=0))
    visit(analyzer, b"client", 0.0)
    assert analyzer.take_sightings(at(20.0)) == ()
    deaf = Analyzer(GraphSettings(association=False))
    deaf.heard(PairsHeard("one", (Sighting(PAGE, 9, (Follower(STYLE, 9, 9.0),)),)))
    assert deaf.counters["sightings_heard"] == 0
