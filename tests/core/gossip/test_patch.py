"""What changed from one summary to the next: small, exact, and nothing else gets through."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import PeerError
from zoned.core.gossip.patch import apply_patch, encode_patch
from zoned.core.members import DependencyDemand, HotInstance, Summary
from zoned.core.names import InstanceKey
from zoned.core.records import Load

amount = st.floats(0, 1e9, allow_nan=False)
ratio = st.floats(0, 1)
names = st.sampled_from(["api", "shop", "é", "x" * 100])


def ordered(hot: list[HotInstance]) -> tuple[HotInstance, ...]:
    return tuple(sorted({each.key: each for each in hot}.values(), key=lambda each: (-each.uses, each.key)))


def by_name(demand: list[DependencyDemand]) -> tuple[DependencyDemand, ...]:
    kept = {each.dependency: each for each in demand}
    return tuple(kept[name] for name in sorted(kept))


summaries = st.builds(
    Summary,
    node=st.just("n1"),
    zone=st.just("z1"),
    made_wall_s=amount,
    ring_id=st.sampled_from(["", "00ff", "ff00"]),
    load=st.builds(Load, cpu=ratio, memory=ratio, network=ratio, loop_lag_s=ratio),
    capacity_bytes=st.integers(0, 1 << 40),
    capacity_objects=st.integers(0, 1 << 30),
    used_ratio=ratio,
    hit_ratio=ratio,
    demand=st.lists(
        st.builds(DependencyDemand, names, st.tuples(amount, amount, amount), amount), max_size=5
    ).map(by_name),
    hot=st.lists(
        st.builds(
            HotInstance,
            st.builds(InstanceKey, names, st.binary(max_size=3)),
            st.sampled_from([0.0, 1.0, 2.5, 7.0]),
            st.integers(0, 1 << 30),
        ),
        max_size=9,
    ).map(ordered),
    draining=st.booleans(),
    drained=st.booleans(),
)
BASE = Summary(
    node="n1", zone="z1", made_wall_s=1.0, ring_id="ab", load=Load(), capacity_bytes=1, capacity_objects=2,
    used_ratio=0.5, hit_ratio=0.5, demand=(DependencyDemand("api", (1.0, 2.0, 3.0), 4.0),),
    hot=tuple(HotInstance(InstanceKey("api", b"/item/%03d" % at), 200.0 - at, 1000) for at in range(128)),
)  # fmt: skip


@given(summaries, summaries)
def test_any_summary_follows_from_any_other(old: Summary, new: Summary) -> None:
    patch = encode_patch(old, new)
    assert patch is not None and apply_patch(old, patch) == new


@given(summaries, summaries, st.integers(0, 400))
def test_a_patch_is_shorter_than_asked_for_or_none(old: Summary, new: Summary, most: int) -> None:
    patch = encode_patch(old, new)
    assert patch is not None
    assert encode_patch(old, new, most) == (patch if len(patch) < most else None)


def test_a_load_that_moved_is_a_hundred_bytes_and_one_hot_instance_little_more() -> None:
    moved = replace(BASE, made_wall_s=30.0, load=Load(cpu=0.25, memory=0.5, network=0.05))
    assert len(encode_patch(BASE, moved) or b"") < 80
    top = HotInstance(InstanceKey("api", b"/new"), 500.0, 10)
    assert len(encode_patch(BASE, replace(moved, hot=(top, *BASE.hot[:-1]))) or b"") < 120


def test_what_a_newcomer_took_over_is_said_whole_since_older_agents_patch_too() -> None:
    new = replace(BASE, warming=3, warming_since_wall_s=1.5)
    assert encode_patch(BASE, new) is None
    patch = encode_patch(new, replace(new, hit_ratio=0.125))
    assert patch is not None and apply_patch(new, patch).warming == 3


def test_another_order_cannot_be_said() -> None:
    assert encode_patch(BASE, replace(BASE, hot=BASE.hot[::-1])) is None


GOOD: list[Any] = [
    1.0, "ab", [0.1, 0.2, 0.3, 0.0], [1, 2, 0.5, 0.5], 0,
    ["api"], [[0, 1.0, 1.0, 1.0, 2.0]], [], [[0, b"k", 1.0, 5]], [],
]  # fmt: skip


@pytest.mark.parametrize(
    ("at", "nonsense"),
    [
        (0, "x"), (1, 7), (1, "x" * 300), (2, [0.1]), (2, [-1, 0, 0, 0]), (3, [1]), (4, -1),
        (4, None), (5, [7]), (5, ["x" * 300]), (6, [[5, 1.0, 1.0, 1.0, 2.0]]), (6, [[0]]), (7, [9]),
        (8, [[0, "k", 1.0, 5]]), (8, [[3, b"k", 1.0, 5]]), (9, [[0]]), (9, 5),
    ],
)  # fmt: skip
def test_nonsense_is_a_peer_error(at: int, nonsense: object) -> None:
    assert apply_patch(BASE, msgpack.packb(GOOD)).ring_id == "ab"
    with pytest.raises(PeerError):
        apply_patch(BASE, msgpack.packb([*GOOD[:at], nonsense, *GOOD[at + 1 :]]))


@given(st.binary(max_size=60))
def test_garbage_is_a_peer_error(data: bytes) -> None:
    try:
        assert apply_patch(BASE, data).node == "n1"
    except PeerError:
        pass
