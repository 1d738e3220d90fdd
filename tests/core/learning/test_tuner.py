"""The learning stage as the node uses it."""

from __future__ import annotations

import random

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.eviction.keyed import Keyed
from tests.core.learning.lru_twin import TwinLru, zipf
from zoned.core.errors import StateError
from zoned.core.learning import LearningSettings, Tuner
from zoned.core.names import InstanceKey, Instant, key_hash
from zoned.core.records import DependencyForecast, Forecast, PrefetchOutcome, Reason, Source

NOW = Instant(0.0, 0.0, 0.0)
EMPTY = Forecast(made=NOW, dependencies=(), instances=())
PRICES = {Source.LOCAL: 0.001, Source.PEER: 0.08, Source.ORIGIN: 0.2, Source.HOME: 0.28}
price = PRICES.__getitem__


def at(second: float) -> Instant:
    return Instant(second, second, second)


def tuner(objects: int | None = 100, size: int | None = None, seed: int = 1, **options) -> Tuner:
    return Tuner(LearningSettings(**options), objects, size, random.Random(seed))


def read(
    one: Tuner, name: int, dependency: str = "d", source: Source = Source.ORIGIN, now=NOW, told: bool = True
) -> None:
    key = InstanceKey(dependency, b"%d" % name)
    one.access(key, key_hash(key), 1, now, source is Source.LOCAL if told else None)
    one.served(dependency, source)


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 15), st.sampled_from(list(Source))), max_size=200
    ),
    st.integers(1, 8),
    st.booleans(),
    st.booleans(),
)
def test_the_ledger_equals_an_exact_lru_on_the_same_accesses(accesses, capacity, enabled, told):
    one, twin = tuner(capacity, enabled=enabled), TwinLru(capacity)
    hits = {"a": 0, "b": 0}
    for dependency, name, source in accesses:
        read(one, name, dependency, source, told=told)
        hits[dependency] += twin.access((dependency, name), 1)
    total, *lines = one.ledger(price)
    assert total.requests == len(accesses)
    assert total.lru_hit_ratio == pytest.approx(sum(hits.values()) / len(accesses) if accesses else 0.0)
    for line in lines:
        seen = [source for dependency, _, source in accesses if dependency == line.dependency]
        assert line.requests == len(seen) and line.hits == seen.count(Source.LOCAL)
        assert line.lru_hit_ratio == pytest.approx(hits[line.dependency] / len(seen))
        assert line.lru_origin_fetches == len(seen) - hits[line.dependency]
        assert line.latency_s == pytest.approx(sum(price(source) for source in seen))


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 10), st.floats(0, 30)), max_size=150),
    st.integers(1, 8),
    st.floats(5, 60),
)
def test_so_it_does_when_copies_expire(accesses, capacity, ttl_s):
    one, twin = tuner(capacity), TwinLru(capacity)
    one.lifetime("d", ttl_s)
    now_s, hits = 0.0, 0
    for name, gap_s in accesses:
        now_s += gap_s
        read(one, name, now=at(now_s))
        hits += twin.access(name, 1, now_s, ttl_s)
    assert one.ledger(price)[0].lru_origin_fetches == len(accesses) - hits


@pytest.mark.parametrize("told", [False, True])
def test_a_large_store_is_sampled_and_still_close(told):
    one, store = tuner(2000, sample_objects=500), Keyed("s3fifo", 2000, None)
    twin_hits, held = 0, {}
    accesses = zipf(40_000, 20_000, 0.9, seed=5)
    for name in accesses:
        hit, key = store.hit(name), InstanceKey("d", b"%d" % name)
        if not hit:
            store.put(name, 1)
        one.access(key, key_hash(key), 1, NOW, hit if told else None)
        one.served("d", Source.LOCAL if hit else Source.ORIGIN)
        twin_hits += name in held
        held.pop(name, None)
        held[name] = None
        if len(held) > 2000:
            del held[next(iter(held))]
    assert one.counters["sample_rate"] == 0.25
    allowed = 0.01 if told else 0.02
    assert one.ledger(price)[0].lru_hit_ratio == pytest.approx(twin_hits / len(accesses), abs=allowed)


