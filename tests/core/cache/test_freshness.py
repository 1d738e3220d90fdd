"""Whose word on freshness counts, and what an expired copy is still good for."""

from __future__ import annotations

from math import inf

import pytest

from zoned.core.cache import CacheController, CacheSettings
from zoned.core.cache.freshness import kept_s, lifetime_s
from zoned.core.names import InstanceKey, Instant, key_hash
from zoned.core.records import DependencyPolicy, Evicted, Lookup, Reason


def at(seconds: float) -> Instant:
    return Instant(seconds, seconds + 1e9, seconds + 1e9)


KEY = InstanceKey("pricing", b"/v1/prices/42")
HASH = key_hash(KEY)


def cache(**policy: float) -> CacheController:
    policies = {"pricing": DependencyPolicy(name="pricing", **policy)}  # type: ignore[arg-type]
    return CacheController(CacheSettings(), policies)


@pytest.mark.parametrize(
    ("operator", "default", "said", "from_peer", "lives"),
    [
        (None, 300.0, None, False, 300.0),
        (None, None, None, False, inf),
        (None, 300.0, 60.0, False, 60.0),
        (900.0, 300.0, 60.0, False, 900.0),
        (None, 300.0, 0.0, False, 0.0),
        (None, 300.0, None, True, inf),
        (None, 300.0, 12.0, True, 12.0),
        (900.0, 300.0, 12.0, True, 12.0),
        (5.0, 300.0, 12.0, True, 5.0),
        (900.0, 300.0, None, True, 900.0),
    ],
)
def test_whose_word_counts(
    operator: float | None, default: float | None, said: float | None, from_peer: bool, lives: float
) -> None:
    policy = DependencyPolicy(name="x", ttl_s=operator)
    assert lifetime_s(policy, default, said, from_peer) == lives


def test_a_copy_handed_from_zone_to_zone_is_not_born_again() -> None:
    left_s: float | None = 100.0
    for hop in range(5):
        here = cache(ttl_s=100.0)
        here.admit(KEY, HASH, 10, "", left_s, Reason.DEMAND, at(0), from_peer=hop > 0)
        entry = here.peer_lookup(KEY, HASH, at(15), touch=True)
        assert entry is not None and entry.expires_s is not None
        left_s = entry.expires_s - 15
    assert left_s == 25.0


def test_fresh_then_gone() -> None:
    here = cache(ttl_s=10.0)
    here.admit(KEY, HASH, 10, "v1", None, Reason.DEMAND, at(100))
    assert here.lookup(KEY, HASH, at(109.9)) is Lookup.HIT
    assert here.lookup(KEY, HASH, at(110)) is Lookup.MISS
    assert len(here) == 0 and here.used_bytes == 0
    assert here.sweep(at(110)) == (Evicted(KEY, HASH),), "the store is told what a look-up dropped"
    assert here.sweep(at(110)) == ()


def test_what_comes_back_at_once_is_not_discarded_behind_its_back() -> None:
    here = cache(ttl_s=10.0)
    here.admit(KEY, HASH, 10, "v1", None, Reason.DEMAND, at(100))
    here.lookup(KEY, HASH, at(111))
    admission = here.admit(KEY, HASH, 10, "v2", None, Reason.DEMAND, at(111.2))
    assert admission.stored and admission.evicted == ()
    assert here.sweep(at(112)) == ()


def test_an_admission_also_names_what_look_ups_found_expired() -> None:
    here = cache(ttl_s=10.0)
    here.admit(KEY, HASH, 10, "v1", None, Reason.DEMAND, at(100))
    here.lookup(KEY, HASH, at(111))
    other = InstanceKey("pricing", b"other")
    assert here.admit(other, key_hash(other), 1, "", None, Reason.DEMAND, at(112)).evicted == (
        Evicted(KEY, HASH),
    )


def test_stale_while_revalidate() -> None:
    here = cache(ttl_s=10.0, stale_while_revalidate_s=5.0)
    here.admit(KEY, HASH, 10, "v1", None, Reason.DEMAND, at(0))
    assert here.lookup(KEY, HASH, at(14.9)) is Lookup.STALE
    assert not here.holds(KEY), "for prefetching and peers an expired copy is none"
    assert here.peer_lookup(KEY, HASH, at(14.9), touch=True) is None
    assert here.lookup(KEY, HASH, at(15)) is Lookup.MISS
    assert here.entry(KEY) is None


