"""A journal as replays use it: the same reads as a trace, what the world answered, and what the agents had.

The reference policies walk the trace as any other, one cache an agent. The origin of the replay answers as
the real one did: sizes, freshness and "no such thing" by instance, time by dependency (the median, since one
slow answer belongs to its moment). How the real agents fared (``recorded``) is counted from the journal,
over the very reads that are replayed, so a killed agent, which forgets its ledger, counts too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from heapq import merge
from statistics import median
from typing import Any

from zoned.core.events import FetchOutcome, Timed
from zoned.core.names import Dependency, InstanceKey
from zoned.core.records import Source
from zoned.journal import Happening, Journal, JournalError, Life
from zoned.journal.lives import Fetch, Use, Wait, What
from zoned.journal.recorder import ORIGIN, PEER
from zoned.simulation.policies import span_length
from zoned.simulation.pricing import Meter
from zoned.simulation.results import PolicyResult, Progress, ReplayOptions
from zoned.simulation.trace import Trace

_FINAL = (FetchOutcome.NOT_FOUND.value, FetchOutcome.TOO_LARGE.value)
_OK = FetchOutcome.OK.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One journal, read once. ``walls``: when each read of the trace was, Unix seconds."""

    journal: Journal
    trace: Trace
    walls: list[float]
    happenings: Mapping[Life, list[Happening]]
    capacity: int
    by_bytes: bool
    unequal: bool
    """The agents' stores differ: the reference policies get the smallest."""

    @property
    def others_missing(self) -> bool:
        """Whether the one agent that was recorded fetched from others, which a replay of it lacks."""
        return len(self.journal.nodes) == 1 and any(fetch.source != ORIGIN for fetch in _fetches(self))

    def measured_from_s(self, warmup: float) -> float:
        """When the warm-up is over, Unix seconds; without one, all counts, what came before reads, too."""
        first = self.trace.warm_from(warmup)
        return self.walls[first] if first else 0.0


class JournalOrigin:
    """The origins as the recorded agents met them."""

    def __init__(self, recording: Recording, latency_s: float) -> None:
        self._sizes: dict[InstanceKey, int] = {}
        self._ttls: dict[InstanceKey, float | None] = {}
        self._refused: dict[InstanceKey, FetchOutcome] = {}
        latencies: dict[Dependency, list[float]] = {}
        for fetch in _fetches(recording):
            if fetch.outcome == _OK:
                self._sizes[fetch.key] = fetch.size
                if fetch.source == ORIGIN:
                    self._ttls[fetch.key] = fetch.ttl_s
                    latencies.setdefault(fetch.key.dependency, []).append(fetch.latency_s)
            elif fetch.source == ORIGIN and fetch.outcome in _FINAL:
                self._refused.setdefault(fetch.key, FetchOutcome(fetch.outcome))
        self._usual_size = int(median(self._sizes.values())) if self._sizes else 1
        self._latency_s = {name: median(values) for name, values in latencies.items()}
        self._usual_s = latency_s

    def size_of(self, key: InstanceKey) -> int:
        """As last seen; the median of all where nobody fetched it."""
        return self._sizes.get(key, self._usual_size)

    def latency_s(self, key: InstanceKey) -> float:
        """The median of its dependency."""
        return self._latency_s.get(key.dependency, self._usual_s)

    def outcome(self, key: InstanceKey) -> FetchOutcome:
        """There, unless the origin never said anything but that it is not, or that it is too large."""
        return FetchOutcome.OK if key in self._sizes else self._refused.get(key, FetchOutcome.OK)

    def ttl_s(self, key: InstanceKey) -> float | None:
        """What the origin said last."""
        return self._ttls.get(key)


