"""Network addresses as the operator writes them.

What we bind and what we tell the others must be IP literals: a name would have to be looked up, and may
change its mind between two agents. What we connect to may be a name, looked up at each attempt.
"""

from __future__ import annotations

import ipaddress
import re

from zoned.config.kinds import Kind, Wrong, quoted, string_of
from zoned.core.names import Address


def split_address(written: str, default_port: int | None, *, any_port: bool = False) -> tuple[str, int]:
    """``host``, ``host:port`` or ``[v6]:port`` -> (host, port). ``any_port``: 0 is one, too."""
    found = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?|([^:\s\[\]]+)(?::(\d+))?", written)
    if found is None and written.count(":") > 1:
        found = re.fullmatch(r"()()([0-9A-Fa-f:.]+)()", written)  # a bare IPv6 address, no port
    if found is None:
        raise Wrong
    host, digits = found[1] or found[3], found[2] or found[4]
    port = int(digits) if digits else default_port
    if port is None or not (0 if any_port else 1) <= port <= 65535:
        raise Wrong
    return host, port


def address_text(address: tuple[str, int]) -> str:
    """(host, port) -> ``host:port``, with brackets round IPv6."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def literal(host: str) -> str:
    """An IP literal in its normal form; ``localhost`` is one for our purposes."""
    try:
        return str(ipaddress.ip_address("127.0.0.1" if host == "localhost" else host))
    except ValueError:
        raise Wrong from None


def is_loopback(address: Address) -> bool:
    """Whether only this host can reach an address."""
    return ipaddress.ip_address(address[0]).is_loopback


def is_wildcard(address: Address) -> bool:
    """Whether an address means all of this host's own."""
    return ipaddress.ip_address(address[0]).is_unspecified


def ip_address(default_port: int, *, any_port: bool = False) -> Kind:
    """Something to bind or advertise. ``any_port``: 0 takes a free one."""

    def parse(value: object) -> Address:
        host, port = split_address(string_of(value), default_port, any_port=any_port)
        return literal(host), port

    return Kind(
        expects="IP:PORT",
        example=quoted(f"127.0.0.1:{default_port}"),
        parse=parse,
        render=lambda v: quoted(address_text(v)),
    )


def host_port(default_port: int) -> Kind:
    """Somewhere to connect to; the host may be a name, looked up when it is needed."""

    def parse(value: object) -> Address:
        return split_address(string_of(value), default_port)

    example = quoted(f"zone-b.example:{default_port}")
    return Kind(expects="HOST:PORT", example=example, parse=parse, render=lambda v: quoted(address_text(v)))


_ORIGIN = re.compile(r"https?://[^/{}?#\s@]+(?:/[^\s#{}]*)?\{key\}[^\s#{}]*")


def origin() -> Kind:
    """A URL with one ``{key}`` after the host: a key must never choose which host is asked."""

    def parse(value: object) -> str:
        found = string_of(value)
        if not _ORIGIN.fullmatch(found) or "/" not in found.split("://", 1)[1].split("{key}")[0]:
            raise Wrong
        return found

    expects = 'a URL "http(s)://HOST/...{key}" with one {key} after the host, and no user or fragment'
    return Kind(expects=expects, example=quoted("https://prices.example/v1/{key}"), parse=parse)
