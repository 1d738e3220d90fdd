"""A whole node lets each dependency go by its own eviction policy, where no single one does as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgpack
import pytest

from tests.core.learning.two_dependencies import RECENT, SCAN, reads
from tests.core.solo import Solo
from zoned.core.cache import CacheSettings
from zoned.core.eviction import Books
from zoned.core.learning import LearningSettings
from zoned.core.names import InstanceKey, key_hash

pytestmark = pytest.mark.timeout(120)

COPIES = 200
FIELDS: dict[str, Any] = {
    "cache": CacheSettings(max_bytes=None, max_objects=COPIES, default_ttl_s=None),
    "learning": LearningSettings(proof_s=60.0, proof_accesses=1000, max_loss=0.02),
    "policies": (),
}


@dataclass
class Lived:
    """What a node did with its reads."""

    solo: Solo
    grown: list[float]  # misses: the node's, then each arm's in its shadow, over the last reads


def live(solo: Solo, accesses: list[tuple[str, int]]) -> int:
    """Ten reads a second; how many were not held."""
    missed = 0
    for step, (name, number) in enumerate(accesses):
        key = InstanceKey(name, b"%d" % number)
        missed += not solo.node.cache.holds(key)
        solo.have(key)
        if step % 10 == 9:
            solo.wait(1.0)
    return missed


@pytest.fixture(scope="module")
def lived() -> Lived:
    """When a mix has proved itself is luck; with this seed it is by the 4,500th read."""
    solo, accesses = Solo(**FIELDS), reads(8500, 3)
    live(solo, accesses[:4500])
    shadows = solo.node.tuner._shadow.arms
    before = [arm.misses for arm in shadows]
    missed = live(solo, accesses[4500:])
    return Lived(solo, [missed, *[arm.misses - then for arm, then in zip(shadows, before, strict=True)]])


def test_each_goes_by_its_own_and_the_store_does_better_than_by_any_one_for_all(lived: Lived) -> None:
    own, *single = lived.grown
    assert own < 0.93 * min(single), (own, single)
    choice = lived.solo.node.cache.choice
    assert choice.of(RECENT) == "lru" and choice.of(SCAN) in ("value", "s3fifo")
    assert isinstance(lived.solo.node.cache._held.policy, Books)


def test_the_ledger_shows_what_each_goes_by_and_why(lived: Lived) -> None:
    snapshot = lived.solo.node.snapshot(lived.solo.now)
    lines = {line.dependency: line for line in snapshot.ledger}
    choice = lived.solo.node.cache.choice
    assert {name: line.eviction for name, line in lines.items()} == {
        "": choice.eviction,
        SCAN: choice.of(SCAN),
        RECENT: choice.of(RECENT),
    }
    assert any(line.why.startswith("with it the whole store was measured") for line in lines.values())
    assert {arm.arm for arm in snapshot.arms if arm.played} == {choice.of(SCAN), choice.of(RECENT)}


def test_a_restart_keeps_who_goes_by_what(lived: Lived) -> None:
    state = msgpack.unpackb(msgpack.packb(lived.solo.node.export_state()))
    after = Solo(state, **FIELDS)
    live(after, reads(40, 3))
    before = lived.solo.node.cache.choice
    assert (after.node.cache.choice.eviction, after.node.cache.choice.evictions) == (
        before.eviction,
        before.evictions,
    )


def test_what_would_be_kept_is_asked_of_the_dependencys_own_policy(lived: Lived) -> None:
    cache = lived.solo.node.cache
    scanned, recent = InstanceKey(SCAN, b"never seen"), InstanceKey(RECENT, b"never seen")
    assert cache.takes(recent, key_hash(recent), 1), "LRU takes what comes"
    cache.advise("lru", {RECENT: "value", SCAN: "value"})
    assert not cache.takes(scanned, key_hash(scanned), 1), "the learnt value asks what speaks for it"
    assert not cache.keeps_guess(recent, key_hash(recent), 1)


def test_an_operators_choice_is_for_all() -> None:
    fixed = CacheSettings(max_bytes=None, max_objects=COPIES, default_ttl_s=None, eviction="sieve")
    solo = Solo(**(FIELDS | {"cache": fixed}))
    live(solo, reads(200, 1))
    solo.node.cache.advise("lru", {SCAN: "s3fifo"})
    lines = solo.node.snapshot(solo.now).ledger
    assert {(line.eviction, line.why) for line in lines} == {("sieve", "store.eviction says so")}
