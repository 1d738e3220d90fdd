"""Eviction policies, one a file; a leaf below the stages, shared by the store's index and the shadows."""

from __future__ import annotations

from collections.abc import Sequence

from zoned.core.eviction.books import ArmOf, Books
from zoned.core.eviction.demand import Demand
from zoned.core.eviction.hosting import Hosting
from zoned.core.eviction.lru import Lru
from zoned.core.eviction.policy import Book, Eviction, Slot
from zoned.core.eviction.s3fifo import S3Fifo
from zoned.core.eviction.sieve import Sieve
from zoned.core.eviction.table import FINGERPRINTS, NOBODY, Table
from zoned.core.eviction.value import Value
from zoned.core.eviction.worth import Worth
from zoned.core.names import KeyHash

PLAIN = ("lru", "s3fifo", "sieve")
"""Policies that need to know nothing but what is put and hit."""
VALUE = "value"
EVICTIONS = (*PLAIN, VALUE)
"""The names that ``make`` knows."""


def make(
    name: str,
    max_objects: int | None,
    max_bytes: int | None,
    hashes: Sequence[KeyHash],
    worth: Worth | None = None,
) -> Book:
    """An empty policy by its name in the configuration; None = unbounded in that dimension.

    ``hashes``: the owner's column, by slot. ``worth``: what copies are worth, for ``value`` only.
    """
    if name == "lru":
        return Lru(max_objects, max_bytes)
    if name == "s3fifo":
        return S3Fifo(max_objects, max_bytes, hashes)
    if name == VALUE:
        assert worth is not None, "the value policy has to be told what copies are worth"
        return Value(max_objects, max_bytes, hashes, worth)
    assert name == "sieve", f"unknown eviction policy {name!r}"
    return Sieve(max_objects, max_bytes)


def alone(
    name: str,
    max_objects: int | None,
    max_bytes: int | None,
    hashes: Sequence[KeyHash],
    worth: Worth | None = None,
) -> Eviction:
    """The same for a whole store, where LRU hosts guesses: it need not share its room with other policies."""
    if name == "lru":
        return Hosting(max_objects, max_bytes, hashes)
    return make(name, max_objects, max_bytes, hashes, worth)


__all__ = [
    "EVICTIONS",
    "FINGERPRINTS",
    "NOBODY",
    "PLAIN",
    "VALUE",
    "ArmOf",
    "Book",
    "Books",
    "Demand",
    "Eviction",
    "Hosting",
    "Lru",
    "S3Fifo",
    "Sieve",
    "Slot",
    "Table",
    "Value",
    "Worth",
    "alone",
    "make",
]
