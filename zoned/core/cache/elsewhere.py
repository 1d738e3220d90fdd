"""How much instances are used in the other zones: their gossiped counts, added up.

Each agent tells decayed counts of its own accesses; the newest of an agent replaces the one before, and what
it does not repeat decays here as it does there. One sum per fingerprint is kept beside the counts of each
agent, so that ``elsewhere`` is one look-up however many agents there are. Counts are stored in a unit that
grows (2^(t / half-life)), so that time passing costs nothing.

Bounded over all agents: at the limit, the smaller half of the counts of whoever has the most is forgotten.
"""

from __future__ import annotations

import math

from zoned.core.members import CountsHeard
from zoned.core.names import Fingerprint, Instant, NodeName

_REBASE_HALF_LIVES = 40.0
_FADED = 0.05  # a count below that is forgotten when the unit is set back


class Elsewhere:
    """Decayed accesses per fingerprint in all other zones."""

    def __init__(self, half_life_s: float, limit: int, counters: dict[str, int]) -> None:
        """``half_life_s`` of the counts told, on the season clock; ``limit`` over all agents."""
        self._half_life_s = half_life_s
        self._limit = limit
        self._counts: dict[NodeName, dict[Fingerprint, float]] = {}
        self._sums: dict[Fingerprint, float] = {}
        self._kept = 0
        self._origin_s: float | None = None
        self._counters = counters  # of the whole stage
        counters.update(counts_forgotten=0)

    def __len__(self) -> int:
        """Counts kept, over all agents."""
        return self._kept

    def heard(self, news: CountsHeard, now: Instant) -> list[tuple[Fingerprint, float]]:
        """Another agent told some of its counts. Returns what is new of them: (fingerprint, uses there since
        it told of that instance last)."""
        grown = []
        unit = self._unit(now)
        counts, sums = self._counts.setdefault(news.node, {}), self._sums
        for fingerprint, count in zip(news.fingerprints, news.counts, strict=True):
            before = counts.get(fingerprint)
            counts[fingerprint] = count * unit
            sums[fingerprint] = sums.get(fingerprint, 0.0) + count * unit - (before or 0.0)
            self._kept += before is None
            grown.append((fingerprint, count - (before or 0.0) / unit))
        while self._kept > self._limit:
            self._forget_half(max(sorted(self._counts), key=lambda node: len(self._counts[node])))
        return grown

    def gone(self, node: NodeName) -> None:
        """That agent failed or left: nobody asks there."""
        for fingerprint, count in self._counts.pop(node, {}).items():
            self._subtract(fingerprint, count)

    def elsewhere(self, fingerprint: Fingerprint, now: Instant) -> float:
        """Decayed accesses in all other zones; 0.0 for what nobody told of."""
        unit = self._unit(now)  # first: it may set all sums back
        return max(0.0, self._sums.get(fingerprint, 0.0) / unit)

    # ---- inside ----

    def _subtract(self, fingerprint: Fingerprint, count: float) -> None:
        """What is left of a sum when a count goes. A sum that is nothing beside what went is let go, though a
        faded count of another agent may be behind it; so a count that goes may find no sum."""
        self._kept -= 1
        left = self._sums.get(fingerprint, 0.0) - count
        if left > 1e-9 * count:
            self._sums[fingerprint] = left
        else:
            self._sums.pop(fingerprint, None)

    def _forget_half(self, node: NodeName) -> None:
        counts = self._counts[node]
        ranked = sorted(counts, key=counts.__getitem__)
        going = ranked[: max(1, len(ranked) // 2)]
        self._counters["counts_forgotten"] += len(going)
        for fingerprint in going:
            self._subtract(fingerprint, counts.pop(fingerprint))

    def _unit(self, now: Instant) -> float:
        if self._origin_s is None:
            self._origin_s = now.season_s
        past = (now.season_s - self._origin_s) / self._half_life_s
        if past > _REBASE_HALF_LIVES:
            self._rebase(math.exp2(-min(past, 1000.0)), now.season_s)
            return 1.0
        return math.exp2(max(-_REBASE_HALF_LIVES, past))

    def _rebase(self, factor: float, now_s: float) -> None:
        """Set the unit back to 1, and let go what has faded."""
        self._origin_s = now_s
        self._sums, self._kept = {}, 0
        for node in sorted(self._counts):
            kept = {
                key: left for key, count in self._counts[node].items() if (left := count * factor) > _FADED
            }
            self._counts[node] = kept
            self._kept += len(kept)
            for key, count in kept.items():
                self._sums[key] = self._sums.get(key, 0.0) + count
