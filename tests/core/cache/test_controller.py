"""The cache controller: a naive twin under random traffic, then one rule at a time."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.cache import CacheController, CacheSettings
from zoned.core.errors import StateError
from zoned.core.eviction import EVICTIONS, PLAIN
from zoned.core.members import HoldingsHeard
from zoned.core.names import InstanceKey, Instant, fingerprint_of, key_hash
from zoned.core.records import Admission, Contents, DependencyPolicy, Evicted, Lookup, Reason

NEVER = CacheSettings(max_bytes=None, default_ttl_s=None, outcome_half_life_s=1e18)
FAR = 1e18


def at(seconds: float) -> Instant:
    return Instant(seconds, seconds + 1e9, seconds + 1e9)


def name(number: int) -> InstanceKey:
    return InstanceKey("abc"[number % 3], b"%d" % number)


def admit(
    cache: CacheController, number: int, size: int = 1, reason: Reason = Reason.DEMAND, time: float = 0
) -> Admission:
    return cache.admit(name(number), key_hash(name(number)), size, "", None, reason, at(time))


def look(cache: CacheController, number: int, time: float = 0) -> Lookup:
    return cache.lookup(name(number), key_hash(name(number)), at(time))


moves = st.lists(
    st.tuples(
        st.sampled_from(
            ["look", "look", "look", "admit", "admit", "drop", "dependency", "sweep", "advise", "peer"]
        ),
        st.integers(0, 11),
        st.integers(1, 20),
        st.sampled_from([Reason.DEMAND, Reason.ASSOCIATION, Reason.REFRESH]),
        st.floats(0.0, 4.0),
    ),
    max_size=80,
)


@settings(max_examples=200, deadline=None)
@given(objects=st.integers(1, 8), size=st.integers(10, 60), ttl=st.sampled_from([None, 5.0]), steps=moves)
def test_store_digest_and_outcomes_never_drift_apart(
    objects: int, size: int, ttl: float | None, steps: list[tuple[str, int, int, Reason, float]]
) -> None:
    """The world's store does what it is told; afterwards all books agree with it."""
    limits = CacheSettings(
        max_objects=objects, max_bytes=size, default_ttl_s=ttl, outcome_half_life_s=FAR, max_sweep=1000
    )
    cache = CacheController(limits, {})
    store: dict[InstanceKey, int] = {}  # key -> size
    expires: dict[InstanceKey, float] = {}
    told: dict[int, None] = {}  # what the other members believe of us
    now = 0.0
    for move, number, item_size, reason, passed in steps:
        now += passed
        key, hashed = name(number), key_hash(name(number))
        if move == "look":
            found = cache.lookup(key, hashed, at(now))
            fresh = key in store and (ttl is None or now < expires[key])
            assert found is (Lookup.HIT if fresh else Lookup.MISS)
        elif move == "admit":
            admission = cache.admit(key, hashed, item_size, "", None, reason, at(now))
            for gone in admission.evicted:
                del store[gone.key]
            if admission.stored:
                store[key], expires[key] = item_size, now + (ttl or FAR)
            assert not (admission.stored and key in [gone.key for gone in admission.evicted])
        elif move == "drop":
            if cache.drop(key, hashed):
                del store[key]
        elif move == "dependency":
            for gone in cache.drop_dependency(key.dependency):
                del store[gone.key]
            assert all(e.key.dependency != key.dependency for e in cache.entries())
        elif move == "advise":
            cache.advise(PLAIN[number % 3], {key.dependency: PLAIN[number // 3 % 3]} if passed else {})
        elif move == "peer":
            entry = cache.peer_lookup(key, hashed, at(now), touch=number % 2 == 0)
            assert (entry is not None) == (key in store and (ttl is None or now < expires[key]))
        else:
            for gone in cache.sweep(at(now)):
                del store[gone.key]
            assert {entry.key: entry.size for entry in cache.entries()} == store, "the store leaks nothing"
        held, dropped = cache.take_digest_changes()
        for fingerprint in dropped:
            del told[fingerprint]
        for fingerprint in held:
            assert fingerprint not in told
            told[fingerprint] = None
        assert sorted(told) == sorted(cache.fingerprints())
        _check(cache, store, objects, size)


def _check(cache: CacheController, store: dict[InstanceKey, int], objects: int, size: int) -> None:
    entries = list(cache.entries())
    assert len(entries) == len(cache) <= objects
    assert sum(entry.size for entry in entries) == cache.used_bytes <= size
    assert all(entry.key in store for entry in entries)
    assert all(cache.entry(entry.key) == entry for entry in entries)
    assert 0.0 <= cache.capacity_left() <= 1.0
    for line in cache.outcomes():
        waiting = sum(
            e.key.dependency == line.dependency and e.reason is line.reason and not e.used for e in entries
        )
        assert line.fetched == pytest.approx(line.used + line.wasted + waiting)


def test_it_is_what_planning_sees_of_a_cache() -> None:
    contents: Contents = CacheController(NEVER, {})
    assert contents.capacity_left() == 1.0 and contents.holders(1) == () and not contents.holds(name(1))


@pytest.mark.parametrize("eviction", PLAIN)
def test_bounds_in_objects(eviction: str) -> None:
    cache = CacheController(CacheSettings(max_objects=3, eviction=eviction), {})
    gone = [evicted.key for number in range(5) for evicted in admit(cache, number).evicted]
    assert gone == [name(0), name(1)]
    assert cache.capacity_left() == 0.0


def test_the_index_is_bounded_even_if_nothing_else_is() -> None:
    cache = CacheController(CacheSettings(max_bytes=None, max_tracked_objects=2), {})
    for number in range(5):
        admit(cache, number, size=0)
    assert len(cache) == 2


def test_larger_than_the_store_or_than_the_policy_allows() -> None:
    cache = CacheController(
        CacheSettings(max_bytes=100), {"a": DependencyPolicy(name="a", max_object_bytes=50)}
    )
    assert not admit(cache, 0, size=51).stored
    assert not admit(cache, 1, size=101).stored
    assert admit(cache, 1, size=100).stored
    admission = admit(cache, 1, size=101)
    assert not admission.stored
    assert [gone.key for gone in admission.evicted] == [name(1)], "the older copy is out of date"
    assert cache.counters["refused"] == 3


def test_a_replaced_copy_changes_size_and_keeps_its_heat() -> None:
    cache = CacheController(CacheSettings(max_bytes=100), {})
    admit(cache, 0, size=30)
    look(cache, 0)
    admit(cache, 0, size=50, reason=Reason.REFRESH)
    entry = cache.entry(name(0))
    assert entry is not None and entry.size == 50 and not entry.used and entry.reason is Reason.REFRESH
    assert cache.used_bytes == 50
    assert cache.export_state()["keys"] == [["a", b"0", 2, 50]]


def test_a_prefetched_copy_is_used_once() -> None:
    cache = CacheController(NEVER, {})
    admit(cache, 0, reason=Reason.ASSOCIATION)
    look(cache, 0)
    look(cache, 0)
    admit(cache, 3, reason=Reason.FORECAST)
    cache.drop(name(3), key_hash(name(3)))
    assert [tuple(line) for line in cache.outcomes()] == [
        ("a", Reason.ASSOCIATION, 1.0, 1.0, 0.0),
        ("a", Reason.FORECAST, 1.0, 0.0, 1.0),
    ]
    assert cache.take_uses() == (("a", Reason.ASSOCIATION, 1),)
    assert cache.take_uses() == ()


def test_demand_that_overtakes_a_prefetch_is_its_use() -> None:
    cache = CacheController(NEVER, {})
    admit(cache, 0, reason=Reason.FORECAST)
    admit(cache, 0, reason=Reason.DEMAND)
    assert cache.take_uses() == (("a", Reason.FORECAST, 1),)


def test_a_peer_touches_the_copy_only_if_it_reads_and_we_allow_it() -> None:
    for allowed in (True, False):
        cache = CacheController(CacheSettings(max_objects=2, touch_for_peers=allowed), {})
        for touch, first_gone in ((False, 0), (True, 3 if allowed else 0)):
            cache.drop_dependency("a")
            admit(cache, 0)
            admit(cache, 3)
            assert cache.peer_lookup(name(0), key_hash(name(0)), at(0), touch=touch) is not None
            assert admit(cache, 6).evicted == (Evicted(name(first_gone), key_hash(name(first_gone))),)


def test_a_peers_read_is_a_use_of_what_was_kept_for_peers() -> None:
    cache = CacheController(NEVER, {})
    admit(cache, 0, reason=Reason.HOME)
    admit(cache, 3, reason=Reason.FORECAST)
    for number in (0, 3):
        cache.peer_lookup(name(number), key_hash(name(number)), at(0), touch=True)
    assert cache.take_uses() == (("a", Reason.HOME, 1),)


def test_two_instances_with_one_hash_are_never_taken_for_one_another() -> None:
    cache = CacheController(NEVER, {})
    one, other = name(0), name(1)
    cache.admit(one, 77, 1, "", None, Reason.DEMAND, at(0))
    assert cache.lookup(other, 77, at(0)) is Lookup.MISS
    assert cache.peer_lookup(other, 77, at(0), touch=True) is None
    assert not cache.drop(other, 77)
    assert cache.admit(other, 77, 1, "", None, Reason.DEMAND, at(0)).evicted == (Evicted(one, 77),)
    assert cache.lookup(other, 77, at(0)) is Lookup.HIT
    assert cache.lookup(one, 77, at(0)) is Lookup.MISS


def test_advice_is_followed_only_on_auto() -> None:
    for setting, want in (("auto", "sieve"), ("s3fifo", "s3fifo")):
        cache = CacheController(CacheSettings(max_objects=4, eviction=setting), {})
        for number in range(4):
            admit(cache, number)
        cache.advise("sieve")
        assert cache.eviction == want
        assert len(cache) == 4
        assert all(look(cache, number) is Lookup.HIT for number in range(4)), "hits reach the new policy"


def test_digest_changes_are_net() -> None:
    cache = CacheController(CacheSettings(max_objects=1), {})
    admit(cache, 0)
    cache.take_digest_changes()
    admit(cache, 1)
    admit(cache, 2)
    admit(cache, 1)
    assert cache.take_digest_changes() == (
        (fingerprint_of(key_hash(name(1))),),
        (fingerprint_of(key_hash(name(0))),),
    )
    admit(cache, 0)
    admit(cache, 1)
    assert cache.take_digest_changes() == ((), ())


def test_the_directory_answers_through_the_controller() -> None:
    cache = CacheController(NEVER, {})
    hashed = key_hash(name(0))
    cache.heard(HoldingsHeard("b", (fingerprint_of(hashed),), (), True))
    assert cache.holders(hashed) == ("b",)
    cache.false_positive("b", hashed, 5.0)
    assert cache.directory_sizes() == {"b": 1} and cache.counters["false_positives"] == 1
    cache.gone("b")
    assert cache.holders(hashed) == ()


# ---- state ----------------------------------------------------------------------------------------


def test_restart_remembers_what_was_hot_and_tells_how_warm_we_are() -> None:
    cache = CacheController(CacheSettings(max_objects=10, max_saved_keys=3), {})
    for number in range(5):
        admit(cache, number, size=number)
        for _ in range(number):
            look(cache, number)
    admit(cache, 4, size=4, reason=Reason.FORECAST)
    cache.advise("s3fifo")
    saved = msgpack.unpackb(msgpack.packb(cache.export_state()))
    again = CacheController(CacheSettings(max_objects=10), {})
    assert again.warm_ratio == 1.0
    again.restore_state(saved, at(5000))
    assert [(heat.key, heat.key_hash, heat.uses, heat.size) for heat in again.heat_list()] == [
        (name(number), key_hash(name(number)), number + 1, number) for number in (4, 3, 2)
    ]
    assert again.eviction == "s3fifo"
    assert again.outcomes() == cache.outcomes()
    assert again.warm_ratio == 0.0
    admit(again, 4)
    assert again.warm_ratio == pytest.approx(6 / 15)
    admit(again, 4)
    admit(again, 3)
    admit(again, 2)
    assert again.warm_ratio == 1.0


def test_heat_fades() -> None:
    cache = CacheController(CacheSettings(heat_half_life_s=100.0), {})
    admit(cache, 0)
    for _ in range(9):
        look(cache, 0)
    admit(cache, 1, time=150.0)
    assert cache.export_state()["keys"] == [["a", b"0", 5, 1], ["b", b"1", 1, 1]]


@pytest.mark.parametrize(
    "broken",
    [{"version": 9}, {"eviction": "magic"}, {"eviction": None}, {"keys": 5}, {"keys": [["a", "text", 1, 1]]},
     {"keys": [["a", b"x", -1, 1]]}, {"keys": [[1]]}, {"keys": None}, {"outcomes": "x"},
     {"keys": [["a", b"x" * 5000, 1, 1]]}, {"outcomes": [["a", "home", 10**400, 1, 1]]}],
)  # fmt: skip
def test_a_broken_state_is_refused_whole(broken: dict[str, object]) -> None:
    good = CacheController(NEVER, {})
    admit(good, 0)
    state = {**good.export_state(), **broken}
    cache = CacheController(NEVER, {})
    with pytest.raises(StateError):
        cache.restore_state(state, at(0))
    assert cache.heat_list() == () and cache.eviction == "lru" and cache.outcomes() == ()


@settings(max_examples=200, deadline=None)
@given(
    state=st.recursive(
        st.none() | st.integers() | st.floats() | st.binary() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["version", "eviction", "keys", "outcomes"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_garbage_only_raises_state_errors(state: object) -> None:
    cache = CacheController(NEVER, {})
    whole = {"version": 1, "eviction": "lru", "keys": state, "outcomes": []}
    for candidate in (state, whole, {**whole, "keys": [], "outcomes": state}):
        try:
            cache.restore_state(candidate, at(0))  # type: ignore[arg-type]
        except StateError:
            pass
        assert len(cache) == 0 and cache.eviction in EVICTIONS


@pytest.mark.parametrize("eviction", ["lru", "s3fifo", "sieve"])
def test_it_tells_how_long_a_copy_stays_that_nobody_uses(eviction: str) -> None:
    cache = CacheController(CacheSettings(max_objects=10, max_bytes=None, eviction=eviction), {})
    assert cache.stay_s() is None
    admit(cache, 0)
    for number in range(1, 200):
        look(cache, 0, number)  # in use: tells nothing
        admit(cache, number, time=number)
    stay_s = cache.stay_s()
    assert stay_s is not None and 8 <= stay_s <= 10
