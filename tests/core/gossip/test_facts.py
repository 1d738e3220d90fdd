"""Facts: merging is commutative, associative, idempotent, bounded, and the digest tells the map."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import PeerError
from zoned.core.gossip.facts import FactMap, fact_from
from zoned.core.members import Fact

facts = st.builds(
    Fact,
    st.sampled_from(["drain", "out"]),
    st.sampled_from(["a", "b", "c", "d", "e", "f"]),
    st.sampled_from(["", "1"]),
    st.integers(0, 6),
    st.sampled_from(["n1", "n2"]),
)


@given(st.lists(facts, max_size=40), st.randoms(use_true_random=False), st.sampled_from([2, 3, 100]))
def test_any_order_gives_the_same_map(heard: list[Fact], shuffler: object, limit: int) -> None:
    """With full maps too: everything is heard again in the end, as anti-entropy does."""
    maps = []
    for _ in range(2):
        one = FactMap(limit)
        for fact in [*heard, *heard]:
            one.hear(fact)
        maps.append(one)
        shuffler.shuffle(heard)  # type: ignore[attr-defined]
    assert maps[0].all() == maps[1].all() and maps[0].digest == maps[1].digest
    assert len(maps[0]) <= 2 * limit


@given(st.lists(facts, max_size=40))
def test_against_a_naive_twin(heard: list[Fact]) -> None:
    one, twin = FactMap(100), {}  # type: ignore[var-annotated]
    for fact in heard:
        known = twin.get((fact.kind, fact.subject))
        newer = known is None or (fact[3:], fact.value) > (known[3:], known.value)
        assert one.hear(fact) is newer
        if newer:
            twin[fact.kind, fact.subject] = fact
    assert one.all() == sorted(twin.values())


def test_the_digest_of_nothing_is_nothing_and_kinds_are_bounded() -> None:
    one = FactMap(2)
    assert one.digest == 0
    assert [one.hear(Fact(f"k{i}", "a", "", 1, "n")) for i in range(17)] == [True] * 16 + [False]


@pytest.mark.parametrize(
    "fields",
    [
        None, [], ["drain", "z", "", 1], ["", "z", "", 1, "n"], ["k" * 40, "z", "", 1, "n"],
        ["a", "z", "", -1, "n"],
        ["drain", "z", "", 1 << 60, "n"], ["drain", b"z", "", 1, "n"], ["drain", "z", "v" * 2000, 1, "n"],
    ],
)  # fmt: skip
def test_nonsense(fields: object) -> None:
    with pytest.raises(PeerError):
        fact_from(fields)
