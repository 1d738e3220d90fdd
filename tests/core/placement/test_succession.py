"""What a planner passes on to newcomers; the whole way of a copy is in ``tests/core/test_joining.py``."""

from __future__ import annotations

import pytest

from tests.core.placement.scenery import DEP, SIZE, Bench, Cache, at, hashed, key, member, ring_of, zones_of
from zoned.core.members import MemberState
from zoned.core.names import group_of
from zoned.core.placement import PlacementSettings
from zoned.core.records import DependencyPolicy, HandOver, Plan
from zoned.core.ring import ALL_GROUPS

COPIES = 400


class Passing(Bench):
    """Agent n0 of zone z0 with 400 copies, the hottest last; n3 is the newcomer."""

    def __init__(self, zone: str = "z3", policy: str = "auto", **settings: object) -> None:
        super().__init__(3, policies=(DependencyPolicy(name=DEP, policy=policy),), **settings)
        self.members = (*zones_of(3), member("n3", zone))
        self.ring = ring_of(self.members)
        self.cache = Cache([key(number) for number in range(COPIES)])
        self.pending = {"n3": ALL_GROUPS}

    def pass_on(self, after_s: float = 1.0) -> tuple[HandOver, ...]:
        self.now_s += after_s
        plan: Plan = self.planner.plan(
            self.forecast, self.summaries, self.ring, self.cache, self.members, self.draining,
            self.paused, self.thresholds, self.price, at(self.now_s),
            serving=self.ring.serving(self.pending), warming=self.pending,
        )  # fmt: skip
        return plan.hand_over

    def inherited(self) -> list[int]:
        """What n0 serves of n3's shards, the hottest first."""
        serving = self.ring.serving(self.pending)
        found = []
        for number in reversed(range(COPIES)):
            owner, server = self.ring.owner(hashed(number)), serving.owner(hashed(number))
            assert owner is not None and server is not None
            if (owner.node, server.node) == ("n3", "n0"):
                found.append(number)
        return found


def numbers(offers: tuple[HandOver, ...]) -> list[int]:
    return [int(one.key.rsplit(b"/", 1)[1]) for offer in offers for one in offer.keys]


def test_it_is_offered_what_its_former_owner_holds_hottest_first_and_then_told_that_this_was_all() -> None:
    bench = Passing()
    wanted = bench.inherited()
    assert 10 < len(wanted) < COPIES / 4
    offers = bench.pass_on()
    assert numbers(offers) == wanted and all(offer.node == "n3" for offer in offers)
    assert offers[0].sizes == (SIZE,) * len(wanted)
    assert bench.pass_on() == (HandOver("n3", (), ()),), "said again with each plan"
    assert bench.pass_on() == (HandOver("n3", (), ()),)
    again = bench.pass_on(PlacementSettings().reoffer_after_s)
    assert numbers(again) == wanted and HandOver("n3", (), ()) in again, "it may have been lost"


def test_what_it_holds_or_took_over_already_is_not_offered() -> None:
    bench = Passing()
    wanted = bench.inherited()
    for number in wanted[:5]:
        bench.cache.claims[hashed(number)] = ("n2", "n3")
    bench.pending = {"n3": 0xFFFF_FFFF}
    low = [number for number in wanted[5:] if group_of(hashed(number)) < 32]
    assert numbers(bench.pass_on()) == low and low != wanted[5:]


def test_it_says_that_it_is_all_only_when_all_was_offered() -> None:
    bench = Passing(max_hand_over_keys=4)
    wanted = bench.inherited()
    made: list[int] = []
    while len(made) < len(wanted):
        offers = bench.pass_on()
        assert HandOver("n3", (), ()) not in offers
        made += [number for number in numbers(offers) if number not in made]
    assert made == wanted
    assert HandOver("n3", (), ()) in bench.pass_on()


def test_a_sibling_inherits_in_the_zone_too() -> None:
    bench = Passing("z0")
    serving = bench.ring.serving(bench.pending)
    wanted = []
    for number in reversed(range(COPIES)):
        own = bench.ring.owner_in_zone(hashed(number), "z0")
        assert own is not None and serving.owner_in_zone(hashed(number), "z0").node == "n0"  # type: ignore[union-attr]
        if own.node == "n3":
            wanted.append(number)
    assert numbers(bench.pass_on()) == wanted and len(wanted) > COPIES / 4


@pytest.mark.parametrize("state", [MemberState.SUSPECT, MemberState.FAILED, MemberState.LEAVING])
def test_who_may_not_stay_is_offered_nothing(state: MemberState) -> None:
    bench = Passing()
    bench.members = (*zones_of(3), member("n3", "z3", state))
    assert bench.pass_on() == ()


def test_nothing_is_passed_on_while_paused_nor_of_lru_dependencies_nor_by_who_drains() -> None:
    bench = Passing(policy="lru")
    assert bench.pass_on() == (HandOver("n3", (), ()),)
    bench = Passing()
    bench.paused = True
    assert bench.pass_on() == ()
    bench = Passing()
    bench.draining = ("z0",)
    offers = bench.pass_on()
    assert set(numbers(offers)) > set(bench.inherited()), "all of it is given up"
    assert HandOver("n3", (), ()) not in offers
