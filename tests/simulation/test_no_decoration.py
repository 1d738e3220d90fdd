"""No arrow is decoration: for every record that ``Node`` carries, a scenario that needs it.

Each scenario is a small story that ends well (True). Each arrow names the stage's method that takes or gives
a record, and what it is replaced by: nothing, a constant, or its first answer for ever. With the arrow gone
the story must end badly; if it does not, either the arrow is decoration or the story does not need it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from tests.core.pool import Pool
from tests.core.solo import DEP, SIZE, Solo, at, key, settings_of, some
from zoned.core import events as ev
from zoned.core.actions import FetchOrigin
from zoned.core.cache import CacheController, CacheSettings
from zoned.core.cache.directory import Directory
from zoned.core.cache.freshness import Ageing
from zoned.core.cache.holdings import Holdings
from zoned.core.facts import FactBook
from zoned.core.forecast import Forecaster, ForecastSettings
from zoned.core.gossip import GossipSettings, Swim
from zoned.core.graph import Analyzer
from zoned.core.joining import Joining
from zoned.core.learning import LearningSettings, Tuner
from zoned.core.names import InstanceKey, key_hash
from zoned.core.observe import Observer
from zoned.core.peers import Peers
from zoned.core.placement import PlacementSettings, Planner
from zoned.core.prefetch import Prefetcher, PrefetchSettings
from zoned.core.prefetch.allowance import Allowance
from zoned.core.prefetch.inheritance import Inheritance
from zoned.core.reads import Reads
from zoned.core.records import DependencyPolicy, FitResult, FittedSeries, Forecast, Load, Reason, Source
from zoned.core.ring import ALL_GROUPS, Agreement, Ring, RingSettings
from zoned.core.summaries import Publisher

K = key(1)
SMALL = CacheSettings(max_bytes=None, max_objects=30, default_ttl_s=None, eviction="lru")
GUESSING = replace(
    SMALL, guess_share=1.0, guess_cost=1.0
)  # else the small store has no place for a guess ...
UNBRAKED = LearningSettings(max_loss=1.0)  # ... and the hour would stop it before the outcomes do


# ---- one node ----------------------------------------------------------------------------------------


def use(solo: Solo, instance: InstanceKey, seconds: float, **fetch: Any) -> None:
    """Steady use, every 5 s."""
    for _ in range(int(seconds / 5.0)):
        solo.have(instance, **fetch)
        solo.wait(5.0)


def fetched_ahead(solo: Solo, instance: InstanceKey, seconds: float) -> bool:
    """Whether it is prefetched meanwhile."""
    return any(a.key == instance and a.prefetch for a in some(FetchOrigin, solo.wait(seconds)))


def waste(solo: Solo, reason: Reason, count: int = 60) -> None:
    """So many prefetches for that reason that are pushed out unused, a store's worth at a time."""
    for number in range(count):
        solo.admit(key(1000 + number), reason)
        if number % 30 == 29:
            for other in range(40):
                solo.have(key(2000 + 40 * number + other))
    solo.wait(5.0)


def what_is_used_steadily_and_lost_comes_back() -> bool:
    solo = Solo()
    use(solo, K, 400.0)
    solo.give(ev.StoreLost(keys=(K,)))
    return fetched_ahead(solo, K, 120.0)


def one_then_two(solo: Solo) -> None:
    """Client after client reads 1, and then 2."""
    for number in range(8):
        for item in (key(1), key(2)):
            for fetch in some(FetchOrigin, solo.read(item, b"c%d" % number)):
                solo.end(fetch)
            solo.now_s += 1.0


def two_is_prefetched(solo: Solo, client: bytes) -> bool:
    """Whether a client that reads 1 finds 2 on its way, though its copy was lost."""
    solo.give(ev.StoreLost(keys=(key(2),)))
    fetches = some(FetchOrigin, solo.read(key(1), client))
    for fetch in fetches:
        solo.end(fetch)
    return [fetch.key for fetch in fetches] == [key(2)]


