"""False claims told apart by what the member's digest says next."""

from __future__ import annotations

from zoned.core.cache.directory import Directory
from zoned.core.cache.false_claims import _MAX_WAITING
from zoned.core.members import HoldingsHeard


def make() -> tuple[Directory, dict[str, int]]:
    counters: dict[str, int] = {}
    directory = Directory(10_000, counters, 30.0)
    directory.heard(HoldingsHeard("a", (1, 2, 3), (), True))
    directory.heard(HoldingsHeard("b", (1,), (), True))
    return directory, counters


def causes(counters: dict[str, int]) -> tuple[int, int, int]:
    """(late, collision, unknown)."""
    return counters["false_late"], counters["false_collision"], counters["false_unknown"]


def test_a_claim_that_is_dropped_afterwards_was_late() -> None:
    directory, counters = make()
    directory.false_positive("a", 1, 100.0)
    directory.false_positive("a", 1, 101.0)  # asked again before the digest caught up: one claim
    assert causes(counters) == (0, 0, 0)
    directory.heard(HoldingsHeard("b", (), (1,), False))  # another's
    assert causes(counters) == (0, 0, 0)
    directory.heard(HoldingsHeard("a", (), (1, 2), False))
    directory.judge(1000.0)
    assert causes(counters) == (1, 0, 0) and counters["false_positives"] == 2


def test_a_claim_that_was_gone_when_the_answer_came_was_late() -> None:
    directory, counters = make()
    directory.heard(HoldingsHeard("a", (), (1,), False))
    directory.false_positive("a", 1, 100.0)
    assert causes(counters) == (1, 0, 0)


def test_a_claim_that_stands_was_another_instance() -> None:
    directory, counters = make()
    directory.false_positive("a", 1, 100.0)
    directory.judge(129.9)
    assert causes(counters) == (0, 0, 0)
    directory.judge(130.0)
    directory.heard(HoldingsHeard("a", (), (1,), False))  # evicted later
    assert causes(counters) == (0, 1, 0)


def test_a_new_digest_tells_at_once() -> None:
    directory, counters = make()
    directory.false_positive("a", 1, 100.0)
    directory.false_positive("a", 2, 100.0)
    directory.heard(HoldingsHeard("a", (2, 9), (), True))
    assert causes(counters) == (1, 1, 0)


def test_who_is_gone_tells_nothing_and_waiting_is_bounded() -> None:
    directory, counters = make()
    directory.false_positive("b", 1, 100.0)
    directory.gone("b")
    assert causes(counters) == (0, 0, 1)
    many = tuple(range(_MAX_WAITING + 5))
    directory.heard(HoldingsHeard("a", many, (), False))
    for fingerprint in many:
        directory.false_positive("a", fingerprint, 100.0)
    assert causes(counters) == (0, 0, 6)
