"""From a store's room to a weight, and from weights to numbers of tokens, within bounds.

Each agent advertises its own weight: a *capacity class*, 1, 2, 4, ... 64, since each change of a weight moves
shards. A class doubles the room, and hysteresis keeps an agent in its class: room two classes away counts at
once, one class away after ten minutes, restarts included.

A share of the ring is tokens over all tokens, so tokens are ``vnodes`` x weight. Several agents of one zone
share the zone's part by their weights, whoever else there is. Two limits keep one agent's bad tags from
costing everybody: a weight counts up to ``max_weight``, and if the pool would need more than ``max_tokens``,
vnodes are halved for all. That keeps the shares; a shard whose first token goes falls to the next one, so
about half of them move, once per doubling of a pool beyond 256 units of weight.

Rejected: dividing weights by their common divisor. It saves tokens, but a new member of weight 1 in a pool
of weights 2 would double everybody's tokens and move shards that have nothing to do with it. Weights by load
or by hit ratio, too: they move all the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from zoned.core.names import Instant
from zoned.core.ring.settings import RingSettings

CLASS_BYTES = 256 << 20  # room of weight 1: the default of the store
OBJECT_BYTES = 16 << 10  # what an object counts where room is in objects
MAX_CLASS = 6  # weight 64
_HOLD_S = 600.0


def capacity_weight(max_bytes: int | None, max_objects: int | None) -> int:
    """The weight of a store with that room (None: no such limit): a power of two."""
    rooms = [float(max_bytes)] if max_bytes is not None else []
    if max_objects is not None:
        rooms.append(float(max_objects) * OBJECT_BYTES)
    ratio = min(rooms, default=CLASS_BYTES) / CLASS_BYTES
    return 1 << (0 if ratio <= 1.0 else min(MAX_CLASS, round(log2(ratio))))


class OwnWeight:
    """The weight that this agent advertises. ``fixed`` by its operator, or (None) by its store's room."""

    def __init__(self, fixed: int | None, wanted: int) -> None:
        self._fixed = fixed is not None
        self._pending_s: float | None = None  # since when (mono) the room is one class away
        self.weight = wanted if fixed is None else fixed

    def settle(self, wanted: int, now: Instant) -> bool:
        """The room calls for that weight now; True if the advertised one changes."""
        if self._fixed or wanted == self.weight:
            self._pending_s = None
            return False
        if not _far(wanted, self.weight):
            if self._pending_s is None:
                self._pending_s = now.mono_s
            if now.mono_s - self._pending_s < _HOLD_S:
                return False
        self.weight = wanted
        self._pending_s = None
        return True

    def restore(self, weight: int) -> bool:
        """What was advertised before a restart: it still is, unless two classes away. True if it changes."""
        legal = 0 < weight <= 1 << MAX_CLASS and weight & (weight - 1) == 0
        if self._fixed or not legal or weight == self.weight or _far(weight, self.weight):
            return False
        self.weight = weight
        return True


def _far(one: int, other: int) -> bool:
    """Two classes apart, or more."""
    return abs(one.bit_length() - other.bit_length()) >= 2


def counted_weight(weight: int, settings: RingSettings) -> int:
    """The weight that counts: 0..max_weight."""
    return max(0, min(int(weight), settings.max_weight))


def token_counts(weights: Sequence[int], settings: RingSettings) -> tuple[int, ...]:
    """Tokens per member; at least one for every member with a weight."""
    counted = [counted_weight(weight, settings) for weight in weights]
    vnodes = max(1, settings.vnodes)
    while vnodes > 1 and vnodes * sum(counted) > settings.max_tokens:
        vnodes //= 2
    return tuple(vnodes * weight for weight in counted)
