"""Reads that the world answered by itself: told later, they count as if they had come here one by one."""

from __future__ import annotations

from math import inf

import pytest

from tests.core.solo import DEP, Solo
from zoned.core import events as ev
from zoned.core.actions import AskAgain, FetchOrigin, Serve
from zoned.core.cache import CacheSettings
from zoned.core.events import LocalUse, Step
from zoned.core.names import InstanceKey, key_hash
from zoned.core.records import Reason, Source

A, B, C = (InstanceKey(DEP, name) for name in (b"a", b"b", b"c"))


def use(key: InstanceKey, times: int) -> LocalUse:
    return LocalUse(key, key_hash(key), times)


def served(solo: Solo, key: InstanceKey, client: bytes = b"") -> Serve:
    return next(action for action in solo.read(key, client) if isinstance(action, Serve))


def test_hits_told_later_count_like_reads() -> None:
    asked, told = Solo(), Solo()
    for solo in (asked, told):
        for key in (A, B):
            solo.have(key)
        solo.wait(1.0)
    for _ in range(5):
        asked.read(A)
    asked.read(B)
    told.give(ev.LocalHits(uses=(use(A, 5), use(B, 1))))
    for solo in (asked, told):
        solo.wait(3.0)
    views = [solo.node.snapshot(solo.now) for solo in (asked, told)]
    assert views[0].ledger == views[1].ledger and views[0].ledger[0].hits == 6
    assert views[0].dependencies == views[1].dependencies
    assert views[1].dependencies[0].by_source[Source.LOCAL] == 6
    heat = [dict(solo.node.cache.export_state())["keys"] for solo in (asked, told)]
    assert heat[0] == heat[1]


@pytest.mark.parametrize("eviction", ["lru", "sieve", "s3fifo"])
def test_what_is_used_without_asking_stays(eviction: str) -> None:
    solo = Solo(cache=CacheSettings(max_bytes=None, max_objects=20, eviction=eviction))
    hot = InstanceKey(DEP, b"hot")
    solo.have(hot)
    for number in range(200):
        solo.have(InstanceKey(DEP, b"%d" % number))
        solo.give(ev.LocalHits(uses=(use(hot, 3),)))
    assert solo.holds(hot)


def test_a_prefetch_that_is_used_so_has_proved_right() -> None:
    solo = Solo()
    solo.admit(A, Reason.FORECAST)
    assert not solo.node.cache.entry(A).used  # type: ignore[union-attr]
    solo.give(ev.LocalHits(uses=(use(A, 1),)))
    assert solo.node.cache.entry(A).used  # type: ignore[union-attr]


def test_what_has_gone_since_is_still_counted_as_served() -> None:
    solo = Solo()
    solo.have(A)
    solo.give(ev.Invalidate(dependency=DEP, key=b"a"))
    solo.give(ev.LocalHits(uses=(use(A, 2),)))
    assert not solo.holds(A)
    assert solo.node.snapshot(solo.now).dependencies[0].hits == 2


def test_a_read_says_how_long_its_answer_may_be_given_again() -> None:
    solo = Solo()
    solo.have(A, ttl_s=60.0)
    solo.have(B)
    assert served(solo, A).expires_s == 60.0 and served(solo, B).expires_s == inf
    assert not served(solo, A).armed


def test_what_is_followed_must_be_asked_for_each_time() -> None:
    solo = Solo()
    for key in (A, B, C):
        solo.have(key)
    said: list[AskAgain] = []
    for _ in range(6):
        for key in (A, B):
            step = Step(key, key_hash(key), b"client")
            actions = solo.give(ev.LocalHits(uses=(use(key, 1),), steps=(step,)))
            said += [action for action in actions if isinstance(action, AskAgain)]
            solo.wait(2.0)
        solo.wait(1000.0)
    assert said and all(A in one.keys for one in said), "B follows A, so A must be asked for"
    assert served(solo, A, b"client").armed and not served(solo, C, b"client").armed
    solo.give(ev.Invalidate(dependency=DEP, key=b"b"))
    assert any(isinstance(a, FetchOrigin) and a.key == B for a in solo.read(A, b"client"))
