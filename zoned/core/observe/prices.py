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


class Prices:
    """Mean latency in seconds per `Source`."""

    __slots__ = ("_counts", "_means", "_settings")

    def __init__(self, settings: ObserveSettings) -> None:
        self._settings = settings
        self._means: dict[Source, float] = {}
        self._counts: dict[Source, int] = {}  # reads behind the mean, at most price_memory_reads

    def add(self, source: Source, mean_s: float, count: int) -> None:
        """``count`` reads from there took ``mean_s`` on average; nonsense (negative, NaN) is ignored."""
        if count <= 0 or not 0.0 <= mean_s < math.inf:
            return
        known = self._counts.get(source, 0)
        if known == 0:
            self._means[source] = mean_s
        else:
            self._means[source] += (mean_s - self._means[source]) * min(1.0, count / (known + count))
        self._counts[source] = min(self._settings.price_memory_reads, known + count)

    def price(self, source: Source) -> float:
        """Mean seconds of a read from that source; the prior before any was timed."""
        mean = self._means.get(source)
        if mean is not None:
            return mean
        if source is Source.LOCAL:
            return self._settings.prior_hit_s
        if source is Source.PEER:
            return self._settings.prior_peer_s
        if source is Source.ORIGIN:
            return self._settings.prior_origin_s
        return self.price(Source.PEER) + self.price(Source.ORIGIN)

    def export_state(self) -> dict[str, list[float]]:
        """Per source that was timed: its mean, and the count behind it."""
        return {source.value: [self._means[source], self._counts[source]] for source in self._means}

    def restore_state(self, obj: object) -> None:
        """Take over what `export_state` gave. `StateError` if that is not what it is."""
        if not isinstance(obj, dict):
            raise StateError("observe: prices are not a map")
        means: dict[Source, float] = {}
        counts: dict[Source, int] = {}
        for name, pair in obj.items():
            try:
                source = Source(name)
                mean, count = float(pair[0]), int(pair[1])
            except (ValueError, TypeError, LookupError, OverflowError) as error:
                raise StateError(f"observe: price of {name!r}: {error}") from error
            if not 0.0 <= mean < math.inf or count < 1:
                raise StateError(f"observe: price of {name!r} is {mean} s over {count} reads")
            means[source] = mean
            counts[source] = min(count, self._settings.price_memory_reads)
        self._means, self._counts = means, counts
