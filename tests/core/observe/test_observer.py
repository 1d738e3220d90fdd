"""The observe stage: windows follow one another without a gap or an overlap; totals are their sum."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import StateError
from zoned.core.names import OTHER, InstanceKey, Instant, key_hash
from zoned.core.observe import DependencyTotals, Observer, ObserveSettings
from zoned.core.records import Access, Load, Source


def at(second: float) -> Instant:
    return Instant(second, 1e9 + second, 2e9 + second)


def access(name: str, dependency: str = "d", hit: bool = False) -> Access:
    key = InstanceKey(dependency, name.encode())
    return Access(key, key_hash(key), 10, hit, b"")


def test_windows_are_seamless():
    observer = Observer(ObserveSettings(), at(0))
    observer.access(access("a"))
    observer.loaded(Load(cpu=0.5))
    assert observer.pending == 1
    first = observer.close_window(at(1))
    observer.access(access("b"))
    observer.access(access("b"))
    second = observer.close_window(at(3))
    assert (first.started, first.ended, second.started, second.ended) == (at(0), at(1), at(1), at(3))
    assert [use.key.key for use in first.instances] == [b"a"]
    assert [(use.key.key, use.accesses) for use in second.instances] == [(b"b", 2)]
    assert first.load == second.load == Load(cpu=0.5)
    assert observer.pending == 0 and observer.counters["windows"] == 2


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("access"), st.sampled_from("abc"), st.booleans()),
            st.tuples(st.just("served"), st.sampled_from("abc"), st.sampled_from(list(Source))),
            st.tuples(st.just("close"), st.none(), st.none()),
        )
    )
)
def test_totals_count_everything_once(steps):
    observer = Observer(ObserveSettings(), at(0))
    accesses, hits, served = Counter(), Counter(), Counter()
    for what, name, value in steps:
        if what == "access":
            observer.access(access("k", name, hit=value))
            accesses[name] += 1
            hits[name] += value
        elif what == "served":
            observer.served(name, value, 0.25)
            served[name, value] += 1
        else:
            observer.close_window(at(1))
    totals = observer.totals
    for name in "abc":
        mine = {source: served[name, source] for source in Source if served[name, source]}
        total = totals.get(name, DependencyTotals(0, 0, 0, {}, 0.0))
        assert total == DependencyTotals(
            accesses[name], hits[name], 10 * accesses[name], mine, 0.25 * sum(mine.values())
        )
    assert observer.totals == totals  # looking changes nothing


def test_served_and_timed_move_the_prices():
    observer = Observer(ObserveSettings(), at(0))
    observer.served("d", Source.PEER, 0.1)
    observer.served("d", Source.PEER, 0.3)
    observer.timed(Source.LOCAL, 0.0005, 400)
    assert observer.price(Source.PEER) == pytest.approx(0.2)
    assert observer.price(Source.LOCAL) == 0.0005
    assert observer.totals["d"].sources == {Source.PEER: 2}  # timings alone are not reads


def test_the_hit_ratio_follows_the_recent_accesses():
    observer = Observer(ObserveSettings(hit_ratio_memory_accesses=100), at(0))
    assert observer.hit_ratio == 0.0
    for second in range(50):
        for _ in range(10):
            observer.access(access("a", hit=second >= 25))
        observer.close_window(at(second))
    assert observer.hit_ratio > 0.9


def test_dependencies_are_bounded_over_all_windows():
    observer = Observer(ObserveSettings(max_dependencies=3), at(0))
    for index in range(30):
        observer.access(access("k", f"dep{index}"))
        observer.served(f"dep{index}", Source.ORIGIN, 0.2)
        observer.close_window(at(index))
    totals = observer.totals
    assert sorted(totals) == [OTHER, "dep0", "dep1", "dep2"]
    assert totals[OTHER].accesses == 27 and totals[OTHER].sources == {Source.ORIGIN: 27}


def test_prices_survive_a_restart_and_nonsense_does_not_get_in():
    observer = Observer(ObserveSettings(), at(0))
    observer.served("d", Source.ORIGIN, 0.7)
    after = Observer(ObserveSettings(), at(5))
    after.restore_state(observer.export_state(), at(5))
    assert after.price(Source.ORIGIN) == 0.7 and after.totals == {}
    for nonsense in (None, 3, {}, {"prices": 3}):
        with pytest.raises(StateError):
            after.restore_state(nonsense, at(5))