def scan_and_loop(one: Tuner, batches: int) -> list[str]:
    """A working set that LRU keeps losing to a scan, while S3-FIFO and SIEVE keep it."""
    advice, fresh = [], 10_000
    for _ in range(batches):
        for step in range(300):
            if step % 3:
                read(one, (fresh := fresh + 1))
            else:
                read(one, step // 3 % 40, source=Source.LOCAL)
        advice.append(one.review((), price, EMPTY, NOW).eviction)
    return advice


def test_a_better_policy_is_advised_once_it_is_sure():
    one = tuner(100, proof_hours=0)
    advice = scan_and_loop(one, 30)
    assert advice[0] == "lru" and advice[-1] in ("s3fifo", "sieve")
    scores = {score.arm: score for score in one.arms()}
    assert [score.played for score in scores.values()].count(True) == 1 and scores[advice[-1]].played
    assert scores[advice[-1]].hit_ratio > scores["lru"].hit_ratio + 0.1
    assert scores["lru"].requests == 30 * 300
    assert one.counters["arm_changes"] == 1


def test_back_to_lru_it_says_what_that_would_hold() -> None:
    """The alarm: what comes is all new, so the store goes by LRU, in LRU's order."""
    one = tuner(100, proof_hours=0)
    assert scan_and_loop(one, 30)[-1] != "lru"
    came = list(range(50_000, 50_060))
    told = []
    for number in came:
        read(one, number)
        told.append(one.review((), price, EMPTY, NOW))
    back = [advice.eviction for advice in told].index("lru")
    assert 0 < back < 50 and one.counters["alarms"] == 1
    recent = told[back].recent
    young = [key_hash(InstanceKey("d", b"%d" % number)) for number in came[: back + 1]]
    assert len(recent) == 100 and list(recent[-back - 1 :]) == young
    assert [bool(advice.recent) for advice in told].count(True) == 1, "said once"


def test_each_dependency_shows_what_each_arm_would_have_earned_there():
    one = tuner(100, proof_hours=0)
    scan_and_loop(one, 30)
    for name in range(50):
        read(one, 500_000 + name, dependency="other")
    everything, *lines = one.ledger(price)
    earned = {line.dependency: dict(line.arms) for line in lines}
    best = max(earned["d"], key=lambda arm: earned["d"][arm])
    assert best in ("s3fifo", "sieve") and earned["d"]["lru"] == 0.0
    assert earned["d"][best] > 100.0
    assert set(earned["other"].values()) == {0.0}  # asked for once: nobody can hold it
    for arm, saved_s in everything.arms:
        assert saved_s == pytest.approx(sum(each[arm] for each in earned.values()))
    played = next(score for score in one.arms() if score.played)
    assert played.why == "measured to be better than LRU, and in no hour worse"
    assert all(score.why == "" for score in one.arms() if not score.played)


def test_a_miss_that_another_zone_serves_earns_the_rest_of_the_way():
    one = tuner(100)
    for name in range(10):
        one.access(InstanceKey("d", b"%d" % name), name << 20, 10, NOW, hit=False, near=name < 4)
    earned = dict(one.ledger(price)[1].arms)
    assert earned["lru"] == pytest.approx(4 * (price(Source.ORIGIN) - price(Source.PEER)))


def test_where_nothing_helps_lru_is_advised():
    one = tuner(100)
    for name in range(30_000):
        read(one, name)
        if name % 300 == 299:
            assert one.review((), price, EMPTY, NOW).eviction == "lru"


def test_switched_off_it_advises_plain_lru_but_keeps_the_ledger():
    one = tuner(100, enabled=False)
    assert set(scan_and_loop(one, 30)) == {"lru"}
    advice = one.review((PrefetchOutcome("d", Reason.FORECAST, 500, 0, 500),), price, EMPTY, NOW)
    assert (advice.eviction, dict(advice.thresholds), advice.refit) == ("lru", {}, ())
    assert one.ledger(price)[0].requests == 9000
    assert [score.arm for score in one.arms()] == ["lru"]


def test_outcomes_become_thresholds():
    one = tuner()
    assert not one.review((), price, EMPTY, NOW).thresholds
    outcomes = (
        PrefetchOutcome("d", Reason.FORECAST, 50, 20, 20),
        PrefetchOutcome("d", Reason.ASSOCIATION, 50, 2, 40),
    )
    thresholds = one.review(outcomes, price, EMPTY, NOW).thresholds
    assert thresholds["d", Reason.FORECAST] == pytest.approx(0.56)
    assert thresholds["d", Reason.ASSOCIATION] > 1.0


def test_a_dependency_that_does_worse_than_lru_is_not_prefetched_for():
    one = tuner(100)
    for _ in range(6):
        for step in range(300):
            read(one, step % 50, "bad", Source.ORIGIN)  # LRU would hit all of these
            read(one, step % 50, "good", Source.LOCAL)
        thresholds = one.review((), price, EMPTY, NOW).thresholds
    assert thresholds["bad", Reason.FORECAST] > 1.0 and thresholds["bad", Reason.ASSOCIATION] > 1.0
    assert all(least <= 1.0 for (name, _), least in thresholds.items() if name == "good")


def test_a_drifting_forecast_is_refitted():
    one, asked = tuner(), []
    for minute in range(60):
        error = 0.3 if minute < 30 else 1.5
        line = DependencyForecast(
            dependency="d", horizon_s=3600.0, mean=1.0, quantiles=(0.0, 1.0, 2.0), model="m", error=error
        )
        made = Forecast(made=at(60.0 * minute), dependencies=(line,), instances=())
        asked += one.review((), price, made, at(60.0 * minute)).refit
    assert asked == ["d"]


def test_prefetches_are_in_the_ledger():
    one = tuner()
    one.fetched(Reason.FORECAST, "d", 100, Source.PEER)
    one.fetched(Reason.REFRESH, "d", 10)
    one.prefetch_used("d", Reason.FORECAST)
    one.prefetch_used("d", Reason.REFRESH, 4)
    one.prefetch_used("d", Reason.DEMAND)
    line = one.ledger(price)[1]
    assert (line.prefetched, line.prefetch_used, line.prefetched_bytes, line.peer_transfers) == (2, 5, 110, 1)


def test_an_invalidated_instance_is_a_miss_for_lru_too():
    one, key = tuner(), InstanceKey("d", b"1")
    read(one, 1)
    read(one, 1)
    one.dropped(key_hash(key))
    read(one, 1)
    assert one.ledger(price)[0].lru_origin_fetches == 2


def test_what_was_learnt_survives_a_restart():
    one = tuner()
    scan_and_loop(one, 30)
    outcomes = (
        PrefetchOutcome("d", Reason.ASSOCIATION, 50, 2, 40),
        PrefetchOutcome("d", Reason.FORECAST, 50, 20, 20),
    )
    before = one.review(outcomes, price, EMPTY, NOW)
    after = tuner()
    after.restore_state(msgpack.unpackb(msgpack.packb(one.export_state())), NOW)
    advice = after.review((), price, EMPTY, NOW)
    assert (advice.eviction, advice.thresholds) == (before.eviction, before.thresholds)
    assert after.export_state()["foresight"] == one.export_state()["foresight"] != []
    assert after.ledger(price)[0].requests == 0


def test_a_proved_arm_stays_proved_over_a_restart() -> None:
    """So does what promises are worth. A state of before these were kept is still good for the rest."""
    one, clock = tuner(proof_hours=2, proof_accesses=100), 0.0
    assert one._hedge.hours.passed == 0
    for _ in range(120):
        clock += 120.0
        scan_and_loop(one, 1)
        one.review((), price, EMPTY, NOW._replace(mono_s=clock))
    assert one.review((), price, EMPTY, NOW._replace(mono_s=clock)).eviction != "lru"
    state = msgpack.unpackb(msgpack.packb(one.export_state()))
    after, older = tuner(proof_hours=2, proof_accesses=100), tuner(proof_hours=2, proof_accesses=100)
    after.restore_state(state, NOW)
    assert after.export_state() == one.export_state() and after._hedge.hours.passed >= 2
    for part in ("hours", "edge"):
        del state["hedge"][part]
    del state["calibration"]
    older.restore_state(state, NOW)
    assert older._hedge.hours.passed == 0 and older._hedge.played == one._hedge.played


@pytest.mark.parametrize("part", ["hours", "edge", "arms", "calibration"])
def test_a_state_with_a_malformed_part_changes_nothing(part: str) -> None:
    one, after = tuner(), tuner()
    scan_and_loop(one, 30)
    before = after.export_state()
    state = one.export_state()
    (state if part == "calibration" else state["hedge"])[part] = [["d", 3, 1.0]]  # type: ignore[index]
    with pytest.raises(StateError):
        after.restore_state(state, NOW)
    assert after.export_state() == before


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["hedge", "thresholds", "arms"]), inner)
    ),
    max_leaves=12,
)


