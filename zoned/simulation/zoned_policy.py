"""The policy ``zoned`` of a replay: one real node per zone of the trace, in virtual time.

The nodes gossip encoded packets over the virtual network, learn what the others hold from digests that are
late and can err, forecast, plan and prefetch, exactly as agents do; only their timers are slower, because
a trace of 273 days holds 24 million idle seconds (``paces`` says how slow, and the result tells).

Nothing here decides anything about caching: take ``Node.handle`` away and every read fails.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from zoned.core.cache import CacheSettings
from zoned.core.events import FetchOutcome, Join
from zoned.core.forecast import ForecastSettings
from zoned.core.gossip import GossipSettings
from zoned.core.names import InstanceKey
from zoned.core.observe import ObserveSettings
from zoned.core.placement import PlacementSettings
from zoned.core.records import DependencyPolicy, LedgerLine, Source
from zoned.core.settings import NodeSettings, ablated
from zoned.simulation.cluster import Cluster, chance, gossip_address, peer_address
from zoned.simulation.host import Host
from zoned.simulation.network import Network, NetworkSettings
from zoned.simulation.policies import span_length
from zoned.simulation.pricing import Meter
from zoned.simulation.results import PolicyResult, Progress, ReplayOptions
from zoned.simulation.trace import Trace
from zoned.simulation.world import Answer, Transfers

_ALLOCATIONS = 50_000  # net, between two looks for cycles
_SETTLE_S = 600.0  # before the trace begins, the pool comes together
_TURNS = 1000  # of one zone over the trace, within these bounds:
_FEWEST_READS, _MOST_READS = 2.0, 25.0  # per turn of one zone, on average over the trace
_TURNS_PER_PLAN = 4
_PLANS_PER_FORECAST = 4  # in life 12
_TURNS_REMEMBERED = 3000  # half-life of prefetch outcomes: in life six hours, of turns of a second or more


class Paces(NamedTuple):
    """How slow the nodes' timers run in this replay, in seconds."""

    turn_s: float
    plan_s: float  # plans, forecasts, summaries
    idle_turn_s: float
    gossip_s: float
    probe_s: float


def paces(trace: Trace) -> Paces:
    """Timers that let a node turn once in so many of its reads. Agents turn once a second: a replay's
    summaries are staler than life's, never fresher, and staler where the trace is long, since turns take
    time. Digests go out as in life: they cost nothing while nothing changes, and a late one sends reads to
    the origin."""
    span_s = trace.busy_s()
    reads = max(1, len(trace)) / max(1, len(trace.zone_names))  # of one zone
    reads_per_turn = min(_MOST_READS, max(_FEWEST_READS, reads / _TURNS))
    turn_s = max(1.0, span_s * reads_per_turn / reads)
    plan_s = max(5.0, turn_s * _TURNS_PER_PLAN)
    return Paces(turn_s, plan_s, max(1800.0, plan_s), 1.0, max(5.0, span_s / 500))


class TraceOrigin:
    """The origin of a trace: everything exists, at the sizes that the trace saw."""

    def __init__(self, trace: Trace, latency_s: float, by_bytes: bool) -> None:
        self._sizes = dict(zip(trace.instances, trace.object_sizes, strict=True)) if by_bytes else {}
        self._latency_s = latency_s

    def size_of(self, key: InstanceKey) -> int:
        """Bytes, or 1 where the capacity counts objects."""
        return self._sizes.get(key, 1)

    def latency_s(self, key: InstanceKey) -> float:
        """The model's time for the origin."""
        return self._latency_s

    def outcome(self, key: InstanceKey) -> FetchOutcome:
        """Always there."""
        return FetchOutcome.OK

    def ttl_s(self, key: InstanceKey) -> float | None:
        """Says nothing of it."""
        return None


