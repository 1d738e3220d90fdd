"""Every hash of the ring, in one place, because all agents must agree on each bit of them.

Texts are separated: a token is hashed from ``node \\0 index`` and the ring id from length-prefixed fields,
so that no two inputs share a text (ringpop hashed "1.2.3.4:5" + "55" and "1.2.3.4:55" + "5" alike). The
hash is xxh3_64, whose output is fixed for ever from version 0.8; golden vectors in the tests hold us to it.

Rejected: Python's ``hash`` (salted), crc32 (too few bits: tokens would collide), sha256 (four times the
time of a build for nothing; an adversary who can name members can do worse than unbalance a cache).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import xxhash

from zoned.core.names import NodeName, Zone

RING_FORMAT = 1  # part of the ring id: raise it when the meaning of anything in this package changes


def token_hash(node: NodeName, index: int) -> int:
    """Where the ``index``-th token of a member lies on the ring of 2^64 points."""
    return xxhash.xxh3_64_intdigest(node.encode() + b"\0%d" % index)


def token_hashes(node: NodeName, count: int) -> npt.NDArray[np.uint64]:
    """The first ``count`` tokens of a member. A heavier member has the lighter one's tokens and more,
    so that a change of weight moves only the difference."""
    hashed = xxhash.xxh3_64_intdigest
    prefix = node.encode() + b"\0"
    points = array("Q", [hashed(prefix + b"%d" % index) for index in range(count)])
    return np.frombuffer(points, dtype=np.uint64)


def _field(value: str | int) -> bytes:
    raw = str(value).encode()
    return b"%d:" % len(raw) + raw


def ring_id(members: Iterable[tuple[NodeName, Zone, int]], parameters: Iterable[int]) -> str:
    """16 hex digits of the canonical input: members sorted by node, then the parameters.

    Equal ids mean equal rings. The order in which facts were learnt cannot show, because it is not in it.
    """
    text = bytearray(_field(RING_FORMAT))
    for member in sorted(members):
        text += b"".join(_field(part) for part in member)
    text += b"|" + b"".join(_field(parameter) for parameter in parameters)
    return xxhash.xxh3_64_hexdigest(bytes(text))
