"""The ring: who is home to which shard, and how all agents come to the same answer without a leader."""

from zoned.core.ring.agreement import Agreement
from zoned.core.ring.diff import Move, diff, moves
from zoned.core.ring.outs import placed
from zoned.core.ring.ring import HomeGroup, Ring, RingMember
from zoned.core.ring.serving import ALL_GROUPS, flipped_ratio
from zoned.core.ring.settings import RingSettings
from zoned.core.ring.weights import OwnWeight, capacity_weight

__all__ = [
    "ALL_GROUPS",
    "Agreement",
    "HomeGroup",
    "Move",
    "OwnWeight",
    "Ring",
    "RingMember",
    "RingSettings",
    "capacity_weight",
    "diff",
    "flipped_ratio",
    "moves",
    "placed",
]