def settings_of(trace: Trace, capacity: int, options: ReplayOptions, index: int) -> NodeSettings:
    """The settings of the node of one zone."""
    pace = paces(trace)
    settings = NodeSettings(
        node=f"{trace.zone_names[index]}-1",
        zone=trace.zone_names[index],
        gossip_address=gossip_address(index),
        peer_address=peer_address(index),
        seed=options.seed,
        turn_interval_s=pace.turn_s,
        idle_turn_s=pace.idle_turn_s,
        summary_interval_s=pace.plan_s,
        policies=tuple(DependencyPolicy(name=name) for name in trace.dependencies),
        observe=ObserveSettings(
            prior_hit_s=options.hit_s, prior_peer_s=options.rtt_s, prior_origin_s=options.origin_s
        ),
        forecast=ForecastSettings(
            worker_enabled=options.fitter is not None,
            reforecast_s=max(300.0, _PLANS_PER_FORECAST * pace.plan_s),
            recount_s=max(15.0, pace.plan_s),
        ),
        gossip=replace(
            GossipSettings.profile("lan"),
            probe_interval_s=pace.probe_s,
            push_pull_interval_s=pace.probe_s * 10,
            reconcile_interval_s=pace.probe_s,
            holdings_flush_s=pace.gossip_s,
            compress_streams_below_bytes=0,  # a third of gossip's time, and of no consequence here
        ),
        placement=PlacementSettings(plan_interval_s=pace.plan_s),
        cache=CacheSettings(
            max_objects=None if options.by_bytes else capacity,
            max_bytes=capacity if options.by_bytes else None,
            default_ttl_s=None,
            outcome_half_life_s=max(21_600.0, _TURNS_REMEMBERED * pace.turn_s),
        ),
    )
    return ablated(options.own.apply(settings), options.ablate)


class _Measure:
    """Counts the answers, once the warm-up is over."""

    def __init__(self) -> None:
        self.on = False
        self.meter = Meter()

    def answered(self, answer: Answer) -> None:
        """One read was answered."""
        if self.on:
            self.meter.add(answer.latency_s)
            self.meter.hits += answer.source is Source.LOCAL


@contextmanager
def _few_collections() -> Iterator[None]:
    """Nodes live to the end and make hardly any cycles: to look for some after every 700 allocations, as
    Python does by itself, costs a replay a fiftieth of its time."""
    before = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Replay:
    """One replay of a trace by real nodes; ``hosts`` stay readable afterwards, one a zone."""

    def __init__(self, trace: Trace, capacity: int, options: ReplayOptions) -> None:
        self._trace = trace
        self._options = options
        self._measure = _Measure()
        self._start_s = trace.ts[0] - _SETTLE_S
        one_way_s = options.rtt_s / 2
        self._cluster = Cluster(
            network=Network(
                NetworkSettings(one_way_s=one_way_s, jitter_s=0.0), chance(options.seed, "network")
            ),
            origin=TraceOrigin(trace, options.origin_s, options.by_bytes),
            start_s=self._start_s,
            hit_s=options.hit_s,
            rtt_s=options.rtt_s,
            instant_fetches=True,
            answered=self._measure.answered,
            fitter=options.fitter,
        )
        self.hosts = [
            self._cluster.add(settings_of(trace, capacity, options, zone))
            for zone in range(len(trace.zone_names))
        ]

    def run(self, progress: Progress) -> PolicyResult:
        """Bring the pool together, then play the trace from end to end."""
        cluster, measure = self._cluster, self._measure
        for index, host in enumerate(self.hosts):
            host.boot()
            cluster.run_until(cluster.schedule.now_s + 1.0)
            if index:
                host.give(Join(seeds=(gossip_address(0),)))
        with _few_collections():
            before = self._walk(progress)
        cluster.run_until(cluster.schedule.now_s + 60.0)  # what is under way ends
        after = self._total()
        measure.meter.moved(before, after)
        in_vain = after.asked_in_vain - before.asked_in_vain
        return measure.meter.result(_details(self._trace, cluster, self.hosts, in_vain))

    def _walk(self, progress: Progress) -> Transfers:
        """Let time pass and the zones read; returns the transfers at the end of the warm-up."""
        trace, cluster, hosts, start_s = self._trace, self._cluster, self.hosts, self._start_s
        instances, before, every = trace.instances, Transfers(), span_length(trace)
        warm_from = trace.warm_from(self._options.warmup)
        rows = zip(trace.ts, trace.zones, trace.objects, trace.clients, strict=True)
        for number, (ts, zone, instance, client) in enumerate(rows):
            if number == warm_from:
                before, self._measure.on = self._total(), True
            cluster.run_until(ts - start_s)
            hosts[zone].read(instances[instance], client)
            if not number % every:
                progress(number)
                if self._measure.on:
                    self._measure.meter.mark()
        self._measure.meter.mark()
        progress(len(trace))
        return before

    def _total(self) -> Transfers:
        total = Transfers()
        for host in self.hosts:
            total.add(host.transfers)
        return total