def what_usually_follows_is_there_in_time() -> bool:
    solo = Solo()
    one_then_two(solo)
    return two_is_prefetched(solo, b"new")


def misses_earn_tries() -> bool:
    solo = Solo(prefetch=PrefetchSettings(allowance_start=0.0, allowance_per_miss=0.15))
    one_then_two(solo)
    assert not two_is_prefetched(solo, b"new")
    solo.wait(3.0)  # an association that had to wait is given up
    for number in range(40):
        solo.have(key(100 + number))
    return two_is_prefetched(solo, b"newer")


def what_was_used_earns_its_try_back() -> bool:
    solo = Solo(prefetch=PrefetchSettings(allowance_start=1.0, allowance_per_miss=0.0))
    one_then_two(solo)
    assert two_is_prefetched(solo, b"new")
    solo.now_s += 1.0  # sooner it could not have been fetched in time: that would teach not to try again
    solo.read(key(2), b"new")
    solo.wait(2.0)
    return two_is_prefetched(solo, b"newer")


def associations_that_waste_are_stopped() -> bool:
    solo = Solo(cache=GUESSING, learning=UNBRAKED)
    one_then_two(solo)
    waste(solo, Reason.ASSOCIATION)
    actions = solo.read(key(1), b"new")
    return [a.prefetch for a in some(FetchOrigin, actions)] == [False]


def forecasts_that_waste_are_stopped() -> bool:
    solo = Solo(cache=GUESSING, learning=UNBRAKED)
    use(solo, K, 400.0)
    waste(solo, Reason.FORECAST)
    use(solo, K, 120.0)
    solo.give(ev.StoreLost(keys=(K,)))
    return not fetched_ahead(solo, K, 120.0)


def refreshes_that_waste_are_stopped() -> bool:
    solo = Solo(cache=GUESSING, learning=UNBRAKED, policies=(DependencyPolicy(name=DEP, ttl_s=100.0),))
    waste(solo, Reason.REFRESH)
    use(solo, K, 20.0)
    for _ in range(15):
        solo.have(key(2))
        if fetched_ahead(solo, K, 5.0):
            return False
    return True


def a_copy_in_use_is_renewed_in_time() -> bool:
    solo = Solo(policies=(DependencyPolicy(name=DEP, ttl_s=100.0),))
    use(solo, K, 20.0)
    for _ in range(15):
        solo.have(key(2))  # life goes on
        if fetched_ahead(solo, K, 5.0):
            return True
    return False


def from_a_near_origin_nothing_is_fetched_ahead() -> bool:
    solo = Solo()
    for number in range(60):
        for fetch in some(FetchOrigin, solo.read(key(100 + number))):
            solo.end(fetch, latency_s=0.0001)
    use(solo, K, 400.0, latency_s=0.0001)
    solo.give(ev.StoreLost(keys=(K,)))
    return not fetched_ahead(solo, K, 120.0)


