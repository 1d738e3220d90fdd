"""Machines that stand still, are blocked, start again with what they saved, and whose clocks are off."""

from __future__ import annotations

from random import Random

from zoned.core.events import Join, PacketReceived
from zoned.core.members import MemberState
from zoned.simulation.members import MemberPool, member_settings
from zoned.simulation.network import Network, NetworkSettings
from zoned.simulation.station import SOCKET_PACKETS


def pool_of(count: int) -> MemberPool:
    network = Network(NetworkSettings(), Random(1))
    pool = MemberPool(count, network=network, settings=member_settings(), seed=1)
    pool.start()
    pool.run_for(10.0)
    return pool


def state(pool: MemberPool, viewer: str, node: str) -> MemberState | None:
    mind = pool.hosts[viewer].node
    assert mind is not None
    return next((each.state for each in mind.swim.members() if each.node == node), None)


def test_a_socket_holds_so_much_and_no_more() -> None:
    pool = pool_of(2)
    host = pool.hosts["z001-1"]
    host.pause(True)
    for _ in range(SOCKET_PACKETS + 10):
        host.give(PacketReceived(data=b"\xff", sender=("10.0.0.0", 7946)))
    assert pool.network.sent["overflowed"] == 10
    mind = host.node
    assert mind is not None
    before = mind.swim.counters["packets_in"]
    host.pause(False)
    assert mind.swim.counters["packets_in"] - before == SOCKET_PACKETS
    host.pause(True)
    host.give(PacketReceived(data=b"\xff", sender=("10.0.0.0", 7946)))
    assert pool.network.sent["overflowed"] == 10, "the socket was emptied"


def test_one_that_stood_still_hears_its_late_timers_first_and_accuses_nobody() -> None:
    pool = pool_of(5)
    host = pool.hosts["z003-1"]
    host.pause(True)
    pool.run_for(8.3)
    host.pause(False)
    assert [note.event for _, note in host.notes][-1] != "member_failed"
    assert host.node is not None and host.node.swim.counters["frozen"] == 1
    pool.run_for(30.0)
    assert not any(note.event == "member_failed" for _, note in host.notes)


def test_a_blocked_one_goes_on_judging_and_all_of_it_leaves_when_the_block_ends() -> None:
    pool = pool_of(5)
    pool.wires.block("z003-1", 30.0)
    packets = pool.network.sent["packets"]
    pool.run_for(29.0)
    assert pool.network.sent["packets"] > packets
    held = {state(pool, viewer, "z003-1") for viewer in ("z000-1", "z001-1", "z002-1", "z004-1")}
    assert held == {MemberState.FAILED}
    assert any(note.event == "member_suspect" for _, note in pool.hosts["z003-1"].notes)
    pool.run_for(10.0)
    assert state(pool, "z000-1", "z003-1") is MemberState.ALIVE


def test_what_was_saved_finds_the_pool_without_seeds() -> None:
    pool = pool_of(4)
    host = pool.hosts["z002-1"]
    host.crash()
    pool.run_for(60.0)
    host.boot(host.saved)
    pool.run_for(60.0)
    assert state(pool, "z002-1", "z000-1") is MemberState.ALIVE
    assert state(pool, "z000-1", "z002-1") is MemberState.ALIVE


def test_a_clock_that_is_off_moves_wall_and_season_and_no_timer() -> None:
    pool = pool_of(3)
    host = pool.hosts["z002-1"]
    host.crash()
    host.skew_s = -3600.0
    mono_s, wall_s, season_s = host.now()
    true = pool.instant()
    assert (mono_s, wall_s, season_s) == (true.mono_s, true.wall_s - 3600.0, true.season_s - 3600.0)
    pool.run_for(30.0)
    host.boot()
    host.give(Join(seeds=host.seeds))
    pool.run_for(5.0)
    assert state(pool, "z000-1", "z002-1") is MemberState.ALIVE, "it outranks its past, an hour ahead of it"
