from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.placement.scenery import (
    DEP,
    SIZE,
    Bench,
    Cache,
    forecast_of,
    hashed,
    key,
    member,
    ring_of,
    summary_of,
)
from zoned.core.members import MemberState
from zoned.core.names import SHARDS
from zoned.core.records import DependencyPolicy, Reason, Source

ELSEWHERE = (DEP, Reason.ELSEWHERE)
HOME = (DEP, Reason.HOME)


# ---- FORECAST -----------------------------------------------------------------------------------------


def test_wants_what_is_expected_and_absent_by_value() -> None:
    bench = Bench()
    bench.forecast = forecast_of({1: 0.9, 2: 0.6, 3: 0.49, 4: 0.8, 5: 0.7})
    bench.cache = Cache([key(4)])
    bench.cache.claims[hashed(1)] = ("n1",)
    wants = bench.plan().wants
    # 1 is likelier, but another zone would serve it: less is saved.
    assert [(want.key, want.reason) for want in wants] == [
        (key(5), Reason.FORECAST), (key(2), Reason.FORECAST), (key(1), Reason.FORECAST),
    ]  # fmt: skip
    mib = SIZE / (1 << 20)
    assert wants[0].value == pytest.approx((0.7 * 0.199 - 0.01 * mib) / mib)
    assert {want.source for want in wants} == {""}


def test_the_learner_moves_the_threshold() -> None:
    bench = Bench()
    bench.forecast = forecast_of({1: 0.9, 2: 0.3})
    bench.thresholds = {(DEP, Reason.FORECAST): 0.2}
    assert set(bench.wanted()) == {1, 2}
    bench.forecast = forecast_of({1: 0.9, 2: 0.3})
    bench.thresholds = {(DEP, Reason.FORECAST): 1.1}
    assert bench.wanted() == {}


def test_what_the_learner_does_not_trust_is_named_but_not_wanted() -> None:
    bench = Bench()
    bench.forecast = forecast_of({1: 0.9, 2: 0.6, 3: 0.3})
    bench.thresholds = {(DEP, Reason.FORECAST): 0.8}
    plan = bench.plan()
    assert [(want.key, want.chance) for want in plan.wants] == [(key(1), 0.9)]
    assert [(want.key, want.chance) for want in plan.doubtful] == [(key(2), 0.6)], "3 not even by default"
    assert bench.planner.counters["wants_doubted"] == 1


def test_only_a_use_before_the_copy_would_have_to_go_counts() -> None:
    bench = Bench()
    for stay_s, wanted in ((1200.0, {2}), (1e9, {1, 2}), (0.0, set()), (None, {1, 2})):
        bench.cache.stay = stay_s  # 1,200 s: a third of the hour of the forecast
        bench.forecast = forecast_of({1: 0.6, 2: 0.99})
        assert set(bench.wanted()) == wanted


def test_what_costs_more_than_it_saves_is_not_wanted() -> None:
    bench = Bench(transfer_price_s_per_mib=100.0)
    bench.forecast = forecast_of({1: 0.9})
    assert bench.wanted() == {}


def test_a_full_store_wants_only_what_beats_what_goes_next() -> None:
    bench = Bench()
    bench.forecast = forecast_of({1: 0.95, 2: 0.9, 3: 0.55})
    bench.cache = Cache([key(2)], free=0.0)
    assert bench.wanted() == {}  # 0.95 is not enough over 0.9
    bench = Bench()
    bench.forecast = forecast_of({1: 0.95, 2: 0.9, 3: 0.55})
    bench.cache = Cache([key(9), key(8), key(7)], free=0.0)  # unknown to the forecast
    assert set(bench.wanted()) == {1, 2, 3}


