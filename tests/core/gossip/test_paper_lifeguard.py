"""SWIM's and Lifeguard's numbers, as memberlist computes them."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from zoned.core.actions import SendPacket
from zoned.core.gossip import GossipSettings
from zoned.core.gossip.awareness import Awareness
from zoned.core.gossip.messages import Ping, Suspect
from zoned.core.gossip.suspicion import Suspicion, timeout_s
from zoned.core.gossip.wire import decode_packet
from zoned.core.members import MemberState
from zoned.simulation.members import MemberHost, MemberPool, member_settings
from zoned.simulation.network import Network, NetworkSettings

LAN, WAN = GossipSettings.profile("lan"), GossipSettings.profile("wan")


@pytest.mark.parametrize(
    ("members", "most", "least", "settings"),
    [(3, 4.0, 4.0, LAN), (10, 24.0, 4.0, LAN), (30, 35.4, 5.9, LAN), (100, 48.0, 8.0, LAN),
     (1000, 72.0, 12.0, LAN), (3, 30.0, 30.0, WAN)],
)  # fmt: skip
def test_section_4b_suspicion_starts_long_and_shortens(
    members: int, most: float, least: float, settings: GossipSettings
) -> None:
    suspicion = Suspicion("a", members, settings, 100.0)
    assert suspicion.deadline_s() - 100.0 == pytest.approx(most, abs=0.1)
    for accuser in ("b", "c", "d", "e"):
        suspicion.confirm(accuser)
    assert suspicion.deadline_s() - 100.0 == pytest.approx(least, abs=0.1)


def test_section_4b_one_confirmation_of_two() -> None:
    suspicion = Suspicion("a", 10, LAN, 0.0)
    assert suspicion.confirm("b")
    assert suspicion.deadline_s() == pytest.approx(11.381)


def test_section_4b_an_accuser_counts_once_and_only_so_many_are_wanted() -> None:
    suspicion = Suspicion("a", 10, LAN, 0.0)
    assert [suspicion.confirm(each) for each in "abbcd"] == [False, True, False, True, False]


def test_the_timeout_never_grows_with_confirmations() -> None:
    series = [timeout_s(count, 4, 4.0, 24.0) for count in range(5)]
    assert series == sorted(series, reverse=True) and series[0] == 24.0 and series[-1] == 4.0


def test_section_4a_health_is_bounded_and_stretches_waits() -> None:
    health = Awareness(8)
    assert health.scaled(1.0) == 1.0
    health.add(-1)
    assert health.score == 0
    health.add(100)
    assert health.score == 7 and health.scaled(1.0) == 8.0


# ---- what it is for: slow members ----------------------------------------------------------------------


def slow_run(lifeguard: bool, seed: int, *, count: int = 48, slow: int = 5, seconds: float = 60.0) -> int:
    """How often a healthy member held a healthy one failed, in a pool where some members are blocked for 16 s
    of every 20 (section 5: messages wait, timers run)."""
    off: dict[str, Any] = {} if lifeguard else {"awareness_max": 1, "suspicion_max_mult": 1}
    settings = member_settings(reconcile_interval_s=60.0, **off)
    pool = MemberPool(count, network=Network(NetworkSettings(), Random(seed)), settings=settings, seed=seed)
    pool.acquaint()
    rng = Random(f"{seed}/slow")
    blocked = rng.sample(sorted(pool.hosts), slow)

    def block(name: str) -> None:
        if pool.schedule.now_s < seconds:
            pool.wires.block(name, 16.0)
            pool.schedule.after(20.0, lambda: block(name))

    for name in blocked:
        pool.schedule.after(5.0 + rng.random() * 20.0, lambda name=name: block(name))
    pool.run_for(seconds + 40.0)
    return sum(
        note.event == "member_failed" and dict(note.fields)["member"] not in blocked
        for name, host in pool.hosts.items()
        if name not in blocked
        for _, note in host.notes
    )


@pytest.mark.timeout(180)
def test_section_5_false_positives_are_a_twentieth_of_those_without_lifeguard() -> None:
    """The paper reports a fiftieth. Same seed, same slow members; the others are healthy."""
    without, with_it = slow_run(False, 1), slow_run(True, 1)
    assert without >= 100, "nothing to save anybody from"
    assert with_it <= without / 20, f"{with_it} with, {without} without"


def test_hearsay_is_no_confirmation() -> None:
    """A slow member that comes back calls others; what stands in its table is no accusation of their own."""
    suspicion = Suspicion(None, 100, LAN, 0.0)
    assert suspicion.deadline_s() == pytest.approx(48.0, abs=0.1)
    assert suspicion.confirm("a") and suspicion.deadline_s() == pytest.approx(48.0, abs=0.1)
    assert suspicion.confirm("b") and suspicion.deadline_s() < 25.0


# ---- section 4.A and 4.C in a pool ---------------------------------------------------------------------


def pool_of(count: int) -> MemberPool:
    pool = MemberPool(
        count, network=Network(NetworkSettings(), Random(1)), settings=member_settings(), seed=1
    )
    pool.acquaint()
    pool.run_for(5.0)
    return pool


def health(host: MemberHost) -> float:
    assert host.node is not None
    return host.node.swim.counters["health_score"]


def test_section_4a_nacks_tell_a_dead_target_from_a_deaf_prober() -> None:
    """Helpers that answer "nothing heard" clear the prober; helpers that say nothing at all do not."""
    pool = pool_of(8)
    hosts = list(pool.hosts.values())
    hosts[3].crash()
    pool.run_for(4.0)
    failures = [h for h in hosts if h.node is not None and h.node.swim.counters.get("probe_failures", 0)]
    assert failures and all(health(host) == 0 for host in failures)
    pool.wires.block(hosts[5].name, 60.0)
    pool.run_for(3.0)
    assert health(hosts[5]) == 3, "one failed probe, three nacks that did not come"
    pool.run_for(30.0)
    assert health(hosts[5]) == LAN.awareness_max - 1


def test_section_4a_an_unwell_member_probes_more_slowly() -> None:
    """LHM stretches the interval: who hears nobody ends with one probe in 8 periods."""
    pool = pool_of(8)
    host = pool.hosts["z005-1"]
    pool.wires.block(host.name, 60.0)
    started = list[float]()
    assert host.node is not None
    seen = host.node.swim.counters["probes"]
    begin_s = pool.schedule.now_s
    while pool.schedule.now_s < begin_s + 32.0:
        pool.run_for(0.05)
        if host.node.swim.counters["probes"] > seen:
            seen = host.node.swim.counters["probes"]
            started.append(pool.schedule.now_s)
    gaps = [round(later - earlier) for earlier, later in zip(started, started[1:], strict=False)]
    assert gaps[-2:] == [8, 8] and gaps == sorted(gaps), gaps


def test_section_4c_a_suspect_is_told_first_with_the_next_ping_to_it() -> None:
    """The buddy system: whoever pings a member that it suspects says so in the same packet."""
    pool = pool_of(8)
    told, send = list[bool](), pool.wires.send_packet
    victim = "z003-1"

    def tapped(sender: Any, action: SendPacket) -> None:
        messages = decode_packet(action.data)[0]
        pings = [each for each in messages if isinstance(each, Ping) and each.node == victim]
        if pings:
            mind = pool.hosts[sender.name].node
            assert mind is not None
            probe = mind.swim._prober._probe  # a ping done for another is not a probe of one's own
            own = probe is not None and probe.seq == pings[0].seq
            if own and next(m.state for m in mind.swim.members() if m.node == victim) is MemberState.SUSPECT:
                told.append(any(isinstance(each, Suspect) and each.node == victim for each in messages))
        send(sender, action)

    pool.wires.send_packet = tapped  # type: ignore[method-assign]
    pool.hosts[victim].pause(True)
    pool.run_for(6.0)
    assert told and all(told)
