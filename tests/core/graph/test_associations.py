"""The table of pairs: what is believed, and its three bounds."""

from __future__ import annotations

import random

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import StateError
from zoned.core.graph.associations import Associations
from zoned.core.graph.settings import GraphSettings
from zoned.core.names import FINGERPRINT_MASK, InstanceKey, key_hash


def instance(name: str) -> tuple[InstanceKey, int]:
    key = InstanceKey("d", name.encode())
    return key, key_hash(key)


def teach(pairs: Associations, antecedent: str, follower: str, times: int, lag_s: float = 2.0) -> None:
    key, hashed = instance(antecedent)
    for _ in range(times):
        pairs.occurred(key, hashed)
        pairs.followed(hashed & FINGERPRINT_MASK, *instance(follower), lag_s)


def after(pairs: Associations, name: str) -> list[tuple[bytes, float, float]]:
    return [(one.key.key, one.confidence, one.lead_s) for one in pairs.after(instance(name)[1])]


def test_support_antecedent_and_confidence_are_asked_for():
    pairs = Associations(GraphSettings(min_antecedent=3, min_confidence=0.4))
    teach(pairs, "page", "image", 2)
    assert after(pairs, "page") == []  # antecedent seen twice only
    pairs.occurred(*instance("page"))
    assert after(pairs, "page") == [(b"image", pytest.approx(2 / 3), 2.0)]
    for _ in range(3):
        pairs.occurred(*instance("page"))
    assert after(pairs, "page") == []  # 2 of 6 is below 0.4
    teach(pairs, "once", "rare", 1)
    for _ in range(2):
        pairs.occurred(*instance("once"))
    assert after(pairs, "once") == []  # support 1


def test_the_most_probable_come_first_and_at_most_four():
    pairs = Associations(GraphSettings(max_predictions=4))
    key, hashed = instance("page")
    for _ in range(30):
        pairs.occurred(key, hashed)
    for index, name in enumerate("abcdef"):
        for _ in range(12 + index):
            pairs.followed(hashed & FINGERPRINT_MASK, *instance(name), 1.0)
    assert [row[0] for row in after(pairs, "page")] == [b"f", b"e", b"d", b"c"]


def test_a_full_antecedent_gives_up_what_was_seen_once():
    pairs = Associations(GraphSettings(max_successors=3))
    teach(pairs, "page", "solid", 3)
    for index in range(20):
        teach(pairs, "page", f"noise{index}", 1)
    teach(pairs, "page", "late", 1)
    assert pairs.successors_dropped == 19
    teach(pairs, "page", "solid", 20)
    assert after(pairs, "page")[0][0] == b"solid"


def test_antecedents_are_bounded_by_last_use():
    pairs = Associations(GraphSettings(max_antecedents=2))
    teach(pairs, "a", "x", 3)
    teach(pairs, "b", "x", 3)
    pairs.occurred(*instance("a"))
    teach(pairs, "c", "x", 3)
    assert (len(pairs), pairs.antecedents_dropped) == (2, 1)
    assert after(pairs, "b") == [] and after(pairs, "a") and after(pairs, "c")


def test_old_habits_fade():
    pairs = Associations(GraphSettings(max_count=16))
    teach(pairs, "page", "old", 12)
    teach(pairs, "page", "new", 40)
    assert [row[0] for row in after(pairs, "page")] == [b"new"]


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz"), st.floats(0.5, 900)), max_size=80)
)
def test_a_restart_keeps_what_is_believed(lessons):
    settings = GraphSettings()
    pairs, restored = Associations(settings), Associations(settings)
    for antecedent, follower, lag_s in lessons:
        teach(pairs, antecedent, follower, 1, lag_s)
    state = pairs.export_state()
    restored.restore_state(msgpack.unpackb(msgpack.packb(state)))
    assert [after(restored, name) for name in "abcd"] == [after(pairs, name) for name in "abcd"]
    assert restored.export_state() == state


def test_the_state_is_bounded_and_keeps_the_most_supported():
    pairs = Associations(GraphSettings(max_saved_pairs=2))
    teach(pairs, "a", "x", 3)
    teach(pairs, "b", "x", 9)
    teach(pairs, "c", "x", 6)
    assert [(row[1], [one[2] for one in row[3]]) for row in pairs.export_state()] == [
        (b"b", [9]),
        (b"c", [6]),
    ]


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=4)
rows = st.lists(
    st.one_of(leaves, st.lists(leaves | st.lists(st.lists(leaves, max_size=4), max_size=2), max_size=5))
)


@given(st.one_of(leaves, rows))
def test_nonsense_is_refused(obj):
    pairs = Associations(GraphSettings())
    try:
        pairs.restore_state(obj)
    except StateError:
        assert len(pairs) == 0
    else:
        assert isinstance(obj, list)


