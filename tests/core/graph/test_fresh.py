"""What is told to the other zones: our own evidence, once, the most seen first."""

from __future__ import annotations

import random

from zoned.core.graph import Analyzer, GraphSettings
from zoned.core.graph.associations import Associations
from zoned.core.graph.fresh import Fresh
from zoned.core.members import Follower, PairsHeard, Sighting
from zoned.core.names import FINGERPRINT_MASK, InstanceKey, Instant, key_hash

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


class Evidence:
    """Occurrences and pairs by name, as the analyzer counts them."""

    def __init__(self, settings: GraphSettings) -> None:
        self.pairs, self.fresh = Associations(settings), Fresh(settings)

    def occurred(self, name: str) -> None:
        key = InstanceKey("web", name.encode())
        self.fresh.occurred(self.pairs.antecedents, self.pairs.occurred(key, key_hash(key)), 0)

    def followed(self, name: str, follower: InstanceKey, lag_s: float) -> None:
        key = InstanceKey("web", name.encode())
        row = self.pairs.followed(key_hash(key) & FINGERPRINT_MASK, follower, key_hash(follower), lag_s)
        self.fresh.followed(self.pairs.antecedents, row, 0, follower, lag_s)

    def take(self, now_s: float) -> list[tuple[str, int]]:
        told = self.fresh.take(now_s, self.pairs.antecedents)
        return [(row.key.key.decode(), row.times) for row in told]


def test_pace_and_budget_are_kept_and_the_most_seen_go_first() -> None:
    seen = Evidence(GraphSettings(share_rows=2, share_interval_s=10.0, share_followers=1, share_limit=3))
    for number in range(5):
        for _ in range(number + 1):
            seen.occurred(str(number))
        seen.followed(str(number), STYLE, 1.0)
        seen.followed(str(number), IMAGE, 2.0)
        seen.followed(str(number), STYLE, 1.0)
    assert seen.fresh.dropped == 2, "news of the followers of two"
    told = seen.fresh.take(100.0, seen.pairs.antecedents)
    assert [(row.key.key, row.times) for row in told] == [(b"4", 5), (b"3", 4)]
    assert told[0].followers == (Follower(STYLE, 2, 2.0),)
    assert seen.take(105.0) == []
    assert seen.take(110.0) == [("2", 3), ("1", 2)]
    assert seen.take(120.0) == [("0", 1)] and seen.take(130.0) == []


def test_what_nothing_follows_is_told_only_where_something_is_known_to() -> None:
    seen = Evidence(GraphSettings())
    seen.occurred("page")
    assert seen.take(100.0) == []
    seen.pairs.merge(InstanceKey("web", b"page"), 1, [(STYLE, 1, 1.0)])  # another zone knows
    assert seen.take(200.0) == [("page", 1)]


def test_what_was_forgotten_in_between_takes_no_old_news_along() -> None:
    seen = Evidence(GraphSettings(max_antecedents=2))
    seen.occurred("page")
    seen.followed("page", STYLE, 1.0)
    for name in ("a", "b", "page"):
        seen.occurred(name)
    seen.followed("page", IMAGE, 1.0)
    (told,) = seen.fresh.take(100.0, seen.pairs.antecedents)
    assert told == Sighting(InstanceKey("web", b"page"), 1, (Follower(IMAGE, 1, 1.0),))


def test_what_is_told_is_what_a_walk_through_all_that_waits_would_find() -> None:
    rng = random.Random(20)
    seen = Evidence(GraphSettings(share_rows=3, share_interval_s=1.0))
    waiting: dict[str, int] = {}
    first = {str(number): number for number in range(60)}
    led = set()
    for name in first:  # rows in this order, which breaks ties
        seen.occurred(name)
        waiting[name] = 1
    for second in range(1, 200):
        for _ in range(6):
            name = str(rng.randrange(60))
            seen.occurred(name)
            waiting[name] = waiting.get(name, 0) + 1
            if rng.random() < 0.02:
                seen.followed(name, STYLE, 1.0)
                led.add(name)
        worth = [name for name in waiting if name in led]
        worth.sort(key=lambda name: (-waiting[name], first[name]))
        assert seen.take(2.0 * second) == [(name, waiting.pop(name)) for name in worth[:3]]
    assert 10 < len(led) < 60


def test_of_what_is_well_known_a_sample_is_told_that_is_right_on_the_average() -> None:
    """A page of which every second visit leads on, two minutes apart; the other zone knows only what it is
    told. The page is told of after each visit at first, after each fifth in the end."""
    rng, teller, hearer = (
        random.Random(7),
        Analyzer(GraphSettings(share_known=100)),
        Analyzer(GraphSettings()),
    )
    told = [0] * 5
    for number in range(500):
        start_s = 120.0 * number
        analyzer = teller
        analyzer.access(PAGE, key_hash(PAGE), b"client %d" % number, at(start_s))
        if rng.random() < 0.5:
            analyzer.access(STYLE, key_hash(STYLE), b"client %d" % number, at(start_s + 3.0))
        news = [one for one in teller.take_sightings(at(start_s + 60.0)) if one.key == PAGE]
        hearer.heard(PairsHeard("teller", tuple(news)))
        told[number // 100] += len(news)
    assert told[0] > 95 and 10 < told[4] < 35
    (known,) = hearer.access(PAGE, key_hash(PAGE), b"reader", at(1e6))
    assert known.occurrences == sum(told) < 300 and 0.4 < known.confidence < 0.6 and known.lead_s == 3.0


def test_sharing_can_be_switched_off() -> None:
    analyzer = Analyzer(GraphSettings(share_rows=0))
    visit(analyzer, b"client", 0.0)
    assert analyzer.take_sightings(at(20.0)) == ()
    deaf = Analyzer(GraphSettings(association=False))
    deaf.heard(PairsHeard("one", (Sighting(PAGE, 9, (Follower(STYLE, 9, 9.0),)),)))
    assert deaf.counters["sightings_heard"] == 0
