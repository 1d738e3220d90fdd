"""Who a member is, as Serf's tags carry it: Meta = 0xFF and a msgpack map of strings.

A zoned agent says ``role=zoned``, its zone, weight (capacity class), where it serves other agents, its HTTP
and RESP ports where they can be reached (``serf members`` shows them to operators; no agent uses them), its
pool if one is set, and fingerprints of its keys if gossip is encrypted. The raw Meta of others is
kept as it came, because it is gossiped on verbatim and compared by bytes. What changes often (ring id,
load) is never a tag: each change of a tag is an alive message to everybody.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

import msgpack

from zoned.core.errors import PeerError
from zoned.core.gossip.wire import MAX_META, pack_old
from zoned.core.names import Address, NodeName, Zone

ROLE = "zoned"
_MAGIC = 0xFF
_MAX_WEIGHT = 1024


class Identity(NamedTuple):
    """What an agent tells the pool about itself. ``pool`` keeps pools with crossed seeds apart."""

    node: NodeName
    zone: Zone
    weight: int
    gossip: Address
    peer: Address | None = None
    http: Address | None = None
    role: str = ROLE
    pool: str = ""
    keys: tuple[str, ...] = ()
    """Fingerprints of the keys of gossip, first the one that seals. Never the keys."""
    resp: Address | None = None


class Tags(NamedTuple):
    """What a member's Meta says; for members that are not zoned agents most of it is empty."""

    zone: Zone = ""
    role: str = ""
    weight: int = 0
    peer: Address | None = None
    http: Address | None = None
    pool: str = ""
    keys: tuple[str, ...] = ()


def meta_of(me: Identity) -> bytes:
    """The Meta bytes that an agent advertises; ValueError when they do not fit into 512."""
    tags = {"role": me.role, "zone": me.zone, "weight": str(me.weight)}
    if me.peer is not None:
        tags["peer"] = address_text(me.peer)
    if me.http is not None:
        tags["http"] = address_text(me.http)
    if me.resp is not None:
        tags["resp"] = address_text(me.resp)
    if me.pool:
        tags["pool"] = me.pool
    if me.keys:
        tags["keys"] = ",".join(me.keys)
    packed: bytes = pack_old(tags)
    if len(packed) + 1 > MAX_META:
        raise ValueError(f"tags take {len(packed) + 1} bytes, the wire allows {MAX_META}")
    return bytes((_MAGIC,)) + packed


@lru_cache(maxsize=4096)
def tags_map(meta: bytes) -> tuple[tuple[str, str], ...]:
    """All tags of a Meta, sorted; PeerError when it is damaged."""
    if not meta:
        return ()
    try:
        if meta[0] != _MAGIC:
            return (("role", meta.decode()),)
        found = msgpack.unpackb(meta[1:], raw=True)
        if type(found) is not dict:
            raise PeerError("tags")
        return tuple(sorted((key.decode(), value.decode()) for key, value in found.items()))
    except (ValueError, TypeError, AttributeError, OverflowError, msgpack.UnpackException) as error:
        raise PeerError("tags", type(error).__name__) from error


@lru_cache(maxsize=4096)
def parse_meta(meta: bytes) -> Tags:
    """The tags that zoned reads. Odd values read as absent, so that nobody's tags keep a member out."""
    tags = dict(tags_map(meta))
    role = tags.get("role", "")
    weight = tags.get("weight", "1")
    known = weight.isascii() and weight.isdigit() and len(weight) < 6
    return Tags(
        zone=tags.get("zone", ""),
        role=role,
        weight=min(int(weight), _MAX_WEIGHT) if known and role == ROLE else 0,
        peer=parse_address(tags.get("peer", "")),
        http=parse_address(tags.get("http", "")),
        pool=tags.get("pool", ""),
        keys=tuple(tags["keys"].split(",")) if tags.get("keys") else (),
    )


def address_text(address: Address) -> str:
    """``host:port``, with brackets around IPv6."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_address(text: str) -> Address | None:
    """``IP:port``, or None."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) <= 65535):
        return None
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    except ValueError:
        return None
