"""A newcomer takes over its shards, and what else may happen meanwhile (issue 3, item 5).

The table at the end interrupts a join after each of its steps, in each way: no read fails, what is held by
anybody who is there is found without the origin, and in the end nobody waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.core.pool import Pool
from tests.core.solo import DEP, Solo, key, settings_of
from zoned.core.errors import StateError
from zoned.core.events import Drain, Join, Pause, Stop, StopKind
from zoned.core.names import InstanceKey, group_of, key_hash
from zoned.core.placement import Phase, PlacementSettings
from zoned.core.prefetch import PrefetchSettings
from zoned.core.records import DependencyPolicy
from zoned.core.ring import ALL_GROUPS, RingSettings
from zoned.core.ways import ways

KEYS = [key(number) for number in range(36)]
WITHIN_S = 12.0
CHANGED: dict[str, Any] = {
    "policies": (DependencyPolicy(name=DEP, coalesce="fabric"),),
    "ring": RingSettings(vnodes=32, out_after_s=120.0),
    "placement": PlacementSettings(warm_within_s=WITHIN_S),
}


def pool_of_three(**changed: Any) -> Pool:
    """Three agents; the owners hold 36 instances (all reads go by way of them), and so do their readers."""
    pool = Pool("a1", "b1", "c1", **(CHANGED | changed))
    for number, instance in enumerate(KEYS):
        pool.read("abc"[number % 3] + "1", instance)
    pool.wait(5.0)
    return pool


def join(pool: Pool, name: str = "d1", number: int = 3, **changed: Any) -> None:
    """The newcomer starts."""
    pool.cluster.add(settings_of(name, number, **(CHANGED | changed))).boot()
    pool.give(name, Join(seeds=(pool.host("a1").settings.gossip_address,)))


def owned(pool: Pool, node: str, at: str = "a1") -> list[InstanceKey]:
    ring = pool.node(at).agreement.ring
    return [instance for instance in KEYS if ring.owner_of(instance).node == node]


def pending(pool: Pool, node: str, at: str) -> int:
    return pool.node(at).joining.pending.get(node, 0)


def until(pool: Pool, true: Callable[[], bool], at_most_s: float = 60.0) -> float:
    """Wait for it; how long it took."""
    for step in range(int(at_most_s / 0.1)):
        if true():
            return step * 0.1
        pool.wait(0.1)
    raise AssertionError("it never came to be")


def notes(pool: Pool, node: str) -> list[str]:
    return [note.text for _, note in pool.host(node).notes if note.event == "warming"]


# ---- a join, undisturbed -------------------------------------------------------------------------------


def test_the_old_owners_serve_until_the_newcomer_holds_what_they_hold_of_its_shards() -> None:
    pool = pool_of_three()
    before = {instance: pool.node("a1").peers.serving.owner_of(instance) for instance in KEYS}
    ring_id, known = pool.node("a1").agreement.ring.ring_id, pool.origin.asked.total()
    join(pool)
    until(pool, lambda: pool.node("a1").agreement.ring.ring_id != ring_id)
    moved = owned(pool, "d1")
    assert len(moved) >= 5
    assert pending(pool, "d1", "a1") == ALL_GROUPS, "before it has said a word"
    assert {i: pool.node("a1").peers.serving.owner_of(i) for i in KEYS} == before
    shown = {m.node: m for m in pool.node("a1").snapshot(pool.cluster.instant()).ring.members}
    assert shown["d1"].flipped_ratio == 0.0 and shown["a1"].flipped_ratio == 1.0
    server = before[moved[0]].node
    said = "\n".join(pool.node("a1").explain(moved[0], pool.cluster.instant()))
    assert f"d1 is new and warms: {server} serves this shard" in said
    found = ways(moved[0], "a1", pool.node("a1").stages, pool.node("a1").peers)
    reasons = {way.node: way.reasons for way in found}
    assert "owns its shard" in reasons["d1"]
    assert "serves its shard while the owner warms" in reasons[server]
    until(pool, lambda: pool.node("d1").joining.own.phase is Phase.SETTLED)
    assert all(pool.holds("d1", instance) for instance in moved)
    assert len(pool.node("d1").cache) == len(moved), "nothing else was taken"
    assert pool.node("d1").prefetcher.counters["fetched_migrate"] == len(moved)
    shown = {m.node: m for m in pool.node("d1").snapshot(pool.cluster.instant()).ring.members}
    assert shown["d1"].flipped_ratio == 1.0 and shown["d1"].warming_since_wall_s is None
    pool.wait(2.0)
    for name in ("a1", "b1", "c1", "d1"):
        node = pool.node(name)
        assert node.peers.serving is node.agreement.ring and not node.joining.under_way
    assert pool.origin.asked.total() == known
    assert notes(pool, "d1")[0] == "warming begun in a ring of 4 members"
    assert notes(pool, "d1")[1].endswith("64 of 64 groups of shards were warm")


def test_nothing_of_lru_dependencies_is_passed_on() -> None:
    policy = (DependencyPolicy(name=DEP, coalesce="fabric", policy="lru"),)
    pool = pool_of_three(policies=policy)
    join(pool, policies=policy)
    until(pool, lambda: pool.node("d1").joining.own.phase is Phase.SETTLED)
    assert len(pool.node("d1").cache) == 0 < len(owned(pool, "d1"))


def test_a_pool_that_starts_as_a_whole_has_nothing_to_take_over_and_makes_no_tables() -> None:
    pool = Pool("a1", "b1", "c1", "d1", settle_s=0.0, **CHANGED)
    for _ in range(35):
        pool.wait(0.1)
        for name in pool.names:
            ring = pool.node(name).snapshot(pool.cluster.instant()).ring
            assert all(member.flipped_ratio == 1.0 for member in ring.members)
    for name in pool.names:
        node = pool.node(name)
        assert node.joining.own.phase is Phase.SETTLED
        assert node.planner.counters["passed_on"] == 0 and node.reads.counters["offers_declined"] == 0


def test_who_joins_a_zone_takes_the_zones_instances_over_from_its_sibling() -> None:
    changed = {"policies": (DependencyPolicy(name=DEP),)}
    pool = pool_of_three(**changed)
    join(pool, "a2", **changed)
    until(pool, lambda: pending(pool, "a2", "a1") != 0)
    ring = pool.node("a1").agreement.ring
    held = [instance for instance in KEYS if pool.holds("a1", instance)]
    moved = [i for i in held if ring.owner_in_zone(key_hash(i), "a").node == "a2"]
    assert len(moved) >= 3
    assert all(pool.node("a2").peers.serving.owner_in_zone(key_hash(i), "a").node == "a1" for i in moved)
    until(pool, lambda: pool.node("a2").joining.own.phase is Phase.SETTLED)
    assert all(pool.holds("a2", instance) for instance in moved)
    assert pool.node("a2").peers.serving.owner_in_zone(key_hash(moved[0]), "a").node == "a2"


def test_groups_flip_one_by_one_under_a_bandwidth_that_takes_its_time() -> None:
    slow = PrefetchSettings(bandwidth_bytes_s=2048.0, burst_bytes=2048)
    pool = pool_of_three()
    join(pool, prefetch=slow)
    seen: list[int] = []

    def over() -> bool:
        seen.append(pending(pool, "d1", "a1"))
        for instance in owned(pool, "d1"):
            served = pool.node("a1").peers.serving.owner_of(instance).node == "d1"
            assert served == (not seen[-1] >> group_of(key_hash(instance)) & 1)
        return pool.node("d1").joining.own.phase is Phase.SETTLED

    took_s = until(pool, over)
    masks = [mask for mask in dict.fromkeys(seen) if mask]
    assert masks[0] == ALL_GROUPS and len(masks) >= 3 and took_s > 4.0
    flipped_back = [later & ~mask for mask, later in zip(masks, masks[1:], strict=False)]
    assert not any(flipped_back), "a group that is flipped stays flipped"
    assert pool.node("d1").joining.counters["groups_flipped_late"] == 0


def test_what_is_not_warm_at_the_deadline_flips_as_it_is_and_its_misses_ask_the_old_owner() -> None:
    pool = pool_of_three()
    join(pool, prefetch=PrefetchSettings(bandwidth_bytes_s=16.0, burst_bytes=1))
    took_s = until(pool, lambda: pool.node("d1").joining.own.phase is Phase.SETTLED)
    assert WITHIN_S - 1.0 <= took_s <= WITHIN_S + 3.0
    late = pool.node("d1").joining.counters["groups_flipped_late"]
    assert 0 < late < 64 and notes(pool, "d1")[1].endswith(f"{64 - late} of 64 groups of shards were warm")
    pool.wait(2.0)
    missing = [instance for instance in owned(pool, "d1") if not pool.holds("d1", instance)]
    known = pool.origin.asked.total()
    assert missing
    for instance in missing:
        pool.read("d1", instance)
    assert pool.origin.asked.total() == known


# ---- who is a newcomer ---------------------------------------------------------------------------------


def test_who_restarts_is_none_and_who_left_or_was_away_for_long_is_one_again() -> None:
    def reborn(solo: Solo, away_s: float) -> Phase:
        state = solo.node.export_state()
        return Solo(state, at_s=solo.now_s + away_s).node.joining.own.phase

    solo = Solo()
    solo.wait(1.0)
    assert reborn(solo, 5.0) is Phase.ALONE, "it had not come in yet"
    solo.wait(60.0)
    assert solo.node.joining.own.phase is Phase.SETTLED, "who meets nobody is the pool"
    assert reborn(solo, 5.0) is Phase.SETTLED and reborn(solo, 700.0) is Phase.ALONE
    solo.give(Stop(kind=StopKind.RESTART))
    assert reborn(solo, 5.0) is Phase.SETTLED
    solo.give(Stop(kind=StopKind.LEAVE))
    assert reborn(solo, 5.0) is Phase.ALONE


def test_the_state_of_an_older_version_is_a_restart_and_nonsense_is_refused() -> None:
    solo = Solo()
    state = solo.node.export_state()
    del state["joining"]
    assert Solo(state).node.joining.own.phase is Phase.SETTLED
    for nonsense in (3, {}, {"settled": 1, "wall_s": 0.0}, {"settled": True, "wall_s": "now"}):
        with pytest.raises(StateError):
            Solo(solo.node.export_state() | {"joining": nonsense})


@pytest.mark.parametrize(
    "changed",
    [
        {"prefetch": PrefetchSettings(enabled=False)},
        {"placement": PlacementSettings(enabled=False)},
        {"placement": PlacementSettings(warm_within_s=0.0)},
        {"weight": 0},
    ],
)
def test_who_may_fetch_nothing_ahead_owns_what_the_ring_gives_it_at_once(changed: dict[str, Any]) -> None:
    assert Solo(**changed).node.joining.told[0] == 0


# ---- interrupted after each step -----------------------------------------------------------------------


def entered(pool: Pool) -> bool:
    return len(pool.node("a1").agreement.ring.members) == 4


def heard(pool: Pool) -> bool:
    return all("d1" in pool.node(name).swim.summaries() for name in ("a1", "b1", "c1"))


def offered(pool: Pool) -> bool:
    return pool.node("b1").planner.counters["passed_on"] > 0


def half_fetched(pool: Pool) -> bool:
    return len(pool.node("d1").cache) >= 2


def all_fetched(pool: Pool) -> bool:
    return entered(pool) and all(pool.node("d1").cache.holds(instance) for instance in owned(pool, "d1"))


def flipped(pool: Pool) -> bool:
    return pool.node("d1").joining.own.phase is Phase.SETTLED


STEPS = (entered, heard, offered, half_fetched, all_fetched, flipped)


def newcomer_dies(pool: Pool) -> None:
    pool.host("d1").crash()


def newcomer_comes_back_empty(pool: Pool) -> None:
    pool.host("d1").crash()
    pool.wait(3.0)
    pool.host("d1").boot()
    pool.give("d1", Join(seeds=(pool.host("a1").settings.gossip_address,)))
    pool.wait(1.0)  # before that it knows of nobody to ask


def newcomer_restarts(pool: Pool) -> None:
    state = pool.node("d1").export_state()
    pool.give("d1", Stop(kind=StopKind.RESTART))
    pool.wait(1.0)
    pool.host("d1").crash()
    pool.host("d1").boot(state)
    pool.give("d1", Join(seeds=(pool.host("a1").settings.gossip_address,)))
    pool.wait(1.0)


def newcomer_leaves(pool: Pool) -> None:
    pool.give("d1", Stop(kind=StopKind.LEAVE))


def owner_dies(pool: Pool) -> None:
    pool.host("b1").crash()


def owner_restarts(pool: Pool) -> None:
    state = pool.node("b1").export_state()
    pool.give("b1", Stop(kind=StopKind.RESTART))
    pool.wait(1.0)
    pool.host("b1").crash()
    pool.host("b1").boot(state)
    pool.give("b1", Join(seeds=(pool.host("a1").settings.gossip_address,)))
    pool.wait(1.0)


def owner_leaves(pool: Pool) -> None:
    pool.give("b1", Stop(kind=StopKind.LEAVE))


def owner_drains(pool: Pool) -> None:
    pool.give("a1", Drain(zone="b"))


def cut_off(pool: Pool) -> None:
    pool.cluster.network.cut("d", "b")
    pool.wait(8.0)
    pool.cluster.network.heal()


def paused(pool: Pool) -> None:
    pool.give("c1", Pause(paused=True))


def another_comes(pool: Pool) -> None:
    join(pool, "e1", 4)


WAYS = (
    newcomer_dies, newcomer_comes_back_empty, newcomer_restarts, newcomer_leaves,
    owner_dies, owner_restarts, owner_leaves, owner_drains, cut_off, paused, another_comes,
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_a_join_may_be_interrupted_after_any_step(
    step: Callable[[Pool], bool], way: Callable[[Pool], None]
) -> None:
    pool = pool_of_three(settle_s=4.0)
    join(pool, prefetch=PrefetchSettings(max_in_flight=1))
    until(pool, lambda: step(pool))
    way(pool)
    lives = [name for name, host in pool.cluster.hosts.items() if host.node and not host.node.leaving]
    known = pool.origin.asked.total()
    for number, instance in enumerate(KEYS[::4]):
        assert pool.read(lives[number % len(lives)], instance).source is not None, "a read failed"
    if way not in (owner_dies, owner_restarts):  # with these went what nobody else held
        assert pool.origin.asked.total() == known, "what somebody holds was fetched anew"
    pool.wait(WITHIN_S + 8.0)
    nodes = {name: host.node for name, host in pool.cluster.hosts.items() if host.node is not None}
    rings = {node.agreement.ring.ring_id for node in nodes.values() if not node.leaving}
    assert len(rings) == 1
    for name, node in nodes.items():
        if not node.leaving:
            assert not node.joining.pending, f"{name} still waits for {node.joining.pending}"
            assert node.peers.serving is node.agreement.ring
            assert node.joining.own.phase is Phase.SETTLED
