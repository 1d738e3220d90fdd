"""How much instances are used in each zone, told compactly: five bytes an instance, within a budget.

What a copy is worth depends on all zones' demand (warmth-study.md), so each agent tells the others its
decayed counts. They are many, change all the time and are needed about right, so they get the cheapest
treatment: a fingerprint and one byte on a log scale (9 % a step); the largest change since it was last told
goes first; at most ``counts_per_flush`` of them in a packet every ``counts_interval_s``. A count decays alike
here and there, so only use makes news, and what is not used any more need not be said. Nothing is repaired:
what got lost is told again when it is used again, and otherwise fades. A newcomer is told the largest.

Above ``eager_peers`` other agents the interval grows with their number, so an agent never sends more than

    (4 + 1) bytes x counts_per_flush x eager_peers / counts_interval_s        (3.2 KB/s, when busy)

Rejected: versions and anti-entropy as for holdings (it would cost more than the counts), sketches (they
cannot be told in parts).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from heapq import nlargest
from typing import Any

from zoned.core.errors import PeerError
from zoned.core.gossip.channel import COUNTS, Channel
from zoned.core.gossip.holdings import pack_fingerprints, unpack_fingerprints
from zoned.core.gossip.timers import Timer
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import CountsHeard
from zoned.core.names import Fingerprint, Instant, NodeName

_STEPS = 8.0  # codes per doubling
_SMALLEST = 0.25  # what code 1 stands for
_MOST = 8192  # entries of one message that we read
_LEAST_CHANGE = 0.4  # of what was told: less is no news
VALUES = (0.0, *(_SMALLEST * 2.0 ** (code / _STEPS) for code in range(255)))
"""What each code stands for."""


def code_of(count: float) -> int:
    """The nearest code, 0 for what is next to nothing."""
    if count < _SMALLEST / 2.0:
        return 0
    return max(1, min(255, 1 + round(_STEPS * math.log2(count / _SMALLEST))))


class Counts:
    """Our own on their way out, theirs on their way in."""

    def __init__(self, wiring: Wiring, channel: Channel) -> None:
        self._wiring = wiring
        self._channel = channel
        self._half_life_s = wiring.settings.counts_half_life_s
        self._pending: dict[Fingerprint, float] = {}  # as of the last time it was counted
        self._told: dict[Fingerprint, tuple[float, float]] = {}  # what, and when (season clock)
        self._newcomers: dict[NodeName, None] = {}
        self._timer: Timer | None = None

    # ---- ours ----

    def counted(self, counts: Iterable[tuple[Fingerprint, float]], now: Instant, hurry: bool = False) -> None:
        """These were used; their decayed counts as of now. ``hurry``: tell it at once, since copies
        are handed over by it."""
        settings = self._wiring.settings
        if not settings.counts_per_flush:
            return
        pending = self._pending
        for fingerprint, count in counts:
            told = self._as_of(fingerprint, now)
            if abs(count - told) > _LEAST_CHANGE * told and count >= _SMALLEST:
                pending[fingerprint] = count
        if len(pending) > settings.counts_limit:
            self._wiring.count("counts_dropped", len(pending) - settings.counts_limit)
            self._pending = dict(self._most(settings.counts_limit, now))
        if hurry and self._pending:
            self._tell(now)
        self._arm(now)

    def met(self, node: NodeName, now: Instant) -> None:
        """A zoned agent came up: it knows nothing of our counts."""
        if self._told:
            self._newcomers[node] = None  # bounded by the members
            self._arm(now)

    def _arm(self, now: Instant) -> None:
        if self._timer is None and (self._pending or self._newcomers):
            settings = self._wiring.settings
            scale = max(1.0, len(self._channel.peers()) / max(1, settings.eager_peers))
            wait_s = settings.counts_interval_s * scale * (0.75 + 0.5 * self._wiring.rng.random())
            self._timer = self._wiring.timers.at(now.mono_s + wait_s, self._flush)

    def _flush(self, now: Instant) -> None:
        self._timer = None
        self._tell_newcomers(self._wiring.settings.counts_per_flush, now)
        self._tell(now)
        self._arm(now)

    def _tell(self, now: Instant) -> None:
        """The most important of what is pending, to all."""
        chosen = self._most(self._wiring.settings.counts_per_flush, now)
        if chosen:
            for fingerprint, count in chosen:
                del self._pending[fingerprint]
                self._told.pop(fingerprint, None)  # the latest told stands last
                self._told[fingerprint] = count, now.season_s
            while len(self._told) > self._wiring.settings.counts_limit:
                del self._told[next(iter(self._told))]
            message = self._message(chosen)
            for peer in self._channel.peers():
                self._channel.tell(peer, message)
            self._wiring.count("counts_sent", len(chosen))

    def _tell_newcomers(self, most: int, now: Instant) -> None:
        if not self._newcomers:
            return
        known = ((fingerprint, self._as_of(fingerprint, now)) for fingerprint in self._told)
        message = self._message(nlargest(most, known, key=lambda pair: pair[1]))
        for node in self._newcomers:
            peer = self._wiring.table.get(node)
            if peer is not None and peer.is_zoned():
                self._channel.tell(peer, message)
        self._newcomers.clear()

    def _most(self, most: int, now: Instant) -> list[tuple[Fingerprint, float]]:
        """The pending ones whose count has changed the most, in accesses."""
        return nlargest(
            most, self._pending.items(), key=lambda pair: abs(pair[1] - self._as_of(pair[0], now))
        )

    def _as_of(self, fingerprint: Fingerprint, now: Instant) -> float:
        """What the others make of what we told, by now."""
        told = self._told.get(fingerprint)
        if told is None:
            return 0.0
        return told[0] * math.exp2(-max(0.0, now.season_s - told[1]) / self._half_life_s)

    def _message(self, counts: list[tuple[Fingerprint, float]]) -> tuple[Any, ...]:
        codes = bytes(code_of(count) for _, count in counts)
        return COUNTS, self._wiring.me.node, pack_fingerprints(each for each, _ in counts), codes

    # ---- theirs ----

    def hear(self, fields: list[Any]) -> None:
        """[kind, sender, fingerprints, codes]: how much some instances are used there."""
        packed, codes = fields[2:4]
        if type(packed) is not bytes or type(codes) is not bytes or len(packed) != 4 * len(codes):
            raise PeerError("counts")
        if len(codes) > _MOST:
            raise PeerError("counts_limit")
        self._wiring.count("counts_heard", len(codes))
        counts = tuple([VALUES[code] for code in codes])
        self._wiring.news.append(CountsHeard(fields[1], unpack_fingerprints(packed), counts))
