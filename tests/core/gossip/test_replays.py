"""Replays: gossip has no protection against them and needs none, since old news changes nothing."""

from __future__ import annotations

from tests.core.gossip.pool import Host, Pool, sees, states
from zoned.core.members import MemberState


def view(host: Host) -> dict[str, tuple[str, int]]:
    return {each.node: (each.state.value, each.incarnation) for each in host.swim.members()}


def test_a_whole_session_replayed_changes_nothing() -> None:
    pool = Pool(seed=11)
    hosts = pool.start(6)
    victim = hosts[0]
    heard: list[tuple[bytes, tuple[str, int]]] = []
    take = victim.swim.packet

    def listen(data: bytes, sender: tuple[str, int], *more: object) -> None:
        heard.append((data, sender))
        take(data, sender, *more)

    victim.swim.packet = listen  # type: ignore[assignment, method-assign]
    pool.run(5)
    hosts[1].up = False  # fails
    pool.do(hosts[2], "leave")
    third = hosts[3].identity.gossip
    pool.cut = lambda a, b: (a == third) != (b == third)  # suspected, and refutes later
    pool.run(4)
    pool.cut = lambda a, b: False
    pool.run(20)
    hosts[1] = pool.add(1)  # restarts
    pool.do(hosts[1], "join", [victim.identity.gossip])
    pool.run(20)
    assert states(victim) == {"n002": "left"} | {f"n{n:03d}": "alive" for n in (0, 1, 3, 4, 5)}
    before, stale = view(victim), victim.swim.counters["stale"]
    news = len(victim.news)
    for data, sender in list(heard):
        take(data, sender, pool.now())
    pool.after(victim)
    assert len(heard) > 100
    assert view(victim) == before  # also our own incarnation: no old accusation made us refute
    assert all(type(each).__name__ != "MemberChanged" for each in victim.news[news:])
    assert victim.swim.counters["stale"] > stale + 20
    pool.run(10)
    assert all(view(host)[node][0] == before[node][0] for host in (victim, hosts[4]) for node in before)
    assert sees(hosts[4], [victim], MemberState.ALIVE)
