"""The life of one virtual machine: power, pauses, clocks that are off, timers, and gossip's wires.

Whatever mind runs in it (a whole ``Node``, or gossip alone) is woken exactly when it asked to be and sees
time through this machine's own clock. A pause is SIGSTOP: nothing runs, what comes waits in the sockets, as
much as they hold; on going on the timers, all late, come first, as in libuv's loop, and then what waited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.actions import Action
from zoned.core.gossip import Swim
from zoned.core.members import Fact
from zoned.core.names import Address, Instant, NodeName, Zone
from zoned.simulation.network import Network
from zoned.simulation.schedule import Schedule
from zoned.simulation.wires import Wires

SOCKET_PACKETS = 256
"""Datagrams that wait in a socket whose reader stands still: Linux's 208 KiB hold so many small ones."""

_MAX_TICKS_AT_ONCE = 200


class Mind(Protocol):
    """What runs in a station."""

    swim: Swim

    def handle(self, event: ev.Event, now: Instant) -> list[Action]:
        """Take one event; return what is to be done."""

    def next_deadline(self) -> float | None:
        """When to be woken."""

    def export_state(self) -> dict[str, Any]:
        """What survives a restart on the disk."""


class Surroundings(Protocol):
    """The world, as far as a station uses it."""

    schedule: Schedule
    network: Network
    wires: Wires

    def instant(self) -> Instant:
        """Now, on the three clocks."""


class Pool(Protocol):
    """Many stations and what is between them, as faults and checkers see it: a cluster, or members alone."""

    schedule: Schedule
    network: Network
    wires: Wires

    @property
    def hosts(self) -> Mapping[NodeName, Station]:
        """Every station by name."""


