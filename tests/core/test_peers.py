"""Whom to ask: members, states, zones and distances become routes; offers go to those who can be asked."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tests.core.placement.scenery import summary_of
from tests.core.solo import DEP, key
from zoned.core.actions import Offer
from zoned.core.cache import CacheController, CacheSettings
from zoned.core.flight import FlightSettings
from zoned.core.members import HoldingsHeard, Member, MemberState, Summary
from zoned.core.names import InstanceKey, fingerprint_of, key_hash
from zoned.core.peers import Peers
from zoned.core.records import DependencyPolicy, HandOver, Load
from zoned.core.ring import ALL_GROUPS, Ring, RingMember, RingSettings

K = key(1)
HASHED = key_hash(K)


def member(node: str, state: MemberState = MemberState.ALIVE, **changed: object) -> Member:
    fields: dict[str, object] = {
        "node": node, "zone": node[0], "role": "zoned", "state": state, "incarnation": 1, "weight": 1,
        "gossip": (node, 7946), "peer": (node, 7947), "http": None, "since_wall_s": 0.0, "accuser": "",
        "rtt_s": None,
    }  # fmt: skip
    return Member(**(fields | changed))  # type: ignore[arg-type]


def peers(*members: Member, coalesce: str = "auto", holders: str = "") -> Peers:
    """The view of a1; ``holders`` (by name, separated by spaces) claim K."""
    policy = DependencyPolicy(name=DEP, coalesce=coalesce)
    cache = CacheController(CacheSettings(), {DEP: policy})
    for node in holders.split():
        cache.heard(HoldingsHeard(node, (fingerprint_of(HASHED),), (), False))
    everybody = (member("a1"), *members)
    placed = [RingMember(m.node, m.zone, m.weight) for m in everybody if m.weight]
    made = Peers("a1", "a", FlightSettings(), cache, {DEP: policy}, Ring.build(placed, RingSettings()))
    made.meet(everybody)
    return made


def route(
    of: Peers, asker: str = "", prefetch: bool = False, preferred: str = "", now_s: float = 0.0
) -> list[str]:
    steps = of.route(K, HASHED, asker=asker, prefetch=prefetch, preferred=preferred, now_s=now_s)
    return [f"{step.kind.value} {step.node}".strip() for step in steps]


def test_alone_there_is_only_the_origin() -> None:
    assert route(peers()) == ["origin", "origin"]
    assert route(peers(), prefetch=True) == ["origin"]


def test_holders_by_distance_those_of_unknown_distance_last_and_no_more_than_allowed() -> None:
    near, far = member("b1", rtt_s=0.01), member("c1", rtt_s=0.1)
    unknown, farther = member("d1"), member("e1", rtt_s=0.2)
    found = route(peers(far, near, unknown, farther, holders="b1 c1 d1 e1"))
    assert found == ["holder b1", "holder c1", "holder e1", "origin", "origin"]


def test_nobody_is_asked_who_cannot_answer() -> None:
    members = (
        member("b1", MemberState.FAILED),
        member("c1", MemberState.LEFT),
        member("d1", peer=None),
        member("e1", MemberState.SUSPECT),
    )
    assert route(peers(*members, holders="b1 c1 d1 e1 x1")) == ["holder e1", "origin", "origin"]
    assert peers(*members).address_of("e1") == ("e1", 7947)
    assert peers(*members).address_of("b1") is None and peers(*members).address_of("a1") is None


def test_a_new_state_of_the_pool_replaces_the_old_one() -> None:
    of = peers(member("b1"), holders="b1")
    of.meet((member("a1"), member("b1", MemberState.FAILED)))
    assert route(of) == ["origin", "origin"]


def test_a_route_that_is_kept_is_the_one_that_would_be_made() -> None:
    """Whoever comes, goes, gets busy or moves away: as a view that has just met the same pool."""
    rng, kept = Random(4), peers(holders="b1 c1 d1")
    states = (MemberState.ALIVE, MemberState.FAILED, MemberState.LEAVING)
    for step in range(60):
        if step % 3 == 0:
            pool = (
                member("a1"),
                *[member(f"{z}1", rng.choice(states), rtt_s=rng.choice((None, 0.01, 0.2))) for z in "bcd"],
            )
            loads = {f"{z}1": told(f"{z}1", load=rng.choice((0.0, 0.9))) for z in "bcd"}
            kept.meet(pool, loads)
        fresh = peers(holders="b1 c1 d1")
        fresh.meet(pool, loads)
        for asker in ("", "b1"):
            for prefetch in (False, True):
                preferred = rng.choice(("", "d1"))
                assert route(kept, asker, prefetch, preferred) == route(fresh, asker, prefetch, preferred)


def test_the_fabrics_owner_is_asked_only_where_that_was_ordered_and_never_for_somebody_else() -> None:
    others = tuple(member(f"{zone}1") for zone in "bcdefgh")
    plain, fabric = peers(*others), peers(*others, coalesce="fabric")
    owner = fabric.ring.owner(HASHED)
    assert owner is not None and owner.node != "a1", "the example needs an owner elsewhere"
    assert route(plain) == ["origin", "origin"]
    assert route(fabric) == [f"owner {owner.node}", "origin", "origin"]
    assert route(fabric, asker="b1") == ["origin", "origin"]
    assert route(fabric, prefetch=True) == ["origin"]


def test_within_a_zone_its_owner_comes_first_while_that_zone_has_several_agents() -> None:
    for number in range(2, 30):  # some sibling owns K
        sibling = f"a{number}"
        of = peers(member(sibling), member("b1"), holders="b1")
        owner = of.ring.owner_in_zone(HASHED, "a")
        if owner is not None and owner.node == sibling:
            assert route(of) == [f"owner {sibling}", "holder b1", "origin", "origin"]
            assert route(of, asker=sibling) == ["holder b1", "origin", "origin"]
            return
    raise AssertionError("no sibling owns it")


def test_a_sibling_that_holds_nothing_is_no_owner() -> None:
    assert route(peers(member("a2", weight=0))) == ["origin", "origin"]


def test_whoever_offered_is_asked_first() -> None:
    of = peers(member("b1", rtt_s=0.01), member("c1", rtt_s=0.5), holders="b1 c1")
    assert route(of, prefetch=True, preferred="c1") == ["prefetch c1", "prefetch b1", "origin"]
    assert route(of, prefetch=True, preferred="x1") == ["prefetch b1", "prefetch c1", "origin"]


def test_offers_go_to_those_who_can_be_asked() -> None:
    of = peers(member("b1"), member("c1", MemberState.FAILED))
    keys, sizes = (K,), (100,)
    made = of.offers([HandOver("b1", keys, sizes), HandOver("c1", keys, sizes), HandOver("x1", keys, sizes)])
    assert made == [Offer(node="b1", address=("b1", 7947), keys=keys, sizes=sizes)]


@pytest.mark.parametrize("what", [K, DEP])
def test_what_was_invalidated_is_asked_of_the_origin_until_all_must_have_heard(
    what: InstanceKey | str,
) -> None:
    of = peers(member("b1"), holders="b1", coalesce="fabric")
    of.distrust(what, 5.0)
    assert route(of, preferred="b1", now_s=14.9) == ["origin", "origin"]
    assert route(of, prefetch=True, preferred="b1", now_s=14.9) == ["origin"]
    assert route(of, now_s=15.0)[0] == "holder b1"
    of.distrust(key(2), 5.0)
    assert route(of, now_s=15.0)[0] == "holder b1", "another one"


def test_invalidations_are_remembered_for_their_time_and_not_without_limit() -> None:
    of = peers(member("b1"))
    for number in range(5000):
        of.distrust(key(number), 0.0)
    assert len(of._distrusted) == 4096 and of.counters["distrust_forgotten"] == 904
    of.distrust(key(1), 100.0)
    assert list(of._distrusted) == [key(1)] and of.counters["distrust_forgotten"] == 904


def told(node: str, load: float = 0.0, used: float = 0.5) -> Summary:
    return replace(summary_of(node, node[0], {}), load=Load(network=load), used_ratio=used)


def owned_by(ring: Ring, node: str) -> InstanceKey:
    return next(key(n) for n in range(10_000) if (m := ring.owner_of(key(n))) is not None and m.node == node)


def to(of: Peers, instance: InstanceKey, now_s: float, **more: Any) -> list[str]:
    asked = {"asker": "", "prefetch": False, "preferred": ""} | more
    steps = of.route(instance, key_hash(instance), now_s=now_s, **asked)
    return [f"{step.kind.value} {step.node}".strip() for step in steps]


def test_the_former_owner_of_what_changed_hands_is_asked_for_a_while() -> None:
    of = peers(member("b1"), member("c1"))
    before, grown = of.ring, Ring.build([*of.ring.members, RingMember("a0", "a", 1)], RingSettings())
    of.turn_to(before, 0.0)
    of.turn_to(grown, 1000.0)
    moved = next(key(n) for n in range(10_000) if _owners(before, grown, n) == ["b1", "a0"])
    kept = next(key(n) for n in range(10_000) if _owners(before, grown, n) == ["b1", "b1"])
    assert to(of, moved, 1001.0) == ["holder b1", "origin", "origin"]
    assert to(of, moved, 1001.0, prefetch=True) == ["prefetch b1", "origin"]
    assert to(of, kept, 1001.0) == ["origin", "origin"]
    assert to(of, moved, 1060.0) == ["origin", "origin"]
    of.meet((member("a1"), member("b1", MemberState.FAILED), member("c1")))
    assert to(of, moved, 1001.0) == ["origin", "origin"], "it is down"


def _owners(before: Ring, after: Ring, number: int) -> list[str]:
    return [owner.node for ring in (before, after) if (owner := ring.owner_of(key(number))) is not None]


def test_the_former_owner_is_asked_only_where_it_may_hold_what_we_do_not_know_of() -> None:
    of = peers(member("b1"))
    everybody = (member("a1"), member("b1"))
    of.turn_to(of.ring.without("b1"), 0.0)
    of.turn_to(of.ring, 0.0)
    before = Ring.build([RingMember("b1", "b", 1)], RingSettings())
    of.turn_to(before, 100.0)
    of.turn_to(Ring.build([RingMember("a1", "a", 1)], RingSettings()), 100.0)
    assert to(of, K, 101.0)[0] == "holder b1"
    of.meet(everybody, {"b1": told("b1", used=0.0)})
    assert to(of, K, 101.0)[0] == "origin", "it holds nothing"
    of.meet(everybody, {"b1": told("b1")})
    assert to(of, K, 101.0)[0] == "holder b1"
    of._claims = lambda node: 3
    assert to(of, K, 101.0)[0] == "origin", "we know what it holds"


def test_who_has_just_started_takes_the_ring_without_itself_for_the_former() -> None:
    of = peers(member("b1"), member("c1"))
    ring = of.ring
    of.ring = ring.without("b1").without("c1")
    of.turn_to(of.ring, 50.0)
    of.turn_to(ring, 51.0)
    ours = owned_by(ring, "a1")
    former = ring.without("a1").owner_of(ours)
    assert former is not None
    assert to(of, ours, 52.0) == [f"holder {former.node}", "origin", "origin"]
    assert to(of, ours, 110.0) == ["origin", "origin"]


def test_while_a_newcomer_warms_its_shards_former_owner_is_owner_and_for_a_while_after_it_is_asked() -> None:
    of = peers(member("b1"), member("c1"), coalesce="fabric")
    before, grown = of.ring, Ring.build([*of.ring.members, RingMember("d1", "d", 1)], RingSettings())
    of.turn_to(before, 0.0)
    of.turn_to(grown, 1000.0)
    of.meet((member("a1"), member("b1"), member("c1"), member("d1")))
    moved = next(key(n) for n in range(10_000) if _owners(before, grown, n) == ["b1", "d1"])
    assert to(of, moved, 1001.0) == ["owner d1", "origin", "origin"]
    serving = grown.serving({"d1": ALL_GROUPS}, before)
    for now_s in (1001.0, 1050.0):
        of.serve_by(serving, True, now_s)
        assert to(of, moved, now_s) == ["owner b1", "origin", "origin"]
    of.serve_by(grown, False, 1051.0)
    assert to(of, moved, 1052.0) == ["owner d1", "origin", "origin"]
    assert to(of, moved, 1109.0, asker="c1") == ["holder b1", "origin", "origin"], "as the owner we would ask"
    assert to(of, moved, 1111.0, asker="c1") == ["origin", "origin"]
    assert of.ring is grown, "flips are no change of the ring"


def test_no_more_former_rings_than_allowed_are_remembered() -> None:
    of = peers(*[member(f"{zone}1") for zone in "bcdefg"])
    ring = of.ring
    of.turn_to(ring, 0.0)
    for number, zone in enumerate("bcdefg"):
        of.turn_to(ring.without(f"{zone}1"), 100.0 + number)
    assert len(of._former) == FlightSettings().max_former_rings
    of.turn_to(of.ring, 164.5)
    assert len(of._former) == 1


def test_holders_and_owners_far_busier_than_the_mean_are_passed_over() -> None:
    others = (member("b1", rtt_s=0.01), member("c1", rtt_s=0.02), member("d1", rtt_s=0.03))
    of = peers(*others, holders="b1 c1 d1")
    of.meet(
        (member("a1"), *others), {n: told(n, load) for n, load in (("b1", 0.9), ("c1", 0.3), ("d1", 0.3))}
    )
    assert route(of)[:3] == ["holder c1", "holder d1", "holder b1"]
    of.meet(
        (member("a1"), *others), {n: told(n, load) for n, load in (("b1", 0.9), ("c1", 0.8), ("d1", 0.8))}
    )
    assert route(of)[:3] == ["holder b1", "holder c1", "holder d1"], "within 1.25 times the mean"
    of.meet(
        (member("a1"), *others), {n: told(n, load) for n, load in (("b1", 0.4), ("c1", 0.0), ("d1", 0.0))}
    )
    assert route(of)[0] == "holder b1", "nobody is busy in a calm pool"


def test_the_fabrics_next_owner_steps_in_for_one_that_is_down_or_busy() -> None:
    others = tuple(member(f"{zone}1") for zone in "bcd")
    of = peers(*others, coalesce="fabric")
    instance = next(
        key(n)
        for n in range(1000)
        if [m.node for m in of.ring.preference_list(key_hash(key(n)) >> 48)][:2] == ["b1", "c1"]
    )
    assert to(of, instance, 0.0)[0] == "owner b1"
    loads = {"b1": told("b1", 0.9), "c1": told("c1", 0.1), "d1": told("d1", 0.1)}
    of.meet((member("a1"), *others), loads)
    assert to(of, instance, 0.0)[0] == "owner c1" and of.counters["passed_over_busy"] == 1
    of.meet((member("a1"), member("b1", MemberState.FAILED), *others[1:]))
    assert to(of, instance, 0.0)[0] == "owner c1"
    ours = next(
        key(n)
        for n in range(1000)
        if [m.node for m in of.ring.preference_list(key_hash(key(n)) >> 48)][:2] == ["b1", "a1"]
    )
    assert to(of, ours, 0.0)[0] == "origin", "we are next ourselves"
