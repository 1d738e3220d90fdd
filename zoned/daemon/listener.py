"""Listening sockets, and aiohttp applications on them with the limits that aiohttp does not have.

Sockets are bound before anything else starts, so that a port in use is one clear line at once and not a
traceback from the middle of a running agent. aiohttp itself limits lines and bodies; added here are a
number of connections (further ones are closed at once) and a deadline for a connection's first request, or a
few silent clients could hold every place.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from zoned.core.errors import ZonedError
from zoned.core.names import Address

BACKLOG = 512
MAX_LINE_BYTES = 16 << 10
"""Of the request line: a key of 4 KiB is up to three times that when percent-encoded."""
MAX_FIELD_BYTES = 8190
FIRST_REQUEST_S = 5.0
KEEPALIVE_S = 75.0
SHUTDOWN_S = 1.0


class ListenError(ZonedError):
    """An address cannot be listened on; the text is one line for the operator."""


def bind_tcp(address: Address, setting: str) -> socket.socket:
    """A listening TCP socket (port 0: any free one); ``setting`` names the address in the error."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise listen_error(address, setting, error) from error
    sock.setblocking(False)
    return sock


def listen_error(address: Address, setting: str, error: OSError) -> ListenError:
    """Why an address cannot be listened on, in one line; ``setting`` is where it comes from."""
    host, port = address
    return ListenError(f"cannot listen on {host}:{port} ({setting}): {_why(error)}")


def bind_unix(path: Path, setting: str) -> socket.socket:
    """A listening Unix socket that only its owner and group may use. A socket file that nobody listens on any
    more, left by a crash, is replaced; one that somebody does is an error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            if _somebody_listens(path):
                raise OSError(errno.EADDRINUSE, "in use")
            path.unlink()
        sock = _listening_unix(path)
    except OSError as error:
        raise ListenError(f"cannot listen on {path} ({setting}): {_why(error)}") from error
    sock.setblocking(False)
    return sock


def _listening_unix(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)  # 0660 from the first moment
    try:
        sock.bind(str(path))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(before)
    return sock


def _somebody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True


def _why(error: OSError) -> str:
    """The reason, with a hint where there is one."""
    if error.errno == errno.EADDRINUSE:
        return "address already in use (is another agent running?)"
    return error.strerror or str(error)


class HttpListener:
    """One aiohttp application on any number of bound sockets."""

    def __init__(self, app: web.Application, max_connections: int) -> None:
        self._runner = web.AppRunner(
            app,
            access_log=None,  # not a line per request
            keepalive_timeout=KEEPALIVE_S,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            shutdown_timeout=SHUTDOWN_S,
        )
        self._max_connections = max_connections
        self._silent: set[Any] = set()
        self._servers: list[asyncio.Server] = []
        self.refused = 0
        """Connections closed at once because there were too many."""

    async def start(self, *sockets: socket.socket) -> None:
        """Serve on these sockets, which are closed with the listener."""
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        server.request_factory = self._noticing(server.request_factory)
        loop = asyncio.get_running_loop()
        for sock in sockets:
            start = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
            self._servers.append(await start(lambda: self._protocol(server), sock=sock, backlog=BACKLOG))

    def _noticing(self, make: Callable[..., Any]) -> Callable[..., Any]:
        """Strike a connection off the silent ones when its first request has come."""

        def request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> Any:
            self._silent.discard(protocol)
            return make(message, payload, protocol, writer, task)

        return request

    def _protocol(self, server: web.Server) -> asyncio.BaseProtocol:
        if len(server.connections) >= self._max_connections:
            self.refused += 1
            return _Refuse()
        handler = server()
        self._silent.add(handler)
        asyncio.get_running_loop().call_later(FIRST_REQUEST_S, self._hang_up_if_silent, handler)
        return handler

    def _hang_up_if_silent(self, handler: web.RequestHandler) -> None:
        if handler in self._silent:
            self._silent.discard(handler)
            handler.force_close()

    async def close(self) -> None:
        """Take no more connections, give running requests a moment, close the rest."""
        for server in self._servers:
            server.close()
        await self._runner.cleanup()


class _Refuse(asyncio.Protocol):
    """Closes whatever connects."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
