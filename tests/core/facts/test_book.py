from __future__ import annotations

from dataclasses import replace
from random import Random

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import StateError
from zoned.core.facts import DRAIN, EVERYWHERE, INVALIDATE, OFF, ON, OUT, PAUSE, FactBook, FactsSettings
from zoned.core.members import Fact, Member, MemberState
from zoned.core.names import Instant

NOW = Instant(1.0, 1.0, 1.0)
SMALL = FactsSettings(max_facts_per_kind=16)


def member(node: str, incarnation: int, state: MemberState = MemberState.FAILED) -> Member:
    return Member(
        node=node, zone="z", role="zoned", state=state, incarnation=incarnation, weight=1,
        gossip=("127.0.0.1", 1), peer=None, http=None, since_wall_s=0.0, accuser="", rtt_s=None,
    )  # fmt: skip


def book(node: str = "n0", settings: FactsSettings = SMALL) -> FactBook:
    return FactBook(settings, node)


facts = st.builds(
    Fact,
    st.sampled_from([DRAIN, INVALIDATE]),
    st.integers(0, 40).map("s{}".format),
    st.sampled_from([ON, OFF]),
    st.integers(1, 60),
    st.sampled_from(["a", "b"]),
)


def naive(heard: list[Fact]) -> tuple[Fact, ...]:
    """The newest fact per subject, then the newest sixteen per kind."""
    newest: dict[tuple[str, str], Fact] = {}

    def age(fact: Fact) -> tuple[int, str, str, str]:
        return fact.clock, fact.origin, fact.value, fact.subject

    for fact in heard:
        known = newest.get((fact.kind, fact.subject))
        if known is None or age(fact) > age(known):
            newest[fact.kind, fact.subject] = fact
    kept = []
    for kind in (DRAIN, INVALIDATE):
        kept += sorted((fact for fact in newest.values() if fact.kind == kind), key=age)[-16:]
    return tuple(sorted(kept, key=lambda fact: (fact.kind, fact.subject)))


