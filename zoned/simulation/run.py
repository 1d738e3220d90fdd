"""``zoned simulate``: a pool of any size under faults, from a seed, without waiting for clocks.

The report's ``digest`` is a hash over everything that was decided and said; two runs of one seed give the
same, whatever machine or PYTHONHASHSEED (a test holds us to it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import xxhash

from zoned.core.cache import CacheSettings
from zoned.core.events import FetchOutcome, Join
from zoned.core.forecast import ForecastSettings
from zoned.core.gossip import GossipSettings
from zoned.core.names import InstanceKey, key_hash
from zoned.core.records import DependencyPolicy
from zoned.core.settings import NodeSettings
from zoned.simulation.chaos import steps_of
from zoned.simulation.checkers import ALWAYS, AT_REST, IncarnationWatch, rings_agree
from zoned.simulation.cluster import Cluster, chance, gossip_address, peer_address
from zoned.simulation.network import Network, NetworkSettings
from zoned.simulation.options import RunOptions
from zoned.simulation.wires import seeds_of
from zoned.simulation.workload import WorkloadSettings, reads
from zoned.simulation.world import Answer

_START_S = 1_750_000_000.0
_CHECK_EVERY_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions(RunOptions):
    """One run of whole nodes, with readers."""

    capacity_objects: int = 300
    origin_s: float = 0.04
    workload: WorkloadSettings = WorkloadSettings()


class PlainOrigin:
    """Gives everything, always, in the same time; sizes follow from the key."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s

    def size_of(self, key: InstanceKey) -> int:
        """1 to 16 KiB."""
        return 1024 * (1 + key_hash(key) % 16)

    def latency_s(self, key: InstanceKey) -> float:
        """Always the same."""
        return self._latency_s

    def outcome(self, key: InstanceKey) -> FetchOutcome:
        """Always there."""
        return FetchOutcome.OK

    def ttl_s(self, key: InstanceKey) -> float | None:
        """Says nothing of it."""
        return None


class _Ear:
    """Hears every answer: counts it, and hashes it into the digest."""

    def __init__(self) -> None:
        self.sources: Counter[str] = Counter()
        self.digest = xxhash.xxh3_64()

    def answered(self, answer: Answer) -> None:
        """One read was answered."""
        source = answer.source.value if answer.source else "failed"
        self.sources[source] += 1
        self.digest.update(f"{answer.node} {answer.key.text()} {source} {answer.latency_s:.6f}\n".encode())


def node_settings(options: SimulateOptions, index: int) -> NodeSettings:
    """The agent of one simulated zone: everything at its defaults but for sizes."""
    return NodeSettings(
        node=f"z{index:03d}-1",
        zone=f"z{index:03d}",
        gossip_address=gossip_address(index),
        peer_address=peer_address(index),
        seed=options.seed,
        policies=tuple(DependencyPolicy(name=name) for name in options.workload.dependencies),
        gossip=GossipSettings.profile("lan"),
        cache=CacheSettings(max_objects=options.capacity_objects, max_bytes=None),
        forecast=ForecastSettings(worker_enabled=False),
    )


def simulate(
    options: SimulateOptions, progress: Callable[[float], None] = lambda done: None
) -> dict[str, object]:
    """Run it; returns the report of contract.md's ``zoned simulate --json``."""
    ear = _Ear()
    network = Network(NetworkSettings(loss=options.loss), chance(options.seed, "network"))
    cluster = Cluster(
        network=network,
        origin=PlainOrigin(options.origin_s),
        start_s=_START_S,
        hit_s=0.0005,
        rtt_s=0.016,
        instant_fetches=False,
        answered=ear.answered,
    )
    for index in range(options.zones):
        host = cluster.add(node_settings(options, index))
        host.seeds = seeds_of(index)
        host.boot()
        if index:
            host.give(Join(seeds=host.seeds[:1]))
        cluster.run_until(cluster.schedule.now_s + 0.05)
    cluster.run_until(options.settle_s)
    breaches = _live_through(options, cluster, progress)
    agreed_s = _agreed_after_s(cluster, options.rest_s)
    cluster.run_until(cluster.schedule.now_s + options.rest_s - agreed_s)
    for check in AT_REST:
        breaches += check(cluster)
    return _report(options, cluster, ear, breaches) | {"ring_agreed_after_s": round(agreed_s, 2)}


def _agreed_after_s(cluster: Cluster, limit_s: float) -> float:
    """Let time pass until all rings are one; how long that was."""
    begin_s = cluster.schedule.now_s
    while rings_agree(cluster) and cluster.schedule.now_s < begin_s + limit_s:
        cluster.run_until(min(cluster.schedule.now_s + 0.25, begin_s + limit_s))
    return cluster.schedule.now_s - begin_s


def _live_through(options: SimulateOptions, cluster: Cluster, progress: Callable[[float], None]) -> list[str]:
    """Traffic and faults; returns what the checkers found on the way."""
    seconds = options.minutes * 60.0
    begin_s = cluster.schedule.now_s
    steps = steps_of(options.fault, sorted(cluster.hosts), seconds, chance(options.seed, "faults"))
    for step in steps:
        cluster.schedule.at(begin_s + step.at * seconds, lambda step=step: step.do(cluster))  # type: ignore[misc]
    hosts = [cluster.hosts[name] for name in sorted(cluster.hosts)]
    breaches: list[str] = []
    always = (IncarnationWatch(), *ALWAYS)
    next_check_s = _CHECK_EVERY_S
    for read in reads(options.workload, options.zones, seconds, chance(options.seed, "workload")):
        cluster.run_until(begin_s + read.at_s)
        if hosts[read.zone].node is not None and not hosts[read.zone].paused:
            hosts[read.zone].read(read.key, read.client)
        if read.at_s >= next_check_s:
            next_check_s += _CHECK_EVERY_S
            progress(read.at_s / seconds)
            for check in always:
                breaches += check(cluster)
    cluster.run_until(begin_s + seconds)
    return breaches


def _report(options: SimulateOptions, cluster: Cluster, ear: _Ear, breaches: list[str]) -> dict[str, object]:
    live = [host for host in cluster.hosts.values() if host.node is not None]
    rings = sorted({host.node.agreement.ring.ring_id for host in live if host.node})
    for name, host in sorted(cluster.hosts.items()):
        for at_s, note in host.notes:
            ear.digest.update(f"{at_s:.6f} {name} {note.text}\n".encode())
    ear.digest.update("".join(rings).encode())
    lines = [host.node.tuner.ledger(host.node.observer.price)[0] for host in live if host.node]
    requests = max(1, sum(line.requests for line in lines))
    total = max(1, ear.sources.total())
    return {
        **options.as_json(),
        "reads": ear.sources.total(),
        "failed_reads": ear.sources["failed"],
        "reads_cut_short": sum(host.cut_short for host in cluster.hosts.values()),
        "hit_ratio": ear.sources["local"] / total,
        "lru_hit_ratio": sum(line.lru_hit_ratio * line.requests for line in lines) / requests,
        "answered_by": dict(sorted(ear.sources.items())),
        "prefetched": sum(host.transfers.prefetched for host in live),
        "prefetch_used": sum(host.transfers.prefetch_used for host in live),
        "ring_agreed": len(rings) == 1,
        "ring_ids": rings,
        "gossip": dict(sorted(cluster.network.sent.items())),
        "breaches": breaches,
        "again": options.command(),
        "digest": ear.digest.hexdigest(),
    }
