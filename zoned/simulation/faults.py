"""What goes wrong in ``zoned simulate``: scenarios as lists of steps, so that one can read what happens when.

Every fault ends by itself well before the run does; the checkers look at what is left afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from zoned.core.events import Drain, Join, Stop, StopKind, Undrain
from zoned.simulation.cluster import Cluster, gossip_address


class Step(NamedTuple):
    """One thing done to the cluster, at that share of the run."""

    at: float
    text: str
    do: Callable[[Cluster], None]


def _last(cluster: Cluster) -> str:
    return sorted(cluster.hosts)[-1]


def _kill(cluster: Cluster) -> None:
    cluster.hosts[_last(cluster)].crash()


def _boot(cluster: Cluster) -> None:
    host = cluster.hosts[_last(cluster)]
    host.boot()
    host.give(Join(seeds=(gossip_address(0),)))


def _leave(cluster: Cluster) -> None:
    host = cluster.hosts[_last(cluster)]
    host.give(Stop(kind=StopKind.LEAVE))
    cluster.schedule.after(3.0, host.crash)


def _split(cluster: Cluster) -> None:
    zones = sorted({host.zone for host in cluster.hosts.values()})
    half = len(zones) // 2
    for a in zones[:half]:
        for b in zones[half:]:
            cluster.network.cut(a, b)


def _one_way(cluster: Cluster) -> None:
    zones = sorted({host.zone for host in cluster.hosts.values()})
    for other in zones[:-1]:
        cluster.network.cut(zones[-1], other, both_ways=False)


def _pause(cluster: Cluster) -> None:
    cluster.hosts[_last(cluster)].pause(True)


def _resume(cluster: Cluster) -> None:
    cluster.hosts[_last(cluster)].pause(False)


def _drain(cluster: Cluster) -> None:
    host = cluster.hosts[_last(cluster)]
    host.give(Drain(zone=host.zone))


def _undrain(cluster: Cluster) -> None:
    host = cluster.hosts[_last(cluster)]
    host.give(Undrain(zone=host.zone))


def _heal(cluster: Cluster) -> None:
    cluster.network.heal()


SCENARIOS: dict[str, tuple[Step, ...]] = {
    "none": (),
    "kill": (Step(0.3, "kill -9 of the last agent", _kill), Step(0.5, "it starts again", _boot)),
    "leave": (Step(0.3, "the last agent leaves for good", _leave),),
    "partition": (Step(0.3, "the pool is cut in halves", _split), Step(0.5, "the cut heals", _heal)),
    "asymmetric": (
        Step(0.3, "the last zone is heard by nobody", _one_way),
        Step(0.4, "it is heard again", _heal),
    ),
    "freeze": (Step(0.3, "the last agent stands still", _pause), Step(0.33, "it goes on", _resume)),
    "drain": (Step(0.3, "the last zone drains", _drain), Step(0.6, "it takes traffic again", _undrain)),
}
