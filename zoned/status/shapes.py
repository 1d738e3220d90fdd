"""A Snapshot as JSON: the shapes that users, playbooks and dashboards hold on to (contract.md).

New keys may appear, none changes its meaning within ``/v1``. Lists stand in an object; times are RFC 3339
UTC; units are in the names. Keys that are not UTF-8 are shown with escapes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from zoned.core.members import Ages, Member, MemberState
from zoned.core.names import Address, InstanceKey
from zoned.core.records import DependencyForecast, LedgerLine, Rehearsal, Source, Want
from zoned.core.snapshot import CacheView, DependencyView, RingMemberView, Snapshot, Way

Json = dict[str, Any]
SHOWN_INSTANCES = 50
SHOWN_WANTS = 200
ZONED = "zoned"  # the role of our own agents
WARMING = "warming"
_UP = (MemberState.ALIVE, MemberState.SUSPECT)
QUANTILES = ("0.1", "0.5", "0.9")


def time_text(wall_s: float) -> str:
    """Unix seconds as RFC 3339 in UTC."""
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def address_text(address: Address | None) -> str | None:
    """``host:port``."""
    if address is None:
        return None
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def ratio(part: float, whole: float) -> float:
    """Part of a whole, 0 where there is none yet."""
    return round(part / whole, 6) if whole else 0.0


def instance(key: InstanceKey) -> Json:
    """``{"dependency", "key"}``."""
    return {"dependency": key.dependency, "key": key.key.decode("utf-8", "backslashreplace")}


def member_states(snapshot: Snapshot) -> dict[str, int]:
    """How many members are in each state."""
    return dict(Counter(member.state.value for member in snapshot.members))


def status(snapshot: Snapshot, version: str, ready: bool) -> Json:
    """The agent in one object."""
    total = snapshot.ledger[0] if snapshot.ledger else None
    return {
        "node": snapshot.node,
        "zone": snapshot.zone,
        "version": version,
        "now": time_text(snapshot.made.wall_s),
        "started": time_text(snapshot.started.wall_s),
        "uptime_seconds": round(snapshot.made.mono_s - snapshot.started.mono_s, 3),
        "ready": ready,
        "leaving": snapshot.leaving,
        "paused": snapshot.paused,
        "draining": list(snapshot.draining),
        "drained": snapshot.drained,
        "zones": zones(snapshot),
        "warm_ratio": round(snapshot.warm_ratio, 4),
        "members": member_states(snapshot),
        "ring_id": snapshot.ring.ring_id,
        "epoch": snapshot.ring.epoch,
        "ring_agreed": not snapshot.ring.disagreeing,
        "cache": cache(snapshot.cache),
        "hit_ratio": 0.0 if total is None else ratio(total.hits, total.requests),
        "lru_hit_ratio": 0.0 if total is None else round(total.lru_hit_ratio, 6),
        "requests": 0 if total is None else total.requests,
        "queue_length": len(snapshot.queue),
        "flights": snapshot.flights,
        "directory": directory(snapshot),
        "prices_seconds": {source.value: price for source, price in snapshot.prices_s.items()},
    }


def zones(snapshot: Snapshot) -> list[Json]:
    """The zones that have agents: how many of them are up, whether the zone drains, and whether it is done
    (all of its agents say that the others hold what they held)."""
    up: dict[str, list[bool]] = {}
    for one in snapshot.members:
        if one.role == ZONED and one.state in _UP:
            told = snapshot.summaries.get(one.node)
            done = snapshot.drained if one.node == snapshot.node else told is not None and told.drained
            up.setdefault(one.zone, []).append(done)
    return [
        {
            "zone": zone,
            "agents": len(up.get(zone, ())),
            "draining": zone in snapshot.draining,
            "drained": zone in snapshot.draining and zone in up and all(up[zone]),
        }
        for zone in sorted({one.zone for one in snapshot.members if one.role == ZONED})
    ]


def rehearsal(told: Rehearsal) -> Json:
    """What giving up a zone would mean now."""
    return {
        "zone": told.zone,
        "exact": told.exact,
        "instances": told.instances,
        "cold": told.cold,
        "cold_bytes": told.cold_bytes,
        "to": [one._asdict() for one in told.to],
        "warm_seconds": round(told.warm_s, 3),
        "origin_requests": round(told.origin_requests, 3),
    }


def directory(snapshot: Snapshot) -> Json:
    """How often members were asked for a copy that they were said to have, and had none: the digest was late,
    two instances share a fingerprint, or nobody can tell. It takes half a minute until that is known."""
    counts = snapshot.counters.get("cache", {})
    asked = snapshot.counters.get("flight", {}).get("holders_asked", 0)
    in_vain = counts.get("false_positives", 0)
    causes = {cause: counts.get("false_" + cause, 0) for cause in ("late", "collision", "unknown")}
    return {"asked": asked, "asked_in_vain": in_vain, "false_ratio": ratio(in_vain, asked), **causes}


def cache(view: CacheView) -> Json:
    """What the store holds, and what we know of the others' stores."""
    return {
        "objects": view.objects,
        "used_bytes": view.used_bytes,
        "max_objects": view.max_objects,
        "max_bytes": view.max_bytes,
        "eviction": view.eviction,
        "directory": dict(view.directory),
    }


