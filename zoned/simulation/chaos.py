"""Random faults, all of them at once, from a seed: ``--fault chaos``, and ``churn`` for the ring.

Storms (loss, duplicates, reordering, delay), cuts (halves, a few zones, one way only), members that stand
still or are blocked, crashes with and without what the disk held, members that leave and come back, clocks
that are off by minutes. Every fault ends with the run at the latest: the checkers look a minute later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from zoned.core.events import Invalidate, Join, Stop, StopKind
from zoned.core.names import NodeName
from zoned.simulation.faults import SCENARIOS, Step
from zoned.simulation.station import Pool, Station

_LEAVING_S = 13.0  # a whole node hands over what only it holds before it goes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosSettings:
    """How bad it gets."""

    every_s: float = 15.0
    """Mean time between two faults."""
    lasts_s: tuple[float, float] = (1.0, 45.0)
    skew_s: float = 600.0
    """Wall clocks are off by up to this, either way."""
    kinds: tuple[str, ...] = (
        "storm",
        "halves",
        "island",
        "one_way",
        "freeze",
        "block",
        "crash",
        "leave",
        "say",
    )


CHURN = ChaosSettings(every_s=20.0, kinds=("storm", "halves", "crash", "leave", "leave"))
"""What moves rings: members that come and go, while the network is cut and lossy."""


RANDOM_FAULTS = {"chaos": ChaosSettings(), "churn": CHURN}
FAULTS = (*sorted(SCENARIOS), *RANDOM_FAULTS)
"""All names of faults."""


def chaos(
    settings: ChaosSettings, names: Sequence[NodeName], seconds: float, rng: Random
) -> tuple[Step, ...]:
    """Steps for a run of so many seconds over agents of these names; the last one ends everything."""
    steps: list[Step] = []
    at_s = rng.expovariate(1 / settings.every_s)
    while at_s < 0.9 * seconds:
        kind = rng.choice(settings.kinds)
        lasts_s = min(rng.uniform(*settings.lasts_s), seconds - at_s)
        for after_s, text, do in _FAULTS[kind](names, lasts_s, rng, settings):
            steps.append(Step((at_s + after_s) / seconds, text, do))
        at_s += rng.expovariate(1 / settings.every_s)
    return (*steps, Step(1.0, "all faults end", _all_ends))


def steps_of(fault: str, names: Sequence[NodeName], seconds: float, rng: Random) -> tuple[Step, ...]:
    """What is done to a pool of these agents under the fault of that name (one of ``FAULTS``)."""
    if fault in RANDOM_FAULTS:
        return chaos(RANDOM_FAULTS[fault], names, seconds, rng)
    return SCENARIOS[fault]


_Parts = list[tuple[float, str, Callable[[Pool], None]]]


def _some(names: Sequence[NodeName], rng: Random) -> list[NodeName]:
    """Up to an eighth of the agents, at least one."""
    return sorted(rng.sample(list(names), rng.randint(1, max(1, len(names) // 8))))


def _storm(names: Sequence[NodeName], lasts_s: float, rng: Random, settings: ChaosSettings) -> _Parts:
    worse = {
        "loss": rng.uniform(0.0, 0.4),
        "duplicate": rng.uniform(0.0, 0.2),
        "reorder": rng.uniform(0.0, 0.3),
        "one_way_s": rng.choice((0.008, 0.05, 0.15)),
        "jitter_s": rng.choice((0.002, 0.05, 0.2)),
    }
    return [
        (0.0, f"a storm: {worse}", lambda pool: pool.network.change(**worse)),
        (lasts_s, "the storm is over", lambda pool: pool.network.calm()),
    ]


def _cut(one: list[NodeName], other: list[NodeName], lasts_s: float, both_ways: bool, text: str) -> _Parts:
    def each(pool: Pool, mend: bool) -> None:
        change = pool.network.mend if mend else pool.network.cut
        for a in one:
            for b in other:
                change(pool.hosts[a].zone, pool.hosts[b].zone, both_ways=both_ways)

    return [
        (0.0, text, lambda pool: each(pool, False)),
        (lasts_s, f"over: {text}", lambda pool: each(pool, True)),
    ]


def _halves(names: Sequence[NodeName], lasts_s: float, rng: Random, settings: ChaosSettings) -> _Parts:
    mixed = rng.sample(list(names), len(names))
    half = len(mixed) // 2
    return _cut(mixed[:half], mixed[half:], lasts_s, True, "the pool is cut in halves")


def _island(names: Sequence[NodeName], lasts_s: float, rng: Random, settings: ChaosSettings) -> _Parts:
    some = _some(names, rng)
    rest = [name for name in names if name not in some]
    return _cut(some, rest, lasts_s, True, f"cut off: {some}")


def _one_way(names: Sequence[NodeName], lasts_s: float, rng: Random, settings: ChaosSettings) -> _Parts:
    some = _some(names, rng)
    rest = [name for name in names if name not in some]
    heard = rng.random() < 0.5
    text = f"{'not heard' if heard else 'deaf'}: {some}"
    return _cut(some, rest, lasts_s, False, text) if heard else _cut(rest, some, lasts_s, False, text)


def _freeze(names: Sequence[NodeName], lasts_s: float, rng: Random, settings: ChaosSettings) -> _Parts:
    some = _some(names, rng)

    def all_of(pool: Pool, paused: bool) -> None:
        for name in some:
            if pool.hosts[name].running and pool.hosts[name].paused is not paused:
                pool.hosts[name].pause(paused)

    return [
        (0.0, f"stand still: {some}", lambda pool: all_of(pool, True)),
        (lasts_s, f"go on: {some}", lambda pool: all_of(pool, False)),
    ]


def _block(names: Sequence[NodeName], lasts_s: float, rng: Random, settings: ChaosSettings) -> _Parts:
    some = _some(names, rng)

    def all_of(pool: Pool) -> None:
        for name in some:
            pool.wires.block(name, lasts_s)

    return [(0.0, f"blocked for {lasts_s:.0f} s: {some}", all_of)]


def _crash(names: Sequence[NodeName], lasts_s: float, rng: Random, settings: ChaosSettings) -> _Parts:
    some, remembers = _some(names, rng), rng.random() < 0.5
    skews = {name: rng.uniform(-settings.skew_s, settings.skew_s) for name in some}

    def down(pool: Pool) -> None:
        for name in some:
            pool.hosts[name].crash()

    def up(pool: Pool) -> None:
        for name in some:
            host = pool.hosts[name]
            if not host.running:
                host.skew_s = skews[name]
                boot(host, remembers)

    return [(0.0, f"crash: {some}", down), (lasts_s, f"start again: {some}, remembering: {remembers}", up)]


def _leave(names: Sequence[NodeName], lasts_s: float, rng: Random, settings: ChaosSettings) -> _Parts:
    name = rng.choice(list(names))
    stays_s = max(_LEAVING_S + 1.0, lasts_s)

    def leave(pool: Pool) -> None:
        pool.hosts[name].give(Stop(kind=StopKind.LEAVE))

    def back(pool: Pool) -> None:
        if not pool.hosts[name].running:
            boot(pool.hosts[name], False)

    return [
        (0.0, f"{name} leaves", leave),
        (_LEAVING_S, f"{name} has ended", lambda pool: pool.hosts[name].crash()),
        (stays_s, f"{name} comes back", back),
    ]


def _say(names: Sequence[NodeName], lasts_s: float, rng: Random, settings: ChaosSettings) -> _Parts:
    name, what = rng.choice(list(names)), f"said-{rng.randrange(1 << 20)}"
    event = Invalidate(dependency=what, key=None)
    return [(0.0, f"{name} says {what}", lambda pool: pool.hosts[name].give(event))]


def boot(host: Station, remembers: bool) -> None:
    """Start a machine that was off, with or without what its disk held, and let it join by its seeds."""
    host.boot(host.saved if remembers else None)
    host.give(Join(seeds=host.seeds))


def _all_ends(pool: Pool) -> None:
    pool.network.heal()
    pool.network.calm()
    for _, host in sorted(pool.hosts.items()):
        if host.paused:
            host.pause(False)
        if not host.running:
            boot(host, True)


_FAULTS: dict[str, Callable[[Sequence[NodeName], float, Random, ChaosSettings], _Parts]] = {
    "storm": _storm,
    "halves": _halves,
    "island": _island,
    "one_way": _one_way,
    "freeze": _freeze,
    "block": _block,
    "crash": _crash,
    "leave": _leave,
    "say": _say,
}
