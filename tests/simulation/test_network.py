"""The virtual network is as strict as a real one: sizes, cuts, losses, and every byte counted."""

from __future__ import annotations

from random import Random

import pytest

from zoned.simulation.network import MAX_DATAGRAM_BYTES, Network, NetworkSettings


def network(**changed: float) -> Network:
    return Network(NetworkSettings(**changed), Random(1))


def test_a_datagram_arrives_once_and_late() -> None:
    net = network(one_way_s=0.01, jitter_s=0.002)
    for _ in range(100):
        (delay_s,) = net.datagram("a", "b", 100)
        assert 0.01 <= delay_s <= 0.012
    assert net.sent["packets"] == 100 and net.sent["bytes"] == 10_000


def test_agents_of_one_zone_are_near() -> None:
    assert network(jitter_s=0.0).delay_s("a", "a") < network(jitter_s=0.0).delay_s("a", "b") / 10


def test_jitter_lets_packets_overtake_one_another() -> None:
    net = network(jitter_s=0.01)
    delays = [net.delay_s("a", "b") for _ in range(20)]
    assert delays != sorted(delays)


def test_what_is_too_large_does_not_go() -> None:
    net = network()
    assert net.datagram("a", "b", MAX_DATAGRAM_BYTES) and not net.datagram("a", "b", MAX_DATAGRAM_BYTES + 1)
    assert net.sent["refused"] == 1


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_losses_and_duplicates_are_as_frequent_as_said(share: float) -> None:
    lossy, doubling = network(loss=share), network(duplicate=share)
    arrived = sum(len(lossy.datagram("a", "b", 1)) for _ in range(4000))
    assert arrived == pytest.approx(4000 * (1 - share), rel=0.05)
    assert lossy.sent["lost"] == 4000 - arrived
    twice = [delays for _ in range(4000) if len(delays := doubling.datagram("a", "b", 1)) == 2]
    assert len(twice) == pytest.approx(4000 * share, rel=0.1) == doubling.sent["duplicated"]
    assert all(second > first for first, second in twice)


def test_a_cut_holds_both_ways_or_one_until_it_heals() -> None:
    net = network()
    net.cut("a", "b")
    net.cut("c", "a", both_ways=False)
    assert not net.reaches("a", "b") and not net.reaches("b", "a") and not net.reaches("c", "a")
    assert net.reaches("a", "c") and net.reaches("b", "c")
    assert net.datagram("a", "b", 1) == []
    net.heal()
    assert net.reaches("a", "b") and net.reaches("c", "a")


def test_the_same_seed_loses_the_same_packets() -> None:
    def fates() -> list[list[float]]:
        net = network(loss=0.3, duplicate=0.2)
        return [net.datagram("a", "b", 1) for _ in range(100)]

    assert fates() == fates()


def test_reordered_datagrams_come_later_than_those_sent_after_them() -> None:
    net = network(jitter_s=0.0, reorder=0.25)
    delays = [net.datagram("a", "b", 1)[0] for _ in range(2000)]
    late = [delay_s for delay_s in delays if delay_s > 0.2]
    assert len(late) == net.sent["reordered"] == pytest.approx(500, rel=0.15)


def test_one_cut_ends_while_another_of_the_same_way_goes_on() -> None:
    net = network()
    net.cut("a", "b")
    net.cut("a", "b", both_ways=False)
    net.mend("a", "b")
    assert not net.reaches("a", "b") and net.reaches("b", "a")
    net.mend("a", "b", both_ways=False)
    assert net.reaches("a", "b")
    net.mend("a", "b")  # more often than it was cut: nothing left to do
    assert net.reaches("a", "b")


def test_a_storm_comes_and_goes() -> None:
    net = network(loss=0.0)
    net.change(loss=1.0)
    assert net.datagram("a", "b", 1) == []
    net.calm()
    assert net.datagram("a", "b", 1)