def members(snapshot: Snapshot) -> Json:
    """Everyone in the pool."""
    return {"members": [member(one, snapshot.ages.get(one.node)) for one in snapshot.members]}


def member(view: Member, ages: Ages | None = None) -> Json:
    """One member; ``ages`` of a zoned agent that is up (null for others and for ourselves)."""
    return {
        "node": view.node,
        "zone": view.zone,
        "role": view.role,
        "state": view.state.value,
        "weight": view.weight,
        "incarnation": view.incarnation,
        "gossip": address_text(view.gossip),
        "peer": address_text(view.peer),
        "http": address_text(view.http),
        "since": time_text(view.since_wall_s),
        "accuser": view.accuser,
        "rtt_seconds": view.rtt_s,
        "keys": list(view.keys),
        "summary_age_seconds": None if ages is None else round(ages.summary_s, 3),
        "holdings_age_seconds": None if ages is None else round(ages.holdings_s, 3),
    }


def ring_state(member: RingMemberView) -> str:
    """What SWIM says of it; of a newcomer that is up and has not taken over all of its shards: warming."""
    return WARMING if member.flipped_ratio < 1.0 and member.state in _UP else member.state.value


def ring(snapshot: Snapshot) -> Json:
    """The ring as this agent computed it, and who computed another."""
    view = snapshot.ring
    return {
        "ring_id": view.ring_id,
        "epoch": view.epoch,
        "members": [
            {
                "node": m.node,
                "zone": m.zone,
                "weight": m.weight,
                "state": ring_state(m),
                "owned_ratio": round(m.owned_ratio, 6),
                "flipped_ratio": round(m.flipped_ratio, 4),
                "warming_since": None
                if m.warming_since_wall_s is None
                else time_text(m.warming_since_wall_s),
            }
            for m in view.members
        ],
        "disagreeing": [
            {"node": d.node, "ring_id": d.ring_id, "since": time_text(d.since_wall_s)}
            for d in view.disagreeing
        ],
    }


def dependency(view: DependencyView) -> Json:
    """One dependency since the agent started."""
    by_source = {source.value: view.by_source.get(source, 0) for source in Source}
    return {
        "dependency": view.dependency,
        "accesses": view.accesses,
        "hits": view.hits,
        "hit_ratio": ratio(view.hits, view.accesses),
        "by_source": by_source,
        "mean_latency_ms": round(1000 * view.latency_s / view.accesses, 4) if view.accesses else 0.0,
    }


def forecast(snapshot: Snapshot, name: str) -> Json | None:
    """What is expected of one dependency; None when nothing is known of it."""
    made = snapshot.forecast
    if made is None:
        return None
    horizons = [_horizon(line) for line in made.dependencies if line.dependency == name]
    if not horizons:
        return None
    instances = [demand for demand in made.instances if demand.key.dependency == name]
    return {
        "dependency": name,
        "made": time_text(made.made.wall_s),
        "horizons": horizons,
        "instances": [
            {
                **instance(demand.key),
                "expected": round(demand.expected, 4),
                "probability": round(demand.probability, 4),
                "size_bytes": demand.size,
            }
            for demand in instances[:SHOWN_INSTANCES]
        ],
    }


def _horizon(line: DependencyForecast) -> Json:
    return {
        "horizon_seconds": line.horizon_s,
        "mean": line.mean,
        "quantiles": dict(zip(QUANTILES, line.quantiles, strict=True)),
        "model": line.model,
        "error_ratio": line.error,
    }


