"""Prometheus metrics: a Snapshot read at scrape time, and the few things that only the daemon measures.

Nothing is kept up to date for a scraper that may never come: the collector makes the families from one
snapshot, and renders at most once a second. Every label is bounded: states, sources and zones by what they
are, ``dependency`` to the first ``max_dependencies`` seen, most used first; the rest add up in ``_other`` and
``zoned_dependencies_folded`` says how many they are. A name that has a label keeps it, or counters would run
backwards. No key, URL or error text is ever a label (per-path labels took a director to 5 GiB, pelican 1311).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from zoned.core.members import MemberState
from zoned.core.records import Reason, Source
from zoned.core.snapshot import Snapshot
from zoned.status.gossip_metrics import gossip_metrics

OTHER = "_other"
BACKEND = "memory"
RENDERED_FOR_S = 1.0
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_PREFETCH_RESULTS = ("ordered", "fetched", "failed", "used")
_REASONS = frozenset(reason.value for reason in Reason)
Counters = Mapping[str, Mapping[str, float]]


class Metrics:
    """The registry of one agent. ``loop_lag`` and ``load`` are the daemon's to fill."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        checks: Callable[[Snapshot], Mapping[str, bool]],
        daemon_counters: Callable[[], Counters],
        version: str,
        max_dependencies: int = 50,
    ) -> None:
        """``daemon_counters``: what the world around the node counted, by part; ``checks`` as in /readyz."""
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        self.loop_lag = Histogram(
            "zoned_event_loop_lag_seconds",
            "How late the event loop ran what was due.",
            buckets=LAG_BUCKETS,
            registry=self.registry,
        )
        self.load = Gauge(
            "zoned_load_ratio", "The host's load, 0 to 1.", ["resource"], registry=self.registry
        )
        self.registry.register(
            _SnapshotCollector(snapshot, checks, daemon_counters, version, max_dependencies)
        )
        self._rendered: dict[str, tuple[float, bytes, str]] = {}

    def render(self, accept: str) -> tuple[bytes, str]:
        """The exposition in the form that ``Accept`` asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        now_s = time.monotonic()
        held = self._rendered.get(content_type)
        if held is not None and now_s - held[0] < RENDERED_FOR_S:
            return held[1], held[2]
        body = encode(self.registry)
        if len(self._rendered) >= 8:  # content types come from Accept headers
            self._rendered.clear()
        self._rendered[content_type] = (now_s, body, content_type)
        return body, content_type


class _SnapshotCollector(Collector):
    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        checks: Callable[[Snapshot], Mapping[str, bool]],
        daemon_counters: Callable[[], Counters],
        version: str,
        max_dependencies: int,
    ) -> None:
        self._snapshot = snapshot
        self._checks = checks
        self._daemon_counters = daemon_counters
        self._version = version
        self._labels = _Labels(max_dependencies)

    def collect(self) -> Iterable[Metric]:
        """All families, from one snapshot."""
        view = self._snapshot()
        self._labels.admit(d.dependency for d in sorted(view.dependencies, key=lambda d: -d.accesses))
        yield InfoMetricFamily("zoned_build", "What runs.", {"version": self._version})
        yield _gauges("zoned_ready", "1 for each check of /readyz that passes.", "check", self._checks(view))
        yield from _pool(view)
        yield from _cache(view)
        yield from self._dependencies(view)
        yield from self._forecasts(view)
        yield from _prefetch(view)
        outside = self._daemon_counters()
        yield from gossip_metrics(view, outside.get("gossip_io", {}))
        yield _staleness(view)
        worn = outside.get("gossip_key", {}).get("pool_used_ratio", 0.0)
        yield GaugeMetricFamily(
            "zoned_gossip_key_used_ratio",
            "Share of the messages a key is good for that the pool sealed with it (a guess): rotate at 0.5.",
            worn,
        )
        yield _stages({**view.counters, **outside})

    def _dependencies(self, view: Snapshot) -> Iterable[Metric]:
        accesses = CounterMetricFamily(
            "zoned_dependency_accesses",
            "Accesses by where they were answered from.",
            labels=["dependency", "origin"],
        )
        requests = CounterMetricFamily(
            "zoned_cache_requests",
            "Look-ups in this zone's cache.",
            labels=["backend", "dependency", "result"],
        )
        by_source: dict[tuple[str, str], float] = {}
        by_result: dict[tuple[str, str], float] = {}
        for one in view.dependencies:
            label = self._labels.of(one.dependency)
            for source in Source:
                _add(by_source, (label, source.value), one.by_source.get(source, 0))
            _add(by_result, (label, "hit"), one.hits)
            _add(by_result, (label, "miss"), one.accesses - one.hits)
        for (label, source_name), count in by_source.items():
            accesses.add_metric([label, source_name], count)
        for (label, result), count in by_result.items():
            requests.add_metric([BACKEND, label, result], count)
        yield accesses
        yield requests
        yield GaugeMetricFamily(
            "zoned_dependencies", "Dependencies used since the start.", len(view.dependencies)
        )
        folded = sum(self._labels.of(one.dependency) == OTHER for one in view.dependencies)
        yield GaugeMetricFamily(
            "zoned_dependencies_folded", "Those of them that are counted as _other.", folded
        )

    def _forecasts(self, view: Snapshot) -> Iterable[Metric]:
        expected = GaugeMetricFamily(
            "zoned_forecast_accesses", "Accesses expected here.", labels=["dependency", "horizon"]
        )
        errors = GaugeMetricFamily(
            "zoned_forecast_error_ratio",
            "Mean absolute error over mean demand, at the shortest horizon.",
            labels=["dependency"],
        )
        sums: dict[tuple[str, str], float] = {}
        told: set[str] = set()
        for line in () if view.forecast is None else view.forecast.dependencies:
            label = self._labels.of(line.dependency)
            _add(sums, (label, f"{line.horizon_s:g}s"), line.mean)
            if label not in told and label != OTHER and line.error is not None:
                told.add(label)
                errors.add_metric([label], line.error)
        for (label, horizon), mean in sums.items():
            expected.add_metric([label, horizon], mean)
        yield expected
        yield errors


class _Labels:
    """Which dependencies have a label of their own: first come, first kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: dict[str, None] = {}

    def admit(self, names: Iterable[str]) -> None:
        for name in names:
            if len(self._kept) >= self._limit:
                return
            self._kept.setdefault(name)

    def of(self, name: str) -> str:
        return name if name in self._kept else OTHER


