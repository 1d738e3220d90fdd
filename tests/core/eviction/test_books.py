"""Several policies in one room: bounds, one policy where all agree, who gives way, who changes books."""

from __future__ import annotations

import random
from array import array
from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.eviction.keyed import Keyed
from zoned.core.eviction import EVICTIONS, PLAIN, Books, Demand, Worth, make


def worth() -> Worth:
    return Worth(Demand(200, 4096, random.Random(1).random))


class Shared(Keyed):
    """Books over integer keys; a key belongs to the dependency ``key % 3``."""

    def __init__(self, arms: Sequence[str], objects: int | None, size: int | None, prices: Worth) -> None:
        super().__init__("lru", objects, size)
        self.numbers = array("H")
        policy = partial(make, max_objects=objects, max_bytes=size, hashes=self.hashes, worth=prices)
        self.books = Books(objects, size, policy, self.hashes, self.numbers, arms.__getitem__, prices)
        self.policy = self.books

    def share(self, arm: str) -> float:
        """What part of the room that policy's book should have."""
        targets = self.books._shares.targets
        return targets[self.books._names.index(arm)] / sum(targets)

    def _enter(self, key: int) -> int:
        while len(self.numbers) <= len(self.hashes):
            self.numbers.append(0)
        slot = self._free[-1] if self._free else len(self.hashes)
        self.numbers[slot] = key % 3
        return super()._enter(key)


operations = st.lists(
    st.tuples(
        st.sampled_from(["get", "get", "get", "remove", "arms"]), st.integers(0, 25), st.integers(0, 5)
    ),
    max_size=120,
)
bounds = st.sampled_from([(4, None), (9, None), (None, 12), (6, 14), (None, None)])


@settings(max_examples=150)
@given(operations, bounds, st.lists(st.sampled_from(EVICTIONS), min_size=3, max_size=3))
def test_whatever_happens_the_room_is_kept_and_the_order_names_each_copy_once(
    steps: list[tuple[str, int, int]], room: tuple[int | None, int | None], arms: list[str]
) -> None:
    objects, size = room
    prices = worth()
    shared = Shared(arms, objects, size, prices)
    sizes: dict[int, int] = {}
    for what, key, number in steps:
        if what == "arms":
            arms = [EVICTIONS[(number + key * place) % 4] for place in range(3)]
            shared.books.assign(arms.__getitem__)
        elif what == "remove":
            assert shared.remove(key) == (sizes.pop(key, None) is not None)
        else:
            prices.used(key)
            assert shared.hit(key) == (key in sizes)
            if key not in sizes:
                sizes[key] = number
                for gone in shared.put(key, number):
                    del sizes[gone]
        assert sorted(shared.order()) == sorted(sizes) and len(shared) == len(sizes)
        assert shared.used_bytes == sum(sizes.values())
        assert all(shared.size_of(key) == size for key, size in sizes.items())
        assert (objects is None or len(sizes) <= objects) and (size is None or shared.used_bytes <= size)


@settings(max_examples=100)
@given(operations, bounds, st.sampled_from(EVICTIONS))
def test_where_all_agree_it_decides_as_the_one_policy_does(
    steps: list[tuple[str, int, int]], room: tuple[int | None, int | None], arm: str
) -> None:
    prices = worth()
    shared, single = Shared([arm] * 3, *room, prices), Keyed(arm, *room, prices)
    for what, key, size in steps:
        if what == "remove":
            assert shared.remove(key) == single.remove(key)
            continue
        prices.used(key)
        if single.hit(key):
            assert shared.hit(key)
        else:
            assert shared.put(key, size) == single.put(key, size)
        assert list(shared.order()) == list(single.order())


def test_copies_that_change_books_keep_their_rank() -> None:
    shared = Shared(["lru", "sieve", "sieve"], 100, None, worth())
    for key in range(30):
        assert shared.put(key, 1) == []
    before = list(shared.order())
    assert before[:4] == [0, 1, 2, 3], "each book in its order, all at the same pace"
    shared.books.assign(["lru", "lru", "lru"].__getitem__)
    after = list(shared.order())
    assert sorted(after) == sorted(before)
    for number in range(3):
        assert [key for key in after if key % 3 == number] == [key for key in before if key % 3 == number]
    assert abs(after.index(15) - 15) <= 3 and abs(after.index(28) - 28) <= 3


def play(arms: Sequence[str], accesses: list[int], room: int, prices: Worth) -> tuple[int, Shared]:
    """How often it missed."""
    shared, missed = Shared(arms, room, None, prices), 0
    for key in accesses:
        prices.used(key)
        if not shared.hit(key):
            missed += 1
            shared.put(key, 1)
    return missed, shared


def test_room_goes_where_more_of_it_would_be_used() -> None:
    """Dependency 0 is read at random among 60, of which few fit; dependency 1 is never read again."""
    rng, accesses = random.Random(3), []
    for step in range(6000):
        accesses += [3 * rng.randrange(60), 3 * (100 + step) + 1]
    prices = worth()
    missed, shared = play(["lru", "s3fifo", "sieve"], accesses, 50, prices)
    alone, _ = play(["lru"] * 3, accesses, 50, worth())
    assert shared.share("lru") > 0.9
    assert missed - 6000 < 0.4 * (alone - 6000), "LRU for both leaves half of the room to what is never read"


def test_a_copy_that_another_zone_has_too_speaks_less_for_more_room() -> None:
    """Both dependencies would use more room alike; what 0 misses is in the next zone."""
    rng = random.Random(4)
    accesses = [3 * rng.randrange(60) + rng.randrange(2) for _ in range(20_000)]
    prices = worth()
    _, shared = play(["lru", "s3fifo", "sieve"], accesses, 60, prices)
    even = shared.share("lru")
    prices.near_s, prices.far_s = 0.01, 0.19
    prices.elsewhere = lambda key: key % 3 == 0
    _, shared = play(["lru", "s3fifo", "sieve"], accesses, 60, prices)
    assert shared.share("lru") < even - 0.2


def test_a_newcomer_that_goes_by_value_asks_its_own_book_only_when_that_has_to_give_way() -> None:
    prices = worth()
    shared = Shared(["value", "lru", "lru"], 10, None, prices)
    for key in (0, 3, 6, 9, 12):
        for _ in range(5):
            prices.used(key)
        shared.put(key, 1)
    assert shared.books.takes("value", 15, 1), "there is room"
    for key in (1, 4, 7, 10, 13):
        shared.put(key, 1)
    assert shared.books.takes("lru", 16, 1) is None, "LRU takes what comes"
    assert shared.put(15, 1) == [15], "the room is divided in halves: a copy of its own would have to go"
    assert not shared.books.takes("value", 15, 1)
    for _ in range(9):
        prices.used(15)
    assert shared.books.takes("value", 15, 1) and shared.put(15, 1)[0] % 3 == 0


@pytest.mark.parametrize("name", PLAIN)
def test_one_that_sheds_gives_up_who_would_have_gone(name: str) -> None:
    prices = worth()
    rng = random.Random(5)
    policy = Keyed(name, 20, None, prices)
    book = make(name, 20, None, policy.hashes, prices)
    policy.policy = book
    for _ in range(200):
        key = rng.randrange(60)
        if not policy.hit(key):
            policy.put(key, 1)
    while len(policy):
        book.bound(len(policy), None)
        first = next(policy.order())
        slot = book.shed()
        assert policy.hashes[slot] == first
        policy._let_go([slot])
