"""LRU with guests, beside a plain LRU: what is held is its top, and a guest costs a hit at most."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.eviction import Hosting


class Store:
    """`Hosting` by keys, and the list that plain LRU of the same size would be, least recently used first."""

    def __init__(self, objects: int | None, size: int | None = None) -> None:
        self.hashes = list(range(40))  # a key is its own slot, and its own hash
        self.policy = Hosting(objects, size, self.hashes)
        self.policy.reserve(40)
        self.objects, self.bytes = objects or 1 << 60, size or 1 << 60
        self.lru: list[tuple[int, int]] = []
        self.guests: list[int] = []
        self.lodged = 0

    def read(self, key: int, size: int = 1) -> bool:
        """Somebody wants it: whether we had it."""
        policy = self.policy
        size = next((known for other, known in self.lru if other == key), size)
        had, lru_had = key in policy, key in dict(self.lru)
        lost, gained = policy.lost, policy.gained
        if had:
            size = policy.size_of(key)
            assert policy.hit(key)
            self.guests = [guest for guest in self.guests if guest != key]
        else:
            assert not policy.hit(key)
            self.went(policy.put(key, size))
        self.lru = [*(pair for pair in self.lru if pair[0] != key), (key, size)]
        while len(self.lru) > self.objects or sum(dict(self.lru).values()) > self.bytes:
            self.lru.pop(0)
        if self.bytes == 1 << 60:
            assert (policy.lost - lost, policy.gained - gained) == (lru_had and not had, had and not lru_had)
        return had

    def guess(self, key: int, size: int = 1) -> bool:
        """Fetched ahead: whether it was taken in."""
        if key in self.policy:
            return True
        gone = self.policy.lodge(key, size)
        self.went([slot for slot in gone if slot != key])
        if key not in gone:
            self.guests.append(key)
            self.lodged += 1
        return key not in gone

    def remove(self, key: int) -> None:
        if self.policy.remove(key):
            self.lru = [pair for pair in self.lru if pair[0] != key]
            self.guests = [guest for guest in self.guests if guest != key]

    def went(self, slots: list[int]) -> None:
        for slot in slots:
            assert slot not in self.policy
        self.guests = [guest for guest in self.guests if guest not in slots]

    def check(self) -> None:
        policy = self.policy
        held = list(policy.order())
        assert held[: len(self.guests)] == self.guests and len(held) == len(set(held)) == len(policy)
        assert policy.used_bytes == sum(map(policy.size_of, held)) <= self.bytes
        assert len(policy) <= self.objects
        if self.bytes == 1 << 60:
            own = held[len(self.guests) :]
            assert own == [key for key, _ in self.lru][len(self.lru) - len(own) :], "the top of LRU's order"


moves = st.lists(st.tuples(st.sampled_from("qqqqqgr"), st.integers(0, 14), st.integers(1, 9)), max_size=150)


def played(store: Store, steps: list[tuple[str, int, int]]) -> None:
    for move, key, size in steps:
        if move == "q":
            store.read(key, size)
        elif move == "g":
            store.guess(key, size)
        else:
            store.remove(key)
        store.check()


@settings(max_examples=200, deadline=None)
@given(objects=st.integers(1, 12), places=st.integers(0, 4), steps=moves)
def test_holds_the_top_of_lrus_order_and_loses_a_hit_a_guest(
    objects: int, places: int, steps: list[tuple[str, int, int]]
) -> None:
    store = Store(objects)
    store.policy.places = float(places)
    played(store, [(move, key, 1) for move, key, _ in steps])
    assert store.policy.lost <= store.lodged


@settings(max_examples=200, deadline=None)
@given(size=st.integers(1, 60), places=st.integers(0, 4), steps=moves)
def test_keeps_within_its_bytes(size: int, places: int, steps: list[tuple[str, int, int]]) -> None:
    store = Store(None, size)
    store.policy.places = float(places)
    played(store, [step for step in steps if step[2] <= size])  # each step checked against a plain LRU
    assert store.policy.used_bytes == sum(map(store.policy.size_of, store.policy.order())) <= size


def test_on_the_edge_of_the_cliff_a_wrong_guess_costs_one_hit() -> None:
    store = Store(20)
    store.policy.places = 1.0
    for key in range(20):
        store.read(key)
    assert store.guess(30)
    assert [store.read(key) for _ in range(5) for key in range(20)].count(False) == 1


def test_a_guest_beyond_its_places_goes_first_and_one_in_free_room_costs_nothing() -> None:
    store = Store(4)
    assert store.guess(30) and store.guess(31)  # there is room
    for key in range(4):
        store.read(key)
    assert all(store.read(key) for key in range(4)) and store.policy.lost == 0
    assert not store.guess(32) and not store.policy.has_place(1, 1.0), "no places, no room"


def test_the_next_guest_waits_until_the_one_before_has_gone_by_its_age() -> None:
    store = Store(4)
    store.policy.places = 1.0
    for key in range(4):
        store.read(key)
    assert store.policy.has_place(1, 0.25) and not store.policy.has_place(1, 0.2)
    assert store.guess(30) and not store.policy.has_place(1, 1.0)
    for key in range(10, 12):
        store.read(key)
    assert store.policy.renew(30) and not store.policy.renew(10), "it is of use elsewhere"
    for key in range(12, 14):
        store.read(key)
    assert store.guests == [30] and not store.policy.has_place(1, 1.0)
    for key in range(14, 16):
        store.read(key)
    assert not store.guests and store.policy.has_place(1, 1.0) and len(store.policy) == 4


def test_in_bytes_a_large_guess_counts_as_many() -> None:
    store = Store(None, 40)
    store.policy.places = 2.0
    for key in range(10):
        store.read(key, 4)
    assert not store.policy.has_place(9, 1.0) and not store.guess(30, 9)
    assert store.policy.has_place(8, 1.0) and store.guess(31, 8) and not store.policy.has_place(1, 1.0)
