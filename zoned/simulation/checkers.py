"""What must hold in every run, whatever happened in it. Each checker gives a line per breach.

They look at agents only through what an agent shows, and at the virtual world, which knows the truth. Those
of gossip hold for whole nodes and for members alone; the others are about caches and rings.
"""

from __future__ import annotations

from collections.abc import Callable

from zoned.core.members import MemberState
from zoned.core.names import NodeName
from zoned.simulation.cluster import Cluster
from zoned.simulation.host import Host
from zoned.simulation.station import Pool, Station

_UP = (MemberState.ALIVE, MemberState.SUSPECT)
_HEARD_WITHIN_S = 30.0


def live(pool: Pool) -> list[Station]:
    """All that run and do not stand still, sorted by name."""
    return [host for _, host in sorted(pool.hosts.items()) if host.running and not host.paused]


def connected(pool: Pool, one: Station, other: Station) -> bool:
    """Whether the network carries both ways between them."""
    network = pool.network
    return network.reaches(one.zone, other.zone) and network.reaches(other.zone, one.zone)


# ---- gossip: nodes and members alone ---------------------------------------------------------------


def nobody_wrongly_failed(pool: Pool) -> list[str]:
    """No live, connected member is held failed or left by anyone, nor unknown to anyone."""
    breaches = []
    for host in live(pool):
        states = {m.node: m.state for m in host.node.swim.members()}
        for other in live(pool):
            state = states.get(other.name)
            if state not in _UP and connected(pool, host, other):
                breaches.append(f"{host.name} holds {other.name} for {state.value if state else 'unknown'}")
    return breaches


def views_converge(pool: Pool) -> list[str]:
    """Connected agents hold the same of every live member, no dead one for alive, and the same facts; and
    each has of every other the newest summary that had half a minute to travel. (Pools in one piece.)"""
    alive = live(pool)
    if not alive or any(not connected(pool, alive[0], other) for other in alive):
        return []
    breaches = []
    truth = {host.name: _own_incarnation(host) for host in alive}
    for host in alive:
        for member in host.node.swim.members():
            if member.node not in truth:
                if member.state in _UP:
                    breaches.append(f"{host.name} holds {member.node} for {member.state.value}: it is not up")
            elif member.incarnation != truth[member.node]:
                breaches.append(
                    f"{host.name} knows {member.node} at {member.incarnation}, not {truth[member.node]}"
                )
    facts = alive[0].facts()
    breaches += [f"{h.name} and {alive[0].name} hold other facts" for h in alive if h.facts() != facts]
    return breaches + _late_summaries(alive)


def _own_incarnation(host: Station) -> int:
    return next(each.incarnation for each in host.node.swim.members() if each.node == host.name)


def _late_summaries(alive: list[Station]) -> list[str]:
    newest: dict[NodeName, float] = {}
    for host in alive:
        for node, summary in host.node.swim.summaries().items():
            newest[node] = max(newest.get(node, 0.0), summary.made_wall_s)
    breaches = []
    for owner in alive:
        made_s = newest.get(owner.name)
        if made_s is None or owner.now().wall_s - made_s < _HEARD_WITHIN_S:
            continue
        for host in alive:
            heard = host.node.swim.summaries().get(owner.name)
            if host is not owner and (heard is None or heard.made_wall_s < made_s):
                breaches.append(f"{host.name} has an old summary of {owner.name}")
    return breaches


def gossip_bounded(pool: Pool) -> list[str]:
    """The rumour queues keep their bound, and nothing was ever dropped from one."""
    breaches = []
    for host in live(pool):
        swim = host.node.swim
        queued, dropped = swim.counters["queue_length"], swim.counters["queue_dropped"]
        if dropped or queued > 2 * len(swim.members()):  # a rumour of SWIM's and one of Serf's of each
            breaches.append(f"{host.name}: {queued} rumours queued, {dropped} dropped")
    return breaches


def quiet(pool: Pool) -> list[str]:
    """A minute after the last event nobody has anything left to pass on but a rare refutation."""
    return [
        f"{host.name} still has {host.node.swim.counters['queue_length']} rumours"
        for host in live(pool)
        if host.node.swim.counters["queue_length"] > 8
    ]


class IncarnationWatch:
    """A member's incarnation never goes back in anybody's view, for as long as the viewer lives. Call it
    every few seconds: it compares with what it saw the last time."""

    def __init__(self) -> None:
        self._seen: dict[NodeName, tuple[int, dict[NodeName, int]]] = {}

    def __call__(self, pool: Pool) -> list[str]:
        """Breaches since the last call."""
        breaches = []
        for host in live(pool):
            life, before = self._seen.get(host.name, (0, {}))
            now = {member.node: member.incarnation for member in host.node.swim.members()}
            if life == host.life:
                breaches += [
                    f"{host.name} saw {node} go back from {before[node]} to {incarnation}"
                    for node, incarnation in now.items()
                    if incarnation < before.get(node, 0)
                ]
            self._seen[host.name] = host.life, now
        return breaches


# ---- whole nodes ------------------------------------------------------------------------------------


def _nodes(cluster: Cluster) -> list[Host]:
    return [host for host in cluster.hosts.values() if host.node is not None and not host.paused]


def rings_agree(cluster: Cluster) -> list[str]:
    """All live agents computed one ring."""
    rings = {host.name: host.node.agreement.ring.ring_id for host in _nodes(cluster) if host.node}
    return [] if len(set(rings.values())) <= 1 else [f"rings differ: {rings}"]


def stores_match(cluster: Cluster) -> list[str]:
    """The cache's index says exactly what the store holds."""
    breaches = []
    for host in _nodes(cluster):
        assert host.node is not None
        believed = {entry.key for entry in host.node.cache.entries()}
        if believed != set(host.store):
            extra = sorted(believed - set(host.store))[:3]
            missing = sorted(set(host.store) - believed)[:3]
            breaches.append(
                f"{host.name}: index has {extra} that the store lacks, store has {missing} beyond it"
            )
    return breaches


def within_limits(cluster: Cluster) -> list[str]:
    """Queues and stores keep their bounds."""
    breaches = []
    for host in _nodes(cluster):
        node = host.node
        assert node is not None
        limit = node.settings.cache.max_objects
        if limit is not None and len(host.store) > limit:
            breaches.append(f"{host.name}: {len(host.store)} objects in a store of {limit}")
        if len(node.prefetcher.queue()) > node.settings.prefetch.max_queue:
            breaches.append(f"{host.name}: prefetch queue over its limit")
        if len(node.reads.flights) > node.settings.flight.max_flights:
            breaches.append(f"{host.name}: more flights than allowed")
    return breaches


GOSSIP_ALWAYS: tuple[Callable[[Pool], list[str]], ...] = (gossip_bounded,)
"""Hold at any moment, of nodes and of members alone; beside an ``IncarnationWatch`` of each run's own."""

GOSSIP_AT_REST: tuple[Callable[[Pool], list[str]], ...] = (nobody_wrongly_failed, views_converge, quiet)
"""Hold a minute after the last fault."""

ALWAYS = (stores_match, within_limits, *GOSSIP_ALWAYS)
"""Hold at any moment, of whole nodes."""

AT_REST = (*ALWAYS, rings_agree, *GOSSIP_AT_REST)
"""Hold a minute after the last fault, of whole nodes."""
