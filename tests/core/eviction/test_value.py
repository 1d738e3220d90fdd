"""The book of values: who goes, who is refused, and the same invariants as the other policies' twins have."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.eviction.keyed import Keyed
from zoned.core.eviction import Demand, Value, Worth, make


def made(objects: int | None = 4, size: int | None = None) -> tuple[Keyed, Worth, set[int]]:
    elsewhere: set[int] = set()
    worth = Worth(Demand(1000, 4096, random.Random(1).random))
    worth.elsewhere = elsewhere.__contains__
    return Keyed("value", objects, size, worth), worth, elsewhere


def book_of(policy: Keyed) -> Value:
    assert isinstance(policy.policy, Value)
    return policy.policy


def use(worth: Worth, key: int, times: int) -> None:
    for _ in range(times):
        worth.used(key)


def test_the_least_valuable_goes() -> None:
    policy, worth, _ = made()
    for key, times in ((1, 5), (2, 1), (3, 4), (4, 6)):
        use(worth, key, times)
        assert policy.put(key, 1) == []
    use(worth, 5, 3)
    assert policy.put(5, 1) == [2]
    assert sorted(policy.order()) == [1, 3, 4, 5]


def test_a_newcomer_worth_no_more_is_refused() -> None:
    policy, worth, _ = made()
    for key in (1, 2, 3, 4):
        use(worth, key, 3)
        policy.put(key, 1)
    use(worth, 5, 1)
    assert policy.put(5, 1) == [5] and 5 not in policy and len(policy) == 4


def test_the_only_copy_stays_and_what_the_neighbour_has_goes() -> None:
    policy, worth, elsewhere = made()
    for key in (1, 2, 3, 4):
        use(worth, key, 2)
        policy.put(key, 1)
    use(worth, 1, 2)  # the most used ...
    elsewhere.add(1)  # ... but another zone has it, too
    use(worth, 5, 2)
    assert policy.put(5, 1) == [1]


def test_what_other_zones_ask_for_here_stays() -> None:
    policy, worth, _ = made()
    for key in (1, 2, 3, 4):
        use(worth, key, 2)
        policy.put(key, 1)
    for _ in range(8):
        worth.demand.asked(1)
    use(worth, 5, 5)
    assert policy.put(5, 1) != [1]


def test_in_bytes_many_small_ones_beat_one_large_one() -> None:
    policy, worth, _ = made(None, 100)
    for key in range(1, 6):
        use(worth, key, 3)
        assert policy.put(key, 20) == []
    use(worth, 9, 6)
    assert policy.put(9, 100) == [9], "worth more than one of them, not than all five"
    assert policy.used_bytes == 100 and sorted(policy.order()) == [1, 2, 3, 4, 5]
    use(worth, 9, 60)
    assert sorted(policy.put(9, 100)) == [1, 2, 3, 4, 5]
    assert policy.put(10, 101) == [10]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9), st.sampled_from("uuupprx")), max_size=200))
def test_the_book_is_consistent_whatever_happens(steps: list[tuple[int, int, str]]) -> None:
    policy, worth, elsewhere = made(12, 60)
    held: dict[int, int] = {}
    for key, size, what in steps:
        if what == "u":
            worth.used(key)
            assert policy.hit(key) == (key in held)
        elif what == "x":
            elsewhere.symmetric_difference_update({key})
        elif what == "r":
            assert policy.remove(key) == (held.pop(key, None) is not None)
        elif key not in held:
            held[key] = size
            for gone in policy.put(key, size):
                del held[gone]
        assert {each: policy.size_of(each) for each in held} == held
        assert len(policy) == len(held) <= 12 and policy.used_bytes == sum(held.values()) <= 60
        assert sorted(policy.order()) == sorted(held)


def test_order_is_the_order_in_which_they_go() -> None:
    rng = random.Random(5)
    policy, worth, elsewhere = made(300)
    for key in range(300):
        use(worth, key, rng.randrange(1, 4))
        if rng.random() < 0.5:
            elsewhere.add(key)
        policy.put(key, 1)
    foretold = list(policy.order())
    assert sorted(foretold) == list(range(300))
    value = book_of(policy)
    place, _ = value._least()
    assert policy.hashes[value._members[place]] == foretold[0]


def test_it_takes_over_from_another_policy_and_back() -> None:
    policy, worth, _ = made()
    assert policy.adopt([(key, 1) for key in range(6)]) == [0, 1]
    assert sorted(policy.order()) == [2, 3, 4, 5]
    lru = Keyed("lru", 4, None)
    assert lru.adopt([(key, 1) for key in policy.order()]) == []
    use(worth, 9, 1)
    assert len(policy.put(9, 1)) == 1


def test_it_has_to_be_told_what_copies_are_worth() -> None:
    with pytest.raises(AssertionError, match="worth"):
        make("value", 4, None, [])
    assert isinstance(make("value", 4, None, [], made()[1]), Value)


def test_it_says_beforehand_what_it_would_take() -> None:
    policy, worth, _ = made(objects=2)
    value = book_of(policy)
    assert value.takes(1, 1), "there is room"
    policy.put(1, 1)
    policy.put(2, 1)
    use(worth, 1, 20)
    use(worth, 2, 20)
    assert not value.takes(3, 1) and policy.put(3, 1) == [3]
    use(worth, 3, 200)
    assert value.takes(3, 1) and policy.put(3, 1) in ([1], [2])
