"""Stand-ins for tests: a small node, gossip that keeps what it is given, an origin that can misbehave."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.events import FetchOutcome
from zoned.core.names import InstanceKey, Instant
from zoned.core.records import Source
from zoned.daemon.clock import Clock
from zoned.daemon.copies import Copy, Fetched

_ports = itertools.chain(range(20_000 + os.getpid() % 1000 * 10, 32_000), range(20_000, 32_000))


class FakeNode:
    """Serves what it kept, fetches everything else from the origin once, and answers peers from the store."""

    def __init__(self) -> None:
        self.seen: list[ev.Event] = []
        self.times: list[Instant] = []
        self.deadline_s: float | None = None
        self.held: set[InstanceKey] = set()
        self.flights: dict[int, tuple[InstanceKey, list[int]]] = {}
        self.script: dict[type, Callable[[Any, Instant], list[act.Action]]] = {}
        self._numbers = itertools.count(1)

    def handle(self, event: ev.Event, now: Instant) -> list[act.Action]:
        self.seen.append(event)
        self.times.append(now)
        scripted = self.script.get(type(event))
        if scripted is not None:
            return scripted(event, now)
        match event:
            case ev.Read():
                return self._read(event)
            case ev.PeerRead():
                held = event.key in self.held
                outcome = FetchOutcome.OK if held else FetchOutcome.NOT_HELD
                return [
                    act.AnswerPeer(
                        request=event.request, key=event.key, outcome=outcome, ring_id="r1", ttl_s=9.5
                    )
                ]
            case ev.FetchDone():
                return self._done(event)
            case ev.StoreLost():
                self.held -= set(event.keys)
        return []

    def next_deadline(self) -> float | None:
        return self.deadline_s

    def export_state(self) -> dict[str, Any]:
        return {}

    def of(self, kind: type) -> list[Any]:
        """The events of that kind so far."""
        return [event for event in self.seen if isinstance(event, kind)]

    def _read(self, event: ev.Read) -> list[act.Action]:
        if event.key in self.held:
            return [act.Serve(request=event.request, key=event.key)]
        for key, waiters in self.flights.values():
            if key == event.key:
                waiters.append(event.request)
                return []
        fetch = next(self._numbers)
        self.flights[fetch] = (event.key, [event.request])
        return [act.FetchOrigin(fetch=fetch, key=event.key, timeout_s=2.0)]

    def _done(self, event: ev.FetchDone) -> list[act.Action]:
        key, waiters = self.flights.pop(event.fetch)
        if event.outcome is not FetchOutcome.OK:
            return [act.Refuse(request=w, outcome=event.outcome, detail=event.detail) for w in waiters]
        self.held.add(key)
        served = [act.ServeFetched(request=w, fetch=event.fetch, source=Source.ORIGIN) for w in waiters]
        return [act.Keep(key=key, fetch=event.fetch, ttl_s=event.ttl_s), *served]


@dataclass
class FakeGossip:
    """Keeps what it was to send."""

    sent: list[Any] = field(default_factory=list)

    def perform(self, action: act.SendPacket | act.StreamCall | act.StreamReply) -> None:
        self.sent.append(action)


@dataclass
class FakeKeys:
    """Keeps what it was asked and told."""

    heard: list[Any] = field(default_factory=list)

    def requested(self, action: act.KeyRequest) -> None:
        self.heard.append(action)

    def replied(self, action: act.KeyReplies) -> None:
        self.heard.append(action)


@dataclass
class FakeOrigin:
    """Answers from a dictionary; ``gate`` holds answers back until it is set."""

    clock: Clock
    bodies: dict[bytes, bytes]
    asked: list[tuple[bytes, str, bool]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def fetch(self, key: bytes, timeout_s: float, version: str, prefetch: bool) -> Fetched:
        self.asked.append((key, version, prefetch))
        await self.gate.wait()
        if key not in self.bodies:
            return Fetched(outcome=FetchOutcome.NOT_FOUND, detail="origin says 404")
        body = self.bodies[key]
        if version == '"v1"':
            return Fetched(outcome=FetchOutcome.OK, unchanged=True, ttl_s=30.0)
        copy = Copy(body, '"v1"', "text/plain", self.clock.now().mono_s)
        return Fetched(outcome=FetchOutcome.OK, copy=copy, ttl_s=60.0)


class FakePeers:
    """Other agents that hold nothing."""

    def __init__(self) -> None:
        self.orders: list[Any] = []

    async def fetch(self, order: act.FetchPeer) -> Fetched:
        self.orders.append(order)
        return Fetched(outcome=FetchOutcome.NOT_HELD)

    async def offer(self, order: act.Offer) -> bool:
        self.orders.append(order)
        return True


def free_port() -> int:
    """A port on loopback that nobody uses now, for TCP or UDP, and that nobody gets by accident: it is below
    the range from which the system takes ports for outgoing connections, and given out only once."""
    for port in _ports:
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as sock:
                    sock.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
    raise AssertionError("no free port")


async def until(condition: Callable[[], object], within_s: float = 8.0) -> None:
    """Give the loop turns until the condition holds; fail when it does not in time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - conditions of all kinds, and no event for most
            await asyncio.sleep(0.002)


@asynccontextmanager
async def http_server(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A real HTTP server with one handler for everything; gives its URL."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
