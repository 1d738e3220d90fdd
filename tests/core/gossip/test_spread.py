"""The gossip round deals: a rumour's transmissions reach so many different members."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from zoned.core.gossip.broadcast import BroadcastQueue
from zoned.core.gossip.spread import Spreader


class Member:
    """As much of a member as a round looks at."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.leaving, self.since_s = False, 0.0

    def is_up(self) -> bool:
        return True


class Wires:
    """As much of the wiring as a round needs; ``told``: who was, in order."""

    def __init__(self, seed: int, nodes: list[str], gossip_nodes: int) -> None:
        self.rng = random.Random(seed)
        self.table = self.settings = self.me = self
        self.members = [Member(node) for node in nodes]
        self.node, self.dead_gossip_s, self.gossip_nodes = "me", 30.0, gossip_nodes
        self.queue = BroadcastQueue(limit=10, retransmit_mult=4)
        self.told: list[str] = []

    def all(self) -> list[Member]:
        return self.members

    def gossip(self, known: Member) -> bool:
        self.told.append(known.node)
        return True


@given(st.integers(0, 1000), st.integers(2, 12), st.integers(1, 4))
def test_each_once_before_any_twice(seed: int, count: int, most: int) -> None:
    wires = Wires(seed, [f"n{number}" for number in range(count)], most)
    spreader = Spreader(wires)  # type: ignore[arg-type]
    for _ in range(3 * count):
        spreader.burst(most)
    size = min(most, count)
    rounds = [wires.told[start : start + size] for start in range(0, len(wires.told), size)]
    assert all(len(set(each)) == size for each in rounds)
    if most < count:
        assert len(set(wires.told[:count])) == count


@given(st.integers(0, 1000))
def test_four_transmissions_reach_four_members_whenever_they_begin(seed: int) -> None:
    wires = Wires(seed, ["a", "b", "c", "d"], 3)
    spreader = Spreader(wires)  # type: ignore[arg-type]
    for _ in range(20):
        spreader.burst(3)
    for start in range(0, len(wires.told) - 3, 3):
        assert len(set(wires.told[start : start + 4])) == 4


def test_who_is_new_need_not_wait_until_all_have_had_their_turn() -> None:
    wires = Wires(1, [f"n{number}" for number in range(100)], 3)
    spreader = Spreader(wires)  # type: ignore[arg-type]
    spreader.burst(3)
    wires.members = [member for member in wires.members if member.node in wires.told[:3]] + [Member("new")]
    spreader.burst(1)
    assert wires.told[-1] == "new"