def _add(sums: dict[tuple[str, str], float], key: tuple[str, str], value: float) -> None:
    sums[key] = sums.get(key, 0.0) + value


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], float(number))
    return family


def _pool(view: Snapshot) -> Iterable[Metric]:
    states = {state.value: 0.0 for state in MemberState}
    nearest: dict[str, float] = {}
    for member in view.members:
        states[member.state.value] += 1
        if member.rtt_s is not None and member.node != view.node:
            nearest[member.zone] = min(member.rtt_s, nearest.get(member.zone, member.rtt_s))
    owned = sum(member.owned_ratio for member in view.ring.members if member.node == view.node)
    yield _gauges("zoned_members", "Members of the pool by state, as seen here.", "state", states)
    yield _gauges("zoned_peer_rtt_seconds", "Round trip to the nearest member of a zone.", "zone", nearest)
    yield GaugeMetricFamily("zoned_ring_epoch", "Changes of the ring seen here.", view.ring.epoch)
    changes = view.counters.get("ring", {}).get("ring_changes", 0)
    yield CounterMetricFamily("zoned_ring_changes", "Times that the ring changed here.", changes)
    yield GaugeMetricFamily("zoned_ring_members", "Placement members.", len(view.ring.members))
    yield GaugeMetricFamily("zoned_ring_owned_ratio", "Share of all shards that this agent owns.", owned)
    yield GaugeMetricFamily(
        "zoned_ring_disagreeing_members",
        "Members that computed another ring.",
        len(view.ring.disagreeing),
    )
    warming = [member for member in view.ring.members if member.flipped_ratio < 1.0]
    text = "Newcomers that have not taken over all of their shards yet."
    yield GaugeMetricFamily("zoned_ring_warming_members", text, len(warming))
    flipped = min([member.flipped_ratio for member in warming if member.node == view.node], default=1.0)
    text = "Share of its shards that this agent has taken over; below 1 while it is new and warms."
    yield GaugeMetricFamily("zoned_ring_flipped_ratio", text, flipped)


def _cache(view: Snapshot) -> Iterable[Metric]:
    cache = view.cache
    yield _gauges(
        "zoned_cache_used_bytes", "Bytes of the copies held.", "backend", {BACKEND: cache.used_bytes}
    )
    yield _gauges("zoned_cache_objects", "Copies held.", "backend", {BACKEND: cache.objects})
    evictions = view.counters.get("cache", {}).get("evicted")
    if evictions is not None:
        family = CounterMetricFamily("zoned_cache_evictions", "Copies that had to go.", labels=["backend"])
        family.add_metric([BACKEND], evictions)
        yield family
    yield _played(view)
    yield from _directory(view)
    known = sum(cache.directory.values())
    yield GaugeMetricFamily("zoned_directory_copies", "Copies in other stores that we know of.", known)


