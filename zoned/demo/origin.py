"""The demo's origin: an HTTP server that takes its time, and remembers who asked for what, and when."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from aiohttp import web

from zoned.core.names import InstanceKey

BODY_BYTES = 2048


class Served(NamedTuple):
    """One answer of the origin."""

    at_s: float  # monotonic
    key: InstanceKey
    prefetch: bool


class DemoOrigin:
    """Serves every instance of every dependency as ``/DEPENDENCY/KEY``, after ``delay_s``."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._runner: web.AppRunner | None = None
        self.served: list[Served] = []
        self.port = 0

    async def start(self) -> None:
        """Listen on a free loopback port."""
        app = web.Application()
        app.router.add_get("/{dependency}/{key:.+}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        _, dependency, raw = request.raw_path.split("/", 2)
        key = InstanceKey(dependency, unquote_to_bytes(raw))
        self.served.append(Served(time.monotonic(), key, request.headers.get("Sec-Purpose") == "prefetch"))
        await asyncio.sleep(self._delay_s)
        body = (key.text().encode() + b"\n") * (BODY_BYTES // (len(key.text()) + 1))
        return web.Response(body=body, content_type="text/plain")
