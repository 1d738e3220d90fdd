"""Windows: exact while there is room, bounded and never inventing uses when there is not."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from zoned.core.names import OTHER, InstanceKey, Instant, key_hash
from zoned.core.observe.settings import ObserveSettings
from zoned.core.observe.windows import OpenWindow
from zoned.core.records import Access, Load

NOW = Instant(1.0, 2.0, 3.0)


def access(name: str, dependency: str = "d", size: int = 10, hit: bool = False) -> Access:
    key = InstanceKey(dependency, name.encode())
    return Access(key, key_hash(key), size, hit, b"")


accesses = st.lists(
    st.builds(
        access,
        st.sampled_from("abcdefghijkl"),
        st.sampled_from(["d", "e"]),
        st.integers(1, 99),
        st.booleans(),
    )
)


@given(accesses)
def test_equals_plain_counting_while_there_is_room(seen):
    window = OpenWindow(ObserveSettings(), NOW)
    for one in seen:
        window.access(one)
    assert window.pending == len(seen)
    closed = window.close(NOW, Load())
    counts = Counter(one.key for one in seen)
    assert {use.key: use.accesses for use in closed.instances} == counts
    assert [use.key for use in closed.instances] == sorted(counts, key=lambda key: (-counts[key], key))
    assert {use.key: use.size for use in closed.instances} == {one.key: one.size for one in seen}
    for line in closed.dependencies:
        mine = [one for one in seen if one.key.dependency == line.dependency]
        assert (line.accesses, line.hits, line.bytes) == (
            len(mine), sum(one.hit for one in mine), sum(one.size for one in mine)
        )  # fmt: skip
    assert sum(line.accesses for line in closed.dependencies) == len(seen)
    assert window.dropped == 0


@given(accesses, st.integers(1, 4))
def test_bounded_and_never_more_than_was_seen(seen, limit):
    window = OpenWindow(ObserveSettings(max_instances=limit), NOW)
    for one in seen:
        window.access(one)
    closed = window.close(NOW, Load())
    counts = Counter(one.key for one in seen)
    assert len(closed.instances) <= limit
    assert all(use.accesses <= counts[use.key] for use in closed.instances)
    assert (window.dropped > 0) == (len(counts) > limit)
    assert sum(line.accesses for line in closed.dependencies) == len(seen)  # dependencies lose nothing


def test_the_most_used_outlive_a_scan():
    window = OpenWindow(ObserveSettings(max_instances=10), NOW)
    for index in range(200):
        window.access(access("hot"))
        window.access(access(f"scan{index}"))
    closed = window.close(NOW, Load())
    assert (closed.instances[0].key.key, closed.instances[0].accesses) == (b"hot", 200)


def test_a_size_not_known_keeps_the_one_known():
    window = OpenWindow(ObserveSettings(), NOW)
    window.access(access("a", size=7))
    window.access(access("a", size=0))
    assert window.close(NOW, Load()).instances[0].size == 7


def test_too_many_dependencies_share_a_line():
    window = OpenWindow(ObserveSettings(max_dependencies=2), NOW)
    for name in ("a", "b", "c", "d", "a"):
        window.access(access("k", name))
        window.waited(name, 0.5)
    lines = {
        line.dependency: (line.accesses, line.latency_s) for line in window.close(NOW, Load()).dependencies
    }
    assert lines == {"a": (2, 1.0), "b": (1, 0.5), OTHER: (2, 1.0)}
