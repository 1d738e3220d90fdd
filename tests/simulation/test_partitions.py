"""Partitions of a minute, of ten and of a week heal, also lopsided ones and those with restarts inside.

After a week both halves have long forgotten each other (``forget_after_s`` is a day): seeds and members last
seen are what brings them together again. At rest a pool costs little virtual work, so a week takes seconds.
"""

from __future__ import annotations

from random import Random

import pytest

from zoned.core.events import Join
from zoned.core.members import MemberState
from zoned.simulation.checkers import GOSSIP_ALWAYS, GOSSIP_AT_REST, IncarnationWatch, nobody_wrongly_failed
from zoned.simulation.members import MemberPool, member_settings
from zoned.simulation.network import Network, NetworkSettings

MINUTE_S, DAY_S = 60.0, 86_400.0


def settled(count: int, seed: int, **changed: float) -> MemberPool:
    network = Network(NetworkSettings(loss=0.01), Random(seed))
    pool = MemberPool(count, network=network, settings=member_settings(**changed), seed=seed)
    pool.start()
    pool.run_for(20.0)
    assert nobody_wrongly_failed(pool) == []
    return pool


def cut(pool: MemberPool, one_way: bool = False) -> None:
    """The first half of the zones from the second."""
    zones = [host.zone for host in pool.hosts.values()]
    for a in zones[: len(zones) // 2]:
        for b in zones[len(zones) // 2 :]:
            pool.network.cut(a, b, both_ways=not one_way)


def healed_after_s(pool: MemberPool, limit_s: float) -> float:
    """Seconds from the end of all cuts until everybody holds everybody for up."""
    pool.network.heal()
    begin_s = pool.schedule.now_s
    while nobody_wrongly_failed(pool) and pool.schedule.now_s < begin_s + limit_s:
        pool.run_for(0.1)
    return pool.schedule.now_s - begin_s


def halves_are_apart(pool: MemberPool) -> bool:
    first, *_, last = pool.hosts.values()
    assert first.node is not None
    seen = {member.node: member.state for member in first.node.swim.members()}
    return seen.get(last.name) in (None, MemberState.FAILED)


@pytest.mark.parametrize(
    ("count", "seconds", "limit_s"),
    [(10, MINUTE_S, 5.0), (30, MINUTE_S, 5.0), (10, 10 * MINUTE_S, 60.0)],
)
@pytest.mark.timeout(60)
def test_a_partition_heals(count: int, seconds: float, limit_s: float) -> None:
    heals(count, seconds, limit_s, seed=1)


def heals(count: int, seconds: float, limit_s: float, seed: int) -> float:
    """Seconds that the halves need to find together again; ``make soak-sim`` tries more seeds."""
    pool = settled(count, seed)
    watch = IncarnationWatch()
    watch(pool)
    cut(pool)
    pool.run_for(seconds)
    assert halves_are_apart(pool)
    took_s = healed_after_s(pool, limit_s)
    assert nobody_wrongly_failed(pool) == [], f"{count} not healed {took_s:.1f} s after the cut (seed {seed})"
    pool.run_for(60.0)
    assert [line for check in (watch, *GOSSIP_ALWAYS, *GOSSIP_AT_REST) for line in check(pool)] == []
    return took_s


@pytest.mark.timeout(180)
def test_a_partition_of_a_week_heals_within_two_minutes() -> None:
    """Slower timers of probes and anti-entropy, which have no part in healing, make the week a short one."""
    pool = settled(4, 1, probe_interval_s=120.0, reconcile_interval_s=600.0, push_pull_interval_s=600.0)
    cut(pool)
    pool.run_for(7 * DAY_S)
    for host in pool.hosts.values():
        assert host.node is not None
        assert len(host.node.swim.members()) == 2, "a day after it was lost each half forgot the other"
    packets = pool.network.sent["packets"]
    pool.run_for(600.0)
    assert pool.network.sent["packets"] - packets < 4 * 600 / 20, "work at rest is bounded"
    took_s = healed_after_s(pool, 120.0)
    assert nobody_wrongly_failed(pool) == [], f"not healed {took_s:.0f} s after the cut"
    pool.run_for(120.0)
    assert [line for check in (*GOSSIP_ALWAYS, *GOSSIP_AT_REST) for line in check(pool)] == []


def test_a_cut_in_one_direction_heals() -> None:
    pool = settled(10, 3)
    cut(pool, one_way=True)
    pool.run_for(2 * MINUTE_S)
    healed_after_s(pool, 10.0)
    assert nobody_wrongly_failed(pool) == []


@pytest.mark.parametrize("remembers", [True, False])
def test_restarts_inside_a_partition(remembers: bool) -> None:
    """Half of each side starts again while cut off, with and without what it had on the disk."""
    pool = settled(10, 4)
    cut(pool)
    pool.run_for(MINUTE_S)
    for name in ("z001-1", "z003-1", "z006-1", "z008-1"):
        host = pool.hosts[name]
        host.crash()
        pool.run_for(5.0)
        host.boot(host.saved if remembers else None)
        host.give(Join(seeds=host.seeds))
    pool.run_for(MINUTE_S)
    healed_after_s(pool, 10.0)
    assert nobody_wrongly_failed(pool) == []
    pool.run_for(60.0)
    assert [line for check in (*GOSSIP_ALWAYS, *GOSSIP_AT_REST) for line in check(pool)] == []
