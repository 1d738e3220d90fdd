"""The policies that zoned is measured against: each zone for itself, and "any holder serves".

``lru``, ``sieve`` and ``s3fifo`` are one cache a zone that knows nothing of the others: what people run
today, and ``lru`` is the zero of "gap closed". ``peer`` is S3-FIFO where a miss is served by any zone that
holds a copy, known at once and for free: the strongest plain baseline of ``warmth.md``, and no real directory
is that good. A copy served to another zone is not touched there. They use the very eviction classes of the
cache, so a replay also checks those against ``lab/refsim.py``.

With the TTLs of an operator's configuration a copy past its time is a miss here too.

A trace is walked in spans: the loop body stays a hit or a put, and the question whether we measure yet, and
the progress bar, are asked once per span.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial

from zoned.core import eviction
from zoned.core.names import Dependency
from zoned.simulation.pricing import Meter, Prices
from zoned.simulation.results import PolicyResult, Progress, ReplayOptions, Runner
from zoned.simulation.trace import Trace

_LONGEST_SPAN = 16_384  # at 500,000 accesses/s some thirty reports of progress a second
_SPANS = 120  # points of a timeline


def span_length(trace: Trace) -> int:
    """Accesses between two looks at how far a policy is."""
    return min(_LONGEST_SPAN, max(32, len(trace) // _SPANS))


def spans(trace: Trace, warmup: float, progress: Progress) -> Iterator[tuple[int, int, bool]]:
    """(start, end, measured) over the whole trace, never straddling the end of the warm-up."""
    size, warm, length = len(trace), trace.warm_from(warmup), span_length(trace)
    start = 0
    while start < size:
        end = min(start + length, size)
        if start < warm < end:
            end = warm
        yield start, end, start >= warm
        progress(end)
        start = end


def caches_of(policy: str, trace: Trace, capacity: int, by_bytes: bool) -> list[eviction.Eviction]:
    """One empty cache per zone. The trace's numbers of instances are slots, and as good as hashes."""
    limits = (None, capacity) if by_bytes else (capacity, None)
    instances = range(len(trace.object_sizes))
    caches = [eviction.make(policy, *limits, instances) for _ in trace.zone_names]
    for cache in caches:
        cache.reserve(len(instances))
    return caches


def _play(
    trace: Trace, caches: list[eviction.Eviction], shared: bool, start: int, end: int
) -> tuple[int, int]:
    """(hits, copies from other zones) of a span. [hot]"""
    hit_in, put_in = [cache.hit for cache in caches], [cache.put for cache in caches]
    sizes = trace.object_sizes
    hits = peers = 0
    for zone, instance in zip(trace.zones[start:end], trace.objects[start:end], strict=True):
        if hit_in[zone](instance):
            hits += 1
            continue
        if shared and any(instance in cache for cache in caches):  # not in our own, so another's
            peers += 1
        put_in[zone](instance, sizes[instance])
    return hits, peers


class _WithTtls:
    """The same where copies expire: one past its time is a miss, and is replaced where it is. A copy from
    another zone expires when that one does."""

    def __init__(
        self,
        trace: Trace,
        caches: list[eviction.Eviction],
        shared: bool,
        ttl_s: Mapping[Dependency, float],
    ) -> None:
        self._trace, self._caches, self._shared = trace, caches, shared
        self._ttls = [ttl_s.get(instance.dependency, math.inf) for instance in trace.instances]
        self._until: list[dict[int, float]] = [{} for _ in caches]  # at most every instance of the trace

    def play(self, start: int, end: int) -> tuple[int, int]:
        """(hits, copies from other zones) of a span."""
        trace, sizes = self._trace, self._trace.object_sizes
        hits = peers = 0
        for index in range(start, end):
            now_s, zone, instance = trace.ts[index], trace.zones[index], trace.objects[index]
            cache, until = self._caches[zone], self._until[zone]
            held = cache.hit(instance)
            if held and until[instance] > now_s:
                hits += 1
                continue
            theirs = self._elsewhere(zone, instance) if self._shared else 0.0
            if theirs > now_s:
                peers += 1
            until[instance] = theirs if theirs > now_s else now_s + self._ttls[instance]
            if not held:
                cache.put(instance, sizes[instance])
        return hits, peers

    def _elsewhere(self, zone: int, instance: int) -> float:
        """Until when the freshest copy of another zone is good."""
        others = (number for number, cache in enumerate(self._caches) if number != zone and instance in cache)
        return max((self._until[number][instance] for number in others), default=0.0)


def _run(
    policy: str, shared: bool, trace: Trace, capacity: int, options: ReplayOptions, progress: Progress
) -> PolicyResult:
    """One cache of that eviction policy per zone; ``shared``: a miss is served by any zone that has it."""
    caches = caches_of(policy, trace, capacity, options.by_bytes)
    ttls = options.own.ttl_s
    play = _WithTtls(trace, caches, shared, ttls).play if ttls else partial(_play, trace, caches, shared)
    prices, meter = Prices.of(options), Meter()
    for start, end, measured in spans(trace, options.warmup, progress):
        hits, peers = play(start, end)
        if measured:
            origins = end - start - hits - peers
            meter.hits += hits
            meter.peer_transfers += peers
            meter.origin_fetches += origins
            meter.add(prices.local_s, hits)
            meter.add(prices.peer_s, peers)
            meter.add(prices.origin_s, origins)
            meter.mark()
    return meter.result()


def lru_misses(trace: Trace, capacity: int, by_bytes: bool, windows: list[int]) -> Counter[tuple[int, int]]:
    """Misses of the plain LRU per (window, zone): what the clairvoyant may prefetch at most."""
    caches = caches_of("lru", trace, capacity, by_bytes)
    sizes = trace.object_sizes
    missed: Counter[tuple[int, int]] = Counter()
    for window, zone, instance in zip(windows, trace.zones, trace.objects, strict=True):
        cache = caches[zone]
        if not cache.hit(instance):
            missed[window, zone] += 1
            cache.put(instance, sizes[instance])
    return missed


REFERENCE: dict[str, Runner] = {
    "lru": partial(_run, "lru", False),
    "sieve": partial(_run, "sieve", False),
    "s3fifo": partial(_run, "s3fifo", False),
    "peer": partial(_run, "s3fifo", True),
}
"""Policies by their name on the command line."""
