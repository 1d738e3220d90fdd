"""What an operator had forgotten stays away, unless it is there: also when some did not hear of it."""

from __future__ import annotations

import random

from tests.core.gossip.pool import Host, Pool, sees, states
from zoned.core.actions import SendPacket
from zoned.core.gossip import GossipSettings, Identity
from zoned.core.gossip.forgotten import LIMIT, Forgotten
from zoned.core.gossip.messages import Alive, Dead
from zoned.core.gossip.rumours import Rumours
from zoned.core.gossip.tags import meta_of
from zoned.core.gossip.wire import VERSIONS, decode_packet
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import MemberState
from zoned.core.names import Instant

NOW = Instant(50.0, 1000.0, 1000.0)
OTHER = Identity("b", "z2", 1, ("10.0.0.2", 7946))
GONE = "n003"


def pool_of(count: int) -> tuple[Pool, list[Host]]:
    pool = Pool()
    hosts = pool.start(count)
    assert pool.run(20, lambda: all(sees(host, hosts) for host in hosts))
    return pool, hosts


def never_back(pool: Pool, hosts: list[Host], seconds: float) -> bool:
    return not pool.run(seconds, lambda: any(states(host).get(GONE, "left") != "left" for host in hosts))


def forget_when_failed(pool: Pool, hosts: list[Host]) -> None:
    by = hosts[0]
    assert pool.run(40, lambda: all(states(host)[GONE] == "failed" for host in hosts))
    pool.do(by, "forget", GONE)
    assert pool.run(5, lambda: all(GONE not in states(host) for host in hosts))


def test_who_was_frozen_then_still_has_it_alive_and_brings_it_to_nobody() -> None:
    pool, hosts = pool_of(6)
    frozen, well = hosts[5], [hosts[0], hosts[1], hosts[2], hosts[4]]
    frozen.freeze()
    hosts[3].up = False
    forget_when_failed(pool, well)
    assert pool.run(60, lambda: all(sees(host, [frozen], MemberState.FAILED) for host in well))
    pool.run(30)
    assert states(frozen)[GONE] == "alive"
    frozen.thaw()
    assert never_back(pool, well, 60) and all(sees(host, [*well, frozen]) for host in well)
    assert states(frozen).get(GONE, "left") == "left", "it was told"


def test_who_was_on_its_way_out_then_and_joins_again_brings_it_to_nobody() -> None:
    pool, hosts = pool_of(6)
    leaving, well = hosts[4], [hosts[0], hosts[1], hosts[2], hosts[5]]
    pool.do(leaving, "leave")
    assert pool.run(10, lambda: all(sees(host, [leaving], MemberState.LEFT) for host in well))
    hosts[3].up = False
    forget_when_failed(pool, well)
    pool.do(leaving, "join", [hosts[0].identity.gossip])
    assert never_back(pool, well, 60) and all(sees(host, [leaving]) for host in well)
    assert states(leaving).get(GONE, "left") == "left"


def test_one_that_was_only_cut_off_returns_though_it_was_forgotten() -> None:
    pool, hosts = pool_of(5)
    lost, well = hosts[3], [hosts[0], hosts[1], hosts[2], hosts[4]]
    pool.cut = lambda a, b: lost.identity.gossip in (a, b)
    forget_when_failed(pool, well)
    pool.cut = lambda a, b: False
    assert pool.run(60, lambda: all(sees(host, hosts) for host in hosts))


def test_old_news_of_it_is_answered_to_itself_and_newer_is_taken() -> None:
    wiring = Wiring(GossipSettings(), Identity("a", "z1", 1, ("10.0.0.1", 7946)), random.Random(1))
    rules = Rumours(wiring, NOW)
    alive = Alive(5, "b", OTHER.gossip, meta_of(OTHER), VERSIONS)
    rules.alive(alive, NOW)
    rules.dead(Dead(5, "b", "c"), NOW)
    assert rules.forget("b", NOW)
    wiring.actions.clear()
    for incarnation in (1, 5, 5):  # a Serf agent begins with 1 again
        rules.alive(alive._replace(incarnation=incarnation), NOW)
    (sent,) = (each for each in wiring.actions if isinstance(each, SendPacket))
    assert sent.address == OTHER.gossip and Dead(5, "b", "a") in decode_packet(sent.data).messages
    assert wiring.table.get("b") is None and wiring.counters["forgotten_heard"] == 3
    rules.alive(alive._replace(incarnation=6), NOW)  # it refutes
    assert wiring.table.get("b") is not None
    later = Instant(NOW.mono_s + 1.0, 1001.0, 1001.0)
    rules.dead(Dead(6, "b", "c"), later)
    wiring.timers.run(Instant(later.mono_s + 86400.0, 87401.0, 87401.0))
    rules.alive(alive._replace(incarnation=6), later)
    assert wiring.table.get("b") is not None, "its time was over: that is no forgetting"


def test_it_is_bounded_and_ends() -> None:
    wiring = Wiring(GossipSettings(), OTHER, random.Random(1))
    forgotten = Forgotten(wiring)
    for number in range(LIMIT + 1):
        forgotten.add(f"n{number}", 7, NOW)
    assert forgotten.incarnation("n0", 7, NOW) is None and forgotten.incarnation("n1", 7, NOW) == 7
    assert forgotten.incarnation("n2", 8, NOW) is None and forgotten.incarnation("n2", 7, NOW) is None
    late = Instant(NOW.mono_s + 86401.0, 87401.0, 87401.0)
    assert forgotten.incarnation("n1", 7, late) is None and not forgotten.may_tell("n1", True, late)
