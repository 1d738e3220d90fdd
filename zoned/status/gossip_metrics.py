"""Gossip's families: traffic by kind, what was refused and why, the health of members and of the way to them.

What loki 3140, serf PR 391 and consul 19965 asked for: an alert on a split pool, on a flapping member, on a
network that lets TCP through and not UDP. Bytes are those on the wire, sealed, as the sockets saw them;
messages are counted by the core. Peers are labels here (and nowhere else), so they are bounded: at most
``MAX_PEERS``, those first that do not answer, and a count of the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from zoned.core.members import Member, MemberState
from zoned.core.snapshot import Snapshot

MAX_PEERS = 64
_UP = (MemberState.ALIVE, MemberState.SUSPECT, MemberState.LEAVING)
_TRANSITIONS = {
    "alive": ("member_up", "member_refuted"),
    "suspect": ("member_suspect",),
    "failed": ("member_failed",),
    "leaving": ("member_leaving",),
    "left": ("member_left",),
}


def gossip_metrics(view: Snapshot, sockets: Mapping[str, float]) -> Iterable[Metric]:
    """``sockets``: what the daemon's gossip port counted."""
    core = view.counters.get("gossip", {})
    for name, text in (("queue_length", "Rumours waiting to be told."), ("health_score", "0 is healthy.")):
        if name in core:
            yield GaugeMetricFamily(f"zoned_gossip_{name}", text, core[name])
    yield _directions("zoned_gossip_packets", "Datagrams.", "packets", core)
    yield _directions("zoned_gossip_bytes", "Bytes of gossip on the wire, UDP and TCP.", "bytes", sockets)
    yield _messages(core)
    yield _rejected(core, sockets)
    yield CounterMetricFamily(
        "zoned_gossip_stale", "Rumours that were no news: heard before, or replayed.", core.get("stale", 0)
    )
    yield from _push_pulls(sockets)
    yield from _members(view, core)
    ids = {view.ring.ring_id, *(summary.ring_id for summary in view.summaries.values())}
    yield GaugeMetricFamily("zoned_ring_ids", "Different rings among the agents; 1 is agreement.", len(ids))


def _directions(name: str, text: str, unit: str, counters: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=["direction"])
    for direction in ("in", "out"):
        family.add_metric([direction], counters.get(f"{unit}_{direction}", 0))
    return family


def _messages(core: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily("zoned_gossip_messages", "Messages.", labels=["direction", "kind"])
    for name, count in core.items():
        unit, _, rest = name.partition("_")
        direction, _, kind = rest.partition("_")
        if unit == "messages" and kind:
            family.add_metric([direction, kind], count)
    return family


def _rejected(core: Mapping[str, float], sockets: Mapping[str, float]) -> Metric:
    """In the core: what meant nothing. At the sockets: what could not be opened, or was too much."""
    family = CounterMetricFamily(
        "zoned_gossip_rejected", "Packets, parts of them and streams that were not taken.", labels=["reason"]
    )
    reasons: dict[str, float] = {}
    for counters in (core, sockets):
        for name, count in counters.items():
            if name.startswith("rejected_"):
                reason = name.removeprefix("rejected_")
                reasons[reason] = reasons.get(reason, 0) + count
    for reason, count in reasons.items():
        family.add_metric([reason], count)
    return family


def _push_pulls(sockets: Mapping[str, float]) -> Iterable[Metric]:
    yield SummaryMetricFamily(
        "zoned_gossip_push_pull_seconds",
        "Exchanges of whole tables that we began: from the call to the answer.",
        count_value=int(sockets.get("push_pulls", 0)),
        sum_value=sockets.get("push_pull_seconds", 0.0),
    )
    yield _directions("zoned_gossip_push_pull_bytes", "Their bytes.", "push_pull_bytes", sockets)


def _members(view: Snapshot, core: Mapping[str, float]) -> Iterable[Metric]:
    family = CounterMetricFamily(
        "zoned_member_transitions", "Members that entered a state, as seen here.", labels=["to"]
    )
    for state, names in _TRANSITIONS.items():
        family.add_metric([state], sum(core.get(name, 0) for name in names))
    yield family
    yield CounterMetricFamily(
        "zoned_member_flaps", "Members that were back within a minute of failing.", core.get("flaps", 0)
    )
    peers = [each for each in view.members if each.state in _UP and each.node != view.node]
    peers.sort(key=lambda each: (each.udp_ok is not False and each.tcp_ok is not False, each.node))
    yield _reachable(peers[:MAX_PEERS])
    yield GaugeMetricFamily(
        "zoned_peers_folded", "Peers without a zoned_peer_reachable of their own.", len(peers[MAX_PEERS:])
    )


def _reachable(peers: Iterable[Member]) -> Metric:
    family = GaugeMetricFamily(
        "zoned_peer_reachable", "1 if the last try reached it.", labels=["peer", "via"]
    )
    for peer in peers:
        for via, well in (("udp", peer.udp_ok), ("tcp", peer.tcp_ok)):
            if well is not None:
                family.add_metric([peer.node, via], float(well))
    return family
