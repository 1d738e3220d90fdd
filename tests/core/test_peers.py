"""Whom to ask: members, states, zones and distances become routes; offers go to those who can be asked."""

from __future__ import annotations

import pytest

from tests.core.solo import DEP, key
from zoned.core.actions import Offer
from zoned.core.cache import CacheController, CacheSettings
from zoned.core.flight import FlightSettings
from zoned.core.members import HoldingsHeard, Member, MemberState
from zoned.core.names import InstanceKey, fingerprint_of, key_hash
from zoned.core.peers import Peers
from zoned.core.records import DependencyPolicy, HandOver
from zoned.core.ring import Ring, RingMember, RingSettings

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