class Station:
    """A machine that can be switched on and off; the subclasses say what runs in it."""

    __slots__ = (
        "_armed_s", "_backlog", "_depth", "_numbers", "_perform", "_streams", "_tick_at_s", "_ticks",
        "_waiting", "_world", "address", "life", "name", "notes", "paused", "saved", "seeds", "skew_s",
        "zone",
    )  # fmt: skip

    def __init__(self, world: Surroundings, name: NodeName, zone: Zone, address: Address) -> None:
        self._world = world
        self.name = name
        self.zone = zone
        self.address = address
        self.paused = False
        self.life = 0
        self.skew_s = 0.0
        """How far this machine's wall clock is off."""
        self.seeds: tuple[Address, ...] = ()
        """Whom its configuration names: joined by after a restart."""
        self.saved: dict[str, Any] | None = None
        """What the last crash left on the disk."""
        self.notes: list[tuple[float, act.Note]] = []
        self._streams: dict[int, Callable[[bytes], None]] = {}
        self._backlog: list[ev.Event] = []
        self._waiting = 0  # datagrams in the backlog
        self._numbers = 0
        self._armed_s: float | None = None
        self._ticks = 0
        self._depth = 0
        self._tick_at_s = -1.0
        self._perform: dict[type, Callable[[Any], None]] = {
            act.SendPacket: lambda a: world.wires.send_packet(self, a),
            act.StreamCall: lambda a: world.wires.call_stream(self, a),
            act.StreamReply: self._stream_reply,
            act.KeyRequest: _ignore,  # no virtual gossip is sealed: nobody has keys to ask for or to tell
            act.KeyReplies: _ignore,
            act.Note: lambda a: self.notes.append((world.schedule.now_s, a)),
        }

    # ---- what runs in it ------------------------------------------------------------------------

    node: Any
    """The mind that runs; None: switched off. The subclasses say more about it."""

    def _start(self, now: Instant, state: dict[str, Any] | None) -> Mind:
        raise NotImplementedError

    def facts(self) -> tuple[Fact, ...]:
        """What this machine holds for agreed, in an order that all share."""
        raise NotImplementedError

    @property
    def running(self) -> bool:
        """Switched on; perhaps standing still."""
        return self.node is not None

    # ---- life -----------------------------------------------------------------------------------

    def boot(self, state: dict[str, Any] | None = None) -> Any:
        """Switch on, with what a restart finds on the disk."""
        assert self.node is None
        self.life += 1
        self.node = self._start(self.now(), state)
        self._arm()
        return self.node

    def crash(self) -> None:
        """Power off: memory and everything under way are gone."""
        if self.node is not None:
            self.saved = self.node.export_state()
        self.node = None
        self.paused = False
        self._backlog.clear()
        self._waiting = 0
        self._streams.clear()
        self._armed_s = None

    def pause(self, paused: bool) -> None:
        """Stop (SIGSTOP) or go on: late timers first, then what waited, all at once."""
        self.paused = paused
        if not paused:
            backlog, self._backlog, self._waiting = self._backlog, [], 0
            self._wake()
            for event in backlog:
                self.give(event)
            self._arm()

    def now(self) -> Instant:
        """This moment on the machine's own clocks."""
        now = self._world.instant()
        if not self.skew_s:
            return now
        return Instant(now.mono_s, now.wall_s + self.skew_s, now.season_s + self.skew_s)

    def give(self, event: ev.Event) -> None:
        """Let the node take one event, and carry out what it wants."""
        node = self.node
        if node is None:
            return
        if self.paused:
            self._wait(event)
            return
        actions = node.handle(event, self._world.instant() if not self.skew_s else self.now())
        if actions:
            self._depth += 1
            self._do(actions)
            self._depth -= 1
        if not self._depth:  # the events that the actions caused at once are over by now: one look will do
            self._arm()

    def _do(self, actions: list[Action]) -> None:
        perform = self._perform
        for action in actions:
            perform[type(action)](action)

    def take_stream(self, data: bytes, sender: Address, reply: Callable[[bytes], None]) -> None:
        """Another agent opens a gossip stream to us."""
        self._numbers += 1
        self._streams[self._numbers] = reply
        self.give(ev.StreamReceived(stream=self._numbers, data=data, sender=sender))

    def _wait(self, event: ev.Event) -> None:
        if type(event) is ev.PacketReceived:
            if self._waiting >= SOCKET_PACKETS:
                self._world.network.sent["overflowed"] += 1
                return
            self._waiting += 1
        self._backlog.append(event)

    def _stream_reply(self, action: act.StreamReply) -> None:
        reply = self._streams.pop(action.stream, None)
        if reply is not None and action.data:
            reply(action.data)

    # ---- timers ---------------------------------------------------------------------------------

    def _later(self, delay_s: float, call: Callable[[], None]) -> None:
        life = self.life

        def still() -> None:
            if life == self.life and self.node is not None:
                call()

        self._world.schedule.after(delay_s, still)

    def _arm(self) -> None:
        """See that the node is woken when it wants to be; an earlier wake-up that is set will do."""
        deadline = self.node.next_deadline() if self.node is not None else None
        if deadline is None or (self._armed_s is not None and self._armed_s <= deadline):
            return
        when_s = max(deadline, self._world.schedule.now_s)
        self._armed_s = when_s
        life = self.life

        def wake() -> None:
            if life == self.life and self._armed_s == when_s:
                self._armed_s = None
                self._wake()

        self._world.schedule.at(when_s, wake)

    def _wake(self) -> None:
        if self.node is None or self.paused:
            return
        now_s = self._world.schedule.now_s
        deadline = self.node.next_deadline()
        if deadline is not None and deadline <= now_s + 1e-9:
            self._ticks = self._ticks + 1 if now_s == self._tick_at_s else 0
            self._tick_at_s = now_s
            assert self._ticks < _MAX_TICKS_AT_ONCE, f"{self.name} wants to be woken at {deadline} for ever"
            self.give(ev.Tick())
        else:
            self._arm()


def _ignore(action: Action) -> None:
    """Nothing is done about that here."""
