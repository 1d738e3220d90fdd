"""Which zones can serve an instance now, best first: what a load balancer in front of the zones would ask.

Every agent reads through, so every zone that is up *can* serve; they differ in what that costs. Per zone the
best agent is named, with what speaks for and against it: the round trip from here, its load, whether it holds
a copy and how we know, whether the zone is being drained. Expected seconds are the round trip plus what the
agent then needs: a look-up where it holds a copy, a fetch from another zone or the origin where not, at the
prices measured here. Order: zones that take traffic, then those not too busy, then the least seconds.

Nothing is asked over the network; the answer is as old as the last summary and digest. Rejected: probing the
zones when asked (a balancer asks often, and the digests have the answer already).
"""

from __future__ import annotations

from zoned.core.members import Member, MemberState
from zoned.core.names import InstanceKey, NodeName, Zone, key_hash
from zoned.core.peers import Peers, serving_load
from zoned.core.records import Source
from zoned.core.snapshot import Way
from zoned.core.stages import Stages

_UP = (MemberState.ALIVE, MemberState.SUSPECT, MemberState.LEAVING)
STORE, DIGEST, NOBODY = "store", "digest", ""
_HELD = {STORE: "holds a copy (our store)", DIGEST: "holds a copy (its digest)", NOBODY: "has to fetch it"}


def ways(key: InstanceKey, me: NodeName, stages: Stages, peers: Peers) -> tuple[Way, ...]:
    """One way per zone that has an agent which is up, the best first."""
    members = [m for m in stages.swim.members() if m.role == "zoned" and m.state in _UP]
    hashed = key_hash(key)
    holders = dict.fromkeys(stages.cache.holders(hashed), DIGEST)
    if stages.cache.holds(key):
        holders[me] = STORE
    nearest: dict[Zone, Way] = {}
    for member in members:
        way = _way(key, member, me, stages, peers, holders)
        known = nearest.get(way.zone)
        if known is None or _rank(way) < _rank(known):
            nearest[way.zone] = way
    return tuple(sorted(nearest.values(), key=_rank))


def _rank(way: Way) -> tuple[bool, bool, float, Zone, NodeName]:
    return way.draining, way.busy, way.expected_s, way.zone, way.node


def _way(
    key: InstanceKey, member: Member, me: NodeName, stages: Stages, peers: Peers, holders: dict[NodeName, str]
) -> Way:
    own = member.node == me
    summary = stages.swim.summaries().get(member.node)
    told = stages.observer.load if own else None if summary is None else summary.load
    rtt_s = 0.0 if own else member.rtt_s
    known_by = holders.get(member.node, NOBODY)
    elsewhere = any(node != member.node for node in holders)
    source = Source.LOCAL if known_by else Source.PEER if elsewhere else Source.ORIGIN
    price = stages.observer.price
    # Of an unknown round trip, what a fetch from another zone takes is the best guess.
    expected_s = (price(Source.PEER) if rtt_s is None else rtt_s) + price(source)
    draining = member.zone in stages.facts.draining() or member.state is MemberState.LEAVING
    busy = peers.is_busy(member.node)
    reasons = [_HELD[known_by], "round trip unknown" if rtt_s is None else f"{1000 * rtt_s:.1f} ms away"]
    owner, server = peers.ring.owner_of(key), peers.serving.owner_of(key)
    more = {
        "owns its shard": owner is not None and owner.node == member.node,
        "serves its shard while the owner warms": server != owner and server and server.node == member.node,
        "far busier than the mean": busy,
        "drains: no new traffic": draining,
        "suspected to be down": member.state is MemberState.SUSPECT,
    }
    reasons += [text for text, true in more.items() if true]
    return Way(
        zone=member.zone,
        node=member.node,
        state=member.state,
        http=member.http,
        rtt_s=rtt_s,
        load=None if told is None else serving_load(told),
        busy=busy,
        known_by=known_by,
        draining=draining,
        expected_s=expected_s,
        reasons=tuple(reasons),
    )