def _played(view: Snapshot) -> Metric:
    """Which policy each dependency's copies go by; with no dependency: those that have none of their own."""
    family = GaugeMetricFamily(
        "zoned_eviction_played",
        "1 for the eviction policy that a dependency's copies go by.",
        labels=["dependency", "eviction"],
    )
    for line in view.ledger:
        if line.eviction:
            family.add_metric([line.dependency, line.eviction], 1.0)
    return family


def _directory(view: Snapshot) -> Iterable[Metric]:
    """Members asked for copies, and those that had none, by cause: known half a minute later."""
    asked = view.counters.get("flight", {}).get("holders_asked", 0)
    text = "Times that a member was asked for a copy that it was said to have."
    yield CounterMetricFamily("zoned_directory_asks", text, asked)
    family = CounterMetricFamily(
        "zoned_directory_false_positives",
        "Those of them that had none: the digest was late, or fingerprints collided.",
        labels=["cause"],
    )
    counts = view.counters.get("cache", {})
    for cause in ("late", "collision", "unknown"):
        family.add_metric([cause], counts.get("false_" + cause, 0))
    yield family


def _prefetch(view: Snapshot) -> Iterable[Metric]:
    yield GaugeMetricFamily("zoned_prefetch_queue_length", "Copies waiting to be fetched.", len(view.queue))
    yield GaugeMetricFamily("zoned_prefetch_paused", "1 while copies may not move.", float(view.paused))
    yield GaugeMetricFamily("zoned_draining_zones", "Zones whose traffic is to move.", len(view.draining))
    yield GaugeMetricFamily("zoned_warm_ratio", "How warm this zone is, 0 to 1.", view.warm_ratio)
    yield _prefetch_results(view.counters.get("prefetch", {}))
    total = next((line for line in view.ledger if line.dependency == ""), None)
    if total is None:
        return
    yield CounterMetricFamily("zoned_requests", "Reads answered.", total.requests)
    yield CounterMetricFamily("zoned_hits", "Reads answered from this zone's store.", total.hits)
    yield CounterMetricFamily("zoned_peer_hits", "Reads that another zone's copy answered.", total.peer_hits)
    yield GaugeMetricFamily(
        "zoned_shadow_lru_hit_ratio", "What plain LRU of the same size would have hit.", total.lru_hit_ratio
    )
    yield CounterMetricFamily("zoned_origin_fetches", "Fetches from origins.", total.origin_fetches)
    yield CounterMetricFamily(
        "zoned_peer_transfers", "Copies fetched from other agents.", total.peer_transfers
    )
    yield CounterMetricFamily(
        "zoned_prefetched", "Copies fetched before they were asked for.", total.prefetched
    )
    yield CounterMetricFamily("zoned_prefetch_used", "Those of them that were used.", total.prefetch_used)
    yield CounterMetricFamily("zoned_prefetched_bytes", "Their bytes.", total.prefetched_bytes)


def _prefetch_results(counters: Mapping[str, float]) -> Metric:
    """What became of prefetches, by reason: the stage's counters are named ``result_reason``."""
    family = CounterMetricFamily(
        "zoned_prefetch", "Prefetches by what became of them, and why.", labels=["result", "reason"]
    )
    for name, count in counters.items():
        result, _, reason = name.partition("_")
        if result in _PREFETCH_RESULTS and reason in _REASONS:
            family.add_metric([result, reason], count)
    return family


def _staleness(view: Snapshot) -> Metric:
    """The oldest that we know of each zone; the bound is ``GossipSettings.staleness_s``."""
    family = GaugeMetricFamily(
        "zoned_gossip_staleness_seconds",
        "Time since what is known of a zone was confirmed, at its worst agent.",
        labels=["zone", "of"],
    )
    worst: dict[tuple[str, str], float] = {}
    for member in view.members:
        ages = view.ages.get(member.node)
        if ages is not None:
            for of, age_s in (("summary", ages.summary_s), ("holdings", ages.holdings_s)):
                worst[member.zone, of] = max(age_s, worst.get((member.zone, of), 0.0))
    for (zone, of), age_s in worst.items():
        family.add_metric([zone, of], age_s)
    return family


def _stages(counters: Counters) -> Metric:
    """What each part counted: work done, drops, rejections, limits reached."""
    family = GaugeMetricFamily(
        "zoned_internal", "What each part of the agent counts.", labels=["part", "name"]
    )
    for part, values in counters.items():
        for name, value in values.items():
            family.add_metric([part, name], value)
    return family
