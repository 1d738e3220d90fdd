"""A pool of real ``Swim`` stages on a seeded virtual network: packets and streams with delay, loss, cuts.

As strict as the real thing: it knows nothing but addresses and bytes, enforces the packet size, answers
streams only through the scanner that the daemon uses, and a dead or cut-off host times out.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from typing import Any

from zoned.core.actions import Note, SendPacket, StreamCall, StreamReply
from zoned.core.gossip import GossipSettings, Identity, Swim, stream_complete
from zoned.core.members import MemberState
from zoned.core.names import Address, Instant

WALL_S = 1_700_000_000.0


class Host:
    """One process on the virtual network."""

    def __init__(self, net: Pool, identity: Identity, settings: GossipSettings, now: Instant) -> None:
        self.net = net
        self.identity = identity
        self.swim = Swim(settings, identity, random.Random(f"{net.seed}/{identity.node}/{now.wall_s}"), now)
        self.up = True
        self.refuses = False  # nothing takes calls here, and the host says so
        self.notes: list[tuple[float, str]] = []
        self.news: list[Any] = []
        self.streams: dict[int, tuple[Host, int]] = {}
        self._asleep: list[Callable[[], None]] | None = None

    def freeze(self) -> None:
        """As SIGSTOP: nothing runs, what comes in waits in the sockets."""
        self._asleep = []

    def thaw(self) -> None:
        """As SIGCONT: timers first, as an event loop does, then what waited."""
        waiting, self._asleep = self._asleep or [], None
        self.net.after(self)
        for event in waiting:
            self.net.soon(event)

    def held(self, event: Callable[[], None]) -> bool:
        """Whether the host is frozen, so that the event has to wait."""
        if self._asleep is None:
            return False
        self._asleep.append(event)
        return True


class Pool:
    """The network, its clock, and everyone on it."""

    def __init__(self, seed: int = 1, loss: float = 0.0, delay_s: float = 0.005) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.loss = loss
        self.delay_s = delay_s
        self.now_s = 0.0
        self.hosts: dict[Address, Host] = {}
        self.cut: Callable[[Address, Address], bool] = lambda a, b: False
        self.deaf: Callable[[Address, Address], bool] = lambda caller, callee: False  # answers get lost
        self.packets = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._made = 0
        self._stream = 0

    def now(self) -> Instant:
        wall = WALL_S + self.now_s
        return Instant(self.now_s, wall, wall)

    def add(self, index: int, settings: GossipSettings | None = None, **more: Any) -> Host:
        """Start a host; a second one of that index is its restart."""
        address = (f"10.0.{index // 250}.{index % 250 + 1}", 7946)
        identity = Identity(
            node=more.pop("node", f"n{index:03d}"),
            zone=f"z{index % 3}",
            weight=1 + index % 2,
            gossip=address,
            peer=(address[0], 7947),
            http=("127.0.0.1", 7980),
            **more,
        )
        host = Host(self, identity, settings or GossipSettings(), self.now())
        self.hosts[address] = host
        self.after(host)
        return host

    def start(self, count: int, settings: GossipSettings | None = None) -> list[Host]:
        """So many hosts, all joining by the first."""
        hosts = [self.add(index, settings) for index in range(count)]
        for host in hosts[1:]:
            self.do(host, "join", [hosts[0].identity.gossip])
        return hosts

    def do(self, host: Host, verb: str, *args: Any, **more: Any) -> None:
        """Call a verb of a host's stage at the present time."""
        getattr(host.swim, verb)(*args, self.now(), **more)
        self.after(host)

    def after(self, host: Host) -> None:
        """Carry out what a stage wants done, and set its alarm."""
        for action in host.swim.take_actions():
            if isinstance(action, SendPacket):
                self._send(host, action)
            elif isinstance(action, StreamCall):
                self._call(host, action)
            elif isinstance(action, StreamReply):
                caller, call = host.streams.pop(action.stream)
                self._answer(host, caller, call, action.data)
            elif isinstance(action, Note):
                host.notes.append((self.now_s, action.text))
        host.news += host.swim.take_news()
        deadline_s = host.swim.next_deadline()
        if deadline_s is not None:
            self._later(max(deadline_s, self.now_s), lambda: self._alarm(host))

    def _alarm(self, host: Host) -> None:
        deadline_s = host.swim.next_deadline()
        if host.held(lambda: None):
            return
        if host.up and deadline_s is not None and deadline_s <= self.now_s:
            self.do(host, "tick")

    def soon(self, event: Callable[[], None]) -> None:
        """Right after what is due now."""
        self._later(self.now_s + 1e-6, event)

    def _later(self, when_s: float, event: Callable[[], None]) -> None:
        self._made += 1
        heapq.heappush(self._events, (when_s, self._made, event))

    def _travel_s(self) -> float:
        return self.delay_s * (0.5 + self.rng.random())

    def _send(self, host: Host, action: SendPacket) -> None:
        assert len(action.data) <= 1400, len(action.data)
        self.packets += 1
        if self.rng.random() < self.loss:
            return
        sender = host.identity.gossip

        def arrive() -> None:
            target = self.hosts.get(action.address)
            if target is None or not target.up or self.cut(sender, action.address):
                return
            if target.held(arrive):
                return
            target.swim.packet(action.data, sender, self.now())
            self.after(target)

        self._later(self.now_s + self._travel_s(), arrive)

    def _call(self, host: Host, action: StreamCall) -> None:
        self._stream += 1
        number = self._stream

        def arrive() -> None:
            target = self.hosts.get(action.address)
            cut = self.cut(host.identity.gossip, action.address)
            if target is not None and target.refuses and not cut:
                self._answered(host, action.call, None, True)
                return
            if target is None or not target.up or cut:
                if action.expects_answer:
                    late_s = self.now_s + action.timeout_s
                    self._later(late_s, lambda: self._answered(host, action.call, None))
                return
            if target.held(arrive):
                return
            assert stream_complete(action.data) == len(action.data)
            target.streams[number] = (host, action.call)
            target.swim.stream(number, action.data, host.identity.gossip, self.now())
            self.after(target)

        self._later(self.now_s + 3 * self._travel_s(), arrive)

    def _answer(self, host: Host, caller: Host, call: int, data: bytes) -> None:
        if self.deaf(caller.identity.gossip, host.identity.gossip):
            self._later(self.now_s + 10.0, lambda: self._answered(caller, call, None))
            return
        self._later(self.now_s + self._travel_s(), lambda: self._answered(caller, call, data or None))

    def _answered(self, host: Host, call: int, data: bytes | None, refused: bool = False) -> None:
        if host.held(lambda: self._answered(host, call, data, refused)):
            return
        if host.up:
            host.swim.answered(call, data, self.now(), refused)
            self.after(host)

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass; True as soon as ``until`` holds."""
        end_s = self.now_s + seconds
        while self._events and self._events[0][0] <= end_s:
            when_s, _, event = heapq.heappop(self._events)
            self.now_s = max(self.now_s, when_s)
            event()
            if until is not None and until():
                return True
        self.now_s = end_s
        return until is not None and until()


def states(host: Host) -> dict[str, str]:
    """Everyone's state as that host sees it."""
    return {member.node: member.state.value for member in host.swim.members()}


def sees(host: Host, others: Iterable[Host], state: MemberState = MemberState.ALIVE) -> bool:
    """Whether that host sees all of these in that state."""
    known = {member.node: member.state for member in host.swim.members()}
    return all(known.get(other.identity.node) is state for other in others)
