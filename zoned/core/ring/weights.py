"""From a member's weight to its number of tokens, within bounds.

A share of the ring is tokens over all tokens, so tokens are ``vnodes`` x weight. Two limits keep one
agent's bad tags from costing everybody: a weight counts up to ``max_weight``, and if the pool would need
more than ``max_tokens``, vnodes are halved for all. That keeps the shares; a shard whose first token goes
falls to the next one, so about half of them move, once per doubling of a pool beyond 256 units of weight.

Rejected: dividing weights by their common divisor. It saves tokens, but a new member of weight 1 in a pool
of weights 2 would double everybody's tokens and move shards that have nothing to do with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from zoned.core.ring.settings import RingSettings


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
