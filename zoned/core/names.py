"""The words that every stage shares: zones, members, instances, and time.

A *zone* is a failure domain and a *node* (member, agent) one zoned process in it. An *instance* is
one item of a *dependency*, addressed by a key of any bytes. All placement and all digests go by one
64-bit hash of the two, so it is computed once, where an access enters, and travels with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import xxhash

Zone: TypeAlias = str
NodeName: TypeAlias = str
Dependency: TypeAlias = str
Address: TypeAlias = tuple[str, int]  # host (an IP literal), port
KeyHash: TypeAlias = int  # 64 bits, see key_hash()
Shard: TypeAlias = int  # 0 .. SHARDS - 1
Fingerprint: TypeAlias = int  # 32 bits, what cache digests carry

SHARD_BITS = 16
SHARDS = 1 << SHARD_BITS
GROUP_BITS = 6
GROUPS = 1 << GROUP_BITS
MAX_KEY_BYTES = 4096
OTHER: Dependency = "_other"  # the line of all dependencies that a bounded table has no line for


class Instant(NamedTuple):
    """One moment on the three clocks of house.md.

    ``mono_s`` never jumps: timers, TTLs, lead times, latencies. ``wall_s`` is Unix time: incarnations,
    logs, what people read. ``season_s`` is Unix time for the phase of day and week in forecasts; it
    equals ``wall_s`` except where a demo runs its days faster.
    """

    mono_s: float
    wall_s: float
    season_s: float


class Season(NamedTuple):
    """How the season clock follows the wall's: at ``since_s`` it is ``start_s``, and from then on it runs
    ``rate`` times as fast (before, as fast). The default is the wall's time."""

    start_s: float = 0.0
    since_s: float = 0.0
    rate: float = 1.0

    def at(self, wall_s: float) -> float:
        """The season at that wall time, Unix seconds."""
        ahead_s = wall_s - self.since_s
        return self.start_s + (ahead_s * self.rate if ahead_s > 0 else ahead_s)


class InstanceKey(NamedTuple):
    """One instance: a dependency's name (no ``:`` nor ``/``) and a key of at most 4 KiB."""

    dependency: Dependency
    key: bytes

    def text(self) -> str:
        """``dependency:key`` for people; bytes that are not UTF-8 are escaped."""
        return f"{self.dependency}:{self.key.decode('utf-8', 'backslashreplace')}"


hash_64 = xxhash.xxh3_64_intdigest
PREFIXES: dict[Dependency, bytes] = {}  # memo of dependencies' names as they are hashed; only key_hash adds
_MAX_PREFIXES = 4096


def key_hash(instance: InstanceKey) -> KeyHash:
    """[hot] xxh3_64 over ``dependency \\0 key``; the separator keeps ("a", "bc") and ("ab", "c") apart."""
    try:
        return hash_64(PREFIXES[instance[0]] + instance[1])
    except KeyError:
        return hash_64(_prefix(instance[0]) + instance[1])


def key_hashes(dependency: Dependency, keys: Iterable[bytes]) -> list[KeyHash]:
    """`key_hash` of many instances of one dependency, in their order."""
    prefix = PREFIXES.get(dependency) or _prefix(dependency)
    return [hash_64(prefix + key) for key in keys]


def _prefix(dependency: Dependency) -> bytes:
    """Others name dependencies, too: the memo starts anew when it is full."""
    if len(PREFIXES) >= _MAX_PREFIXES:
        PREFIXES.clear()
    prefix = PREFIXES[dependency] = dependency.encode() + b"\0"
    return prefix


def shard_of(hashed: KeyHash) -> Shard:
    """The top 16 bits: which of the ring's fixed shards an instance belongs to."""
    return hashed >> (64 - SHARD_BITS)


def group_of(hashed: KeyHash) -> int:
    """The top 6 bits: its group of shards, 0..63, by which newcomers take shards over (``ring.serving``)."""
    return hashed >> (64 - GROUP_BITS)


FINGERPRINT_MASK = 0xFFFFFFFF
"""What of a key's hash is its fingerprint, for hot paths."""


def fingerprint_of(hashed: KeyHash) -> Fingerprint:
    """The low 32 bits, independent of the shard: what a cache digest says of an instance."""
    return hashed & 0xFFFFFFFF