def test_nothing_is_fetched_ahead_for_lru_nor_beyond_max_object() -> None:
    for policy in (DependencyPolicy(name=DEP, policy="lru"), DependencyPolicy(name=DEP, max_object_bytes=10)):
        bench = Bench(policies=[policy])
        bench.forecast = forecast_of({1: 0.9})
        bench.summaries["n1"] = summary_of("n1", "z1", {1: 500.0, 2: 500.0})
        bench.thresholds = {ELSEWHERE: 0.0, HOME: 0.0}
        assert bench.wanted() == {}


def test_wants_are_bounded_and_the_least_valuable_dropped() -> None:
    bench = Bench(max_wants=3)
    bench.forecast = forecast_of({number: 0.6 + number / 100 for number in range(10)})
    assert set(bench.wanted()) == {7, 8, 9}
    assert bench.planner.counters["wants_dropped"] == 7


def test_agents_of_a_zone_divide_the_wants() -> None:
    chances = dict.fromkeys(range(100), 0.9)
    shares = []
    for me in ("n0", "n0b"):
        bench = Bench()
        bench.members = (*bench.members, member("n0b", "z0"))
        bench.ring = ring_of(bench.members)
        bench.planner._me = me
        if me == "n0":
            bench.forecast = forecast_of(chances)
        else:  # the sibling was asked for nothing itself, but its summaries say what n0 expects
            bench.summaries["n0"] = summary_of("n0", "z0", dict.fromkeys(range(100), 3.0))
        wants = bench.wanted()
        assert set(wants.values()) == {Reason.FORECAST}
        shares.append(set(wants))
    assert not shares[0] & shares[1]
    assert shares[0] | shares[1] == set(range(100))


# ---- ELSEWHERE ----------------------------------------------------------------------------------------


def twin_zone(known: int, **settings: object) -> Bench:
    """z1 likes 0..59; we have our own history of ``known`` of them, all held."""
    bench = Bench(**settings)  # type: ignore[arg-type]
    bench.summaries["n1"] = summary_of("n1", "z1", dict.fromkeys(range(60), 16.0), demand=1000.0)
    bench.forecast = forecast_of(dict.fromkeys(range(known), 0.99), demand=1000.0)
    bench.cache = Cache(key(number) for number in range(known))
    for number in range(60):
        bench.cache.claims[hashed(number)] = ("n1",)
    return bench


def test_what_is_hot_elsewhere_comes_where_the_same_things_are_liked() -> None:
    wants = twin_zone(known=50).wanted()
    assert wants == dict.fromkeys(range(50, 60), Reason.ELSEWHERE)


def test_nothing_comes_where_other_things_are_liked() -> None:
    assert twin_zone(known=10).wanted() == {}


def test_a_zone_without_demand_wants_nothing_of_the_others() -> None:
    bench = twin_zone(known=50)
    bench.forecast = replace(bench.forecast, dependencies=())
    assert bench.wanted() == {}


def test_our_share_of_the_demand_scales_what_is_expected() -> None:
    bench = twin_zone(known=50)
    lines = tuple(replace(line, mean=20.0) for line in bench.forecast.dependencies)
    bench.forecast = replace(bench.forecast, dependencies=lines)  # 50 times less than z1
    assert bench.wanted() == {}


def test_the_traffic_of_a_draining_zone_is_expected_here() -> None:
    bench = twin_zone(known=0)
    bench.draining = ("z1",)
    for number in range(60):
        bench.cache.claims[hashed(number)] = ("n1", "n2")  # z2 has them already: no DRAIN want
    assert bench.wanted() == dict.fromkeys(range(60), Reason.ELSEWHERE)


# ---- HOME ---------------------------------------------------------------------------------------------


def test_auto_homes_keep_what_nobody_holds_and_others_will_ask_for() -> None:
    bench = Bench()
    bench.summaries["n1"] = summary_of("n1", "z1", dict.fromkeys(range(60), 5.0))
    bench.thresholds = {ELSEWHERE: 2.0}
    mine = {number for number in range(60) if bench.ring.homes(hashed(number), 1) == ("z0",)}
    assert bench.wanted() == dict.fromkeys(mine, Reason.HOME)
    # A holder anywhere serves the others, so one more copy saves them nothing.
    held = sorted(mine)[0]
    bench.cache.claims[hashed(held)] = ("n2",)
    bench.summaries["n1"] = replace(bench.summaries["n1"], made_wall_s=9.0)
    assert set(bench.wanted()) == mine - {held}


