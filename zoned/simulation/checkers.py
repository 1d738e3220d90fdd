"""What must hold in every run, whatever happened in it. Each checker gives a line per breach.

They look at nodes only through what a node shows, and at the virtual world, which knows the truth.
"""

from __future__ import annotations

from zoned.core.members import MemberState
from zoned.simulation.cluster import Cluster
from zoned.simulation.host import Host


def _live(cluster: Cluster) -> list[Host]:
    return [host for name, host in sorted(cluster.hosts.items()) if host.node is not None and not host.paused]


def rings_agree(cluster: Cluster) -> list[str]:
    """All live agents computed one ring."""
    rings = {host.name: host.node.agreement.ring.ring_id for host in _live(cluster) if host.node}
    return [] if len(set(rings.values())) <= 1 else [f"rings differ: {rings}"]


def nobody_wrongly_failed(cluster: Cluster) -> list[str]:
    """No live, connected member is held failed or left by anyone."""
    live = _live(cluster)
    names = [host.name for host in live]
    breaches = []
    for host in live:
        assert host.node is not None
        states = {m.node: m.state for m in host.node.swim.members()}
        for name in names:
            state = states.get(name)
            if state not in (MemberState.ALIVE, MemberState.SUSPECT):
                breaches.append(f"{host.name} holds {name} for {state.value if state else 'unknown'}")
    return breaches


def stores_match(cluster: Cluster) -> list[str]:
    """The cache's index says exactly what the store holds."""
    breaches = []
    for host in _live(cluster):
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
    for host in _live(cluster):
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


ALWAYS = (stores_match, within_limits)
"""Hold at any moment."""

AT_REST = (*ALWAYS, rings_agree, nobody_wrongly_failed)
"""Hold a minute after the last fault."""
