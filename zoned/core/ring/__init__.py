"""The ring: who is home to which shard, and how all agents come to the same answer without a leader."""

from zoned.core.ring.agreement import Agreement
from zoned.core.ring.diff import Move, diff, moves
from zoned.core.ring.outs import placed
from zoned.core.ring.ring import HomeGroup, Ring, RingMember
from zoned.core.ring.settings import RingSettings
from zoned.core.ring.weights import OwnWeight, capacity_weight

__all__ = [
    "Agreement",
    "HomeGroup",
    "Move",
    "OwnWeight",
    "Ring",
    "RingMember",
    "RingSettings",
    "capacity_weight",
    "diff",
    "moves",
    "placed",
]
