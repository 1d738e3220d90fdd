"""Virtual time: order, ties, no way back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zoned.simulation.schedule import Schedule

TIMES = st.lists(st.floats(0.0, 100.0), max_size=50)


@given(TIMES)
def test_things_happen_in_the_order_of_time_and_of_asking(times: list[float]) -> None:
    schedule, happened = Schedule(0.0), list[tuple[float, int]]()
    for number, when in enumerate(times):
        schedule.at(when, lambda number=number: happened.append((schedule.now_s, number)))  # type: ignore[misc]
    schedule.run_until(100.0)
    assert happened == sorted((when, number) for number, when in enumerate(times))


@given(TIMES, TIMES)
def test_time_never_goes_back(whens: list[float], stops: list[float]) -> None:
    schedule, seen = Schedule(50.0), [50.0]
    for when in whens:
        schedule.at(when, lambda: seen.append(schedule.now_s))
    for stop in stops:
        schedule.run_until(stop)
        seen.append(schedule.now_s)
    assert seen == sorted(seen)


def test_what_is_asked_for_meanwhile_happens_too_if_it_is_due() -> None:
    schedule, happened = Schedule(0.0), list[float]()

    def again() -> None:
        happened.append(schedule.now_s)
        schedule.after(1.0, again)

    schedule.after(1.0, again)
    schedule.run_until(3.5)
    assert happened == [1.0, 2.0, 3.0] and schedule.now_s == 3.5


def test_the_past_is_now() -> None:
    schedule, happened = Schedule(10.0), list[float]()
    schedule.at(3.0, lambda: happened.append(schedule.now_s))
    schedule.run_until(10.0)
    assert happened == [10.0]
