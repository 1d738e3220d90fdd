"""An instance's part of what happened lately, and that it stays small."""

from __future__ import annotations

from tests.core.solo import Solo, key, only
from zoned.core import events as ev
from zoned.core.actions import FetchOrigin
from zoned.core.cache import CacheSettings
from zoned.core.chronicle import Chronicle
from zoned.core.events import FetchOutcome
from zoned.core.names import Instant
from zoned.core.records import Reason, Source


def test_each_row_is_told_to_its_own_instance_and_reads_are_summed_up() -> None:
    one = Chronicle()
    for at_s, hashed in ((1.0, 7), (2.0, 8), (3.0, 7)):
        one.read(hashed, Source.LOCAL, 2, Instant(at_s, at_s, at_s))
    one.came(7, Reason.ASSOCIATION, Source.PEER, "n2", True, Instant(0.5, 0.5, 0.5))
    assert one.of(7, Instant(11.0, 11.0, 11.0)) == [
        "10 s ago: came from n2 for association",
        "read here in the last 10 s: 4 from local; the last time 8 s ago",
    ]
    assert one.of(9, Instant(11.0, 11.0, 11.0)) == []


def test_the_oldest_is_forgotten() -> None:
    one = Chronicle()
    now = Instant(1.0, 1.0, 1.0)
    one.read(1, Source.LOCAL, 1, now)
    one.went(1, "expired", now)
    for number in range(10_000):
        one.read(2, Source.LOCAL, 1, now)
        one.went(2, f"{number}", now)
    assert one.of(1, now) == []
    rows = one.of(2, now)
    assert len(rows) == 4096 + 1
    assert rows[0].endswith(": 5904") and rows[-2].endswith(": 9999"), "the oldest first"
    assert "8192 from local" in rows[-1]


def test_what_happens_over_and_over_is_told_once_where_it_last_did() -> None:
    one = Chronicle()
    for number in range(30):
        now = Instant(float(number), 0.0, 0.0)
        one.came(1, Reason.DEMAND, Source.PEER, "n2", False, now)
        one.gave_way(1, key(number), now)
    one.went(1, "expired", Instant(40.0, 0.0, 0.0))
    one.came(1, Reason.DEMAND, Source.ORIGIN, "", True, Instant(41.0, 0.0, 0.0))
    assert one.of(1, Instant(50.0, 0.0, 0.0)) == [
        "30 times since 50 s ago, the last 21 s ago: came from n2 for demand, not kept: worth less than what"
        " would have had to go for it",
        f"30 times since 50 s ago, the last 21 s ago: had to go for {key(29).text()}",
        "10 s ago: expired",
        "9 s ago: came from the origin for demand",
    ]


def test_a_life_from_fetch_to_eviction() -> None:
    solo = Solo(cache=CacheSettings(max_bytes=None, max_objects=1, default_ttl_s=None, eviction="lru"))
    solo.end(only(FetchOrigin, solo.read(key(1))), latency_s=0.2)
    solo.read(key(1))
    solo.wait(30.0)
    solo.end(only(FetchOrigin, solo.read(key(2))), latency_s=0.2)
    solo.wait(5.0)
    story = solo.node.explain(key(1), solo.now)
    assert any(line.endswith("ago: came from the origin for demand") for line in story)
    assert any(line.endswith(f"ago: had to go for {key(2).text()}") for line in story)
    assert any("1 from local, 1 from origin; the last time" in line for line in story)


def test_what_failed_expired_or_was_invalidated() -> None:
    solo = Solo(cache=CacheSettings(max_bytes=None, max_objects=9, default_ttl_s=10.0))

    def told(number: int) -> str:
        return "\n".join(solo.node.explain(key(number), solo.now))

    solo.end(only(FetchOrigin, solo.read(key(1))), FetchOutcome.NOT_FOUND)
    assert "0 s ago: could not be fetched for demand: not_found" in told(1)
    solo.have(key(2))
    solo.give(ev.Invalidate(dependency=key(2).dependency, key=key(2).key))
    assert "ago: invalidated" in told(2)
    solo.have(key(3))
    solo.wait(60.0)
    assert "ago: expired" in told(3)
