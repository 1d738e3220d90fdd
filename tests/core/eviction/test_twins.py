"""Each policy, step by step, against a naive twin written from its paper with plain lists.

The twins are slow and obvious. With sizes ignored they are also the reference simulator's classes; the
script of ``tests/bench/eviction_refsim.py`` compares with those themselves on a real trace.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.eviction.keyed import Keyed
from zoned.core.eviction import PLAIN


class TwinLru:
    """A list, least recently used first."""

    def __init__(self, objects: int, size: int) -> None:
        self.objects, self.bytes = objects, size
        self.items: list[tuple[int, int]] = []

    def held(self) -> list[int]:
        return [key for key, _ in self.items]

    def over(self) -> bool:
        return len(self.items) > self.objects or sum(size for _, size in self.items) > self.bytes

    def hit(self, key: int) -> None:
        item = next(item for item in self.items if item[0] == key)
        self.items.remove(item)
        self.items.append(item)

    def put(self, key: int, size: int) -> list[int]:
        self.items.append((key, size))
        evicted: list[int] = []
        while self.over():
            evicted += self.evict()
        return evicted

    def evict(self) -> list[int]:
        return [self.items.pop(0)[0]]

    def remove(self, key: int) -> None:
        self.items = [item for item in self.items if item[0] != key]


class TwinSieve:
    """One list [key, size, mark], old to young, and the hand as an index (None: at the old end)."""

    def __init__(self, objects: int, size: int) -> None:
        self.objects, self.bytes = objects, size
        self.items: list[list[int]] = []
        self.hand: int | None = None

    def held(self) -> list[int]:
        return [item[0] for item in self.items]

    def hit(self, key: int) -> None:
        next(item for item in self.items if item[0] == key)[2] = 1

    def put(self, key: int, size: int) -> list[int]:
        evicted: list[int] = []
        while len(self.items) >= self.objects or sum(item[1] for item in self.items) + size > self.bytes:
            evicted += self.evict()
        self.items.append([key, size, 0])
        return evicted

    def evict(self) -> list[int]:
        place = 0 if self.hand is None else self.hand
        while self.items[place][2]:
            self.items[place][2] = 0
            place = place + 1 if place + 1 < len(self.items) else 0
        gone = self.items.pop(place)[0]
        self.hand = place if place < len(self.items) else None
        return [gone]

    def remove(self, key: int) -> None:
        place = self.held().index(key)
        del self.items[place]
        if self.hand is not None:
            self.hand -= place < self.hand
            if self.hand >= len(self.items):
                self.hand = None


class TwinS3Fifo:
    """Lists [key, size, uses] for the two queues and [key, size] for the ghosts, old to young."""

    def __init__(self, objects: int, size: int) -> None:
        self.objects, self.bytes = objects, size
        self.small: list[list[int]] = []
        self.main: list[list[int]] = []
        self.ghosts: list[list[int]] = []

    def held(self) -> list[int]:
        return [item[0] for item in self.small + self.main]

    def over(self) -> bool:
        both = self.small + self.main
        return len(both) > self.objects or sum(item[1] for item in both) > self.bytes

    def small_over(self) -> bool:
        return len(self.small) > max(1, self.objects // 10) or sum(item[1] for item in self.small) > max(
            1, self.bytes // 10
        )

    def hit(self, key: int) -> None:
        item = next(item for item in self.small + self.main if item[0] == key)
        item[2] = min(3, item[2] + 1)

    def ghost(self, key: int, size: int) -> None:
        self.ghosts.append([key, size])
        while len(self.ghosts) > self.objects or sum(item[1] for item in self.ghosts) > self.bytes:
            self.ghosts.pop(0)

    def put(self, key: int, size: int) -> list[int]:
        known = [item for item in self.ghosts if item[0] == key]
        self.ghosts = [item for item in self.ghosts if item[0] != key]
        (self.main if known else self.small).append([key, size, 0])
        evicted: list[int] = []
        while self.over():
            evicted += self.evict(alone=not known and len(self.small) == 1)
        return evicted

    def evict(self, alone: bool = False) -> list[int]:
        if not self.main or (self.small_over() and self.small and not alone):
            item = self.small.pop(0)
            if not item[2]:
                self.ghost(item[0], item[1])
                return [item[0]]
            self.main.append([item[0], item[1], 0])
        else:
            item = self.main.pop(0)
            if not item[2]:
                return [item[0]]
            self.main.append([item[0], item[1], item[2] - 1])
        return []

    def remove(self, key: int) -> None:
        item = next(item for item in self.small + self.main if item[0] == key)
        proved = item in self.main or item[2] > 0
        self.small = [other for other in self.small if other[0] != key]
        self.main = [other for other in self.main if other[0] != key]
        if proved:
            self.ghost(key, item[1])


Twin = TwinLru | TwinSieve | TwinS3Fifo
TWINS: dict[str, Callable[[int, int], Twin]] = {"lru": TwinLru, "sieve": TwinSieve, "s3fifo": TwinS3Fifo}
HUGE = 1 << 60

steps = st.lists(
    st.tuples(st.sampled_from("aaaaaaar"), st.integers(0, 14), st.integers(0, 12)), min_size=1, max_size=150
)


def run(name: str, objects: int | None, size: int | None, moves: list[tuple[str, int, int]]) -> list[int]:
    """Drive the policy and its twin by the same moves and compare after each of them. The order in which all
    that it holds in the end would go, as the policy says and as the twin then does."""
    policy = Keyed(name, objects, size)
    twin = TWINS[name](objects or HUGE, size or HUGE)
    sizes: dict[int, int] = {}
    said: list[int] = []
    for move, key, key_size in moves:
        held = key in twin.held()
        assert (key in policy) == held
        if move == "r":
            assert policy.remove(key) == held
            if held:
                twin.remove(key)
        elif held:
            assert policy.hit(key)
            twin.hit(key)
        elif size is not None and key_size > size:
            assert policy.put(key, key_size) == [key]
        else:
            assert not policy.hit(key)
            sizes[key] = key_size
            assert policy.put(key, key_size) == twin.put(key, key_size)
        held_now = sorted(twin.held())
        said = list(policy.order())
        assert sorted(said) == held_now
        assert len(policy) == len(held_now)
        assert policy.used_bytes == sum(sizes[other] for other in held_now)
        assert all(policy.size_of(other) == sizes[other] for other in held_now)
    gone: list[int] = []
    while twin.held():
        gone += twin.evict()
    assert said == gone, "order() is the order in which they go when nothing more happens"
    return gone


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=150, deadline=None)
@given(objects=st.integers(1, 12), moves=steps)
def test_counts_like_the_twin(name: str, objects: int, moves: list[tuple[str, int, int]]) -> None:
    assert len(run(name, objects, None, moves)) <= objects


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=150, deadline=None)
@given(size=st.integers(1, 60), moves=steps)
def test_bytes_like_the_twin(name: str, size: int, moves: list[tuple[str, int, int]]) -> None:
    left = run(name, None, size, moves)
    assert set(left) <= {key for _, key, key_size in moves if key_size <= size}


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=100, deadline=None)
@given(objects=st.integers(1, 12), size=st.integers(1, 60), moves=steps)
def test_both_bounds_like_the_twin(
    name: str, objects: int, size: int, moves: list[tuple[str, int, int]]
) -> None:
    assert len(run(name, objects, size, moves)) <= objects


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("before", PLAIN)
@settings(max_examples=40, deadline=None)
@given(objects=st.integers(1, 30), size=st.integers(30, 90), moves=steps)
def test_adopting_within_the_same_bounds_loses_nothing(
    name: str, before: str, objects: int, size: int, moves: list[tuple[str, int, int]]
) -> None:
    old = Keyed(before, objects, size)
    for _, key, key_size in moves:
        if not old.hit(key):
            old.put(key, key_size)
    new = Keyed(name, objects, size)
    assert new.adopt((key, old.size_of(key)) for key in old.order()) == []
    assert sorted(new.order()) == sorted(old.order())
    assert new.used_bytes == old.used_bytes


@pytest.mark.parametrize("name", PLAIN)
def test_sizes_beyond_four_gibibytes_are_kept_to_the_byte(name: str) -> None:
    policy = Keyed(name, None, 1 << 40)
    policy.put(1, 7)
    policy.put(2, (1 << 33) + 5)
    policy.put(3, (1 << 32) - 1)
    assert [policy.size_of(key) for key in (1, 2, 3)] == [7, (1 << 33) + 5, (1 << 32) - 1]
    assert policy.used_bytes == 7 + (1 << 33) + 5 + (1 << 32) - 1
    assert policy.remove(2) and policy.used_bytes == 7 + (1 << 32) - 1
