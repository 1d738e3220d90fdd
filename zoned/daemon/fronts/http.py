"""The HTTP front: reads through the agent, and accesses reported from outside.

``GET|HEAD /v1/d/{dependency}/{key}`` answers with the origin's bytes, ``Content-Type`` and ``ETag``, an
``Age``, and RFC 9211 ``Cache-Status``: ``zoned; hit``, or ``zoned; fwd=miss; detail=peer:NODE | home:NODE |
origin``. A client that has the version gets 304. Errors are JSON that names the dependency: 404 there is no
such thing, 502 its source failed (or is over ``max_object``), 504 it took too long.

``POST /v1/accesses`` takes NDJSON lines ``{"dep", "key", "size", "hit", "req"}`` of uses that did not pass
through us. A line that makes no sense is counted and named, and the others are taken: whoever posts a log
cannot mend it.

A local hit does no more than it must: one look in the node, one reply object, no log line. What it takes is
summed up and told to the node once a second, because prices compare sources by what was measured. Rejected
for now: an ``asyncio.Protocol`` of our own (2 to 3 times aiohttp's rate, see datapath.md), as the Redis
protocol has (``resp_connection``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from typing import Any

from aiohttp import web

from zoned.core.events import AccessBatch, FetchOutcome
from zoned.core.names import MAX_KEY_BYTES, Dependency, InstanceKey, key_hash
from zoned.core.records import Access, Source
from zoned.daemon.clock import Clock
from zoned.daemon.copies import Copy
from zoned.daemon.driver import Driver
from zoned.daemon.paths import NotAnInstance, instance_of
from zoned.daemon.ports import ReadReply

PREFIX = "/v1/d/"
MAX_CLIENT_BYTES = 64
MAX_BATCH_BYTES = 1 << 20
MAX_BATCH_LINES = 10_000
MAX_REPORTED_SIZE = 1 << 40
MAX_ERRORS_TOLD = 10
_STATUS = {FetchOutcome.NOT_FOUND: 404, FetchOutcome.TIMEOUT: 504}
# What an origin serves must not act, in a browser, as if it were our own page: that may command the agent.
_HARMLESS = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}
_BATCH_TYPES = ("application/x-ndjson", "application/ndjson", "application/json", "application/jsonl")


class HttpFront:
    """The data routes of the local HTTP endpoint."""

    def __init__(self, driver: Driver, clock: Clock, dependencies: Collection[Dependency]) -> None:
        """``dependencies``: those that are configured; others are answered 404 and cost nothing."""
        self._driver = driver
        self._clock = clock
        self._dependencies = frozenset(dependencies)
        self._statuses: dict[tuple[Source, str, bool], str] = {}

    def add_routes(self, app: web.Application) -> None:
        """Put the data routes on an application."""
        app.router.add_get(PREFIX + "{instance:(?s:.*)}", self.read)
        app.router.add_post("/v1/accesses", self.accesses)

    # ---- reads ----------------------------------------------------------------------------------

    async def read(self, request: web.Request) -> web.Response:
        """Read one instance through the agent."""
        started_s = time.perf_counter()
        try:
            key = instance_of(request.raw_path, PREFIX)
        except NotAnInstance as error:
            return _error(400, str(error))
        if key.dependency not in self._dependencies:
            return _error(404, "unknown dependency", dependency=key.dependency)
        reply = await self._driver.read(key, _client(request))
        if reply.copy is None:
            status = _STATUS.get(reply.outcome, 502)
            return _error(
                status, reply.outcome.value.replace("_", " "), dependency=key.dependency, detail=reply.detail
            )
        response = self._response(request, reply, reply.copy)
        if reply.source is Source.LOCAL:
            self._driver.served_locally(time.perf_counter() - started_s)
        return response

    def _response(self, request: web.Request, reply: ReadReply, copy: Copy) -> web.Response:
        age_s = int(self._clock.now().mono_s - copy.born_s)
        headers = {
            "Cache-Status": self._cache_status(reply),
            "Age": str(age_s if age_s > 0 else 0),
            **_HARMLESS,
        }
        if copy.version:
            headers["ETag"] = copy.version
            wanted = request.headers.get("If-None-Match")
            if wanted is not None and _matches(wanted, copy.version):
                return web.Response(status=304, headers=headers)
        headers["Content-Type"] = copy.content_type or "application/octet-stream"
        return web.Response(body=copy.body, headers=headers)

    def _cache_status(self, reply: ReadReply) -> str:
        """RFC 9211, one string per kind of answer."""
        kind = (reply.source, reply.node, reply.stale)
        status = self._statuses.get(kind)
        if status is None:
            if len(self._statuses) > 1000:  # as many as there were peers; never more than that
                self._statuses.clear()
            status = self._statuses[kind] = _cache_status(reply)
        return status

    # ---- reported accesses ----------------------------------------------------------------------

    async def accesses(self, request: web.Request) -> web.Response:
        """Take a batch of accesses that did not pass through us."""
        if request.content_type not in _BATCH_TYPES:
            return _error(415, "expected application/x-ndjson")
        if (request.content_length or 0) > MAX_BATCH_BYTES:
            return _error(413, f"at most {MAX_BATCH_BYTES} bytes")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _error(413, f"at most {MAX_BATCH_BYTES} bytes")
        lines = [line for line in body.split(b"\n") if line.strip()]
        if len(lines) > MAX_BATCH_LINES:
            return _error(413, f"at most {MAX_BATCH_LINES} lines")
        accepted: list[Access] = []
        errors: list[str] = []
        for number, line in enumerate(lines, start=1):
            try:
                accepted.append(self._access(json.loads(line)))
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                errors.append(f"line {number}: {_said(error)}")
        if accepted:
            self._driver.submit(AccessBatch(accesses=tuple(accepted)))
        return web.json_response(
            {"accepted": len(accepted), "rejected": len(errors), "errors": errors[:MAX_ERRORS_TOLD]},
            status=202 if accepted or not errors else 400,
        )

    def _access(self, row: Any) -> Access:
        """One line as an access. Raises ValueError, TypeError or KeyError."""
        if not isinstance(row, dict):
            raise TypeError("expected an object")
        dependency, key, size, hit, client = (
            row["dep"],
            row["key"],
            row.get("size", 0),
            row.get("hit", False),
            row.get("req", ""),
        )
        if dependency not in self._dependencies:
            raise ValueError("unknown dependency")
        if not isinstance(key, str) or not isinstance(hit, bool) or not isinstance(client, str | int):
            raise TypeError("key: expected text; hit: true or false; req: text or a number")
        if type(size) is not int or not 0 <= size <= MAX_REPORTED_SIZE:
            raise ValueError(f"size: expected a whole number up to {MAX_REPORTED_SIZE}")
        raw_key = key.encode()
        if not 0 < len(raw_key) <= MAX_KEY_BYTES:
            raise ValueError(f"key: expected 1 to {MAX_KEY_BYTES} bytes")
        instance = InstanceKey(dependency, raw_key)
        return Access(instance, key_hash(instance), size, hit, str(client).encode()[:MAX_CLIENT_BYTES])


def _client(request: web.Request) -> bytes:
    """Whose read this is: what the client says of itself, else the request that it is a part of, else where
    it comes from. Behind one application all come from one address, and nothing would follow anything."""
    headers = request.headers
    said = (
        headers.get("Zoned-Client") or headers.get("X-Request-Id") or _trace(headers.get("traceparent", ""))
    )
    return (said or request.remote or "").encode("utf-8", "surrogateescape")[:MAX_CLIENT_BYTES]


def _trace(parent: str) -> str:
    """The trace id of a W3C ``traceparent`` (version-trace-span-flags), "" if it is none."""
    parts = parent.split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else ""


def _cache_status(reply: ReadReply) -> str:
    if reply.source is Source.LOCAL:
        return "zoned; hit; detail=stale" if reply.stale else "zoned; hit"
    if reply.source is Source.ORIGIN or not reply.node:
        return "zoned; fwd=miss; detail=origin"
    return f"zoned; fwd=miss; detail={reply.source.value}:{reply.node}"


def _matches(if_none_match: str, version: str) -> bool:
    """Weak comparison, as RFC 9110 wants it for If-None-Match."""
    plain = version.removeprefix("W/")
    return any(tag.strip().removeprefix("W/") in (plain, "*") for tag in if_none_match.split(","))


def _said(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)[:120]


def _error(status: int, error: str, **fields: str) -> web.Response:
    return web.json_response({"error": error, **{k: v for k, v in fields.items() if v}}, status=status)
