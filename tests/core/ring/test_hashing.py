"""Golden vectors: if one of these changes, agents of two versions would disagree for ever."""

from __future__ import annotations

import numpy as np
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.ring import Ring, RingMember, RingSettings
from zoned.core.ring.hashing import owners_of, ring_id, token_words

MEMBERS = [RingMember(node, node[0], weight) for node, weight in (("a1", 1), ("b1", 2), ("b2", 1), ("c1", 4))]
WORD = (1 << 64) - 1


def splitmix64(state: int):  # type: ignore[no-untyped-def]
    """Steele, Lea, Flood (2014), as its authors wrote it down: endless."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) & WORD
        mixed = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & WORD
        mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & WORD
        yield mixed ^ mixed >> 31


def test_splitmix64_gives_the_published_numbers() -> None:
    stream = splitmix64(1234567)
    assert [next(stream) for _ in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def tokens(node: str, count: int) -> list[int]:
    """The places of a member on the ring, of 2^48."""
    stream = splitmix64(xxhash.xxh3_64_intdigest(node.encode()))
    return [next(stream) >> 16 for _ in range(count)]


def test_golden_tokens() -> None:
    drawn = tokens("a1", 512)
    assert [drawn[index] for index in (0, 1, 511)] == [255382206867496, 258654362526614, 234157960929983]


def test_golden_ring() -> None:
    ring = Ring.build(MEMBERS, RingSettings())
    assert ring.ring_id == "e9a5b3c620367023"
    shards = (0, 1, 32768, 65535)
    lists = [" ".join(member.node for member in ring.preference_list(shard)) for shard in shards]
    assert lists == ["a1 b1 c1 b2", "a1 b1 c1 b2", "b1 c1 a1 b2", "a1 b1 c1 b2"]
    digest = xxhash.xxh3_64_hexdigest(ring.first_owners().tobytes())
    assert digest == "24413f5c174ca81f"


def test_golden_empty_ring() -> None:
    assert Ring.build([], RingSettings()).ring_id == "18838e7292c0e413"


def test_separators_keep_inputs_apart() -> None:
    assert ring_id([("a", "bc", 1)], (1,)) != ring_id([("ab", "c", 1)], (1,))
    assert ring_id([("a", "b", 1)], (12, 3)) != ring_id([("a", "b", 1)], (1, 23))
    assert ring_id([("a", "b", 1)], (1,)) != ring_id([("a", "b", 11)], ())


@given(st.dictionaries(st.text(max_size=20), st.integers(1, 40), max_size=5))
def test_all_tokens_at_once_equal_one_stream_a_member(counts: dict[str, int]) -> None:
    nodes = sorted(counts)
    expected = sorted(
        (token, rank) for rank, node in enumerate(nodes) for token in tokens(node, counts[node])
    )
    words = token_words(nodes, [counts[node] for node in nodes])
    assert [(int(word) >> 16, int(owner)) for word, owner in zip(words, owners_of(words), strict=True)] == (
        expected
    )
    assert words.dtype == np.uint64


def test_every_parameter_that_moves_shards_is_in_the_id() -> None:
    changed = [
        RingSettings(vnodes=256), RingSettings(replicas=3), RingSettings(preference_length=4),
        RingSettings(max_tokens=1000), RingSettings(max_weight=2),
    ]  # fmt: skip
    ids = {Ring.build(MEMBERS, settings).ring_id for settings in [RingSettings(), *changed]}
    assert len(ids) == len(changed) + 1