@pytest.mark.parametrize(
    "row",
    [["d", b"k", 3], ["d", "k", 3, []], ["d", b"k", 0, []], ["d", b"k", 3, 7],
     ["d", b"k", 3, [["d", b"f", 2]]],
     ["d", b"k", 3, [["d", b"f", 2, -1.0]]], ["d", b"k", 3, [["d", b"f", 2, float("nan")]]],
     ["\ud800", b"k", 3, []], ["d", b"x" * 5000, 3, []]],
)  # fmt: skip
def test_near_misses_are_refused(row):
    with pytest.raises(StateError):
        Associations(GraphSettings()).restore_state([row])


class Naive:
    """The same by dictionaries: antecedent -> [count, {follower: [support, lag]}], the oldest first."""

    def __init__(self, settings: GraphSettings) -> None:
        self.settings = settings
        self.table: dict[InstanceKey, tuple[list[int], dict[InstanceKey, list[float]]]] = {}

    def occurred(self, key: InstanceKey) -> None:
        entry = self.table.pop(key, ([0], {}))
        self.merge(key, 1, [], entry)

    def merge(self, key, count, followers, entry=None) -> None:
        entry = entry or self.table.get(key) or ([0], {})
        self.table[key] = entry
        if len(self.table) > self.settings.max_antecedents:
            del self.table[next(iter(self.table))]
        entry[0][0] += count
        for follower, support, lag_s in followers:
            self.follow(entry[1], follower, support, lag_s)
        while entry[0][0] >= self.settings.max_count:
            entry[0][0] //= 2
            for follower, (support, lag_s) in list(entry[1].items()):
                entry[1][follower] = [support // 2, lag_s * (support // 2) / support]
                if support < 2:
                    del entry[1][follower]

    def followed(self, antecedent: InstanceKey, key: InstanceKey, lag_s: float) -> None:
        if antecedent in self.table:
            self.follow(self.table[antecedent][1], key, 1, lag_s)

    def follow(self, followers, key: InstanceKey, support: int, lag_s: float) -> None:
        once = [follower for follower, (seen, _) in followers.items() if seen == 1]
        if key not in followers and len(followers) >= self.settings.max_successors:
            if not once:
                return
            del followers[once[0]]
        before = followers.setdefault(key, [0, 0.0])
        followers[key] = [before[0] + support, before[1] + lag_s]

    def after(self, key: InstanceKey) -> list[tuple[InstanceKey, float, float, int]]:
        (count,), followers = self.table.get(key, ([0], {}))
        if count < self.settings.min_antecedent:
            return []
        need = max(self.settings.min_support, self.settings.min_confidence * count)
        found = [
            (-min(1.0, seen / count), key, lag_s, seen)
            for key, (seen, lag_s) in followers.items()
            if seen >= need
        ]
        return [
            (key, -unsure, pytest.approx(lag_s / seen, rel=1e-5), seen)
            for unsure, key, lag_s, seen in sorted(found)[: self.settings.max_predictions]
        ]


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_dictionaries_would_be_whatever_goes_and_comes(seed: int) -> None:
    rng = random.Random(seed)
    settings = GraphSettings(max_antecedents=12, max_successors=3, max_count=9, min_antecedent=2)
    pairs, naive = Associations(settings), Naive(settings)
    names, believed = [instance(str(number)) for number in range(16)], 0
    for step in range(3000):
        (key, hashed), follower = rng.choice(names), rng.choice(names[:5])
        if step % 50 == 49:
            told = [(follower[0], 2, 1.0)] if rng.random() < 0.5 else []
            pairs.merge(key, 3, told)
            naive.merge(key, 3, told)
        elif rng.random() < 0.6:
            pairs.occurred(key, hashed)
            naive.occurred(key)
        else:
            lag_s = rng.random()
            pairs.followed(hashed & FINGERPRINT_MASK, *follower, lag_s)
            naive.followed(key, follower[0], lag_s)
        for key, hashed in names:
            found = [(one.key, one.confidence, one.lead_s, one.support) for one in pairs.after(hashed)]
            assert found == naive.after(key)
            believed += len(found)
    assert believed > 1000 and pairs.antecedents_dropped > 50 and pairs.successors_dropped > 10
    assert sum(pairs.antecedents.lengths) == sum(len(entry[1]) for entry in naive.table.values())
    assert len(pairs._pairs.rows) <= 12 * 3, "rows of pairs that are forgotten are used again"


def test_a_restored_table_forgets_in_the_same_order() -> None:
    settings = GraphSettings(max_antecedents=3)
    pairs, restored = Associations(settings), Associations(settings)
    for name in "abcb":
        teach(pairs, name, "x", 3)
    restored.restore_state(pairs.export_state())
    for table in (pairs, restored):
        teach(table, "d", "x", 3)
        teach(table, "e", "x", 3)
        assert [bool(after(table, name)) for name in "abcde"] == [False, True, False, True, True]


def test_counts_from_outside_do_not_overflow() -> None:
    pairs = Associations(GraphSettings(max_count=1 << 20))
    (key, hashed), (follower, _) = instance("page"), instance("image")
    for _ in range(3):
        pairs.merge(key, 1 << 31, [(follower, 1 << 31, 1.0)])
        pairs.occurred(key, hashed)
    assert [one.confidence for one in pairs.after(hashed)] == [pytest.approx(1.0, abs=1e-3)]
