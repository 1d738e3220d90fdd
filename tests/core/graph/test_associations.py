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
from zoned.core.names import InstanceKey, key_hash


def instance(name: str) -> tuple[InstanceKey, int]:
    key = InstanceKey("d", name.encode())
    return key, key_hash(key)


def teach(pairs: Associations, antecedent: str, follower: str, times: int, lag_s: float = 2.0) -> None:
    key, hashed = instance(antecedent)
    for _ in range(times):
        pairs.occurred(key, hashed)
        pairs.followed(hashed, *instance(follower), lag_s)


def after(pairs: Associations, name: str) -> list[tuple[bytes, float, float]]:
    return [(one.key.key, one.confidence, one.lead_s) for one in pairs.after(instance(name)[1])]


def test_support_antecedent_and_confidence_are_asked_for():
    pairs = Associations(GraphSettings())
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
    pairs = Associations(GraphSettings())
    key, hashed = instance("page")
    for _ in range(30):
        pairs.occurred(key, hashed)
    for index, name in enumerate("abcdef"):
        for _ in range(12 + index):
            pairs.followed(hashed, *instance(name), 1.0)
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


def test_who_leads_is_who_has_successors_whatever_goes_and_comes():
    rng = random.Random(5)
    settings = GraphSettings(max_antecedents=12, max_successors=2, max_count=6)
    pairs = Associations(settings)
    names = [instance(str(number)) for number in range(30)]
    for step in range(1500):
        (key, hashed), follower = rng.choice(names), rng.choice(names)
        if step % 50 == 49:
            pairs.merge(key, 3, [(follower[0], 2, 1.0)] if rng.random() < 0.5 else [])
        elif rng.random() < 0.8:
            pairs.occurred(key, hashed)
        else:
            pairs.followed(hashed, *follower, 1.0)
        if step == 700:
            saved = pairs.export_state()
            pairs = Associations(settings)
            pairs.restore_state(saved)
        led = {hashed for hashed, entry in pairs._table.items() if entry.successors}
        assert set(pairs.leading) == led
    assert 0 < len(led) < 12
