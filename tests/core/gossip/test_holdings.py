"""The log of a cache's holdings: whoever applies its flushes in order has the same set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import PeerError
from zoned.core.gossip.holdings import OwnHoldings, pack_fingerprints, unpack_fingerprints

small = st.integers(0, 30)
steps = st.lists(st.tuples(st.lists(small, max_size=6), st.lists(small, max_size=6)), max_size=30)


@given(steps, st.integers(1, 10), st.integers(0, 40))
def test_a_follower_has_the_same_set(
    changes: list[tuple[list[int], list[int]]], limit: int, from_: int
) -> None:
    own, model, followed = OwnHoldings(1, limit, 12), set(), []  # type: ignore[var-annotated]
    states = [frozenset[int]()]
    for held, dropped in changes:
        own.note(held, dropped)
        model = (model - set(dropped)) | set(held)
        if own.flush() is not None:
            states.append(frozenset(model))
    assert own.held == len(model) and own.log.version == len(states) - 1
    flushes = own.log.since(from_)
    if flushes is None:
        assert from_ > own.log.version or from_ < own.log.version - limit
        return
    followed = set(states[from_])
    for flush in flushes:
        followed -= set(unpack_fingerprints(flush.dropped))
        followed |= set(unpack_fingerprints(flush.held))
    assert followed == model


def test_gained_and_lost_in_between_is_nothing() -> None:
    own = OwnHoldings(1, 10, 4)
    own.note([5], [])
    own.note([], [5])
    assert own.pending == 1 and own.flush() is None and own.log.version == 0


@given(st.sets(st.integers(0, 0xFFFFFFFF), max_size=30))
def test_a_snapshot_comes_in_pieces_of_one_version(held: set[int]) -> None:
    own = OwnHoldings(1, 10, 4)
    own.note(sorted(held), [])
    while own.pending:
        own.flush()
    version, pieces, content = own.piece(0, 0)
    own.note([1, 2, 3], sorted(held)[:2])
    while own.pending:
        own.flush()
    parts = [content] + [own.piece(version, index)[2] for index in range(1, pieces)]
    assert all(own.piece(version, index)[0] == version for index in range(pieces))
    assert set(unpack_fingerprints(b"".join(parts))) == held
    assert max(map(len, parts)) <= 16


def test_a_snapshot_is_dropped_when_the_log_has_left_it_behind() -> None:
    own = OwnHoldings(1, 4, 4)
    own.piece(0, 0)
    for number in range(20):
        own.note([number], [])
        own.flush()
    assert own._snapshot is None
    assert own.piece(3, 1)[0] == 20


def test_lives_of_a_log() -> None:
    own = OwnHoldings(7, 4, 4)
    own.note([1], [])
    own.flush()
    own.rise(3)
    assert (own.log.epoch, own.log.version, own.log.first) == (8, 1, 2) and own.log.since(0) is None
    own.rise(100)
    assert (own.log.epoch, own.log.version) == (101, 1)


@given(st.lists(st.integers(0, 0xFFFFFFFF)))
def test_fingerprints_are_little_endian(fingerprints: list[int]) -> None:
    packed = pack_fingerprints(fingerprints)
    assert packed == b"".join(each.to_bytes(4, "little") for each in fingerprints)
    assert unpack_fingerprints(packed) == tuple(fingerprints)
    with pytest.raises(PeerError):
        unpack_fingerprints(packed + b"x")