def test_stale_if_error() -> None:
    here = cache(ttl_s=10.0, stale_if_error_s=60.0)
    here.admit(KEY, HASH, 10, "v1", None, Reason.DEMAND, at(0))
    assert here.lookup(KEY, HASH, at(30)) is Lookup.MISS
    entry = here.stale_for_error(KEY, at(30))
    assert entry is not None and entry.version == "v1"
    assert here.stale_for_error(KEY, at(70)) is None
    assert here.sweep(at(71)) == (Evicted(KEY, HASH),)


def test_expired_at_birth_is_refused_and_takes_the_older_copy_along() -> None:
    here = cache()
    here.admit(KEY, HASH, 10, "v1", 60.0, Reason.DEMAND, at(0))
    admission = here.admit(KEY, HASH, 10, "v2", 0.0, Reason.DEMAND, at(1))
    assert not admission.stored
    assert admission.evicted == (Evicted(KEY, HASH),)
    assert len(here) == 0


def test_expired_copies_leave_the_digest_though_nobody_asks() -> None:
    here = cache(ttl_s=10.0, stale_if_error_s=60.0)
    here.admit(KEY, HASH, 10, "v1", None, Reason.DEMAND, at(0))
    fingerprint = HASH & 0xFFFFFFFF
    assert here.take_digest_changes() == ((fingerprint,), ())
    assert here.sweep(at(11)) == ()
    assert here.take_digest_changes() == ((), (fingerprint,))
    assert list(here.fingerprints()) == []
    here.admit(KEY, HASH, 10, "v2", None, Reason.REFRESH, at(12))
    assert here.take_digest_changes() == ((fingerprint,), ())
    assert list(here.fingerprints()) == [fingerprint]


def test_a_sweep_is_due_when_the_next_claim_expires_and_at_most_once_a_second() -> None:
    here = CacheController(CacheSettings(default_ttl_s=None), {"pricing": DependencyPolicy(name="pricing")})
    assert here.sweep_due_s() == inf
    for number, ttl_s in enumerate((30.0, 10.0, 10.5, None)):
        key = InstanceKey("pricing", b"%d" % number)
        here.admit(key, key_hash(key), 10, "", ttl_s, Reason.DEMAND, at(0))
    assert here.sweep_due_s() == 10.0
    assert len(here.sweep(at(10.0))) == 1 and here.sweep_due_s() == 11.0
    assert len(here.sweep(at(11.0))) == 1 and here.sweep_due_s() == 30.0
    assert len(here.sweep(at(30.0))) == 1 and here.sweep_due_s() == inf


def test_what_is_only_kept_for_errors_calls_for_no_sweep() -> None:
    here = cache(ttl_s=10.0, stale_if_error_s=60.0)
    here.admit(KEY, HASH, 10, "v1", None, Reason.DEMAND, at(0))
    assert here.sweep_due_s() == 10.0 and here.sweep(at(10)) == () and len(here) == 1
    assert here.sweep_due_s() == inf, "a turn will do"


def test_due_for_refresh_is_what_is_used_and_near_its_end() -> None:
    here = cache(ttl_s=100.0)
    keys = [InstanceKey("pricing", b"%d" % number) for number in range(4)]
    for number, key in enumerate(keys):
        here.admit(key, key_hash(key), 10, "", None, Reason.DEMAND, at(0))
        for _ in range(number):
            here.lookup(key, key_hash(key), at(5))
    assert here.expiring(at(89)) == (), "only the last tenth of its life"
    assert [entry.key for entry in here.expiring(at(91))] == [keys[3], keys[2], keys[1]], "0 was never used"
    here.admit(keys[3], key_hash(keys[3]), 10, "", None, Reason.REFRESH, at(92))
    assert keys[3] not in [entry.key for entry in here.expiring(at(95))]
    assert here.expiring(at(190)) == (), "not used since its refresh"


def test_refresh_is_bounded_and_can_be_switched_off() -> None:
    for limit in (0, 2):
        here = CacheController(CacheSettings(default_ttl_s=10.0, max_refreshes=limit), {})
        for number in range(5):
            key = InstanceKey("d", b"%d" % number)
            here.admit(key, key_hash(key), 1, "", None, Reason.DEMAND, at(0))
            here.lookup(key, key_hash(key), at(1))
        assert len(here.expiring(at(9.5))) == limit


def test_a_sweep_is_bounded() -> None:
    here = CacheController(CacheSettings(default_ttl_s=10.0, max_sweep=3), {})
    for number in range(5):
        key = InstanceKey("d", b"%d" % number)
        here.admit(key, key_hash(key), 1, "", None, Reason.DEMAND, at(0))
    assert [len(here.sweep(at(20))) for _ in range(3)] == [3, 2, 0]


def test_kept_is_the_longer_window() -> None:
    assert kept_s(DependencyPolicy(name="x", stale_while_revalidate_s=3.0, stale_if_error_s=9.0)) == 9.0
