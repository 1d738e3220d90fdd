"""The queue of wants against a plain list that is sorted each time."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.names import InstanceKey
from zoned.core.prefetch.links import Link
from zoned.core.prefetch.queue import ALL, KINDS, Queued, WantQueue
from zoned.core.records import Reason

KEYS = [InstanceKey("d", b"%d" % number) for number in range(12)]


def want(
    number: int, value: float, reason: Reason = Reason.HOME, source: str = "", planned: bool = False
) -> Queued:
    return Queued(
        key=KEYS[number], key_hash=number, size=number, reason=reason, value=value, source=source,
        until_s=value, planned=planned,
    )  # fmt: skip


wants = st.builds(
    want,
    st.integers(0, 11),
    st.integers(1, 5).map(float),
    st.sampled_from([Reason.HOME, Reason.FORECAST, Reason.DRAIN]),
    st.sampled_from(["", "node-1", "node-2"]),
    st.booleans(),
)
moves = st.lists(st.one_of(wants, st.integers(0, 11), st.just("best")), min_size=1, max_size=60)


class Twin:
    """A list in order of arrival."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.items: list[Queued] = []

    def put(self, new: Queued) -> Queued | None:
        for place, known in enumerate(self.items):
            if known.key == new.key:
                both = known.planned and new.planned
                take = new if both or new.value > known.value else known
                size = take.size or known.size or new.size
                until_s = max(known.until_s, new.until_s)
                self.items[place] = replace(take, size=size, until_s=until_s, planned=both)
                return None
        if len(self.items) < self.most:
            self.items.append(new)
            return None
        worst = min(reversed(self.items), key=lambda item: item.value)
        if worst.value >= new.value:
            return new
        self.items.remove(worst)
        self.items.append(new)
        return worst

    def ranked(self) -> list[Queued]:
        return sorted(self.items, key=lambda item: -item.value)


def shape(item: Queued) -> tuple[object, ...]:
    return item.key, item.size, item.reason, item.value, item.source, item.until_s, item.planned


@settings(max_examples=300, deadline=None)
@given(
    most=st.integers(1, 8),
    steps=moves,
    allowed=st.integers(0, ALL),
    closed=st.sets(st.sampled_from([("", "d"), ("node-1", ""), ("node-2", "")])),
)
def test_like_a_sorted_list(
    most: int, steps: list[Queued | int | str], allowed: int, closed: set[Link]
) -> None:
    queue, twin = WantQueue(most), Twin(most)
    for step in steps:
        if isinstance(step, Queued):
            dropped, theirs = queue.put(replace(step)), twin.put(replace(step))
            assert (dropped and shape(dropped)) == (theirs and shape(theirs))
        elif isinstance(step, int):
            held = [item for item in twin.items if item.key == KEYS[step]]
            assert queue.remove(KEYS[step]) == bool(held)
            twin.items = [item for item in twin.items if item.key != KEYS[step]]
        else:
            best = queue.best(allowed, closed)
            able = [i for i in twin.ranked() if allowed >> i.kind & 1 and i.link not in closed]
            assert (None if best is None else shape(best)) == (shape(able[0]) if able else None)
            if best is not None:
                queue.remove(best.key)
                twin.items = [item for item in twin.items if item.key != best.key]
        assert [shape(item) for item in queue.sorted()] == [shape(item) for item in twin.ranked()]
        assert len(queue) == len(twin.items) <= most
        assert queue.waiting == sum({1 << item.kind for item in twin.items})
        for kind in range(KINDS):
            assert set(queue.links(kind)) == {item.link for item in twin.items if item.kind == kind}
