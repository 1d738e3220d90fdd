"""Members whose rumours all went past us: found by names in vectors, repaired by one exchange of tables."""

from __future__ import annotations

from dataclasses import replace

from tests.core.gossip.pool import Host, Pool, sees, states
from zoned.core.gossip import GossipSettings
from zoned.core.gossip.missed import Missed
from zoned.core.members import MemberState

RARE = replace(GossipSettings(), push_pull_interval_s=3600.0)  # nothing but vectors can repair the table


def settled(count: int) -> tuple[Pool, list[Host]]:
    pool = Pool(seed=count)
    hosts = pool.start(count, RARE)
    assert pool.run(20, lambda: all(sees(host, hosts) for host in hosts))
    pool.run(5)
    return pool, hosts


def missing_one(pool: Pool, hosts: list[Host]) -> Host:
    """A newcomer of whom host 1 hears nothing, until all rumours of it are spent."""
    deaf = hosts[1].identity.gossip
    newcomer = pool.add(len(hosts), RARE)
    pool.cut = lambda a, b: deaf in (a, b)
    pool.do(newcomer, "join", [hosts[0].identity.gossip])
    assert pool.run(3, lambda: all(sees(host, [newcomer]) for host in hosts if host is not hosts[1]))
    assert pool.run(
        3, lambda: all(not len(host.swim._wiring.queue) for host in hosts if host is not hosts[1])
    )
    assert newcomer.identity.node not in states(hosts[1])
    return newcomer


def test_a_member_that_was_missed_is_found_by_comparing() -> None:
    pool, hosts = settled(6)
    newcomer = missing_one(pool, hosts)
    hosts[1].swim._wiring.queue.clear()
    pool.cut = lambda a, b: {a, b} == {hosts[1].identity.gossip, newcomer.identity.gossip}
    assert pool.run(4, lambda: sees(hosts[1], [newcomer]))
    assert hosts[1].swim.counters["members_missed"] == 1


def test_a_rumour_on_its_way_is_waited_for() -> None:
    pool, hosts = settled(3)
    wiring, calls = hosts[0].swim._wiring, []
    missed = Missed(wiring, calls.append)
    peer = wiring.table.get("n002")
    assert peer is not None
    late = pool.add(3, RARE)
    missed.named(late.identity.node, peer, pool.now())
    pool.do(late, "join", [hosts[0].identity.gossip])
    pool.run(2)
    assert calls == []
    for node in ("n007", "n008"):
        missed.named(node, peer, pool.now())
    pool.run(1)
    assert calls == [peer.address], "one exchange tells all"
    missed.named("n009", peer, pool.now())
    pool.run(1.5)
    assert len(calls) == 1, "and not at once again"
    assert pool.run(1, lambda: len(calls) == 2)


def test_a_death_that_one_has_not_heard_of_yet_is_no_missing_member() -> None:
    pool, hosts = settled(6)
    hosts[3].up = False
    others = [host for host in hosts if host is not hosts[3]]
    assert pool.run(30, lambda: all(sees(host, [hosts[3]], MemberState.FAILED) for host in others))
    pool.run(20)
    assert sum(host.swim.counters.get("members_missed", 0) for host in others) == 0
