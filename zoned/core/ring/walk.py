"""The walk round the ring: from a starting token on, whom do we meet first?

Every preference list is such a walk: first the members of as many *different zones* as the list has
room for, in the order met; then, when the zones are used up, further members. Walking token by token in
Python takes seconds for 65,536 shards. Here all walks go at once: each step moves every unfinished walk
one token on and keeps the token if its group (zone, then node) is new to that walk. With some zones the
walks are short, nearly all end within a few steps, and the arrays shrink as they do.

Rejected: a table "next token of each zone" (zones x tokens: fine for 5 zones, 50 MB for 1,000).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Indexes = npt.NDArray[np.int32]


def preference_rows(starts: Indexes, owners: Indexes, zones: Indexes, length: int) -> Indexes:
    """For each start (a position in ``owners``, the member per token in ring order): ``length`` members.

    ``zones`` gives the zone per member. ``length`` must not exceed the number of members.
    """
    rows = np.full((len(starts), length), -1, dtype=np.int32)
    distinct = min(length, len(np.unique(zones)))
    _extend(rows, starts, owners, zones, 0, distinct)
    if length > distinct:
        _extend(rows, starts, owners, np.arange(len(zones), dtype=np.int32), distinct, length)
    return rows


def _extend(
    rows: Indexes, starts: Indexes, owners: Indexes, groups: Indexes, filled: int, until: int
) -> None:
    """Fill columns ``filled`` .. ``until`` of each row with the next members whose group is new to it."""
    # Groups of what is chosen so far, per row; -1 stands for nothing and equals no group.
    chosen = np.full((len(starts), until), -1, dtype=np.int32)
    chosen[:, :filled] = groups[rows[:, :filled]]
    group_of_token = groups[owners]
    active = np.arange(len(starts), dtype=np.int32)
    position = starts.astype(np.int32)
    width = np.full(len(starts), filled, dtype=np.int32)
    for _ in range(len(owners)):
        if not len(active):
            return
        group = group_of_token[position]
        new = ~(chosen[active] == group[:, None]).any(axis=1)
        hit, column = active[new], width[new]
        rows[hit, column] = owners[position[new]]
        chosen[hit, column] = group[new]
        width = width + new
        going = width < until
        active, width = active[going], width[going]
        position = position[going] + 1
        position[position == len(owners)] = 0
    assert not len(active), "a walk round the whole ring must have met everybody"
