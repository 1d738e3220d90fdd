"""Whole pools on a seeded virtual network: joining, dying, leaving, returning, being cut off, being slow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.gossip.pool import Host, Pool, sees, states
from zoned.core.errors import StateError
from zoned.core.gossip import GossipSettings
from zoned.core.gossip.detection import detection
from zoned.core.members import MemberChanged, MemberState

LAN = GossipSettings.profile("lan")


def settled(pool: Pool, hosts: list[Host], within_s: float = 20.0) -> bool:
    return pool.run(within_s, lambda: all(sees(host, hosts) for host in hosts))


def accused(hosts: list[Host]) -> list[str]:
    return [text for host in hosts for _, text in host.notes if text.startswith("member failed")]


def probing(hosts: list[Host], target: Host) -> bool:
    probes = [host.swim._prober._probe for host in hosts]
    return any(probe is not None and probe.known.node == target.identity.node for probe in probes)


@pytest.mark.parametrize(("count", "loss"), [(2, 0.0), (5, 0.0), (10, 0.2), (30, 0.05)])
def test_everybody_comes_to_know_everybody(count: int, loss: float) -> None:
    pool = Pool(seed=count, loss=loss)
    hosts = pool.start(count)
    assert settled(pool, hosts)
    assert all(len(host.swim.members()) == count for host in hosts)
    for host in hosts[1:]:
        assert sum(text.startswith("joined ") for _, text in host.notes) == 1
    for host in hosts:
        ups = [text for _, text in host.notes if text.startswith("member up ")]
        others = [other.identity.node for other in hosts if other is not host]
        assert sorted(ups) == [f"member up {node}" for node in sorted(others)]
        first = [news for news in host.news if isinstance(news, MemberChanged)]
        assert all(news.before is None and news.member.state is MemberState.ALIVE for news in first)


@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_healthy_members_are_not_accused(loss: float) -> None:
    pool = Pool(seed=5, loss=loss)
    hosts = pool.start(10)
    settled(pool, hosts)
    pool.run(180)
    assert accused(hosts) == [] and all(sees(host, hosts) for host in hosts)


@pytest.mark.parametrize("count", [3, 5, 10, 30])
def test_a_crash_is_known_to_all_within_swim_s_bounds(count: int) -> None:
    pool = Pool(seed=count)
    hosts = pool.start(count)
    assert settled(pool, hosts)
    pool.run(3)
    victim, others = hosts[count // 2], [host for host in hosts if host is not hosts[count // 2]]
    victim.up = False
    since_s = pool.now_s
    soonest, _, latest = detection(LAN, count)
    assert pool.run(latest, lambda: all(sees(host, [victim], MemberState.FAILED) for host in others))
    assert soonest <= pool.now_s - since_s <= latest
    assert accused(others) == [f"member failed {victim.identity.node}"] * len(others)
    member = next(each for each in others[0].swim.members() if each.node == victim.identity.node)
    assert member.accuser in {host.identity.node for host in others}
    measured = [rtt_s for rtt_s in (others[0].swim.rtt_s(each.identity.node) for each in others) if rtt_s]
    assert measured and all(rtt_s == pytest.approx(0.01, rel=0.9) for rtt_s in measured)


def test_a_restart_outranks_its_past_and_keeps_its_name() -> None:
    pool = Pool()
    hosts = pool.start(5)
    settled(pool, hosts)
    before = states(hosts[0])
    hosts[2].up = False
    assert pool.run(30, lambda: sees(hosts[0], [hosts[2]], MemberState.FAILED))
    hosts[2] = pool.add(2)
    pool.do(hosts[2], "join", [hosts[0].identity.gossip])
    assert settled(pool, hosts, 2.0) and states(hosts[0]) == before


def test_a_quick_restart_is_hardly_noticed() -> None:
    pool = Pool()
    hosts = pool.start(5)
    settled(pool, hosts)
    pool.run(5)
    hosts[2].up = False
    pool.run(1)
    hosts[2] = pool.add(2)
    pool.do(hosts[2], "join", [hosts[0].identity.gossip])
    assert settled(pool, hosts, 5.0) and accused(hosts) == []


def test_even_with_a_clock_that_went_back() -> None:
    """Its incarnation is below what the pool remembers: it hears its own obituary and outranks it."""
    pool = Pool()
    hosts = pool.start(5)
    settled(pool, hosts)
    hosts[2].up = False
    assert pool.run(30, lambda: all(sees(h, [hosts[2]], MemberState.FAILED) for h in hosts if h.up))
    born = pool.now
    pool.now = lambda: born()._replace(wall_s=1000.0)  # type: ignore[method-assign]
    hosts[2] = pool.add(2)
    pool.now = born  # type: ignore[method-assign]
    pool.do(hosts[2], "join", [hosts[0].identity.gossip])
    assert settled(pool, hosts, 10.0)


def test_leaving_is_not_failing_and_one_may_return() -> None:
    pool = Pool()
    hosts = pool.start(5)
    settled(pool, hosts)
    pool.do(hosts[1], "leave")
    others = [host for host in hosts if host is not hosts[1]]
    assert pool.run(2, lambda: all(sees(host, [hosts[1]], MemberState.LEFT) for host in others))
    done_s = hosts[1].swim.leave_done_s
    assert done_s is not None and done_s > pool.now_s
    pool.run(3)
    assert accused(hosts) == []
    pool.run(60)  # still running, but no member any more: nobody asks it back in
    assert all(sees(host, [hosts[1]], MemberState.LEFT) for host in others)
    pool.do(hosts[1], "join", [hosts[0].identity.gossip])
    assert settled(pool, hosts, 3.0)


def test_back_soon_is_known_at_once_and_is_no_leave() -> None:
    pool = Pool()
    hosts = pool.start(5)
    settled(pool, hosts)
    pool.do(hosts[1], "back_soon")
    hosts[1].up = False
    others = [host for host in hosts if host is not hosts[1]]
    assert pool.run(0.1, lambda: all(sees(host, [hosts[1]], MemberState.FAILED) for host in others))
    hosts[1] = pool.add(1)
    pool.do(hosts[1], "join", [hosts[0].identity.gossip])
    assert settled(pool, hosts, 2.0)


@pytest.mark.parametrize(("minutes", "loss"), [(1, 0.0), (3, 0.2), (60 * 25, 0.0)])
def test_a_partition_heals_however_long_it_was(minutes: int, loss: float) -> None:
    slow = replace(LAN, probe_interval_s=60.0, probe_timeout_s=20.0, reconcile_interval_s=3600.0)
    slow = replace(slow, dial_fast_s=60.0, dial_slow_s=300.0, push_pull_interval_s=600.0)
    pool = Pool(seed=minutes, loss=loss)
    hosts = pool.start(6, slow if minutes > 100 else LAN)
    assert settled(pool, hosts)
    west = {host.identity.gossip for host in hosts[:3]}
    pool.cut = lambda a, b: (a in west) != (b in west)
    pool.run(minutes * 60)
    gone = {MemberState.FAILED, None}
    for host in hosts[:3]:
        known = {member.node: member.state for member in host.swim.members()}
        assert all(known.get(other.identity.node) in gone for other in hosts[3:])
    pool.cut = lambda a, b: False
    assert settled(pool, hosts, 5.0 if minutes < 100 else 900.0)


def test_a_seed_that_comes_later_is_joined_then() -> None:
    pool = Pool()
    early = pool.add(1)
    pool.do(early, "join", [("10.0.0.1", 7946), early.identity.gossip])
    pool.run(45)
    assert [text for _, text in early.notes] == []
    late = pool.add(0)
    assert settled(pool, [early, late], 3.0)
    assert "joined 1 members" in [text for _, text in early.notes]


def test_two_pairs_that_joined_each_other_become_one_pool_by_a_common_seed() -> None:
    pool = Pool()
    hosts = [pool.add(index) for index in range(4)]
    pool.cut = lambda a, b: True
    for index, host in enumerate(hosts):
        pool.do(host, "join", [hosts[index ^ 1].identity.gossip, hosts[0].identity.gossip])
    pool.run(5)
    pool.cut = lambda a, b: False
    assert settled(pool, hosts, 40.0)


def test_forgetting_is_for_the_dead_and_for_all() -> None:
    pool = Pool()
    hosts = pool.start(4)
    settled(pool, hosts)
    pool.do(hosts[0], "forget", "n003")
    assert hosts[0].notes[-1][1].startswith("not forgotten") and sees(hosts[0], hosts)
    hosts[3].up = False
    assert pool.run(30, lambda: all(sees(h, [hosts[3]], MemberState.FAILED) for h in hosts[:3]))
    pool.do(hosts[0], "forget", "n003")
    assert pool.run(2, lambda: all("n003" not in states(host) for host in hosts[:3]))
    pool.run(120)
    assert all("n003" not in states(host) for host in hosts[:3])


def test_the_dead_are_shown_for_a_day() -> None:
    slow = replace(LAN, probe_interval_s=60.0, probe_timeout_s=20.0, reconcile_interval_s=3600.0)
    slow = replace(slow, push_pull_interval_s=3600.0, dial_slow_s=3600.0, dial_fast_s=600.0)
    pool = Pool()
    hosts = pool.start(3, slow)
    settled(pool, hosts)
    hosts[2].up = False
    assert pool.run(3600, lambda: sees(hosts[0], [hosts[2]], MemberState.FAILED))
    pool.run(86000)
    assert states(hosts[0])["n002"] == "failed"
    pool.run(3600)
    assert "n002" not in states(hosts[0])


def test_one_lost_path_is_not_a_death() -> None:
    """Packets between two members vanish; others can still reach both (indirect pings)."""
    pool = Pool()
    hosts = pool.start(4)
    settled(pool, hosts)
    a, b = hosts[0].identity.gossip, hosts[1].identity.gossip
    pool.cut = lambda x, y: {x, y} == {a, b}
    pool.run(120)
    assert accused(hosts) == [] and hosts[0].swim.counters["probe_timeouts"] > 0


def test_udp_blocked_but_tcp_open_is_said_once() -> None:
    pool = Pool()
    hosts = pool.start(2)
    settled(pool, hosts)
    pool.loss = 1.0
    pool.run(60)
    assert accused(hosts) == []
    warned = [text for _, text in hosts[0].notes if "by TCP but not by UDP" in text]
    assert warned == ["member n001 answers by TCP but not by UDP: is 10.0.0.2:7946/udp blocked?"]
    for _ in range(20):  # it comes and goes
        pool.loss = 0.0
        pool.run(10)
        pool.loss = 1.0
        pool.run(20)
    warned = [text for _, text in hosts[0].notes if "by TCP but not by UDP" in text]
    assert len(warned) == 2 and hosts[0].swim.counters["udp_lost_tcp_well"] > 100, "ten minutes later again"


def test_where_clocks_agree_each_member_is_probed_once_in_an_interval() -> None:
    pool = Pool(seed=4)
    hosts = pool.start(8)
    assert settled(pool, hosts)
    pool.run(3)
    probed: list[tuple[int, str, str]] = []  # (interval, by whom, whom)

    def watch() -> bool:
        for host in hosts:
            probe = host.swim._prober._probe
            if probe is not None:
                seen = (int(pool.now().wall_s), host.identity.node, probe.known.node)
                if seen not in probed:
                    probed.append(seen)
        return False

    pool.run(30, watch)
    first, last = probed[0][0] + 1, probed[-1][0]
    for second in range(first, last):
        pairs = [(by, whom) for at, by, whom in probed if at == second]
        assert len({whom for _, whom in pairs}) == len(pairs) == len(hosts)
    for by in states(hosts[0]):  # and everybody still probes everybody, within two times round
        met = {whom for at, prober, whom in probed if prober == by and first <= at < first + 2 * 7}
        assert met == set(states(hosts[0])) - {by}


def test_a_killed_process_on_a_live_host_is_suspected_early_and_health_stays() -> None:
    pool = Pool(seed=2)
    hosts = pool.start(5)
    assert settled(pool, hosts)
    victim, others = hosts[3], [host for host in hosts if host is not hosts[3]]
    victim.up, victim.refuses = False, True
    prober = next(
        host for host in others if pool.run(10, lambda: probing(others, victim)) and probing([host], victim)
    )
    probe = prober.swim._prober._probe
    assert probe is not None
    assert pool.run(2, lambda: prober.swim._prober._probe is not probe)
    assert LAN.probe_timeout_s < pool.now_s - probe.sent_s < 0.7 * LAN.probe_interval_s
    assert prober.swim.counters["probes_refused"] == 1 and prober.swim.counters["health_score"] == 0
    assert states(prober)[victim.identity.node] == "suspect"


def test_who_refuses_tcp_but_answers_helpers_is_not_suspected() -> None:
    pool = Pool(seed=2)
    hosts = pool.start(5)
    assert settled(pool, hosts)
    for host in hosts:
        host.refuses = True
    a, b = hosts[0].identity.gossip, hosts[1].identity.gossip
    pool.cut = lambda x, y: {x, y} == {a, b}
    pool.run(60)
    assert hosts[0].swim.counters["probe_timeouts"] > 3
    assert not any("suspect" in text for host in hosts for _, text in host.notes)


def test_a_newcomer_whose_answer_never_came_asks_those_who_heard_of_it() -> None:
    pool = Pool(seed=3)
    hosts = pool.start(4)
    assert settled(pool, hosts)
    late = pool.add(4)
    seed = hosts[0].identity.gossip
    pool.deaf = lambda caller, callee: callee == seed  # it hears calls, but its answers get lost
    pool.do(late, "join", [seed])
    assert pool.run(LAN.stream_timeout_s + 5, lambda: any("joined" in text for _, text in late.notes))
    assert settled(pool, [*hosts, late], 2.0)
    assert [text for _, text in late.notes if "joined" in text] == ["joined 4 members"]


def test_a_frozen_member_does_not_accuse_the_healthy() -> None:
    pool = Pool(seed=9)
    hosts = pool.start(5)
    settled(pool, hosts)
    sleeper = hosts[2]
    for _ in range(4):
        assert pool.run(5, lambda: sleeper.swim._prober._probe is not None)  # its ack will wait in the socket
        sleeper.freeze()
        pool.run(8)
        sleeper.thaw()
        pool.run(20)
    assert not any("suspect" in text or "failed" in text for _, text in sleeper.notes)
    assert sleeper.swim.counters["frozen"] == 4
    assert set(accused(hosts)) <= {"member failed n002"}
    assert settled(pool, hosts, 5.0)


def test_a_lagging_loop_makes_us_slower_to_accuse() -> None:
    pool = Pool()
    (host,) = pool.start(1)
    host.swim.lagged(0.1)
    assert host.swim.counters["health_score"] == 0
    host.swim.lagged(0.4)
    assert host.swim.counters["health_score"] == 1 and host.swim.counters["lags"] == 1


def test_a_stale_voice_is_told_that_it_is_held_dead() -> None:
    """memberlist 311: without this a member may stay dead in some views for ever."""
    pool = Pool(seed=4)
    hosts = pool.start(3)
    settled(pool, hosts)
    pool.cut = lambda a, b: hosts[2].identity.gossip in (a, b)
    assert pool.run(30, lambda: sees(hosts[0], [hosts[2]], MemberState.FAILED))
    for host in hosts:  # nobody may dial: the message alone must do
        host.swim._dialer._lost = lambda now: []  # type: ignore[method-assign]
    pool.cut = lambda a, b: False
    from_2 = hosts[2].swim._rumours.own_alive()
    hosts[0].swim._rumours.alive(from_2, pool.now())
    pool.after(hosts[0])
    assert pool.run(2, lambda: sees(hosts[0], [hosts[2]]))


def test_idle_members_wake_only_for_their_timers() -> None:
    hours = replace(LAN, probe_interval_s=3600.0, probe_timeout_s=600.0, push_pull_interval_s=36000.0)
    hours = replace(hours, reconcile_interval_s=7200.0)
    pool = Pool()
    hosts = pool.start(5, hours)
    settled(pool, hosts)
    pool.run(1200)  # rumours have run out, the second look is over
    packets = pool.packets
    deadlines = [host.swim.next_deadline() for host in hosts]
    pool.run(86400)
    assert pool.packets - packets < 5 * (24 * 2 + 12 * 3 + 10)
    assert all(deadline is not None and deadline < 1200 + 3600 + 5 for deadline in deadlines)
    (alone,) = Pool().start(1, hours)
    wakes = 0
    while (deadline := alone.swim.next_deadline()) is not None and deadline < 86400:
        alone.swim.tick(alone.net.now()._replace(mono_s=deadline))
        wakes += 1
    assert wakes <= 24 + 1 + 16 + 3


def test_state_survives_a_restart_and_finds_the_pool_without_seeds() -> None:
    pool = Pool()
    hosts = pool.start(4)
    settled(pool, hosts)
    saved = hosts[3].swim.export_state()
    assert sorted(name for name, _ in saved["peers"]) == ["n000", "n001", "n002"]
    hosts[3].up = False
    pool.run(30)
    hosts[3] = pool.add(3)
    hosts[3].swim.restore_state(saved, pool.now())
    pool.after(hosts[3])
    own = next(each for each in hosts[3].swim.members() if each.node == "n003")
    assert own.incarnation > saved["incarnation"]
    assert settled(pool, hosts, 45.0)


@pytest.mark.parametrize(
    "saved",
    [
        {}, {"peers": 3, "clock": 1, "incarnation": 1}, {"peers": [], "clock": "x", "incarnation": 1},
        {"peers": [], "clock": -1, "incarnation": 1}, {"peers": [], "clock": 1, "incarnation": 1 << 40},
        {"peers": [["a b", "1.2.3.4:5"]], "clock": 1, "incarnation": 1},
        {"peers": [[1, 2]], "clock": 1, "incarnation": 1},
    ],
)  # fmt: skip
def test_a_damaged_state_is_refused(saved: dict[str, object]) -> None:
    (host,) = Pool().start(1)
    with pytest.raises(StateError):
        host.swim.restore_state(saved, host.net.now())


def test_the_same_seed_gives_the_same_run() -> None:
    def run() -> list[list[tuple[float, str]]]:
        pool = Pool(seed=11, loss=0.1)
        hosts = pool.start(8)
        pool.run(20)
        hosts[3].up = False
        pool.run(40)
        return [host.notes for host in hosts]

    assert run() == run()


def test_members_is_stable_at_rest() -> None:
    pool = Pool(seed=2)
    hosts = pool.start(3)
    settled(pool, hosts)
    pool.run(60)
    before, changes = hosts[0].swim.members(), 0
    for _ in range(60):
        pool.run(1)
        changes += hosts[0].swim.members() is not before
        before = hosts[0].swim.members()
    assert changes < 20  # only when a shown round trip moved by a quarter; this network jitters by half


def test_keys_reach_everybody_and_outlive_the_member() -> None:
    """Who has which key must be known of failed members too: a key that they lack must not be the last."""

    def keys(host: Host, of: Host) -> tuple[str, ...]:
        return next(each.keys for each in host.swim.members() if each.node == of.identity.node)

    pool = Pool(seed=6, loss=0.05)
    hosts = pool.start(6)
    assert settled(pool, hosts)
    one, others = hosts[1], [host for host in hosts if host is not hosts[1]]
    for told in (("aa",), ("aa", "bb"), ("bb", "aa"), ("bb",)):
        pool.do(one, "hold_keys", told)
        pool.do(one, "hold_keys", told)
        assert pool.run(5, lambda told=told: all(keys(host, one) == told for host in hosts))
    one.up = False
    assert pool.run(60, lambda: all(sees(host, [one], MemberState.FAILED) for host in others))
    assert all(keys(host, one) == ("bb",) for host in others)
