"""The prefetcher: what goes, when, and what holds it back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.names import InstanceKey, Instant, key_hash
from zoned.core.prefetch import Prefetcher, PrefetchSettings
from zoned.core.promises import Association
from zoned.core.records import Entry, Order, Plan, Reason, Want

MIB = 1 << 20
PLENTY = PrefetchSettings(
    bandwidth_bytes_s=1e12, burst_bytes=1 << 40, origin_rate=1e6, origin_burst=1e6, max_in_flight=1000,
    allowance_start=1e6, allowance_max=1e6,
)  # fmt: skip


def at(seconds: float) -> Instant:
    return Instant(seconds, seconds + 1e9, seconds + 1e9)


def name(number: int) -> InstanceKey:
    return InstanceKey("d", b"%d" % number)


def make(**changes: object) -> Prefetcher:
    return Prefetcher(replace(PLENTY, **changes), Random(1))  # type: ignore[arg-type]


def want(
    number: int, value: float = 1.0, reason: Reason = Reason.HOME, source: str = "", size: int = 5000
) -> Want:
    return Want(name(number), key_hash(name(number)), size, reason, value, source)


def plan(*wants: Want, paused: bool = False) -> Plan:
    return Plan(
        made=at(0),
        ring_id="",
        paused=paused,
        wants=wants,
        hand_over=(),
        lines=(),
        draining=(),
        drained_ratio=None,
    )


def after(*numbers: int, confidence: float = 0.9) -> tuple[Association, ...]:
    return tuple(Association(name(n), key_hash(name(n)), confidence, 1.0) for n in numbers)


def entry(number: int, size: int = 5000, expires_s: float | None = 100.0) -> Entry:
    return Entry(name(number), key_hash(name(number)), size, "", 0.0, expires_s, Reason.DEMAND, True)


def nothing(_key: InstanceKey) -> bool:
    return False


def numbers(orders: Iterable[Order]) -> list[int]:
    return [int(order.key.key) for order in orders]


def test_a_guess_that_would_not_be_kept_is_not_fetched() -> None:
    prefetcher = make()
    prefetcher.follow(plan(want(1, 2.0, Reason.FORECAST), want(2, 1.0, Reason.DRAIN)), at(0))
    prefetcher.associated(after(3, 4), {}, at(0))
    worth = {key_hash(name(4))}
    orders = prefetcher.orders(at(0), nothing, lambda key, hashed, size: size > 0 and hashed in worth)
    assert sorted(numbers(orders)) == [2, 4], "what a zone hands over is no guess"
    assert prefetcher.counters["not_worth_keeping"] == 2
    prefetcher.refresh([entry(5)], at(0))
    assert numbers(prefetcher.orders(at(0), nothing, lambda *_: False)) == [5], "it has its place already"
    assert numbers(prefetcher.orders(at(0), nothing)) == [], "nor later"


def test_the_plan_goes_by_value() -> None:
    prefetcher = make()
    prefetcher.follow(plan(want(1, 2.0), want(2, 5.0, source="node-b"), want(3, 3.0, Reason.FORECAST)), at(0))
    assert [one.value for one in prefetcher.queue()] == [5.0, 3.0, 2.0]
    orders = prefetcher.orders(at(0), nothing)
    assert orders == [
        Order(name(2), key_hash(name(2)), Reason.HOME, "node-b"),
        Order(name(3), key_hash(name(3)), Reason.FORECAST, ""),
        Order(name(1), key_hash(name(1)), Reason.HOME, ""),
    ]
    assert prefetcher.orders(at(0), nothing) == []
    assert prefetcher.next_deadline() is None


def test_what_the_plan_drops_is_withdrawn_and_what_others_want_stays() -> None:
    prefetcher = make(max_in_flight=1)
    prefetcher.associated(after(9), {}, at(0))
    prefetcher.orders(at(0), nothing)  # the one place is taken
    prefetcher.follow(plan(want(1), want(2)), at(0))
    prefetcher.offered((name(2), name(3)), (10, 10), "node-z", at(0))
    prefetcher.follow(plan(), at(1))
    assert sorted(int(one.key.key) for one in prefetcher.queue()) == [2, 3]
    assert prefetcher.counters["withdrawn"] == 1


def test_a_later_plan_may_value_less() -> None:
    prefetcher = make()
    prefetcher.follow(plan(want(1, 9.0), want(2, 5.0)), at(0))
    prefetcher.follow(plan(want(1, 1.0), want(2, 5.0)), at(1))
    assert numbers(prefetcher.orders(at(1), nothing)) == [2, 1]


def test_tiny_instances_do_not_beat_everything() -> None:
    prefetcher = make()
    prefetcher.follow(plan(want(1, 1e6, size=1), want(2, 2e3, size=5000)), at(0))
    assert numbers(prefetcher.orders(at(0), nothing)) == [2, 1]


def test_held_or_under_way_is_not_ordered() -> None:
    prefetcher = make()
    prefetcher.follow(plan(want(1), want(2)), at(0))
    assert numbers(prefetcher.orders(at(0), lambda key: key == name(1))) == [2]
    prefetcher.associated(after(2), {}, at(0.1))
    prefetcher.follow(plan(want(2)), at(0.2))
    assert prefetcher.orders(at(0.2), nothing) == []


def test_a_refresh_is_ordered_though_it_is_held_and_not_after_its_expiry() -> None:
    prefetcher = make()
    prefetcher.refresh((entry(1), entry(2, expires_s=5.0)), at(0))
    assert numbers(prefetcher.orders(at(6), lambda key: True)) == [1]
    assert prefetcher.counters["expired"] == 1


def test_refresh_can_be_switched_off_and_stopped_by_the_learner() -> None:
    prefetcher = make(refresh=False)
    prefetcher.refresh((entry(1),), at(0))
    assert prefetcher.queue() == ()
    prefetcher = make()
    prefetcher.refresh((entry(1),), at(0), {("d", Reason.REFRESH): 0.9})
    assert prefetcher.queue() == () and prefetcher.counters["below_threshold"] == 1


# ---- associations ---------------------------------------------------------------------------------


def test_associations_go_first_and_at_once() -> None:
    prefetcher = make(max_in_flight=2)
    prefetcher.follow(plan(want(1, 1e9)), at(0))
    prefetcher.associated(after(7), {}, at(0))
    assert [one.reason for one in prefetcher.queue()] == [Reason.ASSOCIATION, Reason.HOME]
    assert numbers(prefetcher.orders(at(0), nothing)) == [7, 1]


@pytest.mark.parametrize(
    ("confidence", "threshold", "goes"),
    [(0.59, 0.6, False), (0.6, 0.6, True), (0.6, 0.7, False), (0.7, 0.7, True), (1.0, 1.01, False)],
)
def test_an_association_must_be_sure_enough(confidence: float, threshold: float, goes: bool) -> None:
    prefetcher = make()
    prefetcher.associated(after(1, confidence=confidence), {("d", Reason.ASSOCIATION): threshold}, at(0))
    assert bool(prefetcher.orders(at(0), nothing)) == goes


@pytest.mark.parametrize(
    ("misses", "confidence", "goes"),
    [(2, 0.91, True), (2, 0.85, False), (5, 0.8, True), (5, 0.7, False), (10, 0.6, True)],
)
def test_once_tokens_were_lacking_the_fewer_are_left_the_surer_it_has_to_be(
    misses: int, confidence: float, goes: bool
) -> None:
    prefetcher = make(allowance_start=0.0, allowance_per_miss=0.5, max_stake=0.1)
    prefetcher.associated(after(1, confidence=0.6), {}, at(0))
    assert prefetcher.orders(at(0), nothing) == [], "it has to wait: from now on tokens are short"
    for _ in range(misses):
        prefetcher.missed()
    prefetcher.associated(after(2, confidence=confidence), {}, at(60))
    assert numbers(prefetcher.orders(at(60), nothing)) == ([2] if goes else [])
    assert prefetcher.counters["too_risky"] == (not goes)


def test_of_the_associations_of_one_access_the_first_few_go() -> None:
    prefetcher = make(max_at_once=2)
    prefetcher.associated(after(3, 1, 2), {}, at(0))
    assert numbers(prefetcher.orders(at(0), nothing)) == [3, 1]


def test_an_association_that_has_to_wait_is_soon_worthless() -> None:
    prefetcher = make(allowance_start=0.0, allowance_per_miss=1.0, association_ttl_s=2.0)
    prefetcher.associated(after(1), {}, at(0))
    assert prefetcher.orders(at(0), nothing) == []
    prefetcher.missed()
    assert prefetcher.orders(at(3), nothing) == []
    assert prefetcher.counters["expired"] == 1


def test_the_lane_is_bounded_and_forgets_the_oldest() -> None:
    prefetcher = make(max_associations=2, allowance_start=0.0)
    prefetcher.associated(after(1, 2, 1, 3), {}, at(0))
    assert [int(one.key.key) for one in prefetcher.queue()] == [1, 3]
    assert prefetcher.counters["lane_dropped"] == 1


# ---- budgets --------------------------------------------------------------------------------------


def test_bandwidth_by_expected_size_corrected_by_what_travelled() -> None:
    prefetcher = make(bandwidth_bytes_s=1000.0, burst_bytes=10_000)
    prefetcher.follow(plan(*(want(n, size=5000) for n in range(4))), at(0))
    assert len(prefetcher.orders(at(0), nothing)) == 2
    assert prefetcher.next_deadline() == pytest.approx(0.001)
    prefetcher.settled(name(0), True, 7000, at(0))
    assert prefetcher.next_deadline() == pytest.approx(2.001), "it was larger than expected"
    prefetcher.settled(name(1), False, 0, at(0))
    assert prefetcher.next_deadline() == pytest.approx(0.0), "what failed did not travel"
    assert len(prefetcher.orders(at(0), nothing)) == 1


def test_unknown_sizes_are_taken_for_the_mean() -> None:
    prefetcher = make(bandwidth_bytes_s=1000.0, burst_bytes=10_000, expected_size_bytes=10_000)
    prefetcher.associated(after(1, 2), {}, at(0))
    assert len(prefetcher.orders(at(0), nothing)) == 1


def test_a_link_that_has_run_out_holds_back_only_what_comes_by_it() -> None:
    prefetcher = make(bandwidth_bytes_s=1e6, burst_bytes=10_000_000, link_bandwidth_bytes_s=1000.0)
    wants = [want(n, 9.0 - n, source="node-b", size=6000) for n in range(4)]
    prefetcher.follow(plan(*wants, want(8, 1.0, source="node-c"), want(9, 0.5)), at(0))
    assert numbers(prefetcher.orders(at(0), nothing)) == [0, 1, 8, 9]
    assert prefetcher.next_deadline() == pytest.approx(2.001), "10,000 bytes at once, then 1,000 a second"
    assert prefetcher.orders(at(2), nothing) == []
    assert numbers(prefetcher.orders(at(2.002), nothing)) == [2]
    prefetcher.settled(name(2), True, 1000, at(2.002), "node-b")
    assert prefetcher.next_deadline() == pytest.approx(3.001), "it was smaller than expected"
    prefetcher.settled(name(1), True, 6000, at(2.002), "node-c")
    assert numbers(prefetcher.orders(at(2.002), nothing)) == [3], "it came from elsewhere: b has bytes left"
    assert prefetcher.counters["link_exhausted"] == 3


def test_what_names_nobody_waits_for_the_link_to_who_would_be_asked() -> None:
    prefetcher = make(bandwidth_bytes_s=1e6, burst_bytes=10_000_000, link_bandwidth_bytes_s=1000.0)

    def nearest(key: InstanceKey, hashed: int, now_s: float) -> str:
        return "" if key == name(3) else "node-b"

    heat = [(name(n), key_hash(name(n)), 10 - n, 11_000) for n in range(4)]
    prefetcher.restart(heat, at(0))
    (first, last) = prefetcher.orders(at(5), nothing, nearest=nearest)
    assert (first.source, last.source) == ("node-b", "") and numbers([first, last]) == [0, 3]
    assert [one.source for one in prefetcher.queue()] == ["node-b", "node-b"], "they wait, and are not lost"
    assert prefetcher.counters["waits_for_link"] == 2
    assert prefetcher.next_deadline() == pytest.approx(6.001)
    assert numbers(prefetcher.orders(at(6.002), nothing, nearest=nearest)) == [1]
    prefetcher.associated(after(7), {}, at(6.1))
    assert prefetcher.orders(at(6.1), nothing, nearest=nearest) == []
    assert prefetcher.counters["waits_for_link"] == 3, "an association does not wait"
    assert len(prefetcher.queue()) == 1


def test_the_origins_rate_holds_back_only_what_names_no_holder() -> None:
    prefetcher = make(origin_rate=2.0, origin_burst=1.0)
    prefetcher.follow(plan(want(1, 9.0), want(2, 8.0), want(3, 1.0, source="node-b")), at(0))
    assert numbers(prefetcher.orders(at(0), nothing)) == [1, 3]
    assert prefetcher.next_deadline() == pytest.approx(0.5)
    assert prefetcher.orders(at(0.4), nothing) == []
    assert numbers(prefetcher.orders(at(0.5), nothing)) == [2]


def test_at_most_so_many_in_flight_and_none_holds_its_place_for_ever() -> None:
    prefetcher = make(max_in_flight=1, in_flight_timeout_s=10.0)
    prefetcher.follow(plan(want(1, 2.0), want(2, 1.0)), at(0))
    assert numbers(prefetcher.orders(at(0), nothing)) == [1]
    assert prefetcher.next_deadline() == 10.0
    assert prefetcher.orders(at(9), nothing) == []
    assert numbers(prefetcher.orders(at(10), nothing)) == [2]
    assert prefetcher.counters["given_up"] == 1
    prefetcher.settled(name(1), True, 10, at(11))  # late: no effect


def test_guesses_need_the_allowance_and_what_was_asked_for_does_not() -> None:
    prefetcher = make(allowance_start=1.0, allowance_per_miss=0.25)
    prefetcher.follow(
        plan(want(1, 9.0, Reason.FORECAST), want(2, 8.0, Reason.ELSEWHERE), want(3, 1.0)), at(0)
    )
    assert numbers(prefetcher.orders(at(0), nothing)) == [1, 3]
    assert prefetcher.next_deadline() is None, "no passing of time brings tokens"
    for _ in range(4):
        assert prefetcher.orders(at(1), nothing) == []
        prefetcher.missed()
    assert numbers(prefetcher.orders(at(1), nothing)) == [2]


def test_a_guess_that_was_used_or_failed_gives_its_token_back() -> None:
    prefetcher = make(allowance_start=1.0, allowance_per_miss=0.0)
    for number in range(20):
        prefetcher.associated(after(number), {}, at(number))
        assert len(prefetcher.orders(at(number), nothing)) == 1
        if number % 2:
            prefetcher.settled(name(number), True, 10, at(number))
            prefetcher.used(Reason.ASSOCIATION)
        else:
            prefetcher.settled(name(number), False, 0, at(number))
    prefetcher.used(Reason.HOME, 5)
    prefetcher.used(Reason.DEMAND, 5)
    prefetcher.used(Reason.REFRESH, 5)  # stale copies that readers revalidated: no guess of ours
    assert prefetcher._budget.allowance.tokens == 1.0


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.booleans()), max_size=150),
    start=st.integers(0, 5),
)
def test_transfers_stay_bounded_however_bad_the_guesses(
    steps: list[tuple[bool, int, bool]], start: int
) -> None:
    per_miss = 0.25
    prefetcher = make(allowance_start=float(start), allowance_max=1e9, allowance_per_miss=per_miss)
    ordered = used = misses = serial = 0
    for step, (missed, guesses, hit) in enumerate(steps):
        if missed:
            misses += 1
            prefetcher.missed()
        serial += guesses
        prefetcher.associated(after(*range(serial - guesses, serial)), {}, at(step * 10))
        for order in prefetcher.orders(at(step * 10), nothing):
            ordered += 1
            prefetcher.settled(order.key, True, 10, at(step * 10))
            if hit:
                used += 1
                prefetcher.used(Reason.ASSOCIATION)
    assert ordered <= start + per_miss * misses + used


# ---- bounds and times -----------------------------------------------------------------------------


def test_the_queue_keeps_the_most_valuable() -> None:
    prefetcher = make(max_queue=2)
    prefetcher.follow(plan(want(1, 1.0), want(2, 3.0), want(3, 2.0), want(4, 0.5)), at(0))
    assert [int(one.key.key) for one in prefetcher.queue()] == [2, 3]
    assert prefetcher.counters["dropped_full"] == 2


def test_wants_that_waited_too_long_are_dropped() -> None:
    prefetcher = make(queue_ttl_s=100.0, max_in_flight=1)
    prefetcher.offered((name(1), name(2)), (5, 5), "node-z", at(0))
    assert prefetcher.orders(at(0), nothing)[0].source == "node-z"
    prefetcher.settled(name(1), True, 5, at(1))
    assert prefetcher.orders(at(100), nothing) == []
    assert prefetcher.counters["expired"] == 1


def test_the_hand_over_keeps_its_order() -> None:
    prefetcher = make()
    prefetcher.offered(tuple(name(n) for n in range(6)), (2000,) * 6, "node-z", at(0))
    assert numbers(prefetcher.orders(at(0), nothing)) == list(range(6))


def test_what_failed_is_left_alone_for_a_while() -> None:
    prefetcher = make(retry_after_s=60.0, max_failed=1)
    prefetcher.follow(plan(want(1)), at(0))
    prefetcher.orders(at(0), nothing)
    prefetcher.settled(name(1), False, 0, at(1))
    prefetcher.follow(plan(want(1)), at(2))
    prefetcher.associated(after(1), {}, at(2))
    assert prefetcher.orders(at(2), nothing) == []
    assert prefetcher.counters["failed_lately"] == 1
    prefetcher.follow(plan(want(1)), at(62))
    assert numbers(prefetcher.orders(at(62), nothing)) == [1]


def test_worthless_or_meaningless_values_are_not_queued() -> None:
    prefetcher = make()
    prefetcher.follow(plan(want(1, 0.0), want(2, -1.0), want(3, float("nan"))), at(0))
    assert prefetcher.queue() == ()


def test_after_a_restart_the_hottest_first_but_not_before_the_others_spoke() -> None:
    prefetcher = make(restart_delay_s=5.0, max_queue=3)
    heat = [(name(n), key_hash(name(n)), 10 - n, 5000) for n in range(5)]
    prefetcher.restart(heat, at(100))
    assert prefetcher.orders(at(104), nothing) == []
    assert prefetcher.next_deadline() == 105.0
    orders = prefetcher.orders(at(105), nothing)
    assert numbers(orders) == [0, 1, 2] and orders[0].reason is Reason.RESTART
    assert prefetcher.next_deadline() is None
    assert prefetcher.counters["dropped_full"] == 2


# ---- switches -------------------------------------------------------------------------------------


def test_paused_nothing_moves() -> None:
    prefetcher = make()
    prefetcher.follow(plan(want(1), paused=True), at(0))
    prefetcher.associated(after(2), {}, at(0))
    prefetcher.offered((name(3),), (1,), "node-z", at(0))
    assert prefetcher.orders(at(0), nothing) == [] and prefetcher.next_deadline() is None
    assert prefetcher.counters["refused"] == 1
    prefetcher.follow(plan(want(1)), at(1))
    assert numbers(prefetcher.orders(at(1), nothing)) == [1]


def test_disabled_nothing_is_taken_in() -> None:
    prefetcher = make(enabled=False)
    prefetcher.follow(plan(want(1)), at(0))
    prefetcher.associated(after(2), {}, at(0))
    prefetcher.refresh((entry(4),), at(0))
    prefetcher.restart([(name(5), 5, 1, 1)], at(0))
    assert prefetcher.queue() == () and prefetcher.orders(at(9), nothing) == []
    assert prefetcher.next_deadline() is None


def test_counters_tell_per_reason_what_came_of_it() -> None:
    prefetcher = make()
    prefetcher.associated(after(1, 2), {}, at(0))
    prefetcher.orders(at(0), nothing)
    prefetcher.settled(name(1), True, 10, at(1))
    prefetcher.settled(name(2), False, 0, at(1))
    prefetcher.settled(name(3), True, 10, at(1))  # not ours
    prefetcher.used(Reason.ASSOCIATION)
    counted = {
        what: prefetcher.counters[f"{what}_association"] for what in ("ordered", "fetched", "failed", "used")
    }
    assert counted == {"ordered": 2, "fetched": 1, "failed": 1, "used": 1}


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["plan", "assoc", "offer", "wait", "settle", "miss", "used"]), st.integers(0, 9)
        ),
        max_size=60,
    ),
    link_bandwidth=st.sampled_from([None, 400.0]),
)
def test_a_deadline_always_leads_to_progress(
    steps: list[tuple[str, int]], link_bandwidth: float | None
) -> None:
    """No deadline in the past that ``orders`` does nothing about: that would be a busy loop."""
    prefetcher = Prefetcher(
        PrefetchSettings(
            bandwidth_bytes_s=1000.0, burst_bytes=4000, origin_rate=1.0, origin_burst=2.0, max_in_flight=3,
            max_queue=6, queue_ttl_s=30.0, allowance_start=3.0, max_associations=2,
            link_bandwidth_bytes_s=link_bandwidth,
        ),
        Random(1),
    )  # fmt: skip

    def nearest(key: InstanceKey, hashed: int, now_s: float) -> str:
        return ("", "node-b")[int(key.key) % 2]

    now = 0.0
    for move, number in steps:
        match move:
            case "plan":
                sources = ("", "node-b")
                prefetcher.follow(
                    plan(*(want(n, n + 1.0, (Reason.HOME, Reason.FORECAST)[n % 2], sources[n % 3 > 0])
                           for n in range(number))), at(now),
                )  # fmt: skip
            case "assoc":
                prefetcher.associated(after(number, number + 1), {}, at(now))
            case "offer":
                prefetcher.offered((name(number),), (3000,), "node-z", at(now))
            case "wait":
                now += number
            case "settle":
                prefetcher.settled(name(number), number % 2 == 0, 2000, at(now))
            case "miss":
                prefetcher.missed()
            case "used":
                prefetcher.used(Reason.FORECAST)
        prefetcher.orders(at(now), nothing, nearest=nearest)
        for _ in range(50):
            deadline = prefetcher.next_deadline()
            if deadline is None:
                break
            assert deadline > now - 1e-6
            before = len(prefetcher.queue()), len(prefetcher._in_flight), deadline
            now = max(now, deadline)
            prefetcher.orders(at(now), nothing, nearest=nearest)
            assert before != (len(prefetcher.queue()), len(prefetcher._in_flight), prefetcher.next_deadline())
        else:
            raise AssertionError("deadlines without end")
