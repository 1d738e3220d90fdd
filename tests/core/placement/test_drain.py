"""A drain among planners whose worlds lose messages: whatever step is interrupted, nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tests.core.placement.scenery import (
    DEP,
    Bench,
    Cache,
    at,
    hashed,
    key,
    member,
    price,
    summary_of,
    zones_of,
)
from zoned.core.members import MemberState
from zoned.core.names import InstanceKey, key_hash
from zoned.core.placement import PlacementSettings, Planner
from zoned.core.records import DependencyPolicy, Plan, Reason


class Pool:
    """Planners and their stores; offers, fetches and digests may be lost."""

    def __init__(self, zones: int, **settings: object) -> None:
        bench = Bench(zones=zones)
        self.members, self.ring, self.forecast = list(bench.members), bench.ring, bench.forecast
        self.caches = {m.node: Cache() for m in self.members}
        self.planners = {
            m.node: Planner(PlacementSettings(**settings), m.node, m.zone, {})  # type: ignore[arg-type]
            for m in self.members
        }
        self.draining: tuple[str, ...] = ("z0",)
        self.now_s = 0.0

    def holders(self, one: InstanceKey) -> list[str]:
        return [node for node, cache in sorted(self.caches.items()) if cache.holds(one)]

    def learn(self) -> None:
        """Digests: everybody learns what the others hold."""
        keys = {one for cache in self.caches.values() for one in cache.copies}
        for node, cache in self.caches.items():
            cache.claims = {
                key_hash(one): tuple(other for other in self.holders(one) if other != node)
                for one in sorted(keys)
            }

    def plan(self, node: str = "n0") -> Plan:
        return self.planners[node].plan(
            self.forecast, {}, self.ring, self.caches[node], tuple(self.members), self.draining, False, {},
            price, at(self.now_s),
        )  # fmt: skip

    def round(self, rng: Random, loss: float) -> Plan:
        """One plan of the draining zone; what it offers is fetched, unless the offer or the fetch is lost."""
        self.now_s += 10.0
        plan = self.plan()
        for offer in plan.hand_over:
            if rng.random() < loss:
                continue  # the offer is lost
            for one in offer.keys:
                if rng.random() >= loss and self.alive(offer.node):
                    self.caches[offer.node].copies[one] = Cache.entry(one)
        if rng.random() >= loss:
            self.learn()  # or the digests are late
        return plan

    def alive(self, node: str) -> bool:
        return next(m for m in self.members if m.node == node).state is MemberState.ALIVE

    def safe_share(self) -> float:
        copies = self.caches["n0"].copies
        held = [any(node != "n0" and self.alive(node) for node in self.holders(one)) for one in copies]
        return sum(held) / len(held)


@pytest.mark.parametrize("loss", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("seed", range(3))
def test_an_evacuation_ends_with_everything_held_elsewhere(seed: int, loss: float) -> None:
    pool, rng = Pool(4, max_hand_over_keys=40), Random(f"{seed}/{loss}")
    pool.caches["n0"] = Cache(key(number) for number in range(200))
    before = set(pool.caches["n0"].copies)
    pool.learn()
    ratios = []
    for _ in range(400):
        ratio = pool.round(rng, loss).drained_ratio
        assert ratio is not None
        ratios.append(ratio)
        assert ratio <= pool.safe_share() + 1e-9  # never says safer than it is
        assert set(pool.caches["n0"].copies) == before  # the giver gives nothing up
        if ratio == 1.0:
            break
    assert ratios[-1] == 1.0


def test_a_target_that_dies_or_forgets_is_replaced() -> None:
    pool, rng = Pool(3), Random(1)
    pool.caches["n0"] = Cache(key(number) for number in range(60))
    pool.learn()
    pool.round(rng, 0.0)
    assert pool.round(rng, 0.0).drained_ratio == 1.0
    held = dict(pool.caches["n1"].copies)
    assert held
    # n1 dies: its copies count no more, and n2 is offered them.
    pool.members[1] = replace(pool.members[1], state=MemberState.FAILED)
    plan = pool.round(rng, 0.0)
    assert plan.drained_ratio == pytest.approx(1 - len(held) / 60)
    assert {offer.node for offer in plan.hand_over} == {"n2"}
    assert pool.round(rng, 0.0).drained_ratio == 1.0
    # n2 loses some: they are offered again, once the directory knows.
    for one in list(pool.caches["n2"].copies)[:5]:
        del pool.caches["n2"].copies[one]
    pool.learn()
    again = []
    for _ in range(20):
        again += [one for offer in pool.round(rng, 0.0).hand_over for one in offer.keys]
    assert len(again) == 5
    assert pool.plan().drained_ratio == 1.0


def test_copies_that_nobody_can_take_do_not_keep_the_others_waiting() -> None:
    pool = Pool(3, max_hand_over_keys=10)
    pool.caches["n0"] = Cache(key(number) for number in range(200))
    offered: dict[InstanceKey, int] = {}
    for _ in range(60):
        pool.now_s += 10.0
        for offer in pool.plan().hand_over:  # all of it is refused over there
            for one in offer.keys:
                offered[one] = offered.get(one, 0) + 1
    assert len(offered) == 200


def test_the_hottest_go_first() -> None:
    pool = Pool(3, max_hand_over_keys=7)
    pool.caches["n0"] = Cache(key(number) for number in range(100))  # 99 would be evicted last
    offered = {one for offer in pool.plan().hand_over for one in offer.keys}
    assert offered == {key(number) for number in range(93, 100)}


def test_copies_go_where_there_is_room_and_no_further_than_that() -> None:
    """The ring alone would give each of the others a third."""
    bench = Bench(zones=4)
    bench.draining = ("z0",)
    bench.cache = Cache(key(number) for number in range(100))
    for index, free in enumerate((0, 0, 40, 25)):
        told = summary_of(f"n{index}", f"z{index}", {})
        bench.summaries[told.node] = replace(told, capacity_objects=1000)
        for number in range(1000 - free):
            bench.cache.claims[hashed(1000 * (index + 1) + number)] = (told.node,)
    del bench.summaries["n0"]
    given = dict.fromkeys(("n1", "n2", "n3"), 0)
    hottest = []
    for offer in bench.plan().hand_over:
        given[offer.node] += len(offer.keys)
        hottest += offer.keys if offer.node != "n1" else ()
    assert given["n2"] >= 40 and given["n3"] >= 25 and sum(given.values()) == 100
    assert set(hottest) >= {key(number) for number in range(35, 100)}, "the hottest have the room"


def test_an_interrupted_drain_is_taken_up_by_a_new_planner() -> None:
    """A restart forgets what was offered; the state of the world is all that the next plan needs."""
    pool, rng = Pool(3, max_hand_over_keys=30), Random(2)
    pool.caches["n0"] = Cache(key(number) for number in range(100))
    pool.learn()
    for _ in range(10):
        pool.planners["n0"] = Planner(PlacementSettings(max_hand_over_keys=30), "n0", "z0", {})
        ratio = pool.round(rng, 0.0).drained_ratio
    assert ratio == 1.0


def test_a_drain_with_nobody_left_never_says_that_it_is_done() -> None:
    pool = Pool(2)
    pool.caches["n0"] = Cache([key(1)])
    pool.draining = ("z0", "z1")
    plan = pool.plan()
    assert plan.drained_ratio == 0.0
    assert plan.hand_over == ()
    pool.caches["n1"].copies[key(1)] = Cache.entry(key(1))
    pool.learn()
    pool.now_s += 10.0
    plan = pool.plan()
    assert plan.drained_ratio == 0.0 and not plan.drained  # the other copy is about to be given up, too


def test_an_empty_store_is_drained() -> None:
    assert Pool(2).plan().drained_ratio == 1.0


def test_the_receiver_takes_what_is_hot_and_held_by_nobody_who_stays() -> None:
    numbers = range(60)
    taken: dict[int, str] = {}
    for me in (1, 2):
        bench = Bench(zones=3, me=me)
        bench.draining = ("z0",)
        bench.summaries["n0"] = summary_of("n0", "z0", dict.fromkeys(numbers, 10.0))
        for number in numbers:
            bench.cache.claims[hashed(number)] = ("n0", f"n{3 - me}") if number < 10 else ("n0",)
        bench.cache.copies[key(59)] = Cache.entry(key(59))
        for want in bench.plan().wants:
            if want.reason is Reason.DRAIN:
                assert want.source == "n0"
                number = int(want.key.key.rsplit(b"/", 1)[1])
                assert number not in taken
                taken[number] = f"n{me}"
    assert set(taken) >= set(range(10, 59))
    assert not set(taken) & set(range(10))


def test_replicated_copies_are_offered_to_homes_that_lack_them() -> None:
    policy = DependencyPolicy(name=DEP, policy="replicate", replicas=2)
    bench = Bench(zones=4, me=0, policies=[policy])
    bench.cache = Cache(key(number) for number in range(80))
    bench.cache.copies[key(1, "other")] = Cache.entry(key(1, "other"))
    offered = {(one, offer.node) for offer in bench.plan().hand_over for one in offer.keys}
    expected = {
        (key(number), zone.replace("z", "n"))
        for number in range(80)
        for zone in bench.ring.homes(hashed(number), 2)
        if zone != "z0"
    }
    assert offered == expected
    # Held there now: nothing more to do; and where another holder comes first by name, it is that one's work.
    for one, node in offered:
        bench.cache.claims[key_hash(one)] = tuple(sorted({*bench.cache.holders(key_hash(one)), node}))
    assert bench.plan(after_s=100.0).hand_over == ()
    other = Bench(zones=4, me=3, policies=[policy])
    other.cache = Cache([key(1)])
    other.cache.claims[hashed(1)] = ("n0",)
    assert other.plan().hand_over == ()


def test_a_full_round_of_replication_goes_on_at_once() -> None:
    policy = DependencyPolicy(name=DEP, policy="replicate", replicas=3)
    bench = Bench(zones=3, policies=[policy], max_hand_over_keys=50, reoffer_after_s=30.0)
    bench.cache = Cache(key(number) for number in range(60))
    sizes = [sum(len(offer.keys) for offer in bench.plan(after_s=6.0).hand_over) for _ in range(4)]
    assert sizes == [50, 50, 20, 0]


def test_paused_offers_nothing_and_still_says_how_far_it_is() -> None:
    bench = Bench(zones=3)
    bench.cache = Cache([key(1), key(2)])
    bench.cache.claims[hashed(1)] = ("n1",)
    bench.draining, bench.paused = ("z0",), True
    plan = bench.plan()
    assert plan.hand_over == ()
    assert plan.drained_ratio == 0.5
    bench.paused = False
    assert [offer.keys for offer in bench.plan(after_s=1.0).hand_over] == [(key(2),)]


def test_a_drain_that_is_called_off_and_comes_again_starts_anew() -> None:
    bench = Bench(zones=3)
    bench.cache = Cache([key(1)])
    bench.draining = ("z0",)
    assert bench.plan().hand_over
    bench.draining = ()
    assert bench.plan(after_s=1.0).drained_ratio is None
    bench.draining = ("z0",)
    assert bench.plan(after_s=1.0).hand_over


def test_several_agents_of_the_draining_zone_hand_over_their_own() -> None:
    members = (*zones_of(3), member("n0b", "z0"))
    bench = Bench(zones=3)
    bench.members = members
    bench.cache = Cache([key(1)])
    bench.cache.claims[hashed(1)] = ("n0b",)  # a sibling's copy is no more safe than ours
    bench.draining = ("z0",)
    plan = bench.plan()
    assert plan.drained_ratio == 0.0
    assert [offer.keys for offer in plan.hand_over] == [(key(1),)]


def test_what_was_missed_a_moment_ago_does_not_hold_up_a_drain() -> None:
    bench = Bench(zones=3)
    bench.draining = ("z0",)
    old, new = Cache.entry(key(1)), Cache.entry(key(2))._replace(stored_s=98.0)
    bench.cache.copies = {key(1): old, key(2): new}
    bench.cache.claims[hashed(1)] = ("n1",)
    assert bench.plan(after_s=100.0).drained_ratio == 1.0
    assert bench.plan(after_s=10.0).drained_ratio == 0.5, "by now it has had its time"


def test_what_the_others_have_no_room_for_is_given_up_after_two_offers() -> None:
    bench = Bench(zones=3)
    bench.draining = ("z0",)
    bench.cache = Cache([key(1), key(2)])
    bench.cache.claims[hashed(1)] = ("n1",)
    plans = [bench.plan(after_s=11.0) for _ in range(4)]
    assert [bool(plan.hand_over) for plan in plans[:2]] == [True, True]
    assert [plan.drained for plan in plans] == [False, False, True, True]
    assert bench.plan(after_s=1.0).drained, "and stays given up while it is offered on"
    assert {plan.drained_ratio for plan in plans} == {0.5}, "what is shown stays the truth"
    bench.cache.claims[hashed(2)] = ("n2",)
    assert bench.plan(after_s=11.0).drained_ratio == 1.0