def recording_of(journal: Journal) -> Recording:
    """Read all rows, in time. Raises JournalError (no reads in it)."""
    happenings = {life: list(life.happenings()) for life in journal.lives}
    uses = sorted(
        (
            (one.at_s, life.node, one.what)
            for life, told in happenings.items()
            for one in told
            if isinstance(one.what, Use)
        ),
        key=lambda use: use[0],
    )
    if not uses:
        raise JournalError(f"{journal.name}: nobody read anything while it was recorded")
    nodes = journal.nodes
    numbers: dict[InstanceKey, int] = {}
    objects = [numbers.setdefault(use.key, len(numbers)) for _, _, use in uses]
    season, places = journal.lives[0].season, {node: number for number, node in enumerate(nodes)}
    largest = dict.fromkeys(numbers, 1)
    for told in happenings.values():
        for one in told:
            if isinstance(one.what, Fetch) and one.what.key in largest and one.what.outcome == _OK:
                largest[one.what.key] = max(largest[one.what.key], one.what.size)
    trace = Trace(
        name=journal.name,
        ts=[season.at(at_s) for at_s, _, _ in uses],
        zones=[places[node] for _, node, _ in uses],
        objects=objects,
        sizes=[largest[use.key] for _, _, use in uses],
        clients=[use.client for _, _, use in uses],
        zone_names=nodes,
        instances=tuple(numbers),
        object_sizes=list(largest.values()),
        skipped=0,
    )
    walls = [at_s for at_s, _, _ in uses]
    limits = [(one.settings.cache.max_objects, one.settings.cache.max_bytes) for one in journal.lives]
    by_bytes = any(objects is None for objects, _ in limits)
    rooms = [room for pair in limits if (room := pair[by_bytes]) is not None] or [1 << 62]
    return Recording(
        journal=journal,
        trace=trace,
        walls=walls,
        happenings=happenings,
        capacity=min(rooms),
        by_bytes=by_bytes,
        unequal=len(set(limits)) > 1,
    )


def _fetches(recording: Recording) -> Iterable[Fetch]:
    for told in recording.happenings.values():
        for one in told:
            if isinstance(one.what, Fetch):
                yield one.what


def measured(recording: Recording, options: ReplayOptions) -> ReplayOptions:
    """The same options with the latencies that were measured, medians; what nobody measured stays."""
    local = [
        (one.what.mean_s, one.what.count)
        for told in recording.happenings.values()
        for one in told
        if isinstance(one.what, Timed) and one.what.source is Source.LOCAL
    ]
    by_source: dict[str, list[float]] = {}
    for fetch in _fetches(recording):
        if fetch.outcome == _OK:
            by_source.setdefault(fetch.source, []).append(fetch.latency_s)
    hits = sum(count for _, count in local)
    return replace(
        options,
        hit_s=sum(mean_s * count for mean_s, count in local) / hits if hits else options.hit_s,
        rtt_s=median(by_source[PEER]) if PEER in by_source else options.rtt_s,
        origin_s=median(by_source[ORIGIN]) if ORIGIN in by_source else options.origin_s,
        by_bytes=recording.by_bytes,
    )


class _Tally:
    """One agent's reads."""

    def __init__(self) -> None:
        self.requests = 0
        self.hits = 0

    def as_json(self) -> dict[str, float]:
        """For the details of a result."""
        return {"requests": self.requests, "hit_ratio": round(self.hits / max(1, self.requests), 6)}


class Score:
    """Hits by agent and in all, from the end of the warm-up on."""

    def __init__(self, nodes: Iterable[str], every: int) -> None:
        self.on = False
        self.meter = Meter()
        self.agents = {node: _Tally() for node in nodes}
        self._every = every

    def read(self, node: str, hit: bool) -> None:
        """A read was begun, and was answered at once or not."""
        if self.on:
            tally = self.agents[node]
            tally.requests += 1
            tally.hits += hit
            self.meter.hits += hit

    def waited(self, seconds: float) -> None:
        """One was answered."""
        if self.on:
            self.meter.add(seconds)
            if not self.meter.count % self._every:
                self.meter.mark()

    def by_agent(self) -> dict[str, dict[str, float]]:
        """Requests and hit ratio of each agent."""
        return {node: tally.as_json() for node, tally in self.agents.items()}


