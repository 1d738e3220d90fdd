"""What people may see of a node: made from its stages on request, changing nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

from zoned.core.cache.settings import AUTO
from zoned.core.joining import Joining
from zoned.core.names import (
    Dependency,
    InstanceKey,
    Instant,
    NodeName,
    Shard,
    Zone,
    fingerprint_of,
    key_hash,
    shard_of,
)
from zoned.core.placement import Roster, Stage, rehearse, room_of
from zoned.core.reads import Reads
from zoned.core.records import ArmScore, Forecast, LedgerLine, Plan, Rehearsal, Source
from zoned.core.ring import flipped_ratio
from zoned.core.settings import NodeSettings
from zoned.core.snapshot import CacheView, DependencyView, Disagreement, RingMemberView, RingView, Snapshot
from zoned.core.stages import Stages
from zoned.core.summaries import is_drained

_FIXED = "store.eviction says so"
_OFF = "learning.enabled is off"
_SHOWN = 12  # names in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the functions here look at."""

    settings: NodeSettings
    stages: Stages
    reads: Reads
    started: Instant
    leaving: bool
    plan: Plan | None
    forecast: Forecast | None
    joining: Joining


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where an instance belongs and where it is. ``preference_list``: (node, zone), first owner first."""

    shard: Shard
    ring_id: str
    preference_list: tuple[tuple[NodeName, Zone], ...]
    holders: tuple[NodeName, ...]


def _arms(view: View) -> tuple[ArmScore, ...]:
    """The learner's arms; where the operator chose the eviction, that is what is played."""
    arms, chosen = view.stages.tuner.arms(), view.settings.cache.eviction
    if chosen != AUTO:
        return tuple(
            arm._replace(played=arm.arm == chosen, why=_FIXED if arm.arm == chosen else "") for arm in arms
        )
    if not view.settings.learning.enabled:
        return tuple(arm._replace(why=_OFF) for arm in arms)
    saved = dict(view.stages.tuner.ledger(view.stages.observer.price)[0].arms)
    best = max((saved.get(arm.arm, 0.0) for arm in arms if arm.played), default=0.0)
    return tuple(
        arm if arm.played else arm._replace(why=_left(saved.get(arm.arm, 0.0) - best)) for arm in arms
    )


def _left(more_s: float) -> str:
    """Why an arm is not played that would have saved so much more waiting than the one that is."""
    if abs(more_s) < 0.05:
        return "would have saved as much so far"
    if more_s <= 0.0:
        return f"would have saved {-more_s:.1f} s less so far"
    return f"would have saved {more_s:.1f} s more so far, but that is not proved, or it failed in some hour"


def _ledger(view: View) -> tuple[LedgerLine, ...]:
    """The ledger, with the eviction that each dependency's copies really go by."""
    stages, auto = view.stages, view.settings.cache.eviction == AUTO
    choice, why = stages.cache.choice, stages.tuner.why
    return tuple(
        replace(
            line,
            eviction=choice.of(line.dependency),
            why=_FIXED if not auto else why(line.dependency) if view.settings.learning.enabled else _OFF,
        )
        for line in stages.tuner.ledger(stages.observer.price)
    )


def snapshot(view: View, now: Instant) -> Snapshot:
    """Everything, at this moment."""
    stages, plan = view.stages, view.plan
    return Snapshot(
        node=view.settings.node,
        zone=view.settings.zone,
        made=now,
        started=view.started,
        leaving=view.leaving,
        paused=stages.facts.paused,
        draining=stages.facts.draining(),
        drained=is_drained(plan),
        warm_ratio=stages.cache.warm_ratio,
        members=stages.swim.members(),
        ring=_ring(view),
        plan=plan,
        forecast=view.forecast,
        queue=stages.prefetcher.queue(),
        flights=len(view.reads.flights),
        ledger=_ledger(view),
        arms=_arms(view),
        outcomes=stages.cache.outcomes(),
        cache=_cache(view),
        dependencies=_dependencies(stages),
        prices_s={source: stages.observer.price(source) for source in Source},
        summaries=stages.swim.summaries(),
        ages=stages.swim.ages(now),
        counters=_counters(view),
    )


def locate(view: View, key: InstanceKey) -> Location:
    """The shard of an instance, its preference list, and who holds it as far as we know."""
    ring = view.stages.agreement.ring
    hashed = key_hash(key)
    shard = shard_of(hashed)
    holders = list(view.stages.cache.holders(hashed))
    if view.stages.cache.holds(key):
        holders.append(view.settings.node)
    return Location(
        shard=shard,
        ring_id=ring.ring_id,
        preference_list=tuple((m.node, m.zone) for m in ring.preference_list(shard)),
        holders=tuple(sorted(holders)),
    )


def explain(view: View, key: InstanceKey, now: Instant) -> tuple[str, ...]:
    """An instance's story here: copy, what became of it lately, holders, home, demand, plan."""
    stages = view.stages
    lines = _unknown(view, key)
    entry = stages.cache.entry(key)
    if entry is None:
        lines.append(f"no copy in zone {view.settings.zone}")
    else:
        age_s = now.mono_s - entry.stored_s
        left = (
            "does not expire"
            if entry.expires_s is None
            else f"expires in {entry.expires_s - now.mono_s:.0f} s"
        )
        used = "used since" if entry.used else "not used yet"
        lines.append(
            f"copy of {entry.size} bytes, stored {age_s:.0f} s ago for {entry.reason.value}, {used}, {left}"
        )
    lines += stages.chronicle.of(key_hash(key), now)
    flight = view.reads.flights.find(key)
    if flight is not None:
        lines.append(f"being fetched for {flight.reason.value}, {len(flight.waiters)} reads wait")
    place = locate(view, key)
    lines.append("held by " + (", ".join(place.holders) or "nobody that we know of"))
    asked = stages.elsewhere.elsewhere(fingerprint_of(key_hash(key)), now)
    if asked >= 0.05:
        lines.append(f"asked for elsewhere about {asked:.1f} times lately")
    homes = ", ".join(f"{node} ({zone})" for node, zone in place.preference_list)
    lines.append(f"shard {place.shard} of ring {place.ring_id}: {homes or 'no members'}")
    owner, server = (ring.owner_of(key) for ring in view.joining.rings)
    if server != owner and server and owner:
        lines.append(f"{owner.node} is new and warms: {server.node} serves this shard until it is warm there")
    lines += stages.planner.why(
        key, key_hash(key), stages.agreement.ring, stages.cache, view.forecast, view.plan
    )
    lines += _habits(view, key.dependency)
    return tuple(lines)


