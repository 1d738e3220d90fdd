"""What goes wrong in ``zoned simulate``: scenarios as lists of steps, so that one can read what happens when.

Every fault ends by itself well before the run does; the checkers look at what is left afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from zoned.core.events import Drain, Join, Stop, StopKind, Undrain
from zoned.simulation.station import Pool


class Step(NamedTuple):
    """One thing done to the pool, at that share of the run."""

    at: float
    text: str
    do: Callable[[Pool], None]


def _last(pool: Pool) -> str:
    return sorted(pool.hosts)[-1]


def _kill(pool: Pool) -> None:
    pool.hosts[_last(pool)].crash()


def _boot(pool: Pool) -> None:
    host = pool.hosts[_last(pool)]
    host.boot()
    host.give(Join(seeds=host.seeds))


def _leave(pool: Pool) -> None:
    host = pool.hosts[_last(pool)]
    host.give(Stop(kind=StopKind.LEAVE))
    pool.schedule.after(3.0, host.crash)


def _split(pool: Pool) -> None:
    zones = sorted({host.zone for host in pool.hosts.values()})
    half = len(zones) // 2
    for a in zones[:half]:
        for b in zones[half:]:
            pool.network.cut(a, b)


def _one_way(pool: Pool) -> None:
    zones = sorted({host.zone for host in pool.hosts.values()})
    for other in zones[:-1]:
        pool.network.cut(zones[-1], other, both_ways=False)


def _pause(pool: Pool) -> None:
    pool.hosts[_last(pool)].pause(True)


def _resume(pool: Pool) -> None:
    pool.hosts[_last(pool)].pause(False)


def _drain(pool: Pool) -> None:
    host = pool.hosts[_last(pool)]
    host.give(Drain(zone=host.zone))


def _undrain(pool: Pool) -> None:
    host = pool.hosts[_last(pool)]
    host.give(Undrain(zone=host.zone))


def _heal(pool: Pool) -> None:
    pool.network.heal()


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
