"""What changes between two rings: the shards whose first owner is another one now.

A change of the ring is only ever a diff of shards; that is what makes a migration countable ("this join
moves 1,310 shards, all to zone c") before anything is fetched.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from zoned.core.names import SHARDS, NodeName, Shard
from zoned.core.ring.ring import Ring


class Move(NamedTuple):
    """So many shards pass from one first owner to another ("" = nobody: the ring was or is empty)."""

    before: NodeName
    after: NodeName
    shards: int


def diff(before: Ring, after: Ring) -> tuple[Shard, ...]:
    """The shards that have another first owner in ``after``, in order."""
    names = _names(before, after)
    changed = np.flatnonzero(_codes(before, names) != _codes(after, names))
    return tuple(changed.tolist())


def moves(before: Ring, after: Ring) -> tuple[Move, ...]:
    """The same summed by (from, to), sorted by those names."""
    names = _names(before, after)
    old, new = _codes(before, names), _codes(after, names)
    changed = old != new
    pairs, counts = np.unique(old[changed] * len(names) + new[changed], return_counts=True)
    spelt = list(names)
    return tuple(
        Move(spelt[pair // len(names)], spelt[pair % len(names)], count)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True)
    )


def _names(before: Ring, after: Ring) -> dict[NodeName, int]:
    """A number for each node of either ring, in the order of names; 0 is nobody."""
    nodes = sorted({member.node for ring in (before, after) for member in ring.members})
    return {node: code for code, node in enumerate(["", *nodes])}


def _codes(ring: Ring, names: dict[NodeName, int]) -> npt.NDArray[np.int64]:
    if not ring.members:
        return np.zeros(SHARDS, dtype=np.int64)
    codes = np.array([names[member.node] for member in ring.members], dtype=np.int64)
    owners: npt.NDArray[np.int64] = codes[np.asarray(ring.first_owners())]
    return owners
