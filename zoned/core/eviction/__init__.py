"""Eviction policies, one a file; a leaf below the stages, shared by the store's index and the shadows."""

from __future__ import annotations

from zoned.core.eviction.lru import Lru
from zoned.core.eviction.policy import Eviction, K
from zoned.core.eviction.s3fifo import S3Fifo
from zoned.core.eviction.second import SecondRequest
from zoned.core.eviction.sieve import Sieve

EVICTIONS = ("lru", "s3fifo", "sieve")
"""The names that ``make`` knows."""


def make(name: str, max_objects: int | None, max_bytes: int | None) -> Eviction[K]:
    """An empty policy by its name in the configuration; None = unbounded in that dimension."""
    if name == "lru":
        return Lru(max_objects, max_bytes)
    if name == "s3fifo":
        return S3Fifo(max_objects, max_bytes)
    assert name == "sieve", f"unknown eviction policy {name!r}"
    return Sieve(max_objects, max_bytes)


__all__ = ["EVICTIONS", "Eviction", "Lru", "S3Fifo", "SecondRequest", "Sieve", "make"]
