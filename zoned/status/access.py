"""Who may ask, and who may command.

Loopback is no protection from a browser: a page from anywhere can send requests to 127.0.0.1, and by
rebinding its own name to it can read the answers. So the ``Host`` of every request must be localhost, an
address that we are bound to, or a name the operator allows (421 otherwise); a command must be JSON (which a
foreign page cannot send without asking first, and nobody answers that) and must not carry a foreign
``Origin`` (403).

Commands come over the Unix socket (its file mode decides who), or over loopback; once there is a token file,
TCP needs the token. No ``Access-Control-Allow-*`` is ever sent. Nothing here may be cached.
"""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from zoned.core.names import Address

_REMEMBERED_HOSTS = 64
DATA_PREFIX = "/v1/d/"


class AccessRules:
    """The rules of one endpoint."""

    def __init__(
        self, bound: tuple[Address, ...] = (), allowed_hosts: tuple[str, ...] = (), token: str | None = None
    ) -> None:
        """``bound``: the TCP addresses listened on; ``allowed_hosts``: further names for ``Host``."""
        self._bound = frozenset(host for host, _ in bound)
        self._anywhere = any(ipaddress.ip_address(host).is_unspecified for host in self._bound)
        self._names = frozenset({"localhost", *(name.lower() for name in allowed_hosts)})
        self._token = token
        self._good: set[str] = set()

    def middleware(self) -> Middleware:
        """For an aiohttp application: every request passes here first."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            refused = self._refused(request)
            response = refused if refused is not None else await _handled(request, handler)
            if not request.raw_path.startswith(DATA_PREFIX):
                response.headers[hdrs.CACHE_CONTROL] = "no-store"
            return response

        return check

    def _refused(self, request: web.Request) -> web.Response | None:
        """Why a request is not let in; None: it is."""
        known = request.headers.get(hdrs.HOST, "") in self._good  # a hit costs one look here
        if known and request.method == "GET":
            return None
        local = _over_unix_socket(request)
        if not local and not self.host_is_good(request.headers.get(hdrs.HOST, "")):
            return error(421, "Host is not one of ours; see http.allowed_hosts")
        if request.method in ("GET", "HEAD"):
            return None
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and not self.host_is_good(urlsplit(origin).netloc):
            return error(403, "foreign Origin")
        if request.path == "/v1/accesses":
            return None  # observations are no commands: any local client may report what it used
        return None if local else self._command_refused(request)

    def _command_refused(self, request: web.Request) -> web.Response | None:
        if self._token is not None:
            given = request.headers.get(hdrs.AUTHORIZATION, "")
            if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
                return error(401, "commands over TCP need the token of http.token_file")
        elif not _is_loopback(request.remote):
            return error(403, "commands come over the Unix socket or loopback, or with http.token_file")
        return None

    def host_is_good(self, host: str) -> bool:
        """Whether a ``Host`` (with or without port) is one of ours."""
        if host in self._good:
            return True
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:  # [ without ]
            return False
        if name is None:
            return False
        good = name in self._names or name in self._bound
        if not good and self._anywhere:
            good = _is_address(name)  # any of this host's own; a rebound name is never a literal
        if good and len(self._good) < _REMEMBERED_HOSTS:
            self._good.add(host)
        return good


async def _handled(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as refusal:  # aiohttp's own: no such route, wrong method, too large
        return error(refusal.status, refusal.reason.lower())


def error(status: int, text: str, **fields: object) -> web.Response:
    """An answer that says why not."""
    return web.json_response({"error": text, **fields}, status=status)


def _over_unix_socket(request: web.Request) -> bool:
    transport = request.transport
    return transport is not None and not isinstance(transport.get_extra_info("sockname"), tuple)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(remote: str | None) -> bool:
    return remote is not None and _is_address(remote) and ipaddress.ip_address(remote).is_loopback
