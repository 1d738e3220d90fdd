"""One node alone, with real stages: a test plays the world, hands it events and reads what it wants done."""

from __future__ import annotations

from typing import Any, TypeVar

from zoned.core import events as ev
from zoned.core.actions import Action, FetchOrigin, FetchPeer, Fit
from zoned.core.cache import CacheSettings
from zoned.core.events import FetchOutcome
from zoned.core.forecast import ForecastSettings
from zoned.core.names import InstanceKey, Instant, key_hash
from zoned.core.node import Node
from zoned.core.records import DependencyPolicy, Lookup, Reason
from zoned.core.settings import NodeSettings

DEP = "prices"
START_S = 1_750_000_000.0
SIZE = 2048
A = TypeVar("A")


def key(number: int, dependency: str = DEP) -> InstanceKey:
    return InstanceKey(dependency, b"/item/%d" % number)


def at(mono_s: float) -> Instant:
    return Instant(mono_s, START_S + mono_s, START_S + mono_s)


def settings_of(name: str, number: int = 0, **changed: Any) -> NodeSettings:
    """An agent of its own zone (``a1`` in zone ``a``), everything at its defaults but what is said."""
    fields: dict[str, Any] = {
        "node": name,
        "zone": name.rstrip("0123456789"),
        "gossip_address": (f"10.0.0.{number + 1}", 7946),
        "peer_address": (f"10.0.0.{number + 1}", 7947),
        "policies": (DependencyPolicy(name=DEP),),
        "forecast": ForecastSettings(worker_enabled=False),
        "cache": CacheSettings(max_bytes=None, max_objects=100, default_ttl_s=None),
    }
    return NodeSettings(**(fields | changed))


class Solo:
    """The node ``a1`` and the hands of a test."""

    def __init__(self, state: dict[str, Any] | None = None, at_s: float = 0.0, **changed: Any) -> None:
        self.now_s = at_s
        self.node = Node(settings_of("a1", **changed), at(at_s), state)
        self._requests = 0
        self.fits: list[Fit] = []  # asked of the worker so far, whatever event they came with

    @property
    def now(self) -> Instant:
        return at(self.now_s)

    def give(self, event: ev.Event) -> list[Action]:
        actions = self.node.handle(event, self.now)
        self.fits += [action for action in actions if isinstance(action, Fit)]
        return actions

    def read(self, instance: InstanceKey, client: bytes = b"") -> list[Action]:
        self._requests += 1
        return self.give(ev.Read(request=self._requests, key=instance, client=client))

    def end(
        self, fetch: Action, outcome: FetchOutcome = FetchOutcome.OK, *, size: int = SIZE, **more: Any
    ) -> list[Action]:
        """That fetch ends so."""
        assert isinstance(fetch, FetchOrigin | FetchPeer)
        fields: dict[str, Any] = {"latency_s": 0.2} | more
        return self.give(ev.FetchDone(fetch=fetch.fetch, outcome=outcome, size=size, **fields))

    def have(self, instance: InstanceKey, **more: Any) -> None:
        """Read it until it is held: at once, or by way of the origin."""
        fetches = [a for a in self.read(instance) if isinstance(a, FetchOrigin) and a.key == instance]
        for fetch in fetches:
            self.end(fetch, **more)

    def wait(self, seconds: float) -> list[Action]:
        """Let time pass: the node is woken when it asked to be, never at any other moment."""
        until_s, done = self.now_s + seconds, list[Action]()
        for _ in range(100_000):
            deadline = self.node.next_deadline()
            if deadline is None or deadline > until_s:
                self.now_s = until_s
                return done
            self.now_s = max(self.now_s, deadline)
            done += self.give(ev.Tick())
        raise AssertionError(f"woken for ever, now at {deadline} for {self.now_s}")

    def admit(self, instance: InstanceKey, reason: Reason) -> None:
        """A prefetch for that reason has brought it."""
        self.node.cache.admit(instance, key_hash(instance), SIZE, "", None, reason, self.now)

    def holds(self, instance: InstanceKey) -> bool:
        return self.node.cache.holds(instance)

    def lookup(self, instance: InstanceKey) -> Lookup:
        return self.node.cache.lookup(instance, key_hash(instance), self.now)

    @property
    def counts(self) -> dict[str, int]:
        return self.node.reads.counters


def only(kind: type[A], actions: list[Action]) -> A:
    """The one action of that kind."""
    found = [a for a in actions if isinstance(a, kind)]
    assert len(found) == 1, f"{len(found)} {kind.__name__} in {actions}"
    return found[0]


def some(kind: type[A], actions: list[Action]) -> list[A]:
    """All actions of that kind."""
    return [a for a in actions if isinstance(a, kind)]
