"""What Das, Gupta, Motivala, "SWIM" (2002) promises, held against 300 members with 5 % of packets lost.

Each test names its section. Times are protocol periods (1 s) or rumour rounds (0.2 s, to three members each).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from zoned.core.actions import SendPacket
from zoned.core.events import Tick
from zoned.core.gossip.messages import Ping
from zoned.core.gossip.suspicion import bounds_s
from zoned.core.gossip.wire import decode_packet
from zoned.core.members import MemberState
from zoned.simulation.members import MemberHost, MemberPool, member_settings
from zoned.simulation.network import Network, NetworkSettings

N, LOSS = 300, 0.05
SETTINGS = member_settings(reconcile_interval_s=60.0)  # anti-entropy has no part in these promises


def pool_of(count: int, seed: int, loss: float = LOSS) -> MemberPool:
    network = Network(NetworkSettings(loss=loss), Random(seed))
    pool = MemberPool(count, network=network, settings=SETTINGS, seed=seed)
    pool.acquaint()
    pool.run_for(3.0)
    return pool


def listen(pool: MemberPool, heard: Callable[[float, str, object], None]) -> None:
    """Hear every message of every packet that is sent: (when, by whom, what)."""
    send = pool.wires.send_packet

    def tapped(sender: Any, action: SendPacket) -> None:
        for message in decode_packet(action.data)[0]:
            heard(pool.schedule.now_s, sender.name, message)
        send(sender, action)

    pool.wires.send_packet = tapped  # type: ignore[method-assign]


def when(host: MemberHost, event: str, node: str) -> float | None:
    """When that host first said so of the node."""
    return next((at for at, note in host.notes if note.event == event and note.fields[0][1] == node), None)


def test_section_4_3_a_member_is_probed_again_within_2n_1_periods_by_each_other_one() -> None:
    """Worst case of round robin: first in one shuffled round, last in the next."""
    count = 8
    pool, last, longest = pool_of(count, 1, loss=0.0), dict[tuple[str, str], float](), 0.0
    probes = 0

    def heard(at_s: float, by: str, message: object) -> None:
        nonlocal longest, probes
        if isinstance(message, Ping):
            probes += 1
            longest = max(longest, at_s - last.get((by, message.node), 0.0))
            last[by, message.node] = at_s

    listen(pool, heard)
    pool.run_for(300.0)
    assert probes == pytest.approx(300 * count, rel=0.02) and len(last) == count * (count - 1)
    assert count - 1 < longest <= 2 * count - 1 + 0.1


@pytest.mark.timeout(180)
def test_section_4_1_infection_and_3_1_detection_at_300_members() -> None:
    """One pool, since building 300 views takes seconds; ``make soak-sim`` does it for more seeds."""
    told, first, whole = promises_at_300(seed=1)
    assert_infection(told)
    assert_detection(first, whole)


def promises_at_300(seed: int) -> tuple[list[list[int]], list[float], list[float]]:
    """Three rumours: how many knew it after each round. Twelve crashes: seconds until the first suspicion,
    and from then until the last member held it failed."""
    pool = pool_of(N, seed)
    victims = Random(seed).sample(sorted(pool.hosts), 15)
    told = [curve_of(pool, pool.hosts[victims.pop()]) for _ in range(3)]
    fell = dict[str, float]()
    for victim in victims:
        fell[victim] = pool.schedule.now_s
        pool.hosts[victim].crash()
        pool.run_for(1.3)
    pool.run_for(25.0)
    others = [host for name, host in pool.hosts.items() if name not in victims]
    first, whole = list[float](), list[float]()
    for victim in victims:
        suspected = [at for host in others if (at := when(host, "member_suspect", victim)) is not None]
        failed = [at for host in others if (at := when(host, "member_failed", victim)) is not None]
        assert len(failed) == len(others), f"{victim}: {len(failed)} of {len(others)} know (seed {seed})"
        first.append(min(suspected) - fell[victim])
        whole.append(max(failed) - min(suspected))
    accused = {note.fields[0][1] for h in others for _, note in h.notes if note.event == "member_failed"}
    assert accused == set(victims), f"a healthy member was held failed (seed {seed})"
    return told, first, whole


def assert_detection(first: list[float], whole: list[float]) -> None:
    """First detection: e / (e - 1) = 1.58 periods are expected until somebody probes the dead one, at any n,
    and one more until that probe is given up. The mean of k crashes may be off by 3 standard errors of that
    geometric time (its sd is 0.96 periods).

    Then suspicion: its least time (4 log10 n = 9.9 periods), if two others confirm before. They are the next
    two to probe it: 2 x 1.58 periods. The verdict reaches the last one within Pittel's rounds (below). So the
    median is at most the least time, one rumour, and 3 periods for probes of confirmers that come late."""
    hit = 1 - 1 / math.e
    error = math.sqrt(1 - hit) / hit / math.sqrt(len(first))
    assert sum(first) / len(first) <= 1 / hit + 1 + 3 * error, first
    wanted, least_s, most_s = bounds_s(N, SETTINGS)
    assert wanted == 2 and min(whole) >= least_s - 0.1 and max(whole) <= most_s
    assert sorted(whole)[len(whole) // 2] <= least_s + 0.2 * pittel(N, LOSS) + 3.0, whole


def pittel(count: int, loss: float) -> float:
    """Rounds until a rumour told to ``gossip_nodes`` others a round is known to all (Pittel 1987)."""
    told = SETTINGS.gossip_nodes * (1 - loss)
    return math.log(count) / math.log(1 + told) + math.log(count) / told


def assert_infection(told: list[list[int]]) -> None:
    """Pittel's log_(1 + f) n + ln n / f = 6.2 rounds at 300 members and 5 % loss; 1.5 x that and one are
    allowed, since rounds of different members are not in step. Each tells lambda ceil(log10(n + 1)) = 12
    others: gossip alone then misses n exp(-12 (1 - loss)) = 0.003 members on the mean, so nobody."""
    for curve in told:
        assert curve[-1] == N, f"{curve} of {N} know"
        assert len(curve) <= 1.5 * pittel(N, LOSS) + 1, curve


def curve_of(pool: MemberPool, teller: MemberHost) -> list[int]:
    """How many know what the teller says of itself, after each round."""
    begin_s, curve = pool.schedule.now_s, list[int]()
    assert teller.node is not None
    teller.node.swim.hold_keys(("abcd",), teller.now())
    teller.give(Tick())
    while not curve or (curve[-1] < N and pool.schedule.now_s < begin_s + 6.0):
        pool.run_for(SETTINGS.gossip_interval_s)
        curve.append(sum(knows(host, teller.name) for host in pool.hosts.values()))
    return curve


def knows(host: MemberHost, node: str) -> bool:
    assert host.node is not None
    known = host.node.swim._wiring.table.get(node)
    return known is not None and known.tags.keys == ("abcd",)


def test_section_4_2_a_suspect_that_lives_refutes_with_a_higher_incarnation_and_only_it_may() -> None:
    pool = pool_of(10, 3, loss=0.0)
    before = incarnations(pool)
    victim = sorted(pool.hosts)[4]
    pool.wires.block(victim, 5.0)
    pool.run_for(4.5)
    suspected = [host for host in pool.hosts.values() if when(host, "member_suspect", victim) is not None]
    assert suspected and incarnations(pool) == before, "accusing raises nothing"
    pool.run_for(20.0)
    after = incarnations(pool)
    assert after[victim] > before[victim]
    moved = [node for node in after if after[node] != before[node]]
    every = pool.hosts.values()
    assert all(any(when(host, "member_suspect", node) for host in every) for node in moved)
    for host in pool.hosts.values():
        assert host.node is not None
        seen = {member.node: member for member in host.node.swim.members()}[victim]
        assert seen.state is MemberState.ALIVE and seen.incarnation == after[victim]


def incarnations(pool: MemberPool) -> dict[str, int]:
    """What each member says of itself."""
    found = {}
    for name, host in pool.hosts.items():
        assert host.node is not None
        found[name] = next(each.incarnation for each in host.node.swim.members() if each.node == name)
    return found
