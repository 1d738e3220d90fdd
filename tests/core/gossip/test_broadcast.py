"""The rumour queue against a naive twin, and its bounds."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from zoned.core.gossip.broadcast import BroadcastQueue

puts = st.tuples(st.just("put"), st.integers(0, 9), st.integers(1, 60), st.integers(0, 1))
takes = st.tuples(st.just("take"), st.integers(0, 200), st.just(0), st.just(0))


@given(st.lists(st.one_of(puts, takes), max_size=60))
def test_against_a_naive_twin(steps: list[tuple[str, int, int, int]]) -> None:
    queue = BroadcastQueue(limit=100, retransmit_mult=2)
    twin: dict[int, list[object]] = {}
    limit = 2 * math.ceil(math.log10(6))
    for made, (step, number, size, rank) in enumerate(steps):
        if step == "put":
            message = bytes((number,)) * size
            queue.put(("member", str(number)), message, rank)
            twin[number] = [rank, 0, -size, -made, message]
            continue
        room, expected = number, []
        for key, entry in sorted(twin.items(), key=lambda item: item[1][:4]):
            if len(entry[4]) + 2 <= room:  # type: ignore[arg-type]
                room -= len(entry[4]) + 2  # type: ignore[arg-type]
                expected.append(entry[4])
                entry[1] += 1  # type: ignore[operator]
                if entry[1] >= limit:  # type: ignore[operator]
                    del twin[key]
                if room < 24:
                    break
        assert queue.take(number, 2, 5) == expected
    assert len(queue) == len(twin)


def test_each_rumour_is_sent_so_many_times() -> None:
    queue = BroadcastQueue(limit=10, retransmit_mult=4)
    queue.put(("member", "a"), b"hello")
    sent = [queue.take(1000, 2, 50) for _ in range(20)]
    assert sent.count([b"hello"]) == 8 and len(queue) == 0


def test_a_newer_rumour_replaces_the_older_and_starts_afresh() -> None:
    queue = BroadcastQueue(limit=10, retransmit_mult=1)
    queue.put(("member", "a"), b"old")
    queue.put(("member", "a"), b"new")
    assert queue.take(1000, 2, 5) == [b"new"] and len(queue) == 0


def test_membership_goes_before_what_rides_on_it() -> None:
    queue = BroadcastQueue(limit=10, retransmit_mult=4)
    queue.put(("intent", "a"), b"i" * 50, rank=1)
    queue.put(("member", "a"), b"m")
    assert queue.take(60, 2, 5) == [b"m", b"i" * 50]
    assert queue.take(40, 2, 5) == [b"m"]


def test_a_full_queue_drops_the_most_sent() -> None:
    queue = BroadcastQueue(limit=3, retransmit_mult=9)
    for name in "abc":
        queue.put(("member", name), name.encode())
    queue.take(3, 2, 5)
    queue.put(("member", "d"), b"d")
    assert queue.dropped == 1 and len(queue) == 3 and not queue.has(("member", "c"))
