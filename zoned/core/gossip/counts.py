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
from typing import Any

from zoned.core.errors import PeerError
from zoned.core.gossip.channel import COUNTS, Channel
from zoned.core.gossip.holdings import pack_fingerprints, unpack_fingerprints
from zoned.core.gossip.timers import Timer
from zoned.core.gossip.told import Told
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
        settings = wiring.settings
        self._told = Told(settings.counts_half_life_s, settings.counts_limit)
        self._any_told = False
        self._newcomers: dict[NodeName, None] = {}
        self._timer: Timer | None = None

    # ---- ours ----

    def counted(self, counts: Iterable[tuple[Fingerprint, float]], now: Instant, hurry: bool = False) -> None:
        """These were used; their decayed counts as of now. ``hurry``: tell it at once, since copies
        are handed over by it."""
        settings = self._wiring.settings
        if not settings.counts_per_flush:
            return
        news = self._told
        for fingerprint, count in counts:
            told = news.as_of(fingerprint, now.season_s)
            if abs(count - told) > _LEAST_CHANGE * told and count >= _SMALLEST:
                news.wait(fingerprint, count)
        dropped = news.cut(now.season_s)
        if dropped:
            self._wiring.count("counts_dropped", dropped)
        if hurry and news.waits:
            self._tell(now)
        self._arm(now)

    def met(self, node: NodeName, now: Instant) -> None:
        """A zoned agent came up: it knows nothing of our counts."""
        if self._any_told:
            self._newcomers[node] = None  # bounded by the members
            self._arm(now)

    def _arm(self, now: Instant) -> None:
        if self._timer is None and (self._told.waits or self._newcomers):
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
        chosen = self._told.take(self._wiring.settings.counts_per_flush, now.season_s)
        if chosen:
            self._any_told = True
            message = self._message(chosen)
            for peer in self._channel.peers():
                self._channel.tell(peer, message)
            self._wiring.count("counts_sent", len(chosen))

    def _tell_newcomers(self, most: int, now: Instant) -> None:
        if not self._newcomers:
            return
        message = self._message(self._told.largest(most, now.season_s))
        for node in self._newcomers:
            peer = self._wiring.table.get(node)
            if peer is not None and peer.is_zoned():
                self._channel.tell(peer, message)
        self._newcomers.clear()

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