def run(trace: Trace, capacity: int, options: ReplayOptions, progress: Progress) -> PolicyResult:
    """Replay the trace through one node per zone."""
    if len(trace) == 0:
        return Meter().result()
    return Replay(trace, capacity, options).run(progress)


def _details(trace: Trace, cluster: Cluster, hosts: list[Host], asked_in_vain: int) -> dict[str, object]:
    """What else a replay of real nodes can tell: its timers, its gossip, its ledger."""
    nodes = [host.node for host in hosts if host.node is not None]
    ledgers = [node.tuner.ledger(node.observer.price) for node in nodes]
    lines = [ledger[0] for ledger in ledgers]
    requests = sum(line.requests for line in lines)
    outcomes: dict[str, list[float]] = {}
    for node in nodes:
        for outcome in node.cache.outcomes():
            row = outcomes.setdefault(outcome.reason.value, [0.0, 0.0, 0.0])
            for i, value in enumerate((outcome.fetched, outcome.used, outcome.wasted)):
                row[i] += value
    return {
        "paces_s": paces(trace)._asdict(),
        "gossip": dict(cluster.network.sent),
        "asked_in_vain": asked_in_vain,
        "ledger_lru_hit_ratio": sum(line.lru_hit_ratio * line.requests for line in lines) / max(1, requests),
        "ledger_hit_ratio": sum(line.hits for line in lines) / max(1, requests),
        "dependencies": by_dependency(ledgers),
        "eviction": {node.settings.zone: node.cache.eviction for node in nodes},
        "fits": sum(node.forecaster.counters["fits"] for node in nodes),
        "prefetch_recent": {reason: [round(v, 1) for v in row] for reason, row in sorted(outcomes.items())},
    }


def by_dependency(ledgers: Sequence[Sequence[LedgerLine]]) -> list[dict[str, object]]:
    """What the agents' own ledgers say of each dependency, over the whole trace; the most requested first."""
    rows: dict[str, list[float]] = {}
    for line in (line for ledger in ledgers for line in ledger[1:]):
        row = rows.setdefault(line.dependency, [0.0] * 6)
        lru_hits = line.lru_hit_ratio * line.requests
        values = (
            line.requests, line.hits, lru_hits, line.latency_s, line.lru_latency_s, line.origin_fetches,
        )  # fmt: skip
        for i, value in enumerate(values):
            row[i] += value
    return [
        {
            "dependency": name,
            "requests": int(requests),
            "hit_ratio": round(hits / max(1, requests), 6),
            "lru_hit_ratio": round(lru_hits / max(1, requests), 6),
            "saved_s": round(lru_s - waited_s, 3),
            "origin_fetches": int(origin),
        }
        for name, (requests, hits, lru_hits, waited_s, lru_s, origin) in sorted(
            rows.items(), key=lambda row: -row[1][0]
        )
    ]
