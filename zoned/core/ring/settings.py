"""Settings of the ring and of agreeing on it.

Everything that changes *where* shards land (``vnodes``, ``replicas``, ``preference_length``,
``max_tokens``) is part of the ring id: agents that differ in one of them disagree visibly instead of
quietly placing copies in different homes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RingSettings:
    """Settings of ``zoned.core.ring``."""

    vnodes: int = 512
    """Tokens per unit of a member's weight. The sd of a member's share of shards is about
    1 / sqrt(tokens): 4.5 % at 512, 9 % at 128. Range 1..8192. Must be the same in the whole pool.
    Danger: higher makes builds slower, in proportion."""
    replicas: int = 2
    """Home zones of an instance (a dependency may say otherwise). Range 1..preference_length. Must be
    the same in the whole pool. More: more copies survive a dead zone, less room for what is used here."""
    preference_length: int = 5
    """Members per shard that the ring knows in order: the homes, then who steps in when they are down.
    Range replicas..16. A dependency's replicas beyond it are cut to it."""
    max_weight: int = 64
    """Largest weight that counts; a larger one is treated as this. A wrong weight in one agent's tags
    must not take the whole ring, nor make everybody's build slow."""
    max_tokens: int = 1 << 17
    """Most tokens in all. A pool that would need more has its tokens per weight halved until it fits. Must be
    the same in the whole pool. Danger: with more a build takes over 20 ms, and gossip's acks wait for it."""
    out_after_s: float = 600.0
    """How long a member may be failed before it loses its place in the ring ("down is not out").
    Range > 0. Shorter: moves copies for every slow reboot. Longer: shards stay on their second owner."""
    restart_grace_s: float = 300.0
    """How long a member that said that it restarts (SIGTERM) is awaited: no alarm, and what it held is not
    fetched again elsewhere. If it is not back then, it counts as failed since it went. Range > 0; more than
    ``out_after_s`` delays its loss of the place, too."""
    max_out_ratio: float = 0.25
    """Brake: while more than this share of the members is down, nobody goes out by time (a partition looks
    like many deaths). Range 0..1. One is allowed in any pool of three or more. ``zoned forget`` overrules
    it."""
    out_whole_zone: bool = False
    """Whether all agents of a zone that had several may be out by time alone. False: such a zone keeps the
    places of its failed agents (it is a partition far more often than a removal) while all of them are
    down; its shards are served by the next. A zone's only agent may go in any case."""
    gather_s: float = 1.0
    """A ring is made no sooner than this after the one before, and a tenth of this after what changed it: so
    much is gathered for it. Range >= 0. 0: one for each change, which is milliseconds of work for all agents
    at once. Longer: shards of a newcomer stay where they were for longer. Routing round a failed member never
    waits."""
