"""Pools of members alone: the real ``Swim`` and ``FactBook`` of hundreds of agents, without their caches.

A whole node costs a simulation most of its time for forecasts and plans. What gossip does at 300 zones does
not depend on them, so here each station runs only what speaks to others; network, wires, faults and checkers
are the same as for whole nodes, packets are encoded and decoded for real, and timers have their defaults. One
setting differs: push/pulls are not LZW-compressed, which is a third of all work and changes no decision.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from zoned.core import events as ev
from zoned.core.actions import Action
from zoned.core.facts import INVALIDATE, FactBook, FactsSettings
from zoned.core.gossip import GossipSettings, Identity, Swim
from zoned.core.gossip.messages import PushPull, Row
from zoned.core.members import Fact, FactHeard, Summary
from zoned.core.names import Instant, NodeName
from zoned.core.records import Load
from zoned.simulation.network import Network
from zoned.simulation.schedule import Schedule
from zoned.simulation.station import Station
from zoned.simulation.wires import Wires, gossip_address, seeds_of

_START_S = 1_750_000_000.0


def member_settings(profile: str = "lan", **changed: Any) -> GossipSettings:
    """A profile's timers, with push/pulls left uncompressed."""
    return replace(GossipSettings.profile(profile), compress_streams_below_bytes=0, **changed)


class MemberMind:
    """Gossip and facts of one agent: what is left of a node without its caches."""

    def __init__(
        self, settings: GossipSettings, me: Identity, seed: str, now: Instant, state: dict[str, Any] | None
    ) -> None:
        self.me = me
        self.swim = Swim(settings, me, Random(seed), now)
        self.facts = FactBook(FactsSettings(), me.node)
        if state is not None:
            self.swim.restore_state(state["gossip"], now)
            self.facts.restore_state(state["facts"], now)
            for fact in self.facts.all():
                self.swim.spread(fact, now)

    def handle(self, event: ev.Event, now: Instant) -> list[Action]:
        """Take one event; return what is to be done."""
        swim, kind = self.swim, type(event)
        if kind is ev.PacketReceived:
            swim.packet(event.data, event.sender, now)  # type: ignore[union-attr]
        elif kind is ev.Tick:
            swim.tick(now)
        else:
            self._rarer(event, now)
        for news in swim.take_news():
            if isinstance(news, FactHeard):
                self.facts.hear(news.fact)
        return swim.take_actions()

    def _rarer(self, event: ev.Event, now: Instant) -> None:
        swim = self.swim
        match event:
            case ev.StreamReceived():
                swim.stream(event.stream, event.data, event.sender, now)
            case ev.StreamAnswered():
                swim.answered(event.call, event.data, now)
            case ev.Join():
                swim.join(event.seeds, now)
            case ev.Forget():
                swim.forget(event.node, now)
            case ev.Invalidate():
                self.swim.spread(self.facts.say(INVALIDATE, event.dependency, "", now), now)
            case ev.Stop(kind=ev.StopKind.LEAVE):
                swim.leave(now)
            case ev.Stop():
                swim.back_soon(now)
            case _:
                raise AssertionError(f"a member alone does not understand {event!r}")

    def next_deadline(self) -> float | None:
        """When to be woken."""
        return self.swim.next_deadline()

    def export_state(self) -> dict[str, Any]:
        """What survives a restart."""
        return {"gossip": self.swim.export_state(), "facts": self.facts.export_state()}


class MemberHost(Station):
    """A machine that runs gossip alone."""

    __slots__ = ("_seed", "_settings", "me", "node")

    node: MemberMind | None

    def __init__(self, pool: MemberPool, settings: GossipSettings, me: Identity, seed: int) -> None:
        super().__init__(pool, me.node, me.zone, me.gossip)
        self._settings = settings
        self._seed = seed
        self.me = me
        self.node = None

    def _start(self, now: Instant, state: dict[str, Any] | None) -> MemberMind:
        return MemberMind(self._settings, self.me, f"{self._seed}/{self.name}/{self.life}", now, state)

    def facts(self) -> tuple[Fact, ...]:
        """What this machine holds for agreed, in an order that all share."""
        return () if self.node is None else self.node.facts.all()

    def publish(self) -> None:
        """Tell the others a new summary, as a node does every few seconds."""
        if self.node is not None and not self.paused:
            now = self.now()
            self.node.swim.publish(_summary(self.me, now), now)
            self.give(ev.Tick())


class MemberPool:
    """Stations with members in them, their network and their clock."""

    def __init__(self, count: int, *, network: Network, settings: GossipSettings, seed: int) -> None:
        self.schedule = Schedule(0.0)
        self.network = network
        self.wires = Wires(self.schedule, network)
        self.settings = settings
        self.hosts: dict[NodeName, MemberHost] = {}
        for index in range(count):
            address = gossip_address(index)
            me = Identity(
                node=f"z{index:03d}-1",
                zone=f"z{index:03d}",
                weight=1,
                gossip=address,
                peer=(address[0], address[1] + 1),
            )
            host = MemberHost(self, settings, me, seed)
            host.seeds = seeds_of(index)
            self.wires.plug(host)
            self.hosts[host.name] = host

    def instant(self) -> Instant:
        """Now, on the three clocks."""
        now_s = self.schedule.now_s
        return Instant(now_s, _START_S + now_s, _START_S + now_s)

    def run_until(self, when_s: float) -> None:
        """Let time pass."""
        self.schedule.run_until(when_s)

    def run_for(self, seconds: float) -> None:
        """Let so much time pass."""
        self.schedule.run_until(self.schedule.now_s + seconds)

    def start(self, every_s: float = 0.05) -> None:
        """Switch all on, one after the other; each joins by its seeds."""
        for host in self.hosts.values():
            host.boot()
            host.give(ev.Join(seeds=host.seeds))
            self.run_for(every_s)

    def acquaint(self) -> None:
        """Switch all on, knowing one another and with nothing left to say: as a pool long at rest, that was
        told no seeds. Starting 300 agents for real takes this process a while."""
        for host in self.hosts.values():
            host.boot()
        minds = [host.node for host in self.hosts.values() if host.node is not None]
        rows = tuple(_row(mind.swim) for mind in minds)
        for host, mind in zip(self.hosts.values(), minds, strict=True):
            mind.swim._exchange.merge(PushPull(False, rows, b""), host.now())
            mind.swim._wiring.queue.clear()
            mind.swim.take_actions()
            mind.swim.take_news()
            host.give(ev.Tick())


def _row(swim: Swim) -> Row:
    own = swim._rumours.own
    return Row(own.node, own.address, own.meta, own.incarnation, own.standing, own.versions)


def _summary(me: Identity, now: Instant) -> Summary:
    return Summary(
        node=me.node,
        zone=me.zone,
        made_wall_s=now.wall_s,
        ring_id="",
        load=Load(),
        capacity_bytes=0,
        capacity_objects=0,
        used_ratio=0.0,
        hit_ratio=0.0,
        demand=(),
        hot=(),
    )
