"""Who goes: its own word counts until gossip tells, and not for ever."""

from __future__ import annotations

from zoned.core.cache import Going


def test_its_own_word_counts_until_gossip_tells_or_time_is_up() -> None:
    going = Going()
    going.said("a", 0.0)
    assert going.nodes == ("a",)
    going.told((), 1.0)
    assert going.nodes == ("a",), "gossip has not told yet"
    going.told(("b", "a"), 2.0)
    assert going.nodes == ("b", "a")
    going.told((), 3.0)
    assert going.nodes == (), "called off"
    going.said("b", 3.0)
    going.told((), 17.9)
    assert going.nodes == ("b",)
    going.told((), 18.0)
    assert going.nodes == ()


def test_what_is_lost_is_told_once_for_who_goes_and_who_is_gone() -> None:
    going = Going()
    held = {"a": 100, "b": 100, "c": 200}
    assert going.lost_share(held) == 0.0
    going.said("a", 0.0)
    assert going.lost_share(held) == 0.25
    assert going.lost_share(held) == 0.0
    del held["a"]
    assert going.lost_share(held) == 0.0, "that was foreseen"
    held["c"] = 50
    assert going.lost_share(held) == 0.0, "it gave something up itself"
    del held["c"]
    assert going.lost_share(held) == 50 / 150
    assert going.lost_share({}) == 1.0