threshold_rows = st.tuples(
    st.text(max_size=3),
    st.sampled_from(["forecast", "moon", 3]),
    st.floats() | st.integers(),
    st.booleans(),
)


@given(
    anything | st.fixed_dictionaries({"hedge": st.just({"arms": {}}), "thresholds": st.lists(threshold_rows)})
)
def test_nonsense_is_refused_or_harmless(obj):
    one = tuner()
    try:
        one.restore_state(obj, NOW)
    except StateError:
        pass
    advice = one.review((), price, EMPTY, NOW)
    assert advice.eviction == "lru" and all(0.0 < value <= 2.0 for value in advice.thresholds.values())


def test_the_first_arm_must_be_lru():
    with pytest.raises(AssertionError, match="lru"):
        tuner(arms=("sieve", "lru"))


def test_batches_of_a_large_store_are_long():
    """Arms part slowly there: short batches would be the same luck, counted many times."""
    one = tuner(8000)
    ends = [0]
    for name in range(8000):
        read(one, name)
        if name % 100 == 99:
            one.review((), price, EMPTY, NOW)
            if one._batch.requests != ends[-1]:
                ends.append(one._batch.requests)
    assert ends[1] == 100 and ends[-1] - ends[-2] > 1000  # of 100 accesses at first, of 2,000 once it is full
    assert one._hedge._latency[0].values == 0, "all arms did the same: that is no news"