def _in_time(recording: Recording) -> Iterator[tuple[float, Life, What]]:
    """What happened in all lives, by time."""

    def steps(life: Life, told: list[Happening]) -> Iterator[tuple[float, Life, What]]:
        return ((one.at_s, life, one.what) for one in told)

    lives = [steps(life, told) for life, told in recording.happenings.items()]
    return merge(*lives, key=lambda step: step[0])


class _Store:
    """What was fetched ahead in one life and has not been used; nobody waits for what came before its use."""

    def __init__(self) -> None:
        self._unused: set[InstanceKey] = set()  # membership only
        self._missed_s: dict[InstanceKey, float] = {}

    def read(self, use: Use, at_s: float) -> bool:
        """Whether this is the first use of what was fetched ahead."""
        first = use.key in self._unused and use.hit
        self._unused.discard(use.key)  # a miss: it has gone again, unused
        if not use.hit:
            self._missed_s[use.key] = at_s
        return first

    def came_late(self, fetch: Fetch, at_s: float) -> bool:
        """Whether somebody asked for it while it was on its way ahead of demand."""
        late = self._missed_s.get(fetch.key, -1.0) > at_s - fetch.latency_s
        if not late:
            self._unused.add(fetch.key)
        return late


def recorded(recording: Recording, options: ReplayOptions, progress: Progress) -> PolicyResult:
    """How the real agents fared, from their journal."""
    score = Score(recording.journal.nodes, span_length(recording.trace))
    since_s = recording.measured_from_s(options.warmup)
    meter = score.meter
    stores = {life: _Store() for life in recording.journal.lives}
    for at_s, life, what in _in_time(recording):
        score.on, store = at_s >= since_s, stores[life]
        if isinstance(what, Use):
            score.read(life.node, what.hit)
            used = store.read(what, at_s)
            if what.hit:
                score.waited(options.hit_s)
                meter.prefetch_used += score.on and used
        elif isinstance(what, Wait):
            score.waited(options.hit_s + what.seconds)
        elif isinstance(what, Fetch) and what.outcome == _OK:
            late = what.ahead and store.came_late(what, at_s)
            if score.on:
                meter.origin_fetches += what.source == ORIGIN
                meter.peer_transfers += what.source != ORIGIN
                meter.prefetches += what.ahead
                meter.prefetch_used += late
                meter.late += late
    meter.mark()
    progress(len(recording.trace))
    accounts = [life.account for life in recording.journal.lives]
    requests = max(1, sum(one.requests for one in accounts))
    return meter.result(
        {
            "agents": score.by_agent(),
            "ledger_hit_ratio": round(sum(one.hits for one in accounts) / requests, 6),
            "ledger_lru_hit_ratio": round(sum(one.lru_hits for one in accounts) / requests, 6),
        }
    )


def agreement(results: Mapping[str, PolicyResult]) -> dict[str, Any] | None:
    """Hit ratios that the real agents had, and that they have in the replay, in all and by agent; None unless
    both were asked for."""
    real, ours = results.get("recorded"), results.get("zoned")
    if real is None or ours is None:
        return None
    theirs, replayed = real.details["agents"], ours.details["agents"]
    assert isinstance(theirs, dict) and isinstance(replayed, dict), "details are made here and by the replay"

    def compared(had: float, has: float) -> dict[str, float]:
        return {"recorded": round(had, 4), "replayed": round(has, 4), "points": round(100 * (has - had), 2)}

    return {
        **compared(real.hit_ratio, ours.hit_ratio),
        "agents": {
            node: {"requests": told["requests"]} | compared(told["hit_ratio"], replayed[node]["hit_ratio"])
            for node, told in theirs.items()
        },
    }
