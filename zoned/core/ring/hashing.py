"""Every hash of the ring, in one place, because all agents must agree on each bit of them.

A member's tokens are the splitmix64 stream that starts at xxh3_64 of its name, cut to 48 bits: one hash of
text a member, then arithmetic that numpy does for all tokens of all members at once. Both are fixed for ever
(xxh3 from version 0.8 on; splitmix64: Steele, Lea, Flood 2014); golden vectors in the tests hold us to it.
The 16 bits that are cut hold the member's rank by name instead, so that one sort of plain 64-bit words is
the order (hash, name). The ring id is hashed from length-prefixed fields, so that no two inputs share a text
(ringpop hashed "1.2.3.4:5" + "55" and "1.2.3.4:55" + "5" alike).

Rejected: hashing the text of every token (51,200 calls for 100 members were a third of a build), Python's
``hash`` (salted), sha256 (an adversary who can name members can do worse than unbalance a cache).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import xxhash

from zoned.core.names import NodeName, Zone

RING_FORMAT = 2  # part of the ring id: raise it when the meaning of anything in this package changes
RANK_BITS = 16
MAX_MEMBERS = (1 << RANK_BITS) - 1

Words = npt.NDArray[np.uint64]

_STEP, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_RANK_MASK = np.uint64(MAX_MEMBERS)


def token_words(nodes: Sequence[NodeName], counts: Sequence[int]) -> Words:
    """All tokens, sorted: 48 bits of place on the ring, then 16 of the owner's index in ``nodes``.

    ``nodes`` are sorted by name; ``counts`` says how many tokens each has. A heavier member has the lighter
    one's tokens and more, so that a change of weight moves only the difference.
    """
    seeds = np.array([xxhash.xxh3_64_intdigest(node.encode()) for node in nodes], dtype=np.uint64)
    many = np.array(counts, dtype=np.int64)
    before = np.cumsum(many) - many
    # The i-th token of a member (from 0) is step i + 1 of its stream.
    shifted = seeds - (before.astype(np.uint64) - np.uint64(1)) * np.uint64(_STEP)
    words = np.arange(int(many.sum()), dtype=np.uint64)
    words *= np.uint64(_STEP)
    words += np.repeat(shifted, many)
    _mix(words)
    words &= ~_RANK_MASK
    words |= np.repeat(np.arange(len(nodes), dtype=np.uint64), many)
    words.sort()
    return words


def owners_of(words: Words) -> npt.NDArray[np.uint16]:
    """The owner's index of each token."""
    return (words & _RANK_MASK).astype(np.uint16)


def _mix(words: Words) -> None:
    """splitmix64's output function, in place."""
    scratch = np.empty_like(words)
    for shift, factor in ((30, _MIX_1), (27, _MIX_2), (31, 1)):
        np.right_shift(words, np.uint64(shift), out=scratch)
        words ^= scratch
        if factor != 1:
            words *= np.uint64(factor)


def _field(value: str | int) -> bytes:
    raw = str(value).encode()
    return b"%d:" % len(raw) + raw


def ring_id(members: Iterable[tuple[NodeName, Zone, int]], parameters: Iterable[int]) -> str:
    """16 hex digits of the canonical input: members sorted by node, then the parameters.

    Equal ids mean equal rings. The order in which facts were learnt cannot show, because it is not in it.
    """
    text = bytearray(_field(RING_FORMAT))
    for member in sorted(members):
        text += b"".join([_field(part) for part in member])
    text += b"|" + b"".join([_field(parameter) for parameter in parameters])
    return xxhash.xxh3_64_hexdigest(bytes(text))
