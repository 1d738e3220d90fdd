from __future__ import annotations

from zoned.core.ring import Ring, RingMember, RingSettings
from zoned.core.ring.weights import counted_weight, token_counts


def test_tokens_are_vnodes_times_weight() -> None:
    assert token_counts([1, 2, 0], RingSettings(vnodes=512)) == (512, 1024, 0)


def test_a_wild_weight_counts_up_to_the_limit() -> None:
    settings = RingSettings(max_weight=8)
    assert counted_weight(10**9, settings) == 8
    assert counted_weight(-3, settings) == 0
    assert Ring.build([RingMember("a", "x", 10**9)], settings).members[0].weight == 8


def test_vnodes_halve_until_the_tokens_fit() -> None:
    settings = RingSettings(vnodes=512, max_tokens=1000)
    assert token_counts([1, 1, 2], settings) == (128, 128, 256)
    assert token_counts([64] * 1000, settings) == (64,) * 1000  # one a unit of weight at the least
    assert token_counts([], settings) == ()