@given(st.lists(facts, max_size=80), st.randoms(use_true_random=False))
def test_books_that_heard_the_same_in_any_order_are_equal(heard: list[Fact], rng: Random) -> None:
    one, two = book("one"), book("two")
    for fact in heard:
        one.hear(fact)
    again = heard + heard[: len(heard) // 2]
    rng.shuffle(again)
    for fact in again:
        two.hear(fact)
    assert one.all() == two.all() == naive(heard)


@given(st.lists(facts, max_size=80))
def test_hear_says_true_only_for_news(heard: list[Fact]) -> None:
    one = book()
    for fact in heard:
        before = one.all()
        news = one.hear(fact)
        assert news == (one.all() != before)
        assert not one.hear(fact)


def test_what_is_said_wins_over_all_that_was_heard() -> None:
    one = book()
    one.hear(Fact(DRAIN, "z1", ON, 41, "zz"))
    said = one.say(DRAIN, "z1", OFF, NOW)
    assert said == Fact(DRAIN, "z1", OFF, 42, "n0")
    assert one.draining() == ()
    other = book("n1")
    assert other.hear(said)
    assert not other.hear(Fact(DRAIN, "z1", ON, 41, "zz"))


def test_draining_and_pausing() -> None:
    one = book()
    assert not one.paused
    one.say(DRAIN, "b", ON, NOW)
    one.say(DRAIN, "a", "yes", NOW)
    one.say(PAUSE, EVERYWHERE, ON, NOW)
    assert one.draining() == ("a", "b")
    assert one.draining() is one.draining()
    assert one.paused
    for off in ("", OFF, "0"):
        one.say(DRAIN, "a", off, NOW)
        one.say(PAUSE, EVERYWHERE, off, NOW)
        assert one.draining() == ("b",)
        assert not one.paused
    assert one.value(DRAIN, "a") == "0"
    assert one.value(DRAIN, "never") is None
    assert one.value("no such kind", "a") is None


def test_out_is_refuted_by_a_higher_incarnation() -> None:
    one = book()
    one.say(OUT, "n1", "5", NOW)
    assert one.outs([member("n1", 5), member("n2", 1)]) == ("n1",)
    assert one.outs([member("n1", 4)]) == ("n1",)
    assert one.outs([member("n1", 6, MemberState.ALIVE)]) == ()
    assert one.outs([]) == ()
    one.say(OUT, "n1", "6", NOW)
    assert one.outs([member("n1", 6)]) == ("n1",)


@pytest.mark.parametrize(
    "nonsense",
    [
        Fact("rumour", "z", ON, 1, "a"),
        Fact(DRAIN, "", ON, 1, "a"),
        Fact(DRAIN, "z", ON, 0, "a"),
        Fact(DRAIN, "z", ON, -5, "a"),
        Fact(DRAIN, "z", ON, (1 << 53) + 1, "a"),
        Fact(DRAIN, "z", ON, True, "a"),
        Fact(DRAIN, "z", ON, 1.5, "a"),  # type: ignore[arg-type]
        Fact(DRAIN, "z", ON, 1, ""),
        Fact(DRAIN, "z" * 20_000, ON, 1, "a"),
        Fact(DRAIN, "z", "v" * 2000, 1, "a"),
        Fact(DRAIN, b"z", ON, 1, "a"),  # type: ignore[arg-type]
        Fact([], "z", ON, 1, "a"),  # type: ignore[arg-type]
        Fact(DRAIN, "\ud800", ON, 1, "a"),
        Fact(OUT, "n1", "soon", 1, "a"),
        Fact(OUT, "n1", "-1", 1, "a"),
        Fact(OUT, "n1", "\u0665", 1, "a"),
    ],
)
def test_nonsense_is_refused_and_counted(nonsense: Fact) -> None:
    one = book()
    assert not one.hear(nonsense)
    assert one.counters["refused"] == 1
    assert one.all() == ()
    assert one.say(DRAIN, "z", ON, NOW).clock == 1  # and its clock was not believed


def test_a_fact_at_the_end_of_the_clock_does_not_silence_us() -> None:
    one = book(settings=replace(SMALL, max_clock=10))
    assert one.hear(Fact(DRAIN, "z", ON, 10, "a"))
    one.say(DRAIN, "z", OFF, NOW)
    assert one.draining() == ()


def test_a_full_book_keeps_the_newest_and_does_not_take_back_old_ones() -> None:
    one = book()
    said = [one.say(INVALIDATE, f"dep:{number}", "", NOW) for number in range(20)]
    assert len(one.all()) == 16
    assert one.counters["dropped"] == 4
    assert not one.hear(said[0])
    assert one.value(INVALIDATE, "dep:0") is None
    # The other kinds have room of their own.
    one.say(DRAIN, "z", ON, NOW)
    assert one.draining() == ("z",)


def test_state_survives_and_a_key_need_not_be_text() -> None:
    one = book()
    one.say(DRAIN, "z1", ON, NOW)
    strange = "dep:" + b"\xff\x00key".decode("utf-8", "surrogateescape")
    one.say(INVALIDATE, strange, "", NOW)
    packed = msgpack.unpackb(msgpack.packb(one.export_state()))
    two = book()
    two.restore_state(packed, NOW)
    assert two.all() == one.all()
    assert two.value(INVALIDATE, strange) == ""
    assert two.say(DRAIN, "z1", OFF, NOW).clock == 3


@pytest.mark.parametrize(
    "state",
    [
        {}, {"clock": 1}, {"clock": "x", "facts": []}, {"clock": -1, "facts": []}, {"clock": 1, "facts": 7},
        {"clock": 1, "facts": [[1]]}, {"clock": 1, "facts": [[DRAIN, "text", ON, 1, "a"]]},
        {"clock": 1, "facts": [[DRAIN, b"z", ON, 0, "a"]]}, [], None,
    ],
)  # fmt: skip
def test_a_broken_state_is_a_state_error(state: object) -> None:
    one = book()
    one.say(DRAIN, "z", ON, NOW)
    before = one.all()
    with pytest.raises(StateError):
        one.restore_state(state, NOW)  # type: ignore[arg-type]
    assert one.all() == before
