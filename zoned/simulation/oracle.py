"""The clairvoyant: the other end of "gap closed", where the plain LRU is zero and this one is a hundred.

It is ``clair_seen`` of ``lab/refsim.py``, figure for figure. At the start of each window it knows every
access of that window, and puts into each zone what the zone will ask for most, but only what some zone has
already asked for (nobody can predict a key that never was), at most as many copies as the plain LRU of that
zone will miss in that window, and they arrive at once. It evicts what will be asked for last (Belady, IBM
Systems Journal 1966), and does not admit a newcomer that would itself be the one to go.

It is a yardstick and no upper bound: its misses do not go to other zones, so a policy that shares
copies well can pass 100 %. Rejected: a true optimum with sizes and several caches (NP-hard).
"""

from __future__ import annotations

import heapq

from zoned.simulation.policies import lru_misses, spans
from zoned.simulation.pricing import Meter, Prices
from zoned.simulation.results import PolicyResult, Progress, ReplayOptions
from zoned.simulation.trace import Trace


class FarthestCache:
    """A cache that knows when each copy is used next, and lets the farthest go; bounded by units.

    The heap is lazy: each use pushes an entry, entries that no longer say the truth are dropped when they
    come to the top. Ties (never used again) go to the lower number, so that runs repeat.
    """

    __slots__ = ("_capacity", "_heap", "_next_use", "_room", "_sizes")

    def __init__(self, capacity: int, sizes: list[int]) -> None:
        self._capacity = self._room = capacity
        self._sizes = sizes  # units per instance: 1 each, or bytes
        self._next_use: dict[int, int] = {}
        self._heap: list[tuple[int, int]] = []

    def __contains__(self, instance: int) -> bool:
        return instance in self._next_use

    def touch(self, instance: int, next_use: int) -> None:
        """A held copy was used; this is its next use."""
        self._next_use[instance] = next_use
        heapq.heappush(self._heap, (-next_use, instance))

    def put(self, instance: int, next_use: int) -> bool:
        """Admit a newcomer if all copies that must go for it are used later than it; else change nothing."""
        size, room = self._sizes[instance], self._room
        if size > self._capacity:
            return False
        victims: list[tuple[int, int]] = []
        while room < size:
            farthest = self._pop_farthest()
            if farthest is None or -farthest[0] <= next_use:
                for entry in (*victims, *((farthest,) if farthest else ())):
                    heapq.heappush(self._heap, entry)
                return False
            victims.append(farthest)
            room += self._sizes[farthest[1]]
        for _, victim in victims:
            del self._next_use[victim]
        self._room = room - size
        self.touch(instance, next_use)
        return True

    def _pop_farthest(self) -> tuple[int, int] | None:
        heap, next_use = self._heap, self._next_use
        while heap:
            entry = heapq.heappop(heap)
            if next_use.get(entry[1]) == -entry[0]:
                return entry
        return None


class _Clairvoyant:
    """The state of one run: a cache per zone, what is known of the future, what was ever asked for."""

    def __init__(self, trace: Trace, capacity: int, options: ReplayOptions) -> None:
        self.trace = trace
        self.prices = Prices.of(options)
        self.meter = Meter()
        self.windows = trace.windows(options.window_s)
        self.allowed = lru_misses(trace, capacity, options.by_bytes, self.windows)
        self.next_uses = next_uses(trace)
        self.needs = _needs(trace, self.windows)
        sizes = trace.object_sizes if options.by_bytes else [1] * len(trace.instances)
        self.caches = [FarthestCache(capacity, sizes) for _ in trace.zone_names]
        self.unused: list[set[int]] = [set() for _ in trace.zone_names]  # prefetched, not yet asked for
        self.seen: set[int] = set()
        self.window = -1

    def span(self, start: int, end: int, measured: bool) -> None:
        """Play the accesses from ``start`` to before ``end``."""
        zones, objects, windows = self.trace.zones, self.trace.objects, self.windows
        next_uses = self.next_uses
        caches, unused_of, seen, meter = self.caches, self.unused, self.seen, self.meter
        hits = used = 0
        for index in range(start, end):
            if windows[index] != self.window:
                self.window = windows[index]
                self.prefetch(measured)
            zone, instance = zones[index], objects[index]
            cache, unused = caches[zone], unused_of[zone]
            if instance in cache:
                hits += 1
                cache.touch(instance, next_uses[index])
                if instance in unused:
                    used += 1
                    unused.discard(instance)
            else:
                unused.discard(instance)
                cache.put(instance, next_uses[index])
            seen.add(instance)
        if measured:
            misses = end - start - hits
            meter.hits += hits
            meter.prefetch_used += used
            meter.origin_fetches += misses
            meter.add(self.prices.local_s, hits)
            meter.add(self.prices.origin_s, misses)
            meter.mark()

    def prefetch(self, measured: bool) -> None:
        """A window begins: put into each zone what it will ask for most, within the allowance."""
        for zone, cache in enumerate(self.caches):
            left = self.allowed[self.window, zone]
            needed = self.needs.pop((self.window, zone), {}) if left else {}
            for instance, (_, first) in sorted(needed.items(), key=lambda item: -item[1][0]):
                if not left:
                    break
                if instance in cache or instance not in self.seen:
                    continue
                elsewhere = any(instance in other for other in self.caches)
                if not cache.put(instance, first):
                    continue
                left -= 1
                self.unused[zone].add(instance)
                if measured:
                    self.meter.prefetches += 1
                    self.meter.peer_transfers += elsewhere
                    self.meter.origin_fetches += not elsewhere


def next_uses(trace: Trace) -> list[int]:
    """Per access, the index of the next one of that instance in that zone; twice the length if none."""
    size = len(trace)
    uses = [2 * size] * size
    last: dict[tuple[int, int], int] = {}
    for index in range(size - 1, -1, -1):
        place = (trace.zones[index], trace.objects[index])
        uses[index] = last.get(place, 2 * size)
        last[place] = index
    return uses


def _needs(trace: Trace, windows: list[int]) -> dict[tuple[int, int], dict[int, tuple[int, int]]]:
    """Per (window, zone): what is asked for, with (how often, index of the first), in order of first use."""
    needs: dict[tuple[int, int], dict[int, tuple[int, int]]] = {}
    for index, (window, zone, instance) in enumerate(zip(windows, trace.zones, trace.objects, strict=True)):
        needed = needs.setdefault((window, zone), {})
        count, first = needed.get(instance, (0, index))
        needed[instance] = (count + 1, first)
    return needs


def run(trace: Trace, capacity: int, options: ReplayOptions, progress: Progress) -> PolicyResult:
    """The clairvoyant over a trace (a `Runner`)."""
    clairvoyant = _Clairvoyant(trace, capacity, options)
    for start, end, measured in spans(trace, options.warmup, progress):
        clairvoyant.span(start, end, measured)
    return clairvoyant.meter.result()
