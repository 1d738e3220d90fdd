"""The demo's figures, from what agents, clients and origin counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoned.core.names import InstanceKey
from zoned.demo.origin import DemoOrigin
from zoned.demo.pool import Pool
from zoned.demo.preload import Past
from zoned.demo.traffic import Traffic

_SUMS = (
    "requests",
    "origin_fetches",
    "lru_origin_fetches",
    "peer_transfers",
    "prefetched",
    "prefetch_used",
    "prefetched_bytes",
)
_MEANS = ("hit_ratio", "fabric_hit_ratio", "lru_hit_ratio", "mean_latency_ms", "lru_mean_latency_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """The agent that was killed; ``ledger`` is what it had counted until then."""

    node: str
    detected_s: float
    ledger: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Drained:
    """The zone that was drained. ``held``: the instances to be read later that the fabric held when the drain
    began; ``extra_misses``: origin fetches of those after the clients had moved."""

    zone: str
    waited_s: float
    held: frozenset[InstanceKey]
    since_s: float
    extra_misses: int = 0

    def count(self, origin: DemoOrigin) -> None:
        """Ask the origin what was fetched again."""
        self.extra_misses = sum(one.at_s >= self.since_s and one.key in self.held for one in origin.served)


def add_ledgers(ledgers: list[dict[str, Any]]) -> dict[str, float]:
    """One ledger of several: counts add up, means are weighted by requests."""
    total: dict[str, float] = {name: sum(ledger[name] for ledger in ledgers) for name in _SUMS}
    requests = max(1, total["requests"])
    for name in _MEANS:
        total[name] = sum(ledger[name] * ledger["requests"] for ledger in ledgers) / requests
    return total


async def report(
    pool: Pool, agreed: bool, traffic: Traffic, past: Past, killed: Killed | None, drained: Drained | None
) -> dict[str, Any]:
    """contract.md's "Demo's JSON", and a little more. ``hit_ratio`` counts what a zone's own store answered,
    as plain LRU's does; ``fabric_hit_ratio`` also what a copy in another zone did."""
    ledgers = [await pool.get(agent, "v1/ledger") for agent in pool.alive]
    ledgers += [killed.ledger] if killed is not None else []
    total = add_ledgers(ledgers)
    ring = await pool.get(pool.alive[0], "v1/ring")
    return {
        "agents": len(pool.alive),
        "ring_agreed": agreed,
        "ring_id": ring["ring_id"],
        "requests": int(total["requests"]),
        "hit_ratio": round(total["hit_ratio"], 4),
        "fabric_hit_ratio": round(total["fabric_hit_ratio"], 4),
        "lru_hit_ratio": round(total["lru_hit_ratio"], 4),
        "mean_latency_ms": round(total["mean_latency_ms"], 3),
        "lru_mean_latency_ms": round(total["lru_mean_latency_ms"], 3),
        "client_mean_latency_ms": round(traffic.latency_s / max(1, traffic.done) * 1000, 3),
        "origin_fetches": int(total["origin_fetches"]),
        "lru_origin_fetches": round(total["lru_origin_fetches"]),
        "peer_transfers": int(total["peer_transfers"]),
        "prefetched": int(total["prefetched"]),
        "prefetch_used": int(total["prefetch_used"]),
        "answers": dict(sorted(traffic.outcomes.items())),
        "failures": traffic.failures,
        "preloaded": {
            "requests": past.requests,
            "hit_ratio": round(past.hit_ratio, 4),
            "lru_hit_ratio": round(past.lru_hit_ratio, 4),
        },
        "killed": None
        if killed is None
        else {
            "node": killed.node,
            "detected_s": round(killed.detected_s, 2),
            "failed_reads": traffic.failed,
            "failed_over": traffic.failed_over,
        },
        "drained": None
        if drained is None
        else {
            "zone": drained.zone,
            "waited_s": round(drained.waited_s, 2),
            "moved_reads": traffic.moved_reads,
            "held": len(drained.held),
            "extra_misses": drained.extra_misses,
        },
        "dashboard": [agent.url for agent in pool.alive],
    }
