"""The rehearsal of a drain: our own copies exactly, other agents' as far as gossip tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from random import Random

import pytest

from tests.core.placement.scenery import SIZE, Cache, forecast_of, hashed, key, ring_of, summary_of, zones_of
from zoned.core.members import Member, Summary
from zoned.core.names import Fingerprint, NodeName, fingerprint_of, shard_of
from zoned.core.placement import PlacementSettings, Roster, Stage, rehearse
from zoned.core.records import Forecast, Rehearsal


class Claims:
    """A directory as sets of fingerprints."""

    def __init__(self, sets: Mapping[NodeName, frozenset[Fingerprint]]) -> None:
        self.sets = sets

    def alone(
        self, nodes: Sequence[NodeName], safe: Sequence[NodeName], most: int
    ) -> tuple[int, int, list[Fingerprint]]:
        theirs = frozenset().union(*(self.sets.get(node, frozenset()) for node in nodes))
        others = frozenset().union(*(self.sets.get(node, frozenset()) for node in safe))
        return len(theirs), len(theirs), sorted(theirs - others)


def ask(
    zone: str,
    members: Sequence[Member],
    cache: Cache,
    *,
    forecast: Forecast | None = None,
    summaries: Mapping[NodeName, Summary] | None = None,
    claims: Claims | None = None,
    draining: tuple[str, ...] = (),
    link_bandwidth_bytes_s: float = inf,
) -> Rehearsal:
    """Asked at the agent n0 of zone z0."""
    stage = Stage(
        roster=Roster(members, (*draining, zone), "n0", "z0"),
        ring=ring_of(members),
        contents=cache,
        claims=claims or Claims({}),
        fingerprints=[fingerprint_of(entry.key_hash) for entry in cache.entries()],
        forecast=forecast,
        summaries=summaries or {},
        hit_ratio=0.5,
        settings=PlacementSettings(max_hand_over_keys=10, drain_interval_s=1.0),
        bandwidth_bytes_s=SIZE * 4,
        link_bandwidth_bytes_s=link_bandwidth_bytes_s,
    )
    return rehearse(zone, stage)


def test_our_own_zone_copy_by_copy() -> None:
    members = zones_of(3)
    cache = Cache(key(number) for number in range(40))
    cache.claims = {hashed(number): ("n1",) for number in range(10)}
    told = ask("z0", members, cache)
    assert (told.exact, told.instances, told.cold, told.cold_bytes) == (True, 40, 30, 30 * SIZE)
    roster, ring = Roster(members, ("z0",), "n0", "z0"), ring_of(members)
    expected: dict[str, int] = {}
    for number in range(10, 40):
        home = roster.first_home(ring, hashed(number), shard_of(hashed(number)))
        expected[home] = expected.get(home, 0) + 1
    assert {one.node: one.instances for one in told.to} == expected
    assert set(expected) <= {"n1", "n2"}
    assert told.warm_s == pytest.approx(max(3.0, max(expected.values()) / 4))
    assert told.origin_requests == 0.0  # no forecast: nothing is known to be asked for


def test_no_faster_than_the_links_of_who_gives() -> None:
    members = [*zones_of(3), replace(zones_of(3)[1], node="n3")]  # two agents in z1
    sets = {name: frozenset(fingerprint_of(hashed(n)) for n in range(80)) for name in ("n1", "n3")}
    told = {name: summary_of(name, "z1", {}) for name in sets}
    asked = partial(ask, "z1", members, Cache([]), claims=Claims(sets), summaries=told)
    free, narrow, wide = (asked(link_bandwidth_bytes_s=rate) for rate in (inf, SIZE * 1.0, SIZE * 3.0))
    assert narrow.warm_s == pytest.approx(2.0 * free.warm_s), "two links of a quarter each"
    assert wide.warm_s == free.warm_s, "two of three quarters are more than one agent may take in"


def test_uses_that_would_go_to_the_origin_are_of_cold_copies_only() -> None:
    cache = Cache(key(number) for number in range(4))
    cache.claims = {hashed(0): ("n1",)}
    # 100 an hour, half of them hits: 50 less the listed copies' 2 x .9 + 2 x .5, over the two others
    told = ask("z0", zones_of(2), cache, forecast=forecast_of({0: 0.9, 1: 0.5, 9: 0.9}, demand=100.0))
    assert told.origin_requests == pytest.approx(1 - 2.718281828**-1 + 2.0, abs=0.01)


def test_a_member_that_drains_already_is_not_counted_on() -> None:
    cache = Cache([key(1)])
    cache.claims = {hashed(1): ("n1",)}
    assert ask("z0", zones_of(2), cache).cold == 0
    told = ask("z0", zones_of(2), cache, draining=("z1",))
    assert (told.cold, told.to) == (1, ())  # nobody is left


def test_another_zone_by_what_it_told() -> None:
    rng = Random(5)
    numbers = list(range(400))
    prints = {number: fingerprint_of(hashed(number)) for number in numbers}
    here, there = rng.sample(numbers, 100), rng.sample(numbers, 200)
    third = rng.sample(numbers, 150)
    cache = Cache(key(number) for number in here)
    cache.claims = {hashed(number): ("n1",) for number in there}
    sets = {"n1": frozenset(prints[n] for n in there), "n2": frozenset(prints[n] for n in third)}
    hot = dict.fromkeys(there[:10], 3.0)
    for number in third:
        cache.claims[hashed(number)] = (*cache.claims.get(hashed(number), ()), "n2")
    summary = replace(
        summary_of("n1", "z1", hot, demand=0.0), capacity_bytes=1 << 20, used_ratio=0.5, hit_ratio=0.5
    )
    told = ask("z1", zones_of(3), cache, summaries={"n1": summary}, claims=Claims(sets))
    cold = set(there) - set(here) - set(third)
    assert (told.exact, told.instances, told.cold) == (False, 200, len(cold))
    assert told.cold_bytes == pytest.approx(len(cold) * (1 << 19) / 200, rel=0.01)
    assert sum(one.instances for one in told.to) == pytest.approx(len(cold), abs=2)
    assert {one.zone for one in told.to} == {"z0", "z2"}
    lost = [number for number in hot if number in cold]
    assert told.origin_requests == pytest.approx(len(lost) * (1 - 2.718281828**-3), rel=0.01)


def test_a_zone_that_nobody_told_of_holds_nothing_as_far_as_we_know() -> None:
    told = ask("z1", zones_of(3), Cache([key(1)]))
    assert (told.instances, told.cold, told.warm_s, told.to) == (0, 0, 0.0, ())