def test_auto_homes_do_nothing_where_peers_are_no_nearer_than_the_origin() -> None:
    bench = Bench()
    bench.summaries["n1"] = summary_of("n1", "z1", dict.fromkeys(range(60), 5.0))
    bench.thresholds = {ELSEWHERE: 2.0}
    bench.price = lambda source: 0.001 if source is Source.LOCAL else 0.2
    assert bench.wanted() == {}


def test_replicate_keeps_every_known_instance_at_its_homes_even_in_a_full_store() -> None:
    policy = DependencyPolicy(name=DEP, policy="replicate", replicas=2)
    bench = Bench(zones=4, policies=[policy])
    bench.cache = Cache([key(1000)], free=0.0)
    bench.forecast = forecast_of({1000: 0.99, 500: 0.01})
    bench.summaries["n1"] = summary_of("n1", "z1", dict.fromkeys(range(60), 0.1))
    bench.thresholds = {ELSEWHERE: 2.0, HOME: 2.0}
    expected = {n for n in [*range(60), 500] if "z0" in bench.ring.homes(hashed(n), 2)}
    assert bench.wanted() == dict.fromkeys(expected, Reason.HOME)


# ---- the plan as a whole ------------------------------------------------------------------------------


def test_plans_are_made_only_when_due_and_something_changed() -> None:
    bench = Bench(plan_interval_s=5.0)
    bench.forecast = forecast_of({1: 0.9})
    first = bench.plan()
    assert bench.plan(after_s=1.0) is first
    assert bench.plan(after_s=60.0) is first  # nothing changed
    bench.forecast = forecast_of({2: 0.9})
    second = bench.plan(after_s=1.0)
    assert [want.key for want in second.wants] == [key(2)]
    bench.summaries["n1"] = summary_of("n1", "z1", {})
    assert bench.plan(after_s=4.0) is second  # changed, but too soon
    assert bench.plan(after_s=2.0) is not second
    assert bench.planner.counters["plans"] == 3


def test_what_an_operator_waits_for_is_planned_at_once() -> None:
    bench = Bench()
    plan = bench.plan()
    for change in ({"paused": True}, {"draining": ("z1",)}, {"ring": ring_of(bench.members[:2])}):
        for name, value in change.items():
            setattr(bench, name, value)
        newer = bench.plan(after_s=0.1)
        assert newer is not plan
        plan = newer
    assert plan.paused
    assert plan.ring_id == bench.ring.ring_id
    assert plan.draining == ("z1",)


def test_offers_are_in_one_plan_only() -> None:
    bench = Bench()
    bench.cache = Cache([key(1)])
    bench.draining = ("z0",)
    first = bench.plan()
    assert first.hand_over
    second = bench.plan(after_s=0.4)
    assert second.hand_over == ()
    assert replace(second, hand_over=first.hand_over) == first
    assert bench.plan(after_s=0.4) is second


@pytest.mark.parametrize("change", [{"paused": True}, {"draining": ("z0",)}])
def test_nothing_is_wanted_while_paused_or_by_a_zone_that_is_given_up(change: dict[str, object]) -> None:
    bench = Bench()
    bench.forecast = forecast_of({1: 0.9})
    assert bench.wanted()
    for name, value in change.items():
        setattr(bench, name, value)
    assert bench.wanted() == {}


