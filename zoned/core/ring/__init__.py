"""The ring: who is home to which shard, and how all agents come to the same answer without a leader."""

from zoned.core.ring.settings import RingSettings

__all__ = ["RingSettings"]
