from __future__ import annotations

from tests.core.placement.scenery import Bench, hashed, member, ring_of, zones_of
from zoned.core.members import MemberState
from zoned.core.names import shard_of
from zoned.core.placement.room import Room
from zoned.core.placement.roster import Roster


def test_safe_are_the_alive_of_zones_that_stay() -> None:
    members = [
        member("n0", "z0"), member("n1", "z1"), member("n2", "z2", MemberState.FAILED),
        member("n3", "z3", MemberState.SUSPECT), member("serf", "z4", role="web"),
        member("empty", "z5", weight=0), member("n6", "z6"),
    ]  # fmt: skip
    roster = Roster(members, ("z1",), "n0", "z0")
    assert roster.safe == {"n0": "z0", "n6": "z6"}
    assert roster.staying == ("z0", "z6")
    assert roster.holds_elsewhere(("n6",))
    assert not roster.holds_elsewhere(("n0", "n1", "n2", "n3", "serf", "unknown"))


def test_all_agents_name_the_same_new_home() -> None:
    members = zones_of(6)
    ring = ring_of(members)
    for draining in (("z1",), ("z1", "z2", "z3"), ("z0", "z1", "z2", "z3", "z4")):
        rosters = {m.node: Roster(members, draining, m.node, m.zone) for m in members}
        for number in range(100):
            key_hash = hashed(number)
            shard = shard_of(key_hash)
            homes = {roster.first_home(ring, key_hash, shard) for roster in rosters.values()}
            assert len(homes) == 1
            home = homes.pop()
            assert rosters[home].zone not in draining
            takers = [n for n, roster in rosters.items() if roster.new_home(ring, key_hash, shard)]
            assert takers == [home]


def test_who_has_room_goes_before_who_has_not() -> None:
    members = zones_of(6)
    ring = ring_of(members)
    only = Room({m.node: 10.0 if m.node in ("n2", "n4") else 0.0 for m in members}, {"n4": 100.0})
    roster = Roster(members, ("z1",), "n0", "z0", room=only)
    nobody = Roster(members, ("z1",), "n0", "z0", room=Room(dict.fromkeys(ring.owned_ratio(), 0.0), {}))
    taken: dict[str, int] = {}
    for number in range(400):
        key_hash = hashed(number)
        home = roster.first_home(ring, key_hash, shard_of(key_hash), 50)
        listed = [m.node for m in ring.preference_list(shard_of(key_hash)) if m.node != "n1"]
        roomy = [node for node in listed if node in ("n2", "n4")]
        assert home == roomy[0] if roomy else home in ("n2", "n4")
        taken[home] = taken.get(home, 0) + 1
        assert roster.first_home(ring, key_hash, shard_of(key_hash), 101) == "n2", "n4 is too small"
        assert nobody.first_home(ring, key_hash, shard_of(key_hash), 50) == listed[0]
    assert min(taken.values()) > 100, "they share what nobody's list puts there"


def test_nobody_is_left() -> None:
    bench = Bench(zones=2)
    roster = Roster(bench.members, ("z0", "z1"), "n0", "z0")
    assert roster.first_home(bench.ring, hashed(1), shard_of(hashed(1))) == ""
    assert not roster.new_home(bench.ring, hashed(1), shard_of(hashed(1)))


def test_agents_of_one_zone_share_the_work() -> None:
    members = [member("a1", "z0"), member("a2", "z0"), member("b", "z1")]
    ring = ring_of(members)
    one, two = (Roster(members, (), node, "z0") for node in ("a1", "a2"))
    mine = [one.mine(ring, hashed(number)) for number in range(200)]
    assert [two.mine(ring, hashed(number)) for number in range(200)] == [not taken for taken in mine]
    assert 40 < sum(mine) < 160
    # A dead sibling's are looked after by those who live.
    alone = Roster([members[0], member("a2", "z0", MemberState.FAILED), members[2]], (), "a1", "z0")
    assert all(alone.mine(ring, hashed(number)) for number in range(200))


def test_a_sibling_that_restarts_is_waited_for() -> None:
    members = (member("n0", "z0"), member("n1", "z0", MemberState.FAILED), member("n2", "z1"))
    ring = ring_of(members)
    theirs = next(h for h in map(hashed, range(100)) if ring.owner_in_zone(h, "z0").node == "n1")  # type: ignore[union-attr]
    assert Roster(members, (), "n0", "z0").mine(ring, theirs), "a dead owner's part is everybody's"
    awaited = Roster(members, (), "n0", "z0", awaited=("n1", "n2"))
    assert not awaited.mine(ring, theirs)
    assert "n1" not in awaited.safe, "what it holds cannot be fetched now"


def test_where_nobody_has_room_the_homes_are_asked_in_turn() -> None:
    members = zones_of(6)
    ring = ring_of(members)
    full = Room({m.node: 0.0 for m in members}, {})
    roster = Roster(members, ("z0",), "n0", "z0", room=full)
    for number in range(20):
        shard = shard_of(hashed(number))
        homes = [m.node for m in ring.preference_list(shard) if m.zone != "z0"]
        asked = [roster.first_home(ring, hashed(number), shard, turn=turn) for turn in range(len(homes) + 1)]
        assert asked == [*homes, homes[0]]