def plan(snapshot: Snapshot) -> Json:
    """What this agent will fetch, hand over or let go, and why."""
    made = snapshot.plan
    if made is None:
        return {"made": None, "wants": [], "hand_over": [], "lines": [], "draining": list(snapshot.draining)}
    return {
        "made": time_text(made.made.wall_s),
        "ring_id": made.ring_id,
        "paused": made.paused,
        "draining": list(made.draining),
        "drained_ratio": made.drained_ratio,
        "drained": made.drained,
        "wants_count": len(made.wants),
        "wants": [want(one) for one in made.wants[:SHOWN_WANTS]],
        "hand_over": [
            {"node": one.node, "objects": len(one.keys), "bytes": sum(one.sizes)} for one in made.hand_over
        ],
        "lines": [
            {
                "dependency": line.dependency,
                "zones": list(line.zones),
                "shards": line.shards,
                "replicas": line.replicas,
                "reason": line.reason,
            }
            for line in made.lines
        ],
    }


def want(one: Want) -> Json:
    """A copy that this zone had better have."""
    return {
        **instance(one.key),
        "size_bytes": one.size,
        "reason": one.reason.value,
        "value": round(one.value, 6),
        "source": one.source or None,
    }


def queue(snapshot: Snapshot) -> Json:
    """What waits to be prefetched."""
    return {
        "length": len(snapshot.queue),
        "flights": snapshot.flights,
        "paused": snapshot.paused,
        "queue": [want(one) for one in snapshot.queue[:SHOWN_WANTS]],
    }


def ledger(snapshot: Snapshot) -> Json:
    """What zoned did, beside what the plain LRU it replaces would have done: in all, then per dependency."""
    lines = {line.dependency: line for line in snapshot.ledger}
    total = lines.pop("", None)
    return {
        **({} if total is None else ledger_line(total)),
        "dependencies": [{"dependency": name, **ledger_line(line)} for name, line in lines.items()],
        "arms": [
            {
                "arm": arm.arm,
                "requests": arm.requests,
                "hit_ratio": round(arm.hit_ratio, 6),
                "weight": round(arm.weight, 6),
                "played": arm.played,
                "why": arm.why,
            }
            for arm in snapshot.arms
        ],
        "outcomes": [
            {
                "dependency": outcome.dependency,
                "reason": outcome.reason.value,
                "fetched": round(outcome.fetched, 3),
                "used": round(outcome.used, 3),
                "wasted": round(outcome.wasted, 3),
            }
            for outcome in snapshot.outcomes
        ],
    }


def ledger_line(line: LedgerLine) -> Json:
    """One line of the ledger; ``fabric_hit_ratio`` counts what another zone's copy answered, too; ``lru_*``
    is what the shadow LRU would have done, ``arms_saved_s`` what each arm would have saved over it; the line
    of all has the ``eviction`` of dependencies without one of their own."""
    return {
        "requests": line.requests,
        "hits": line.hits,
        "hit_ratio": ratio(line.hits, line.requests),
        "fabric_hit_ratio": ratio(line.hits + line.peer_hits, line.requests),
        "lru_hit_ratio": round(line.lru_hit_ratio, 6),
        "mean_latency_ms": ratio(1000 * line.latency_s, line.requests),
        "lru_mean_latency_ms": ratio(1000 * line.lru_latency_s, line.requests),
        "misses_avoided": round(line.hits - line.lru_hit_ratio * line.requests, 3),
        "origin_fetches": line.origin_fetches,
        "lru_origin_fetches": round(line.lru_origin_fetches, 3),
        "peer_transfers": line.peer_transfers,
        "eviction": line.eviction,
        "eviction_why": line.why,
        "arms_saved_s": {arm: round(saved_s, 6) for arm, saved_s in line.arms},
        "prefetched": line.prefetched,
        "prefetch_used": line.prefetch_used,
        "prefetched_bytes": line.prefetched_bytes,
    }


def route(key: InstanceKey, ring_id: str, ways: Iterable[Way]) -> Json:
    """Which zones can serve an instance now, the best first."""
    return {
        **instance(key),
        "ring_id": ring_id,
        "zones": [
            {
                "zone": way.zone,
                "node": way.node,
                "state": way.state.value,
                "http": address_text(way.http),
                "rtt_seconds": way.rtt_s,
                "load": None if way.load is None else round(way.load, 4),
                "busy": way.busy,
                "holds": bool(way.known_by),
                "known_by": way.known_by or None,
                "draining": way.draining,
                "expected_seconds": round(way.expected_s, 6),
                "reasons": list(way.reasons),
            }
            for way in ways
        ],
    }


def location(
    shard: int, ring_id: str, preference_list: Iterable[tuple[str, str]], holders: Iterable[str]
) -> Json:
    """Where an instance belongs, and where it is."""
    return {
        "shard": shard,
        "ring_id": ring_id,
        "preference_list": [{"node": node, "zone": zone} for node, zone in preference_list],
        "holders": list(holders),
    }
