"""``/v1/keyring/*``: the keys of the pool, by HTTP.

Not among the status package's commands, because these answer with a report from every member, and because the
core, to which commands are events, holds no keys. Who may command is decided before, for all paths alike.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from zoned.daemon.key_exchange import KeyExchange
from zoned.daemon.keyring import KeyRefused

PREFIX = "/v1/keyring/"
MAX_BODY = 4096
Json = dict[str, Any]


class KeyFront:
    """The routes."""

    def __init__(self, keys: KeyExchange) -> None:
        self._keys = keys

    def add_routes(self, app: web.Application) -> None:
        """Put them on an application."""
        app.router.add_get(PREFIX + "list", self.listing)
        app.router.add_post(PREFIX + "install", self._changing(lambda key, force: self._keys.install(key)))
        app.router.add_post(PREFIX + "use", self._changing(self._keys.use))
        app.router.add_post(PREFIX + "remove", self._changing(self._keys.remove))

    async def listing(self, request: web.Request) -> web.Response:
        """Fingerprints of every member's keys."""
        return web.json_response(await self._keys.listing())

    def _changing(
        self, change: Callable[[str, bool], Awaitable[Json]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            if request.content_type != "application/json":
                return _error(415, "expected application/json")
            if (request.content_length or 0) > MAX_BODY:
                return _error(400, f"at most {MAX_BODY} bytes")
            try:
                body = json.loads(await request.read() or b"{}")
            except (ValueError, RecursionError):
                return _error(400, "not JSON")
            key, force = (body.get("key"), body.get("force", False)) if isinstance(body, dict) else (None, 0)
            if not isinstance(key, str) or not isinstance(force, bool) or set(body) - {"key", "force"}:
                return _error(400, 'expected {"key": TEXT} and perhaps "force": true')
            try:
                return web.json_response(await change(key, force))
            except KeyRefused as refusal:
                return _error(409, str(refusal))

        return answer


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
