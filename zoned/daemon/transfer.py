"""Copies between agents: plain HTTP/1.1 with keep-alive, one request a copy.

``GET /p/{dependency}/{key}`` answers 200 with the bytes, ``ETag`` (version), ``Zoned-Ttl`` (seconds of
freshness left; absent: it does not expire) and ``Age``; or 404 with ``Zoned-Outcome: not_held | not_found``;
or 502/504. ``Zoned-From`` and ``Zoned-Ring`` say who asks and by which ring; ``Zoned-Purpose`` what for
(events.Purpose). ``POST /p/offer`` carries msgpack ``{"keys": [[dependency, key, size], ...]}``.

HTTP, because a plain ``curl`` can look at it, and because body framing, keep-alive and limits are there
already. Rejected: our own framing over one multiplexed connection (head-of-line blocking by large bodies),
and gossip's streams (a copy must never delay an ack). Every wait has a deadline; every body a limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import aiohttp
import msgpack
from aiohttp import web
from yarl import URL

from zoned.core.actions import FetchPeer, Offer
from zoned.core.events import FetchOutcome, Offered, Purpose
from zoned.core.names import MAX_KEY_BYTES, InstanceKey, NodeName
from zoned.daemon.clock import Clock
from zoned.daemon.copies import Copy, Fetched, TooLarge, read_limited
from zoned.daemon.paths import NotAnInstance, instance_of, path_of
from zoned.daemon.ports import PeerReply

PREFIX = "/p/"
MAX_OFFER_BYTES = 1 << 20
MAX_OFFERED = 4096
MAX_NAME_BYTES = 128
MAX_CONNECTIONS = 512
MAX_CONNECTIONS_PER_PEER = 32
OFFER_TIMEOUT_S = 5.0
_STATUS = {FetchOutcome.NOT_HELD: 404, FetchOutcome.NOT_FOUND: 404, FetchOutcome.TIMEOUT: 504}

BeforeCall = Callable[[NodeName, Purpose], Awaitable[None]]
"""Awaited before a fetch goes out, within its deadline and its latency: where a demo puts its distances."""


class PeerPort(Protocol):
    """What the server needs of the driver."""

    async def peer_read(
        self, key: InstanceKey, sender: NodeName, purpose: Purpose, ring_id: str
    ) -> PeerReply:
        """Ask the node for another agent."""

    def submit(self, event: Offered) -> None:
        """Give the node an event."""


# ---- serving ------------------------------------------------------------------------------------


def transfer_app(port: PeerPort, clock: Clock) -> web.Application:
    """The application that other agents talk to."""
    server = _TransferServer(port, clock)
    app = web.Application(client_max_size=MAX_OFFER_BYTES)
    app.router.add_post("/p/offer", server.offer)
    app.router.add_get(PREFIX + "{instance:(?s:.+)}", server.get, allow_head=False)
    return app


class _TransferServer:
    def __init__(self, port: PeerPort, clock: Clock) -> None:
        self._port = port
        self._clock = clock

    async def get(self, request: web.Request) -> web.Response:
        try:
            key = instance_of(request.raw_path, PREFIX)
            purpose = Purpose(request.headers.get("Zoned-Purpose", "copy"))
            sender = _sender(request)
        except (NotAnInstance, ValueError) as error:
            return web.Response(status=400, text=str(error))
        ring_id = request.headers.get("Zoned-Ring", "")[:MAX_NAME_BYTES]
        reply = await self._port.peer_read(key, sender, purpose, ring_id)
        headers = {"Zoned-Ring": reply.ring_id, "Zoned-Outcome": reply.outcome.value}
        if reply.detail == "origin":
            headers["Zoned-Detail"] = "origin"
        if reply.copy is None:
            return web.Response(status=_STATUS.get(reply.outcome, 502), headers=headers)
        copy = reply.copy
        headers["ETag"] = copy.version
        headers["Age"] = str(max(0, int(self._clock.now().mono_s - copy.born_s)))
        headers["Content-Type"] = copy.content_type or "application/octet-stream"
        if reply.ttl_s is not None:
            headers["Zoned-Ttl"] = f"{reply.ttl_s:.3f}"
        return web.Response(body=copy.body, headers=headers)

    async def offer(self, request: web.Request) -> web.Response:
        keys, sizes = [], []
        try:
            sender = _sender(request)
            message = msgpack.unpackb(await request.read(), raw=False)
            rows = message["keys"]
            if not isinstance(rows, list) or len(rows) > MAX_OFFERED:
                raise ValueError(f"expected a list of at most {MAX_OFFERED} keys")
            going = message.get("going", False)
            if not isinstance(going, bool):
                raise TypeError("going is neither true nor false")
            for row in rows:
                key, size = _offered(row)
                keys.append(key)
                sizes.append(size)
        except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
            return web.Response(status=400, text=f"not an offer: {error}")
        offered = Offered(sender=sender, keys=tuple(keys), sizes=tuple(sizes), going=going)
        self._port.submit(offered)
        return web.Response(status=202)


def _sender(request: web.Request) -> NodeName:
    """Who asks. It must say so, in a header that no web page elsewhere can make a browser send."""
    sender = request.headers.get("Zoned-From", "")
    if not 0 < len(sender) <= MAX_NAME_BYTES:
        raise ValueError("expected Zoned-From: the name of an agent")
    return sender


def _offered(row: Any) -> tuple[InstanceKey, int]:
    dependency, key, size = row
    if not (isinstance(dependency, str) and isinstance(key, bytes) and type(size) is int):
        raise TypeError("a key is [text, bytes, whole number]")
    if not (0 < len(key) <= MAX_KEY_BYTES and 0 < len(dependency) <= MAX_NAME_BYTES and size >= 0):
        raise ValueError("a key out of bounds")
    return InstanceKey(dependency, key), size


# ---- asking -------------------------------------------------------------------------------------


class PeerClient:
    """Fetches copies from other agents, and offers them ours."""

    def __init__(
        self,
        node: NodeName,
        clock: Clock,
        max_object_bytes: Mapping[str, int],
        before_call: BeforeCall | None = None,
    ) -> None:
        """``max_object_bytes`` per dependency: a body over it is left unread."""
        self._node = node
        self._clock = clock
        self._max_object_bytes = max_object_bytes
        self._before_call = before_call
        connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, limit_per_host=MAX_CONNECTIONS_PER_PEER)
        headers = {"User-Agent": "zoned", "Zoned-From": node, "Accept-Encoding": "identity"}
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=headers
        )

    async def fetch(self, order: FetchPeer) -> Fetched:
        """Ask one agent for one instance. Never raises."""
        try:
            async with asyncio.timeout(order.timeout_s):
                if self._before_call is not None:
                    await self._before_call(order.node, order.purpose)
                return await self._get(order)
        except TimeoutError:
            return Fetched(outcome=FetchOutcome.TIMEOUT, detail=f"{order.node} timed out")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Fetched(outcome=FetchOutcome.FAILED, detail=f"{order.node}: {type(error).__name__}")

    async def _get(self, order: FetchPeer) -> Fetched:
        headers = {"Zoned-Ring": order.ring_id, "Zoned-Purpose": order.purpose.value}
        url = _url(order.address, path_of(order.key, PREFIX))
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            ring_id = response.headers.get("Zoned-Ring", "")[:MAX_NAME_BYTES]
            if response.status != 200:
                said = f"{order.node} says {response.status}"
                return Fetched(outcome=_outcome(response), detail=said, ring_id=ring_id)
            limit = self._max_object_bytes.get(order.key.dependency, 0)
            try:
                body = await read_limited(response.content.iter_any(), response.content_length, limit)
            except TooLarge:
                response.close()
                return Fetched(outcome=FetchOutcome.TOO_LARGE, detail=f"over max_object ({limit} bytes)")
            ttl = response.headers.get("Zoned-Ttl")
            copy = Copy(
                body=body,
                version=response.headers.get("ETag", ""),
                content_type=response.headers.get("Content-Type", ""),
                born_s=self._clock.now().mono_s - _seconds(response.headers.get("Age", "0")),
            )
            detail = "origin" if response.headers.get("Zoned-Detail") == "origin" else ""
            ttl_s = None if ttl is None else _seconds(ttl)
            return Fetched(outcome=FetchOutcome.OK, copy=copy, ttl_s=ttl_s, detail=detail, ring_id=ring_id)

    async def offer(self, order: Offer) -> bool:
        """Tell another agent what it had better fetch from us; whether it heard. Never raises."""
        rows = [[key.dependency, key.key, size] for key, size in zip(order.keys, order.sizes, strict=True)]
        body = msgpack.packb({"keys": rows[:MAX_OFFERED], "going": order.going}, use_bin_type=True)
        try:
            async with asyncio.timeout(OFFER_TIMEOUT_S):
                async with self._session.post(_url(order.address, "/p/offer"), data=body) as response:
                    return response.status == 202
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


def _url(address: tuple[str, int], path: str) -> URL:
    host, port = address
    return URL(
        f"http://[{host}]:{port}{path}" if ":" in host else f"http://{host}:{port}{path}", encoded=True
    )


def _seconds(text: str) -> float:
    """A time span from a peer's header; ValueError when it is none."""
    seconds = float(text)
    if not 0.0 <= seconds < 1e9:  # NaN fails too
        raise ValueError(f"not a time span: {text[:32]!r}")
    return seconds


def _outcome(response: aiohttp.ClientResponse) -> FetchOutcome:
    """What a refusal means; what we do not know is a failure."""
    said = response.headers.get("Zoned-Outcome", "")
    if response.status == 404 and said in ("not_held", "not_found"):
        return FetchOutcome(said)
    if response.status == 504:
        return FetchOutcome.TIMEOUT
    return FetchOutcome.TOO_LARGE if said == "too_large" else FetchOutcome.FAILED
