"""The directory against a set per member."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.cache.directory import PARTITIONS, Directory
from zoned.core.members import HoldingsHeard


def make(limit: int = 1000) -> tuple[Directory, dict[str, int]]:
    counters: dict[str, int] = {}
    return Directory(limit, counters), counters


def heard(
    node: str, held: tuple[int, ...] = (), dropped: tuple[int, ...] = (), reset: bool = False
) -> HoldingsHeard:
    return HoldingsHeard(node, held, dropped, reset)


NODES = ("a", "b", "c", "d")
fingerprints = st.lists(st.integers(0, 600), max_size=12).map(tuple)
moves = st.lists(
    st.one_of(
        st.tuples(st.just("heard"), st.sampled_from(NODES), fingerprints, fingerprints, st.booleans()),
        st.tuples(st.just("gone"), st.sampled_from(NODES)),
        st.tuples(st.just("tidy"), st.integers(1, 2 * PARTITIONS)),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(steps=moves)
def test_like_a_set_per_member(steps: list[tuple[object, ...]]) -> None:
    directory, _ = make()
    twin: dict[str, set[int]] = {node: set() for node in NODES}
    for step in steps:
        match step:
            case ("heard", str(node), held, dropped, reset):
                directory.heard(HoldingsHeard(node, held, dropped, reset))  # type: ignore[arg-type]
                if reset:
                    twin[node].clear()
                twin[node] -= set(dropped)  # type: ignore[call-overload]
                twin[node] |= set(held)  # type: ignore[call-overload]
            case ("gone", str(node)):
                directory.gone(node)
                twin[node].clear()
            case ("tidy", int(times)):
                for _ in range(times):
                    directory.tidy()
        for fingerprint in range(0, 601, 7):
            want = tuple(node for node in NODES if fingerprint in twin[node])
            assert directory.holders(fingerprint) == want
            assert directory.holders(fingerprint | 5 << 32) == want, "only the low 32 bits count"
    assert {n: c for n, c in directory.sizes().items() if c} == {n: len(s) for n, s in twin.items() if s}


def test_claims_over_the_limit_are_dropped_and_counted() -> None:
    directory, counters = make(10)
    directory.heard(heard("a", tuple(range(8))))
    directory.heard(heard("b", tuple(range(8))))
    assert counters["claims_dropped"] == 6
    assert directory.sizes() == {"a": 8, "b": 2}


def test_what_the_dead_claimed_makes_room_at_the_limit() -> None:
    directory, counters = make(10)
    directory.heard(heard("a", tuple(range(10))))
    directory.gone("a")
    directory.heard(heard("b", tuple(range(100, 110))))
    assert counters["claims_dropped"] == 0
    assert directory.sizes() == {"b": 10}
    assert directory.holders(3) == ()


def test_a_bit_is_given_out_again_only_after_a_full_round() -> None:
    directory, _ = make()
    for number in range(500):
        directory.heard(heard("a", (number, number + 1), reset=True))
        directory.tidy()
    assert directory.holders(10) == ()
    assert directory.holders(499) == ("a",)
    assert directory._next_bit < 100, "bits of the retired are used again"


def test_false_positives_are_counted_and_keep_the_claim() -> None:
    directory, counters = make()
    directory.heard(heard("a", (1,)))
    directory.false_positive("a", 1, 5.0)
    directory.false_positive("a", 1, 6.0)
    assert counters["false_positives"] == 2
    assert directory.holders(1) == ("a",)


def test_more_than_eight_members() -> None:
    directory, _ = make()
    names = [f"node-{number:03}" for number in range(70)]
    for name in reversed(names):
        directory.heard(heard(name, (7,)))
    assert directory.holders(7) == tuple(names)
    directory.gone("node-003")
    assert directory.holders(7) == tuple(name for name in names if name != "node-003")


def test_what_only_some_members_hold() -> None:
    directory, _ = make()
    directory.heard(heard("a", (1, 2, 3, 4)))
    directory.heard(heard("b", (3, 5)))
    directory.heard(heard("c", (4, 6)))
    directory.heard(heard("d", (1,)))
    held, seen, alone = directory.alone(("a", "b"), ("c", "nobody"), 100)
    assert (held, seen, sorted(alone)) == (6, 5, [1, 2, 3, 5])  # 3 is claimed twice, and one instance
    directory.gone("d")
    assert sorted(directory.alone(("a",), ("b", "c", "d"), 100)[2]) == [1, 2]
    assert directory.alone(("d",), ("a",), 100) == (0, 0, [])
    assert directory.alone(("a",), ("b", "c"), 2)[:2] == (4, 2)  # a sample: partitions 1 and 2


def test_a_claim_of_one_who_gives_up_is_no_lasting_one() -> None:
    directory, _ = make()
    directory.heard(heard("a", (1, 2)))
    directory.heard(heard("b", (2,)))
    assert directory.lasting(1) and directory.lasting(2) and not directory.lasting(3)
    directory.discount(("a", "c"))
    assert not directory.lasting(1) and directory.lasting(2)
    assert directory.holders(1) == ("a",), "it serves it still"
    directory.heard(heard("c", (3,)))  # told of before it claimed anything
    assert not directory.lasting(3)
    directory.gone("b")
    assert not directory.lasting(2)
    directory.discount(())
    assert directory.lasting(1) and directory.lasting(3)