def a_better_eviction_is_found_and_used() -> bool:
    solo = Solo(
        cache=replace(SMALL, eviction="auto"),
        learning=LearningSettings(review_accesses=100, guard_batches=3, proof_hours=0),
        prefetch=PrefetchSettings(enabled=False),
    )
    scan = 100
    for number in range(7000):
        hot = number % 2
        scan += 1 - hot
        solo.now_s += 0.05
        solo.have(key(number // 2 % 20 if hot else scan))
    line = solo.node.tuner.ledger(solo.node.observer.price)[0]
    return solo.node.cache.eviction != "lru" and line.hits > 1.2 * line.lru_hit_ratio * line.requests


def a_drifting_forecast_is_fitted_anew() -> bool:
    learning = LearningSettings(drift_lambda=0.5, drift_samples=3, refit_interval_s=0.0)
    return fitted_anew(learning, PlacementSettings(adjust_above_error=1e9))


def a_forecast_that_is_wrong_is_fitted_anew() -> bool:
    return fitted_anew(LearningSettings(drift_lambda=1e9), PlacementSettings(adjust_above_error=0.3))


def fitted_anew(learning: LearningSettings, placement: PlacementSettings) -> bool:
    forecast = ForecastSettings(
        worker_enabled=True, min_fit_points=4, refit_pause_s=3600.0, refit_interval_s=1e9, job_timeout_s=1e9
    )
    gossip = replace(  # nobody to talk to, for a day
        GossipSettings(), probe_interval_s=600.0, reconcile_interval_s=600.0, push_pull_interval_s=600.0
    )
    solo = Solo(forecast=forecast, learning=learning, placement=placement, gossip=gossip, idle_turn_s=600.0)
    answered = 0
    for hour in range(24):
        for _ in range(10 if hour < 16 else 60 if hour % 3 == 0 else 1):
            solo.have(K)
        solo.wait(3600.0)
        for fit in solo.fits[answered:]:
            answered += 1
            path = (10.0,) * fit.job.steps
            one = FittedSeries(DEP, fit.job.series[0].end_s, 3600.0, "x", path, path, path, path)
            result = FitResult(fitted=(one,), failures=(), seconds=0.1)
            solo.give(ev.ModelsFitted(job=fit.job.job, result=result))
    return answered > 1  # the first is due anyway, no other before refit_interval_s


def a_restart_begins_with_what_was_hot() -> bool:
    alone = {"placement": PlacementSettings(enabled=False)}  # or the forecast might call for it as well
    solo = Solo(**alone)
    use(solo, K, 30.0)
    return fetched_ahead(Solo(solo.node.export_state(), at_s=solo.now_s, **alone), K, 20.0)


def the_ledger_counts_hits_and_used_prefetches() -> bool:
    solo = Solo()
    solo.admit(K, Reason.FORECAST)
    solo.read(K)
    solo.wait(2.0)
    line = solo.node.tuner.ledger(solo.node.observer.price)[0]
    return (line.requests, line.hits, line.prefetch_used) == (1, 1, 1)


def lru_gets_no_credit_for_what_expired() -> bool:
    solo = Solo(policies=(DependencyPolicy(name=DEP, ttl_s=10.0),))
    for _ in range(5):
        solo.have(K)
        solo.wait(20.0)
    return solo.node.tuner.ledger(solo.node.observer.price)[0].lru_hit_ratio == 0.0


def lru_gets_no_credit_for_what_was_invalidated() -> bool:
    solo = Solo()
    for _ in range(5):
        solo.have(K)
        solo.give(ev.Invalidate(dependency=DEP, key=K.key))
    return solo.node.tuner.ledger(solo.node.observer.price)[0].lru_hit_ratio == 0.0


def a_finished_prefetch_makes_room_for_the_next() -> bool:
    pool = Pool("a1", "b1", each={"b1": {"prefetch": PrefetchSettings(max_in_flight=1)}})
    keys = tuple(key(number) for number in range(5))
    for one in keys:
        pool.read("a1", one)
    pool.give("b1", ev.Offered(sender="a1", keys=keys, sizes=(SIZE,) * 5))
    pool.wait(5.0)
    return all(pool.holds("b1", one) for one in keys)


def what_the_hot_lane_measured_counts() -> bool:
    solo = Solo()
    solo.give(ev.Timed(source=Source.PEER, mean_s=3.0, count=1000))
    return solo.node.observer.price(Source.PEER) == pytest.approx(3.0, rel=0.2)


def a_busy_agent_doubts_itself() -> bool:
    solo = Solo()
    solo.give(ev.LoadSampled(load=Load(loop_lag_s=5.0)))
    return solo.node.swim.counters.get("lags") == 1


def silent_clients_are_forgotten() -> bool:
    solo = Solo()
    solo.read(K, b"somebody")
    solo.wait(1000.0)
    return not solo.node.analyzer._trails


# ---- several nodes -----------------------------------------------------------------------------------


def a_copy_next_door_is_found() -> bool:
    pool = Pool("a1", "b1")
    pool.read("a1", K)
    pool.wait(3.0)
    return pool.read("b1", K).source is Source.PEER


def what_next_door_let_go_is_not_asked_for() -> bool:
    pool = Pool("a1", "b1")
    pool.read("a1", K)
    pool.wait(3.0)
    pool.give("a1", ev.StoreLost(keys=(K,)))
    pool.wait(3.0)
    pool.read("b1", K)
    return pool.host("b1").transfers.asked_in_vain == 0


def false_claims_are_counted() -> bool:
    pool = Pool("a1", "b1")
    pool.claim("a1", "b1", K)
    pool.read("a1", K)
    return pool.node("a1").cache.counters["false_positives"] == 1


def copies_of_the_dead_are_forgotten() -> bool:
    pool = Pool("a1", "b1", "c1")
    pool.read("b1", K)
    pool.wait(3.0)
    pool.host("b1").crash()
    pool.wait(30.0)
    return pool.node("a1").cache.holders(key_hash(K)) == ()


def what_is_hot_next_door_and_comes_here_too_is_there_before() -> bool:
    """Each wave that a1 is asked for comes to b1 a minute later; once that is known, it is there by then."""
    pool = Pool("a1", "b1")
    shared = [key(n) for n in range(20)]
    pool.read("b1", key(99))  # b's list reaches down to the rare, so absence from it means something
    there: list[bool] = []
    for wave in range(8):
        fresh = [key(200 + 4 * wave + n) for n in range(4)]
        for _ in range(4):
            for one in (*shared, *fresh):
                pool.host("a1").read(one, b"")
            pool.wait(20.0)
        for one in shared:
            pool.host("b1").read(one, b"")
        pool.wait(20.0)
        there.append(all(pool.holds("b1", one) for one in fresh))
        for one in fresh:
            pool.host("b1").read(one, b"")
    return not there[0] and there[-1]


def the_fabrics_owner_fetches_for_all() -> bool:
    pool = Pool("a1", "b1", "c1", policies=(DependencyPolicy(name=DEP, coalesce="fabric"),))
    for number in range(12):
        for name in pool.names:
            pool.host(name).read(key(number), b"")
    pool.wait(3.0)
    return set(pool.origin.asked.values()) == {1}


def homes_keep_the_replicas_that_were_ordered() -> bool:
    pool = Pool("a1", "b1", "c1", policies=(DependencyPolicy(name=DEP, policy="replicate", replicas=2),))
    for number in range(12):
        pool.read("a1", key(number))
    pool.wait(140.0)
    for number in range(12):
        ring = pool.node("a1").agreement.ring
        owners = [m.node for m in ring.preference_list(key_hash(key(number)) >> 48)[:2]]
        if len(ring.members) < 3 or not all(pool.holds(node, key(number)) for node in owners):
            return False
    return True


def a_newcomer_takes_over_what_its_shards_former_owners_hold() -> bool:
    policies = (DependencyPolicy(name=DEP, coalesce="fabric"),)
    pool = Pool("a1", "b1", policies=policies)
    for number in range(20):
        pool.read("a1", key(number))
    pool.cluster.add(settings_of("c1", 2, policies=policies)).boot()
    pool.give("c1", ev.Join(seeds=(pool.host("a1").settings.gossip_address,)))
    pool.wait(0.5)
    ring, serving = pool.node("a1").agreement.ring, pool.node("a1").peers.serving
    moved = [key(number) for number in range(20) if ring.owner_of(key(number)).node == "c1"]
    first = {serving.owner_of(instance).node for instance in moved}
    pool.wait(8.0)
    serving, took = pool.node("a1").peers.serving, all(pool.holds("c1", instance) for instance in moved)
    later = {serving.owner_of(instance).node for instance in moved}
    return took and len(moved) >= 3 and "c1" not in first and later == {"c1"}


def a_drained_zones_copies_are_taken_over() -> bool:
    pool = Pool("a1", "b1")
    for number in range(20):
        pool.read("a1", key(number))
    pool.wait(3.0)
    pool.give("b1", ev.Drain(zone="a"))
    pool.wait(25.0)
    plan, took = pool.node("a1").plan, all(pool.holds("b1", key(number)) for number in range(20))
    assert plan is not None
    return took and plan.drained_ratio == 1.0 and pool.node("b1").swim.summaries()["a1"].drained


def a_pause_stops_the_others_too() -> bool:
    pool = Pool("a1", "b1")
    pool.read("a1", K)
    pool.give("a1", ev.Pause(paused=True))
    pool.wait(5.0)
    pool.give("b1", ev.Offered(sender="a1", keys=(K,), sizes=(SIZE,)))
    pool.wait(2.0)
    return not pool.holds("b1", K)


def an_invalidation_reaches_the_others() -> bool:
    pool = Pool("a1", "b1")
    pool.read("a1", K)
    pool.read("b1", K)
    pool.give("a1", ev.Invalidate(dependency=DEP, key=K.key))
    pool.wait(5.0)
    return not pool.holds("b1", K)


def an_invalidated_copy_does_not_come_back() -> bool:
    pool = Pool("a1", "b1")
    pool.read("b1", K)
    pool.wait(3.0)
    pool.give("a1", ev.Invalidate(dependency=DEP, key=K.key))
    return pool.read("a1", K).source is Source.ORIGIN


def who_is_down_for_long_is_out_everywhere() -> bool:
    names = ("a1", "a2", "b1", "b2", "c1", "c2")
    pool = Pool(*names, ring=replace(settings_of("a1").ring, out_after_s=20.0))
    pool.host("c2").crash()
    pool.wait(60.0)
    return all(len(pool.node(name).agreement.ring.members) == 5 for name in names[:-1])


def the_others_know_our_load() -> bool:
    pool = Pool("a1", "b1")
    pool.give("a1", ev.LoadSampled(load=Load(cpu=0.9)))
    pool.read("a1", K)
    pool.wait(40.0)
    return pool.node("b1").swim.summaries()["a1"].load.cpu == pytest.approx(0.9)


# ---- arrows ------------------------------------------------------------------------------------------


def always(answer: Any) -> Callable[[Any], Any]:
    """The same answer whatever is asked."""
    return lambda original: lambda *args, **named: answer


def first(original: Any) -> Any:
    """Of each stage, its first answer for ever."""
    answers: dict[int, tuple[Any, Any]] = {}

    def frozen(stage: Any, *args: Any, **named: Any) -> Any:
        if id(stage) not in answers:
            answers[id(stage)] = stage, original(stage, *args, **named)
        return answers[id(stage)][1]

    return frozen


def with_argument(place: int, value: Any) -> Callable[[Any], Any]:
    """That argument is always this."""

    def wrap(original: Any) -> Any:
        def changed(*args: Any, **named: Any) -> Any:
            return original(*args[:place], value, *args[place + 1 :], **named)

        return changed

    return wrap


def with_named(name: str, value: Any) -> Callable[[Any], Any]:
    """That argument, given by name, is always this."""
    return lambda original: lambda *args, **named: original(*args, **(named | {name: value}))


def deaf(value: Any) -> Callable[[Any], Any]:
    """An attribute that keeps this value, whoever sets it."""
    return lambda original: property(lambda self: value, lambda self, new: None)


nothing = always(None)
EMPTY = Forecast(made=at(0.0), dependencies=(), instances=())
PRIORS = {Source.LOCAL: 0.001, Source.PEER: 0.08, Source.ORIGIN: 0.2, Source.HOME: 0.28}


class Arrow(NamedTuple):
    """A record on its way, the method that it passes, and what that becomes when the arrow is cut."""

    name: str
    stage: type
    method: str
    cut: Callable[[Any], Any]


ARROWS: dict[Callable[[], bool], tuple[Arrow, ...]] = {
    what_is_used_steadily_and_lost_comes_back: (
        Arrow("access -> observer", Observer, "access", nothing),
        Arrow("window -> forecaster", Observer, "close_window", first),
        Arrow("forecast, frozen", Forecaster, "update", first),
        Arrow("forecast -> planner", Planner, "plan", with_argument(1, EMPTY)),
        Arrow("plan, frozen", Planner, "plan", first),
        Arrow("plan -> prefetcher", Prefetcher, "follow", nothing),
        Arrow("orders -> flights", Reads, "_fetch_ahead", always([])),
        Arrow("lost -> cache", CacheController, "drop", always(False)),
    ),
    from_a_near_origin_nothing_is_fetched_ahead: (
        Arrow("prices -> planner", Observer, "price", lambda o: lambda s, x: PRIORS[x]),
        Arrow("served -> observer", Observer, "served", nothing),
    ),
    what_usually_follows_is_there_in_time: (
        Arrow("access -> analyzer", Analyzer, "access", always(())),
        Arrow("associations -> prefetcher", Prefetcher, "associated", nothing),
    ),
    misses_earn_tries: (Arrow("misses -> budget", Allowance, "missed", nothing),),
    what_was_used_earns_its_try_back: (Arrow("uses -> budget", Prefetcher, "used", nothing),),
    what_the_hot_lane_measured_counts: (Arrow("times -> observer", Observer, "timed", nothing),),
    a_busy_agent_doubts_itself: (Arrow("lag -> gossip", Swim, "lagged", nothing),),
    silent_clients_are_forgotten: (Arrow("turn -> analyzer", Analyzer, "update", nothing),),
    associations_that_waste_are_stopped: (
        Arrow("outcomes -> tuner", CacheController, "outcomes", always(())),
        Arrow("advice, frozen", Tuner, "review", first),
        Arrow("thresholds -> associations", Reads, "thresholds", deaf({})),
    ),
    forecasts_that_waste_are_stopped: (
        Arrow("outcomes -> tuner", CacheController, "outcomes", always(())),
        Arrow("thresholds -> planner", Planner, "plan", with_argument(8, {})),
    ),
    refreshes_that_waste_are_stopped: (
        Arrow("thresholds -> refresh", Prefetcher, "refresh", with_argument(3, {})),
    ),
    a_copy_in_use_is_renewed_in_time: (
        Arrow("expiring -> prefetcher", Ageing, "expiring", always(())),
        Arrow("refresh -> queue", Prefetcher, "refresh", nothing),
    ),
    a_better_eviction_is_found_and_used: (
        Arrow("advice -> cache", CacheController, "advise", nothing),
        Arrow("access -> tuner", Tuner, "access", nothing),
    ),
    a_drifting_forecast_is_fitted_anew: (
        Arrow("advice -> forecaster", Forecaster, "refit", nothing),
        Arrow("job -> worker", Forecaster, "fit_due", nothing),
        Arrow("worker -> forecaster", Forecaster, "fitted", nothing),
    ),
    a_forecast_that_is_wrong_is_fitted_anew: (Arrow("errors -> planner", Planner, "adjust", always(())),),
    a_restart_begins_with_what_was_hot: (
        Arrow("heat -> prefetcher", Prefetcher, "restart", nothing),
        Arrow("cache -> heat", CacheController, "heat_list", always(())),
    ),
    the_ledger_counts_hits_and_used_prefetches: (
        Arrow("served -> tuner", Tuner, "served", nothing),
        Arrow("uses -> tuner", Tuner, "prefetch_used", nothing),
        Arrow("cache -> uses", Holdings, "take_uses", always(())),
    ),
    lru_gets_no_credit_for_what_expired: (Arrow("lifetime -> tuner", Tuner, "lifetime", nothing),),
    lru_gets_no_credit_for_what_was_invalidated: (Arrow("dropped -> tuner", Tuner, "dropped", nothing),),
    a_finished_prefetch_makes_room_for_the_next: (
        Arrow("settled -> prefetcher", Prefetcher, "settled", nothing),
    ),
    a_copy_next_door_is_found: (
        Arrow("digest -> gossip", Swim, "holding", nothing),
        Arrow("holdings -> directory", Directory, "heard", nothing),
        Arrow("members -> routes", Peers, "meet", nothing),
    ),
    what_next_door_let_go_is_not_asked_for: (
        Arrow("dropped -> gossip", Swim, "holding", with_argument(2, ())),
    ),
    false_claims_are_counted: (Arrow("false claims -> directory", Directory, "false_positive", nothing),),
    copies_of_the_dead_are_forgotten: (Arrow("the dead -> directory", Directory, "gone", nothing),),
    what_is_hot_next_door_and_comes_here_too_is_there_before: (
        Arrow("forecast -> summary", Publisher, "summary", with_argument(1, EMPTY)),
        Arrow("summary, frozen", Publisher, "summary", first),
        Arrow("summary -> gossip", Swim, "publish", nothing),
        Arrow("summaries -> planner", Swim, "summaries", always({})),
    ),
    the_fabrics_owner_fetches_for_all: (
        Arrow("ring -> routes", Peers, "ring", deaf(Ring.build((), RingSettings()))),
    ),
    homes_keep_the_replicas_that_were_ordered: (
        Arrow("serving -> planner", Planner, "plan", with_named("serving", Ring.build((), RingSettings()))),
        Arrow("members -> ring", Agreement, "settle", first),
    ),
    a_newcomer_takes_over_what_its_shards_former_owners_hold: (
        Arrow("ring -> planner", Planner, "plan", with_argument(3, Ring.build((), RingSettings()))),
        Arrow("newcomers -> planner", Planner, "plan", with_named("warming", {})),
        Arrow("pending -> summary", Publisher, "summary", with_argument(8, 0)),
        Arrow("flips -> routes", Peers, "serve_by", nothing),
        Arrow("offers -> newcomer", Joining, "offered", always(Reason.DRAIN)),
        Arrow("inheritance -> newcomer", Inheritance, "groups", always(ALL_GROUPS)),
    ),
    a_drained_zones_copies_are_taken_over: (
        Arrow("directory -> planner", Directory, "holders", always(())),
        Arrow("drain -> gossip", Swim, "spread", nothing),
        Arrow("drain -> facts", FactBook, "hear", always(False)),
        Arrow("facts -> planner", FactBook, "draining", always(())),
        Arrow("members -> planner", Planner, "plan", with_argument(5, ())),
        Arrow("hand-over -> offers", Peers, "offers", always([])),
        Arrow("offers -> prefetcher", Prefetcher, "offered", nothing),
    ),
    a_pause_stops_the_others_too: (
        Arrow("pause -> planner", Planner, "plan", with_argument(7, False)),
        Arrow("pause -> gossip", Swim, "spread", nothing),
    ),
    an_invalidation_reaches_the_others: (
        Arrow("invalidation -> gossip", Swim, "spread", nothing),
        Arrow("invalidation -> reads", Reads, "invalidate", always([])),
    ),
    an_invalidated_copy_does_not_come_back: (Arrow("invalidation -> routes", Peers, "distrust", nothing),),
    who_is_down_for_long_is_out_everywhere: (
        Arrow("the lost -> facts", Agreement, "outs_due", always(())),
        Arrow("outs -> ring", FactBook, "outs", always(())),
    ),
    the_others_know_our_load: (Arrow("load -> summary", Observer, "loaded", nothing),),
}


CUTS = [(story, arrow) for story, arrows in ARROWS.items() for arrow in arrows]


@pytest.mark.parametrize("story", ARROWS, ids=lambda story: story.__name__)
def test_the_story_ends_well(story: Callable[[], bool]) -> None:
    assert story()


@pytest.mark.parametrize(("story", "arrow"), CUTS, ids=[f"{s.__name__}-{a.name}" for s, a in CUTS])
def test_without_the_arrow_it_does_not(
    story: Callable[[], bool], arrow: Arrow, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = getattr(arrow.stage, arrow.method, None)
    monkeypatch.setattr(arrow.stage, arrow.method, arrow.cut(whole), raising=False)
    assert not story()
