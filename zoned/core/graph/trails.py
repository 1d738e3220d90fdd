"""The last few distinct instances of each client, and when each occurred.

There are thousands of trails, of up to a dozen instances: so each is a string of bytes, the fingerprints of
its instances, oldest first, and then the times of their occurrences in ms, modulo 2^32. Unpacking and packing
cost about a microsecond an access; as a dictionary of hashes and times a trail takes five times the memory.
Unpacked they are lists, which are read faster than arrays.
"""

from __future__ import annotations

from array import array
from typing import TypeAlias

from zoned.core.names import Fingerprint

AGES = 0xFFFFFFFF
"""Differences of times are taken modulo 2^32 ms."""

Trail: TypeAlias = tuple[list[Fingerprint], list[int]]


def ms_of(mono_s: float) -> int:
    """That time as trails keep it."""
    return int(mono_s * 1e3 + 0.5) & AGES


def follows(
    name: Fingerprint, names: list[Fingerprint], times: list[int], least_ms: int, at_ms: int
) -> list[int]:
    """The places of those that an occurrence of ``name`` at ``at_ms`` follows: of what came more than
    ``least_ms`` before it, and after its own last one."""
    taught, counts = [], name not in names
    for place, since_ms in enumerate(times):
        if at_ms - since_ms & AGES <= least_ms:
            break  # and so are all that follow
        if names[place] == name:
            counts = True
        elif counts:
            taught.append(place)
    return taught


class Trails:
    """By client, the least recently active first."""

    __slots__ = ("_limit", "_trails", "dropped")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._trails: dict[bytes, bytes] = {}
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._trails)

    def take(self, client: bytes, since_ms: int, at_ms: int) -> Trail:
        """[hot] Its trail, which begins less than ``since_ms`` ago, to be put back."""
        packed = self._trails.pop(client, None)
        if packed is None:
            if len(self._trails) >= self._limit:
                del self._trails[next(iter(self._trails))]
                self.dropped += 1
            return [], []
        both = array("I", packed).tolist()
        half = len(both) // 2
        names, times = both[:half], both[half:]
        over = 0
        while over < len(times) and at_ms - times[over] & AGES >= since_ms:
            over += 1
        if over:
            del names[:over], times[:over]
        return names, times

    def put(self, client: bytes, trail: Trail) -> None:
        """[hot] It is the most recently active."""
        names, times = trail
        self._trails[client] = array("I", names + times).tobytes()

    def forget(self, since_ms: int, at_ms: int) -> None:
        """Let the clients go that were silent for so long."""
        silent = []
        for client, packed in self._trails.items():
            if packed and at_ms - array("I", packed[-4:])[0] & AGES < since_ms:
                break
            silent.append(client)
        for client in silent:
            del self._trails[client]