def _unknown(view: View, key: InstanceKey) -> list[str]:
    """Said first, or a typing mistake would have a story."""
    names = sorted(view.stages.policies)
    if key.dependency in names or not names:
        return []
    more = f" and {len(names) - _SHOWN} others" if len(names) > _SHOWN else ""
    return [f"no dependency {key.dependency} is configured here; there are {', '.join(names[:_SHOWN])}{more}"]


def _habits(view: View, dependency: Dependency) -> list[str]:
    """What goes for all copies of a dependency: by what they are evicted, and where misses go."""
    stages = view.stages
    line = next((one for one in _ledger(view) if one.dependency == dependency), None)
    lines = (
        [f"what goes first of {dependency}: {line.eviction} decides ({line.why})"] if line is not None else []
    )
    policy, twice = stages.policies.get(dependency), stages.duplicates.ratios.get(dependency)
    if policy is not None and policy.coalesce == "auto" and twice is not None:
        way = "go by way of the home" if stages.duplicates.pays(dependency) else "go straight to the origin"
        lines.append(
            f"misses of what nobody holds {way}: {twice:.0%} of these were fetched by other zones as well"
        )
    return lines


def rehearsal(view: View, zone: Zone) -> Rehearsal:
    """What it would mean to give up that zone now; nothing is moved."""
    stages, settings = view.stages, view.settings
    draining = tuple(dict.fromkeys((*stages.facts.draining(), zone)))
    members = stages.swim.members()
    told, cache = stages.swim.summaries(), stages.cache
    room = room_of(told, cache.directory_sizes(), settings.node, cache.capacity_left())
    stage = Stage(
        roster=Roster(members, draining, settings.node, settings.zone, room=room),
        ring=view.joining.rings[1],
        contents=stages.cache,
        claims=stages.cache.directory,
        fingerprints=stages.cache.fingerprints(),
        forecast=view.forecast,
        summaries=told,
        hit_ratio=stages.observer.hit_ratio,
        settings=settings.placement,
        bandwidth_bytes_s=settings.prefetch.bandwidth_bytes_s,
        link_bandwidth_bytes_s=settings.prefetch.link_bandwidth_bytes_s or inf,
    )
    return rehearse(zone, stage)


def _ring(view: View) -> RingView:
    stages = view.stages
    ring, serving = view.joining.rings
    pending = {} if serving is ring else view.joining.pending  # a pool that starts has nothing to take over
    since = {node: one.warming_since_wall_s for node, one in stages.swim.summaries().items() if one.warming}
    since[view.settings.node] = view.joining.told[1]
    states = {m.node: m.state for m in stages.swim.members()}
    owned = ring.owned_ratio()
    return RingView(
        ring_id=ring.ring_id,
        epoch=stages.agreement.epoch,
        members=tuple(
            RingMemberView(
                node=m.node,
                zone=m.zone,
                weight=m.weight,
                state=states[m.node],
                owned_ratio=owned.get(m.node, 0.0),
                flipped_ratio=flipped_ratio(pending.get(m.node, 0)),
                warming_since_wall_s=since.get(m.node) if m.node in pending else None,
            )
            for m in ring.members
            if m.node in states
        ),
        disagreeing=tuple(
            Disagreement(node=node, ring_id=ring_id, since_wall_s=since_s)
            for node, ring_id, since_s in stages.agreement.disagreeing()
        ),
    )


def _cache(view: View) -> CacheView:
    cache = view.stages.cache
    return CacheView(
        objects=len(cache),
        used_bytes=cache.used_bytes,
        max_objects=view.settings.cache.max_objects,
        max_bytes=view.settings.cache.max_bytes,
        eviction=cache.eviction,
        directory=cache.directory_sizes(),
    )


def _dependencies(stages: Stages) -> tuple[DependencyView, ...]:
    return tuple(
        DependencyView(
            dependency=name,
            accesses=total.accesses,
            hits=total.hits,
            by_source=dict(total.sources),
            latency_s=total.latency_s,
        )
        for name, total in sorted(stages.observer.totals.items())
    )


def _counters(view: View) -> Mapping[str, Mapping[str, float]]:
    stages = view.stages
    return {
        "observe": dict(stages.observer.counters),
        "graph": dict(stages.analyzer.counters),
        "forecast": dict(stages.forecaster.counters),
        "gossip": dict(stages.swim.counters),
        "ring": dict(stages.agreement.counters),
        "facts": dict(stages.facts.counters),
        "placement": dict(stages.planner.counters) | view.joining.counters,
        "cache": dict(stages.cache.counters),
        "prefetch": dict(stages.prefetcher.counters),
        "flight": dict(view.reads.flights.counters) | stages.duplicates.counters,
        "reads": dict(view.reads.counters),
        "learning": dict(stages.tuner.counters),
    }
