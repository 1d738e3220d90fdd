"""The walk round the ring: from a starting token on, whom do we meet first?

Every preference list is such a walk: first the members of as many *different zones* as the list has room
for, in the order met; then, when the zones are used up, further members. Walked token by token that takes
seconds. But a token's list follows from its successor's: put the token's own member in front, and take out
the member of the same zone that stood there. That is *move to front*, done once per token, going backwards.

And it is done for a thousand places at once. The ring is cut into segments; every segment is gone through
backwards from nothing, which tells what it alone contributes; merging neighbours, then neighbours' neighbours
(1, 2, 4, ... segments) tells for each segment what follows it round the ring, until every list is full; from
there the segments are gone through once more, and now each step is the final list of a token. No luck is
involved: a zone with one token in a million is found by doubling, not by walking.

Rejected: moving all 65,536 walks on token by token (twenty times slower, and far worse with a rare zone),
and a table "next token of each zone" (zones x tokens: fine for 5 zones, 50 MB for 1,000).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint32]  # group << 16 | member: equal groups push one another out
Lists = npt.NDArray[np.uint16]

_SEGMENTS, _MAX_SEGMENTS = 2048, 8192  # numpy's calls cost less than what they do from about here on
_LEAST_STEPS, _MOST_STEPS = 8, 32
_FIRST_STEPS = 32
_EMPTY = np.uint32(0xFFFFFFFF)
_SAME_GROUP = np.uint32(1 << 16)


def preference_lists(owners: Lists, zones: Lists, starts: npt.NDArray[np.int64], length: int) -> Lists:
    """Whom to turn to from each start on: an array (length, starts) of members.

    ``owners``: the member of each token in ring order. ``zones``: the zone of each member. ``starts``:
    positions in ``owners``. ``length`` must not exceed the number of members; each member has a token.
    """
    distinct = min(length, len(np.unique(zones)))
    met = _first_met(owners, zones, starts, distinct)
    if distinct == length:
        return met
    alone = np.arange(len(zones), dtype=np.uint16)
    return _filled_up(met, _first_met(owners, alone, starts, length), length)


def _filled_up(met: Lists, anyone: Lists, length: int) -> Lists:
    """The zone-distinct lists, and behind them who of ``anyone`` is not in them yet, in the order met."""
    distinct = len(met)
    lists = np.empty((length, met.shape[1]), dtype=np.uint16)
    lists[:distinct] = met
    width = np.full(met.shape[1], distinct)
    for member in anyone:  # of the first ``length`` members, at most ``distinct`` are in the lists already
        fresh = (width < length) & ~(met == member).any(axis=0)
        at = np.flatnonzero(fresh)
        lists[width[at], at] = member[at]
        width += fresh
    return lists


def _first_met(owners: Lists, groups: Lists, starts: npt.NDArray[np.int64], length: int) -> Lists:
    """The first ``length`` members of different groups from each start on."""
    code_of = groups.astype(np.uint32) << np.uint32(16) | np.arange(len(groups), dtype=np.uint32)
    tokens = len(owners)
    segments = max(1, min(_SEGMENTS, tokens // _LEAST_STEPS), min(_MAX_SEGMENTS, tokens // _MOST_STEPS))
    steps = -(-tokens // segments)
    # The last segment is filled by walking on from the start of the ring: met twice is met once.
    met_in_order = np.empty(segments * steps, dtype=np.uint32)
    code_of.take(owners, out=met_in_order[:tokens], mode="clip")
    met_in_order[tokens:] = met_in_order[: segments * steps - tokens]
    codes = np.ascontiguousarray(met_in_order.reshape(segments, steps).T)
    lists = np.roll(_joined(_alone(codes, length)), -1, axis=1)  # what follows is what its successor meets
    every = np.empty((length, steps, segments), dtype=np.uint16)
    for step in range(steps - 1, -1, -1):
        _push(lists, codes[step])
        every[:, step] = lists  # the lower half of a code: the member
    segment, within = np.divmod(starts, steps)
    found: Lists = every.reshape(length, -1).take(within * segments + segment, axis=1)
    return found


def _alone(codes: Codes, length: int) -> Codes:
    """The lists of all segments by their own tokens: by the first of these, where they fill every list."""
    steps, segments = codes.shape
    enough = min(steps, _FIRST_STEPS)
    while True:
        lists = np.full((length, segments), _EMPTY, dtype=np.uint32)
        for step in range(enough - 1, -1, -1):
            _push(lists, codes[step])
        if enough == steps or not bool((lists[-1] == _EMPTY).any()):
            return lists
        enough = min(steps, 4 * enough)


def _push(lists: Codes, code: Codes) -> None:
    """Move to front: ``code`` enters each list, whoever was there of its group (or the last one) leaves."""
    moved = lists[:-1].copy()
    passed = (moved ^ code) < _SAME_GROUP  # whether its group was met there, or before
    for place in range(1, len(passed)):
        np.logical_or(passed[place], passed[place - 1], out=passed[place])
    np.copyto(lists[1:], moved, where=np.logical_not(passed, out=passed))
    lists[0] = code


def _joined(lists: Codes) -> Codes:
    """The lists of each segment and all that follow it round the ring, as far as they are needed."""
    span, segments = 1, lists.shape[1]
    while span < segments and bool((lists[-1] == _EMPTY).any()):
        ahead = lists
        lists = np.roll(ahead, -span, axis=1)
        for code in ahead[::-1]:
            known = lists.copy()
            _push(lists, code)
            np.copyto(lists, known, where=code == _EMPTY)
        span *= 2
    assert not bool((lists[-1] == _EMPTY).any()), "a walk round the whole ring must have met everybody"
    return lists
