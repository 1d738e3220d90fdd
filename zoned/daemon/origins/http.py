"""An HTTP origin: a URL template with ``{key}``, and everything that a strange server may do to us.

The key comes from whoever reads through us, so it must not choose where we go: it is percent-encoded except
for ``/``, a ``.`` or ``..`` segment is refused (servers resolve them), and the finished URL must have the
scheme, host and port of the template. Redirects are followed by hand, and only to that same place; a library
that follows them itself would carry our headers (tokens) to another host before we could object.

The body is asked for without content coding: what is kept is what is served, to clients that may not inflate.
It is read up to ``max_object_bytes`` and no further, so an endless answer costs its limit and no more.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
from yarl import URL

from zoned.core.events import FetchOutcome
from zoned.daemon.clock import Clock
from zoned.daemon.copies import OWN_VERSION, Copy, Fetched, TooLarge, own_version, read_limited
from zoned.daemon.origins import freshness

MAX_REDIRECTS = 5
MAX_CONNECTIONS = 256
MAX_CONNECTIONS_PER_HOST = 64
MAX_PREFETCHES = 32
"""At one origin at once: half of its connections stay free for reads that somebody waits for."""
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginSettings:
    """One dependency's origin."""

    dependency: str
    template: str
    """URL with ``{key}`` in its path or query."""
    headers: tuple[tuple[str, str], ...] = ()
    """Sent with every request."""
    timeout_s: float = 10.0
    """From the first packet to the last byte; the core's own deadline may be shorter."""
    max_object_bytes: int = 8 << 20


class RefusedKey(ValueError):
    """A key that would lead somewhere else than the template means."""


def origin_session() -> aiohttp.ClientSession:
    """The session that all HTTP origins share: bounded connections, kept alive, no cookies, no proxies."""
    connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, limit_per_host=MAX_CONNECTIONS_PER_HOST)
    headers = {"User-Agent": "zoned", "Accept-Encoding": "identity"}
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=headers)


class HttpOrigin:
    """Fetches instances of one dependency."""

    def __init__(self, settings: OriginSettings, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._settings = settings
        self._session = session
        self._clock = clock
        self._prefetches = asyncio.Semaphore(MAX_PREFETCHES)
        self._place = _place(URL(settings.template.replace("{key}", "k"), encoded=True))

    def url(self, key: bytes) -> URL:
        """Where the instance is. Raises RefusedKey."""
        if any(segment in (b".", b"..") for segment in key.split(b"/")):
            raise RefusedKey("a key with . or .. segments is refused")
        url = URL(self._settings.template.replace("{key}", quote(key, safe="/")), encoded=True)
        if _place(url) != self._place:
            raise RefusedKey("the key would lead to another host")
        return url

    async def fetch(self, key: bytes, timeout_s: float, version: str, prefetch: bool) -> Fetched:
        """Get the instance; with a ``version``, only if it has changed since. A prefetch waits while many of
        them are under way, and tells the origin what it is. Never raises."""
        try:
            url = self.url(key)
        except RefusedKey as error:
            return Fetched(outcome=FetchOutcome.NOT_FOUND, detail=str(error))
        try:
            async with asyncio.timeout(min(timeout_s, self._settings.timeout_s)):
                if not prefetch:
                    return await self._follow(url, self._headers(version))
                async with self._prefetches:
                    return await self._follow(url, {**self._headers(version), "Sec-Purpose": "prefetch"})
        except TimeoutError:
            return Fetched(outcome=FetchOutcome.TIMEOUT, detail="origin timed out")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Fetched(outcome=FetchOutcome.FAILED, detail=_reason(error))

    def _headers(self, version: str) -> dict[str, str]:
        headers = dict(self._settings.headers)
        if version and not version.startswith(OWN_VERSION):
            headers["If-None-Match"] = version
        return headers

    async def _follow(self, url: URL, headers: dict[str, str]) -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    return await self._judge(response)
                url = url.join(URL(response.headers.get("Location", ""), encoded=True))
            if _place(url) != self._place:
                return Fetched(
                    outcome=FetchOutcome.FAILED, detail="origin redirects to another host: refused"
                )
        return Fetched(outcome=FetchOutcome.FAILED, detail=f"more than {MAX_REDIRECTS} redirects")

    async def _judge(self, response: aiohttp.ClientResponse) -> Fetched:
        """What an answer that is no redirect means."""
        ttl_s = freshness.ttl_s(response.headers)
        if response.status == 304:
            return Fetched(outcome=FetchOutcome.OK, unchanged=True, ttl_s=ttl_s)
        if response.status in (404, 410):
            return Fetched(
                outcome=FetchOutcome.NOT_FOUND, detail=f"origin says {response.status}", ttl_s=ttl_s
            )
        if response.status not in (200, 203, 204):
            return Fetched(outcome=FetchOutcome.FAILED, detail=f"origin says {response.status}")
        limit = self._settings.max_object_bytes
        try:
            body = await read_limited(response.content.iter_any(), response.content_length, limit)
        except TooLarge:
            response.close()  # not drained for reuse: it may be endless
            return Fetched(outcome=FetchOutcome.TOO_LARGE, detail=f"over max_object ({limit} bytes)")
        copy = Copy(
            body=body,
            version=response.headers.get("ETag") or own_version(body),
            content_type=response.headers.get("Content-Type", ""),
            born_s=self._clock.now().mono_s - freshness.age_s(response.headers),
        )
        return Fetched(outcome=FetchOutcome.OK, copy=copy, ttl_s=ttl_s)


def _place(url: URL) -> tuple[str, str | None, int | None]:
    """Where a URL leads: what no key and no redirect may change."""
    return url.scheme, url.host, url.port


def _reason(error: Exception) -> str:
    """One short line; never the whole URL, which may hold what the operator keeps secret."""
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return f"cannot connect to origin: {os.strerror(number) if number else type(error.os_error).__name__}"
    return f"origin connection failed: {type(error).__name__}"
