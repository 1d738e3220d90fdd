"""Facts: what anyone may say and all must come to know, merged by "last writer wins".

A map (kind, subject) -> fact whose merge is commutative, associative and idempotent, so any order and any
repetition of gossip ends in the same map. Of each kind only the newest ``limit`` facts by (clock, origin,
subject) are kept: a rule over the facts alone, so that agents with full maps still agree; a storm of
invalidations cannot push out a drain.

``digest`` is the XOR of the facts' hashes, kept up to date with each change: two maps with the same digest
are taken to be the same (2^-64 against). Facts are spread over 16 ``parts`` by what they are about, each
with such a digest of its own, so that a thousand invalidations need not travel to find the one that differs.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, insort
from typing import Any

import msgpack
import xxhash

from zoned.core.errors import PeerError
from zoned.core.members import Fact
from zoned.core.names import MAX_KEY_BYTES

_MAX_KINDS = 16
_MAX_KIND = 32
_MAX_SUBJECT = 4 * MAX_KEY_BYTES + 512  # a key's bytes may be written as escapes
_MAX_VALUE = 1024
_MAX_CLOCK = 1 << 53
PARTS = 16
_PARTS = struct.Struct(f"<{PARTS}I")
PARTS_BYTES = _PARTS.size

Subject = tuple[str, str]


def _age(fact: Fact) -> tuple[int, str, str]:
    return fact.clock, fact.origin, fact.subject


def _hash(fact: Fact) -> int:
    return xxhash.xxh3_64_intdigest(msgpack.packb(tuple(fact)))


def _part(fact: Fact) -> int:
    return xxhash.xxh3_64_intdigest(fact.kind.encode() + b"\0" + fact.subject.encode()) % PARTS


class FactMap:
    """The facts that we know."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kinds: dict[str, dict[str, Fact]] = {}
        self._ages: dict[str, list[tuple[int, str, str]]] = {}  # of each kind's facts, oldest first
        self.digest = 0
        self._parts = [0] * PARTS

    def __len__(self) -> int:
        return sum(len(facts) for facts in self._kinds.values())

    def all(self) -> list[Fact]:
        """Every fact, sorted."""
        return sorted(fact for facts in self._kinds.values() for fact in facts.values())

    def parts(self) -> bytes:
        """The parts' digests, 32 bits each."""
        return _PARTS.pack(*[each & 0xFFFFFFFF for each in self._parts])

    def differing(self, theirs: object) -> int:
        """A mask of the parts whose digest is another than ours; PeerError for nonsense."""
        if type(theirs) is not bytes or len(theirs) != PARTS_BYTES:
            raise PeerError("facts")
        mask = 0
        for part, (mine, their) in enumerate(zip(self._parts, _PARTS.unpack(theirs), strict=True)):
            mask |= (mine & 0xFFFFFFFF != their) << part
        return mask

    def within(self, mask: int) -> list[Fact]:
        """The facts of the parts in ``mask``, sorted."""
        return [fact for fact in self.all() if mask >> _part(fact) & 1]

    def get(self, kind: str, subject: str) -> Fact | None:
        """The newest fact about that subject."""
        return self._kinds.get(kind, {}).get(subject)

    def hear(self, fact: Fact) -> bool:
        """Take over a fact; False when we know as much, or newer, or it is too old for a full map."""
        facts = self._kinds.get(fact.kind)
        if facts is None:
            if len(self._kinds) >= _MAX_KINDS:
                return False
            facts = self._kinds[fact.kind] = {}
            self._ages[fact.kind] = []
        ages = self._ages[fact.kind]
        known = facts.get(fact.subject)
        if known is not None:
            if (fact.clock, fact.origin, fact.value) <= (known.clock, known.origin, known.value):
                return False
            self._flip(known)
            del ages[bisect_left(ages, _age(known))]
        elif len(facts) >= self._limit:
            if _age(fact) < ages[0]:
                return False
            self._flip(facts.pop(ages.pop(0)[2]))
        facts[fact.subject] = fact
        insort(ages, _age(fact))
        self._flip(fact)
        return True

    def _flip(self, fact: Fact) -> None:
        hashed = _hash(fact)
        self.digest ^= hashed
        self._parts[_part(fact)] ^= hashed


def fact_from(fields: Any) -> Fact:
    """A fact from the wire; PeerError for nonsense."""
    if type(fields) not in (list, tuple) or len(fields) != 5:
        raise PeerError("fact")
    kind, subject, value, clock, origin = fields
    limits = ((kind, _MAX_KIND), (subject, _MAX_SUBJECT), (value, _MAX_VALUE), (origin, 128))
    if any(type(each) is not str or len(each) > most for each, most in limits) or not kind:
        raise PeerError("fact")
    if type(clock) is not int or not 0 <= clock < _MAX_CLOCK:
        raise PeerError("fact_clock")
    return Fact(kind, subject, value, clock, origin)
