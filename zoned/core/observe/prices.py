"""What a read costs in seconds, by source: the one price list that every comparison uses.

Both sides of "zoned against plain LRU" are priced with these means, so that a slow minute at the origin
cannot look like a gain. A price starts from a prior, is the plain mean of the first reads and then an
exponential mean: exact while little is known, and still able to follow a link that slows down.

Rejected: medians and quantiles. What is compared is mean latency, and means add up over sources.
"""

from __future__ import annotations

import math

from zoned.core.errors import StateError
from zoned.core.observe.settings import ObserveSettings
from zoned.core.records import Source

SOURCES = (Source.LOCAL, Source.PEER, Source.ORIGIN, Source.HOME)


def place(source: Source) -> int:
    """[hot] Its index in `SOURCES`. By identity: a dictionary would hash the Enum, which takes 0.2 us."""
    if source is Source.LOCAL:
        return 0
    if source is Source.PEER:
        return 1
    return 2 if source is Source.ORIGIN else 3


class Prices:
    """Mean latency in seconds per `Source`."""

    __slots__ = ("_counts", "_means", "_settings")

    def __init__(self, settings: ObserveSettings) -> None:
        self._settings = settings
        self._means = [0.0, 0.0, 0.0, 0.0]  # in the order of SOURCES
        self._counts = [0, 0, 0, 0]  # reads behind the mean, at most price_memory_reads

    def add(self, source: Source, mean_s: float, count: int) -> None:
        """``count`` reads from there took ``mean_s`` on average; nonsense (negative, NaN) is ignored."""
        self.add_at(place(source), mean_s, count)

    def add_at(self, index: int, mean_s: float, count: int) -> None:
        """[hot] The same by the source's `place`."""
        if count <= 0 or not 0.0 <= mean_s < math.inf:
            return
        reads = self._counts[index] + count
        means = self._means
        means[index] += (mean_s - means[index]) * (count / reads)
        limit = self._settings.price_memory_reads
        self._counts[index] = reads if reads < limit else limit

    def price(self, source: Source) -> float:
        """Mean seconds of a read from that source; the prior before any was timed."""
        index = place(source)
        if self._counts[index]:
            return self._means[index]
        if source is Source.LOCAL:
            return self._settings.prior_hit_s
        if source is Source.PEER:
            return self._settings.prior_peer_s
        if source is Source.ORIGIN:
            return self._settings.prior_origin_s
        return self.price(Source.PEER) + self.price(Source.ORIGIN)

    def export_state(self) -> dict[str, list[float]]:
        """Per source that was timed: its mean, and the count behind it."""
        return {
            source.value: [mean, count]
            for source, mean, count in zip(SOURCES, self._means, self._counts, strict=True)
            if count
        }

    def restore_state(self, obj: object) -> None:
        """Take over what `export_state` gave. `StateError` if that is not what it is."""
        if not isinstance(obj, dict):
            raise StateError("observe: prices are not a map")
        means, counts = [0.0, 0.0, 0.0, 0.0], [0, 0, 0, 0]
        for name, pair in obj.items():
            try:
                index = place(Source(name))
                mean, count = float(pair[0]), int(pair[1])
            except (ValueError, TypeError, LookupError, OverflowError) as error:
                raise StateError(f"observe: price of {name!r}: {error}") from error
            if not 0.0 <= mean < math.inf or count < 1:
                raise StateError(f"observe: price of {name!r} is {mean} s over {count} reads")
            means[index] = mean
            counts[index] = min(count, self._settings.price_memory_reads)
        self._means, self._counts = means, counts