def test_switched_off_it_still_drains() -> None:
    bench = Bench(enabled=False)
    bench.forecast = forecast_of({1: 0.9})
    bench.draining = ("z2",)
    bench.summaries["n2"] = summary_of("n2", "z2", dict.fromkeys(range(20, 60), 5.0))
    assert bench.wanted() == {}, "hot there, but not held there: the origin would pay for a guess"
    bench.cache.claims.update({hashed(number): ("n2",) for number in range(20, 60)})
    assert set(bench.wanted().values()) == {Reason.DRAIN}
    bench.cache = Cache([key(1)])
    bench.draining = ("z0",)
    assert bench.plan().hand_over


def test_an_empty_world_gives_an_empty_plan() -> None:
    bench = Bench(zones=1)
    bench.members, bench.ring = (), ring_of(())
    plan = bench.plan()
    assert (plan.wants, plan.hand_over, plan.lines, plan.drained_ratio) == ((), (), (), None)


def test_a_failed_pool_still_plans_for_its_own_zone() -> None:
    bench = Bench()
    bench.members = tuple(
        m if m.node == "n0" else replace(m, state=MemberState.FAILED) for m in bench.members
    )
    bench.forecast = forecast_of({1: 0.9})
    assert set(bench.wanted()) == {1}


def test_the_lines_tell_the_sharding_of_each_dependency() -> None:
    bench = Bench(zones=3)
    bench.forecast = forecast_of({}, more=("catalog",))
    first = bench.plan()
    assert {line.dependency for line in first.lines} == {DEP, "catalog"}
    assert sum(line.shards for line in first.lines) == 2 * SHARDS
    bench.forecast = forecast_of({}, more=("catalog",))
    assert bench.plan().lines is first.lines


def test_the_same_world_gives_the_same_plan() -> None:
    plans = []
    for flip in (1, -1):
        bench = twin_zone(known=50)
        bench.summaries["n2"] = summary_of("n2", "z2", dict.fromkeys(range(30, 90), 8.0))
        bench.summaries = dict(list(bench.summaries.items())[::flip])
        plans.append(bench.plan())
    assert plans[0] == plans[1]


def test_why_says_what_the_plan_looked_at() -> None:
    policy = DependencyPolicy(name=DEP, policy="replicate", replicas=3)
    bench = Bench(policies=[policy])
    bench.forecast = forecast_of({1: 0.9, 2: 0.2})
    bench.cache = Cache([key(2)])
    bench.cache.claims[hashed(2)] = ("n1",)
    bench.draining = ("z2",)
    plan = bench.plan()

    def why(number: int) -> str:
        return "\n".join(
            bench.planner.why(key(number), hashed(number), bench.ring, bench.cache, bench.forecast, plan)
        )

    assert "the plan wants it for reason forecast" in why(1) or "for reason home" in why(1)
    assert "P(use) 0.90, enough for the threshold 0.50" in why(1)
    assert f"homed on {', '.join(bench.ring.homes(hashed(1), 3))}" in why(1)
    assert "draining zones: z2" in why(1)
    assert "the plan does not want it" not in why(2)  # it is here already
    assert "too little" in why(2)
    assert "policy of prices: replicate, 3 replicas" in why(2)
    assert "not among the instances" in why(3)
    assert "the plan does not want it" in why(3)
    nothing = bench.planner.why(key(3), hashed(3), ring_of(()), bench.cache, None, None)
    assert "no plan has been made yet" in nothing


def test_whose_error_rises_over_the_threshold_is_named_once_until_it_falls_again() -> None:
    bench = Bench(adjust_above_error=0.8)
    line = forecast_of({}).dependencies[0]

    def adjust(**errors: float) -> tuple[str, ...]:
        lines = tuple(replace(line, dependency=name, error=error) for name, error in errors.items())
        return bench.planner.adjust(replace(bench.forecast, dependencies=lines))

    assert adjust(a=0.5, b=0.9, c=2.0) == ("c", "b")
    assert adjust(a=0.9, b=0.9, c=2.0) == ("a",)
    assert adjust(a=0.9, b=0.7, c=2.0) == ()
    assert adjust(a=0.9, b=0.9, c=2.0) == ("b",)
    assert bench.planner.counters["adjusted"] == 4
