"""Bytes in motion: one copy of an instance, and how the fetch of one ended.

What origins and other agents bring, what the store keeps, and what fronts and ``transfer`` hand out. The core
sees their sizes and versions only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple

import xxhash

from zoned.core.events import FetchOutcome

OWN_VERSION = '"zoned-'


class Copy(NamedTuple):
    """One instance's bytes, and what goes with them to whoever reads them.

    ``version`` is the origin's ETag, or made by ``own_version``; ``content_type`` what the origin said, or
    ""; ``born_s`` when the origin made this answer, on our mono clock (``Age`` counts from it).
    """

    body: bytes
    version: str
    content_type: str
    born_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """How a fetch ended; ``copy`` is set exactly when ``outcome`` is OK. ``ttl_s``: what the source says of
    its freshness, None when it says nothing."""

    outcome: FetchOutcome
    copy: Copy | None = None
    ttl_s: float | None = None
    detail: str = ""
    ring_id: str = ""
    """Of the agent that answered, by its own word."""
    unchanged: bool = False
    """The origin says that the version we named is still current; ``copy`` is None, whoever asked has it."""


class TooLarge(Exception):
    """A body went over its limit and was left unread."""


async def read_limited(chunks: AsyncIterator[bytes], declared: int | None, limit: int) -> bytes:
    """All of a body, or TooLarge as soon as it is known to be over ``limit`` bytes: an endless body costs its
    limit, an honest one that is too large nothing."""
    if declared is not None and declared > limit:
        raise TooLarge
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooLarge
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def own_version(body: bytes) -> str:
    """An ETag for an answer that came without one: equal bytes, equal version, in every zone."""
    return f'{OWN_VERSION}{xxhash.xxh3_64_hexdigest(body)}"'
