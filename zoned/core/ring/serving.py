"""Who serves while a newcomer warms: a ring's table with some shards still at their former owners.

The ring says who *owns* a shard; that follows from the members alone, and all agree on it. Who *serves* it
may lag behind: a newcomer is ``warming`` and takes its shards over in groups, a 64th of all shards at a time,
as each is warm. Which groups it has yet to take over (its *pending* ones) is a mask of 64 bits that it tells
in its summary. Until a group is flipped, its shards are served by whoever would own them if the newcomer were
not there. That can be computed like any ring, so nobody keeps a history, and an agent that has just started
answers like the others.

The result is a table like the ring's own, so that whoever routes by owner looks it up in the same way and at
the same price; flips never touch the ring's id.

Rejected: taking the next on the preference list for the former owner (where the newcomer joins a zone that
has agents, that is somebody else); a bit per shard (8 KB in each summary); pending as a part of the ring
(each flip would be another ring id, and agents would disagree for as long as a newcomer warms).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from zoned.core.names import GROUP_BITS, GROUPS, SHARD_BITS, SHARDS

ALL_GROUPS = (1 << GROUPS) - 1
_GROUP_OF_SHARD = np.arange(SHARDS) >> (SHARD_BITS - GROUP_BITS)

Indices = npt.NDArray[np.uint16]


def flipped_ratio(pending: int) -> float:
    """Share of the groups that a member with these pending ones has taken over, 0..1."""
    return 1.0 - (pending & ALL_GROUPS).bit_count() / GROUPS


def not_flipped(first: Indices, pending: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Per shard, whether its owner has yet to take it over. ``first``: the owner of each shard; ``pending``:
    the mask of each member."""
    masks = np.array(pending, dtype=np.uint64)[:, np.newaxis]
    bits = (masks >> np.arange(GROUPS, dtype=np.uint64) & np.uint64(1)).astype(np.bool_)
    found: npt.NDArray[np.bool_] = bits.ravel().take(first.astype(np.int64) * GROUPS + _GROUP_OF_SHARD)
    return found


def with_former(columns: Indices, former: Sequence[Indices | int], late: npt.NDArray[np.bool_]) -> Indices:
    """The preference lists (length, shards), with those of ``former`` where ``late``: per place in the list a
    member of each shard, or one for all."""
    made = columns.copy()
    for row, known in zip(made, former, strict=False):
        row[late] = known if isinstance(known, int) else known[late]
    return made
