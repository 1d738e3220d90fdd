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
