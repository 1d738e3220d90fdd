"""SWIM's and Lifeguard's numbers, as memberlist computes them."""

from __future__ import annotations

import pytest

from zoned.core.gossip import GossipSettings
from zoned.core.gossip.awareness import Awareness
from zoned.core.gossip.suspicion import Suspicion, timeout_s

LAN, WAN = GossipSettings.profile("lan"), GossipSettings.profile("wan")


@pytest.mark.parametrize(
    ("members", "most", "least", "settings"),
    [(3, 4.0, 4.0, LAN), (10, 24.0, 4.0, LAN), (30, 35.4, 5.9, LAN), (100, 48.0, 8.0, LAN),
     (1000, 72.0, 12.0, LAN), (3, 30.0, 30.0, WAN)],
)  # fmt: skip
def test_section_4b_suspicion_starts_long_and_shortens(
    members: int, most: float, least: float, settings: GossipSettings
) -> None:
    suspicion = Suspicion("a", members, settings, 100.0)
    assert suspicion.deadline_s() - 100.0 == pytest.approx(most, abs=0.1)
    for accuser in ("b", "c", "d", "e"):
        suspicion.confirm(accuser)
    assert suspicion.deadline_s() - 100.0 == pytest.approx(least, abs=0.1)


def test_section_4b_one_confirmation_of_two() -> None:
    suspicion = Suspicion("a", 10, LAN, 0.0)
    assert suspicion.confirm("b")
    assert suspicion.deadline_s() == pytest.approx(11.381)


def test_section_4b_an_accuser_counts_once_and_only_so_many_are_wanted() -> None:
    suspicion = Suspicion("a", 10, LAN, 0.0)
    assert [suspicion.confirm(each) for each in "abbcd"] == [False, True, False, True, False]


def test_the_timeout_never_grows_with_confirmations() -> None:
    series = [timeout_s(count, 4, 4.0, 24.0) for count in range(5)]
    assert series == sorted(series, reverse=True) and series[0] == 24.0 and series[-1] == 4.0


def test_section_4a_health_is_bounded_and_stretches_waits() -> None:
    health = Awareness(8)
    assert health.scaled(1.0) == 1.0
    health.add(-1)
    assert health.score == 0
    health.add(100)
    assert health.score == 7 and health.scaled(1.0) == 8.0
