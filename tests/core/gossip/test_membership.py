"""Precedence: whatever the order in which news arrives, the last word is the same."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.gossip.pool import Pool
from zoned.core.actions import Note
from zoned.core.gossip import GossipSettings, Identity
from zoned.core.gossip.membership import PRECEDENCE, Known, Membership, wins
from zoned.core.gossip.messages import Alive, Dead, Kind, Standing, Suspect
from zoned.core.gossip.rumours import Rumours
from zoned.core.gossip.strangers import compatible
from zoned.core.gossip.tags import meta_of
from zoned.core.gossip.wire import VERSIONS
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import MemberState
from zoned.core.names import Instant

NOW = Instant(50.0, 1000.0, 1000.0)
OTHER = Identity("b", "z2", 1, ("10.0.0.2", 7946))


def rumours(pool: str = "") -> tuple[Rumours, Wiring]:
    wiring = Wiring(GossipSettings(), Identity("a", "z1", 1, ("10.0.0.1", 7946), pool=pool), random.Random(1))
    return Rumours(wiring, NOW), wiring


def alive(incarnation: int, of: Identity = OTHER) -> Alive:
    return Alive(incarnation, of.node, of.gossip, meta_of(of), VERSIONS)


def test_the_table_names_every_case() -> None:
    kinds = (Kind.ALIVE, Kind.SUSPECT, Kind.DEAD)
    assert set(PRECEDENCE) == {(kind, standing) for kind in kinds for standing in Standing}


@pytest.mark.parametrize("known", Standing)
def test_a_lower_incarnation_never_wins(known: Standing) -> None:
    assert not any(wins(kind, 4, known, 5) for kind in (Kind.ALIVE, Kind.SUSPECT, Kind.DEAD))


accusations = st.lists(
    st.tuples(st.sampled_from(["suspect", "dead"]), st.integers(1, 4)), min_size=1, max_size=8
)


@given(accusations, st.randoms(use_true_random=False))
def test_any_order_ends_in_the_last_word(accused: list[tuple[str, int]], shuffler: random.Random) -> None:
    """Incarnations are first said by their owner; heard in any order, and once more, the highest one counts,
    and in it dead > suspect > alive."""
    rules, wiring = rumours()
    heard = [*accused, *(("alive", incarnation) for incarnation in range(1, 5))]
    rules.alive(alive(1), NOW)
    for _ in range(2):
        shuffler.shuffle(heard)
        for what, incarnation in heard:
            if what == "alive":
                rules.alive(alive(incarnation), NOW)
            elif what == "suspect":
                rules.suspect(Suspect(incarnation, "b", "c"), NOW)
            else:
                rules.dead(Dead(incarnation, "b", "c"), NOW)
    expected = Standing.ALIVE
    if ("dead", 4) in accused:
        expected = Standing.DEAD
    elif ("suspect", 4) in accused:
        expected = Standing.SUSPECT
    known = wiring.table.get("b")
    assert known is not None and (known.standing, known.incarnation) == (expected, 4)


def test_a_suspect_becomes_failed_when_its_time_is_up() -> None:
    rules, wiring = rumours()
    rules.alive(alive(5), NOW)
    rules.suspect(Suspect(5, "b", "c"), NOW)
    deadline_s = wiring.timers.next_s()
    assert deadline_s == pytest.approx(NOW.mono_s + 4.0)
    wiring.timers.run(Instant(deadline_s + 0.01, 1004.0, 1004.0))
    member = next(each for each in wiring.table.members() if each.node == "b")
    assert (member.state, member.accuser) == (MemberState.FAILED, "a")
    assert [each.before for each in wiring.news] == [None, MemberState.ALIVE, MemberState.SUSPECT]  # type: ignore[union-attr]


def test_a_higher_incarnation_acquits() -> None:
    rules, wiring = rumours()
    rules.alive(alive(5), NOW)
    rules.suspect(Suspect(5, "b", "c"), NOW)
    rules.alive(alive(5), NOW)
    assert wiring.table.get("b").standing is Standing.SUSPECT  # type: ignore[union-attr]
    rules.alive(alive(6), NOW)
    assert wiring.table.get("b").standing is Standing.ALIVE  # type: ignore[union-attr]


def test_news_about_ourselves_is_refuted_and_outranked() -> None:
    rules, wiring = rumours()
    assert rules.own.incarnation == 1000  # from the wall clock
    rules.suspect(Suspect(1000, "a", "c"), NOW)
    assert rules.own.incarnation == 1001
    rules.dead(Dead(2000, "a", "c"), NOW)
    assert rules.own.incarnation == 2001
    rules.alive(alive(3000, Identity("a", "other", 9, ("10.0.0.1", 7946))), NOW)
    assert rules.own.incarnation == 3001 and rules.own.standing is Standing.ALIVE
    assert wiring.awareness.score == 3
    rules.suspect(Suspect(0xFFFFFFFF, "a", "c"), NOW)
    assert rules.own.incarnation == 3001 and wiring.counters["rejected_incarnation"] == 1


def test_a_live_name_cannot_be_taken_but_a_left_one_can() -> None:
    rules, wiring = rumours()
    moved = OTHER._replace(gossip=("10.0.0.99", 7946))
    rules.alive(alive(5), NOW)
    rules.alive(alive(6, moved), NOW)
    assert wiring.counters["name_conflicts"] == 1 and wiring.table.get("b").incarnation == 5  # type: ignore[union-attr]
    rules.dead(Dead(5, "b", "c"), NOW)
    rules.alive(alive(6, moved), NOW)
    assert wiring.table.get("b").address == OTHER.gossip  # type: ignore[union-attr]
    later = Instant(NOW.mono_s + 30.0, 1030.0, 1030.0)
    rules.alive(alive(6, moved), later)
    assert wiring.table.get("b").address == moved.gossip  # type: ignore[union-attr]
    rules.dead(Dead(6, "b", "b"), later)
    rules.alive(alive(7), later)
    assert wiring.table.get("b").address == OTHER.gossip  # type: ignore[union-attr]


def test_pools_with_other_tags_stay_apart() -> None:
    rules, wiring = rumours(pool="prod")
    rules.alive(alive(5, OTHER._replace(pool="test")), NOW)
    rules.alive(alive(6, OTHER._replace(pool="test")), NOW)
    assert wiring.table.get("b") is None and wiring.counters["rejected_other_pool"] == 2
    (note,) = (each for each in wiring.actions if isinstance(each, Note))  # told, and once
    assert note.text == "not a member: b at 10.0.0.2:7946 is of pool 'test', we are of 'prod' (gossip.pool)"
    rules.alive(alive(5, OTHER._replace(pool="prod")), NOW)
    assert wiring.table.get("b") is not None


@pytest.mark.parametrize(("ours", "theirs"), [("prod", ""), ("", "prod"), ("", "")])
def test_a_pool_may_be_given_its_tag_agent_by_agent(ours: str, theirs: str) -> None:
    rules, wiring = rumours(pool=ours)
    rules.alive(alive(5, OTHER._replace(pool=theirs)), NOW)
    assert wiring.table.get("b") is not None


@pytest.mark.parametrize("versions", ["", "01", "000000000000", "01050202050500", "ff0000ff0000"])
def test_who_speaks_no_protocol_of_ours_is_no_member_and_told_of_once(versions: str) -> None:
    rules, wiring = rumours()
    odd = alive(5)._replace(versions=bytes.fromhex(versions))
    rules.alive(odd, NOW)
    rules.alive(odd._replace(incarnation=6), NOW)
    assert wiring.table.get("b") is None and wiring.counters["rejected_protocol"] == 2
    assert len(wiring.queue) == 0
    (note,) = (each for each in wiring.actions if isinstance(each, Note))
    assert "b at 10.0.0.2:7946 speaks protocol versions" in note.text and "we speak 1 5 2 2 5 5" in note.text


@pytest.mark.parametrize(
    ("versions", "fits"),
    [
        ((1, 5, 2, 2, 5, 5), True),
        ((1, 5, 2, 2, 5, 4), True),  # Serf's library, an older agent
        ((1, 2, 2, 2, 5, 5), True),
        ((3, 5, 3, 2, 5, 5), False),  # it understands none of what we speak
        ((1, 6, 6, 2, 5, 5), False),  # we understand none of what it speaks
        ((1, 5, 2, 2, 4, 4), False),
        ((1, 5, 2, 6, 7, 6), False),
        ((1, 5, 0, 2, 5, 5), False),
    ],
)
def test_versions_fit_when_each_understands_what_the_other_speaks(
    versions: tuple[int, ...], fits: bool
) -> None:
    assert compatible(bytes(versions)) is fits


def test_a_member_that_begins_to_speak_nonsense_stays_what_it_was() -> None:
    rules, wiring = rumours()
    rules.alive(alive(5), NOW)
    rules.alive(alive(6)._replace(versions=bytes(6)), NOW)
    known = wiring.table.get("b")
    assert known is not None and (known.incarnation, known.versions) == (5, VERSIONS)


def test_strangers_are_told_of_up_to_a_limit() -> None:
    rules, wiring = rumours(pool="prod")
    for number in range(70):
        rules.alive(alive(5, OTHER._replace(node=f"s{number}", pool="test")), NOW)
    assert wiring.counters["rejected_other_pool"] == 70
    assert sum(isinstance(each, Note) for each in wiring.actions) == 64


def test_the_table_is_bounded() -> None:
    table = Membership(limit=2)
    added = [table.add(Known(f"n{i}", ("10.0.0.1", i), b"", b"", NOW)) for i in range(3)]
    assert added == [True, True, False] and len(table) == 2


def test_members_is_the_same_object_while_nothing_changes() -> None:
    rules, wiring = rumours()
    rules.alive(alive(5), NOW)
    before = wiring.table.members()
    rules.alive(alive(5), NOW)
    rules.alive(alive(4), NOW)
    assert wiring.table.members() is before
    assert [each.node for each in before] == ["a", "b"]
    rules.alive(alive(6), NOW)
    assert wiring.table.members() is not before


def test_a_round_trip_is_shown_when_it_moved_by_a_quarter() -> None:
    known = Known("b", OTHER.gossip, b"", VERSIONS, NOW)
    assert known.measured(0.080) and known.member().rtt_s == 0.080
    assert not known.measured(0.082)
    assert any(known.measured(0.200) for _ in range(3)) and known.member().rtt_s > 0.1  # type: ignore[operator]


def test_how_many_are_up_is_counted_as_they_come_and_go() -> None:
    pool = Pool(seed=5)
    hosts = pool.start(8)
    pool.run(5)
    hosts[3].up = False
    pool.do(hosts[4], "leave")
    for _ in range(40):
        pool.run(1)
        for host in hosts:
            table = host.swim._wiring.table
            assert table.up_count() == sum(known.is_up() for known in table.all())
    assert hosts[0].swim._wiring.table.up_count() == 6
    pool.do(hosts[0], "forget", "n003")
    assert hosts[0].swim._wiring.table.up_count() == 6 and len(hosts[0].swim.members()) == 7
    pool.do(hosts[4], "join", [hosts[0].identity.gossip])
    pool.run(2)
    table = hosts[0].swim._wiring.table
    assert table.up_count() == sum(known.is_up() for known in table.all()) == 7
