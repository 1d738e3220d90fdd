"""Timers: order, cancelling, and judging nobody after having been frozen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zoned.core.gossip.timers import Timer, Timers
from zoned.core.names import Instant


def at(seconds: float) -> Instant:
    return Instant(seconds, seconds, seconds)


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=200))
def test_fires_once_in_order_what_is_not_cancelled(plan: list[tuple[int, bool]]) -> None:
    timers, fired = Timers(), []
    made: list[Timer] = [
        timers.at(when, lambda now, number=number: fired.append(number))
        for number, (when, _) in enumerate(plan)
    ]
    for timer, (_, cancelled) in zip(made, plan, strict=True):
        if cancelled:
            timers.cancel(timer)
    expected = sorted((when, number) for number, (when, cancelled) in enumerate(plan) if not cancelled)
    assert timers.next_s() == (expected[0][0] if expected else None)
    for second in range(51):
        timers.run(at(second))
    assert fired == [number for _, number in expected]
    assert timers.next_s() is None


def test_a_timer_made_while_running_waits_for_the_next_run() -> None:
    timers, fired = Timers(), []

    def again(now: Instant) -> None:
        fired.append(now.mono_s)
        timers.at(now.mono_s, again)

    timers.at(1.0, again)
    timers.run(at(5.0))
    assert fired == [5.0] and timers.next_s() == 5.0


def test_a_world_that_starts_late_was_not_frozen() -> None:
    timers = Timers()
    timers.at(1.0, lambda now: None)
    assert timers.hold_s(at(9.0), 0.5) == 0.0
    assert timers.hold_s(at(9.0), 0.5) == 8.0


def test_a_late_world_postpones_verdicts_once() -> None:
    timers, fired = Timers(), []
    timers.at(1.0, lambda now: fired.append("round"))
    timers.at(2.0, lambda now: fired.append("verdict"), judges=True)
    assert timers.hold_s(at(0.9), 0.5) == 0.0
    assert timers.hold_s(at(9.0), 0.5) == 8.0
    timers.run(at(9.0))
    assert fired == ["round"] and timers.next_s() == 10.0
    assert timers.hold_s(at(20.0), 0.5) == 0.0  # twice late in a row: this world is just slow
    timers.run(at(20.0))
    assert fired == ["round", "verdict"]


def test_cancelled_timers_do_not_pile_up() -> None:
    timers = Timers()
    for _ in range(10_000):
        timers.cancel(timers.at(1e9, lambda now: None))
    assert len(timers._heap) < 200
