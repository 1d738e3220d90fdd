"""Gossip's wires: datagrams and streams between stations, by address, through the virtual network.

Both worlds use these: whole nodes (``cluster``) and members alone (``members``). A station can be *blocked*:
it computes and its timers run, but nothing that it sends leaves and nothing that comes reaches it until the
block ends; then all of it goes at once. That is the slow member of the Lifeguard paper (section 5), and worse
than one that stands still, since it goes on judging others by answers that cannot come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.names import Address, NodeName, Zone
from zoned.simulation.network import Network
from zoned.simulation.schedule import Schedule

GOSSIP_PORT = 7946


def gossip_address(index: int) -> Address:
    """The gossip address of the host with that number."""
    return f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}", GOSSIP_PORT


def seeds_of(index: int) -> tuple[Address, ...]:
    """Whom the configuration of that host names: the first three others."""
    return tuple(gossip_address(other) for other in range(4) if other != index)[:3]


class Plugged(Protocol):
    """A station, as the wires see it. ``life`` counts its boots: an earlier one gets no answers."""

    name: NodeName
    zone: Zone
    address: Address
    life: int

    @property
    def running(self) -> bool:
        """Whether somebody is there to answer; a station that stands still is there."""

    def give(self, event: ev.Event) -> None:
        """Let the node take one event."""

    def take_stream(self, data: bytes, sender: Address, reply: Callable[[bytes], None]) -> None:
        """Another agent opens a gossip stream."""


class Wires:
    """Who is plugged in where, and what is on its way between them."""

    def __init__(self, schedule: Schedule, network: Network) -> None:
        self._schedule = schedule
        self._network = network
        self._stations: dict[Address, Plugged] = {}
        self._blocked: dict[NodeName, float] = {}  # until when

    def plug(self, station: Plugged) -> None:
        """Make a station reachable at its address."""
        self._stations[station.address] = station

    def block(self, node: NodeName, seconds: float) -> None:
        """Nothing goes in or out there for so long."""
        self._blocked[node] = self._schedule.now_s + seconds

    def send_packet(self, sender: Plugged, action: act.SendPacket) -> None:
        """Carry one datagram, if the network lets it through."""
        target = self._stations.get(action.address)
        if target is None:
            return
        for delay_s in self._network.datagram(sender.zone, target.zone, len(action.data)):
            event = ev.PacketReceived(data=action.data, sender=sender.address)
            self._carry(sender, target, delay_s, lambda event=event: target.give(event))  # type: ignore[misc]

    def call_stream(self, caller: Plugged, action: act.StreamCall) -> None:
        """Carry one message to another station and its answer back; no answer in time: None."""
        target = self._stations.get(action.address)
        network, open_call = self._network, [True]
        life = caller.life

        def answer(data: bytes | None) -> None:
            if open_call[0] and caller.life == life:
                open_call[0] = False
                caller.give(ev.StreamAnswered(call=action.call, data=data))

        if target is None or not network.reaches(caller.zone, target.zone):
            self._schedule.after(action.timeout_s, lambda: answer(None))
            return
        network.sent["stream_bytes"] += len(action.data)

        def back(data: bytes | None) -> None:
            if network.reaches(target.zone, caller.zone):
                delay_s = network.delay_s(target.zone, caller.zone)
                self._carry(target, caller, delay_s, lambda: answer(data))

        def reply(data: bytes) -> None:
            network.sent["stream_bytes"] += len(data)
            back(data)

        def arrive() -> None:
            if target.running:
                target.take_stream(action.data, caller.address, reply)
            else:
                back(None)

        self._carry(caller, target, network.delay_s(caller.zone, target.zone), arrive)
        if action.expects_answer:
            self._schedule.after(action.timeout_s, lambda: answer(None))

    def _carry(self, sender: Plugged, target: Plugged, delay_s: float, call: Callable[[], None]) -> None:
        if not self._blocked:
            self._schedule.after(delay_s, call)
            return
        now_s, blocked = self._schedule.now_s, self._blocked
        leaves_s = max(now_s, blocked.get(sender.name, now_s))

        def arrive() -> None:
            until_s = blocked.get(target.name, 0.0)
            if until_s > self._schedule.now_s:
                self._schedule.at(until_s, call)
            else:
                call()

        self._schedule.at(leaves_s + delay_s, arrive)
