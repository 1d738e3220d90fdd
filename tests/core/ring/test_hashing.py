"""Golden vectors: if one of these changes, agents of two versions would disagree for ever."""

from __future__ import annotations

import numpy as np
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.ring import Ring, RingMember, RingSettings
from zoned.core.ring.hashing import ring_id, token_hash, token_hashes

MEMBERS = [RingMember(node, node[0], weight) for node, weight in (("a1", 1), ("b1", 2), ("b2", 1), ("c1", 4))]


def test_golden_tokens() -> None:
    assert [token_hash("a1", index) for index in (0, 1, 511)] == [
        4123271294139807081,
        9906307786839856269,
        16896459488221693600,
    ]
    assert token_hash("a1", 7) == xxhash.xxh3_64_intdigest(b"a1\x007")


def test_golden_ring() -> None:
    ring = Ring.build(MEMBERS, RingSettings())
    assert ring.ring_id == "f5c69c53b17ebae1"
    shards = (0, 1, 32768, 65535)
    lists = [" ".join(member.node for member in ring.preference_list(shard)) for shard in shards]
    assert lists == ["b1 c1 a1 b2", "b1 c1 a1 b2", "b1 a1 c1 b2", "b1 c1 a1 b2"]
    digest = xxhash.xxh3_64_hexdigest(ring.first_owners().tobytes())
    assert digest == "72b3f7af36f3d283"


def test_golden_empty_ring() -> None:
    assert Ring.build([], RingSettings()).ring_id == "349112ae3a617c3a"


def test_separators_keep_inputs_apart() -> None:
    assert token_hash("1.2.3.4:5", 55) != token_hash("1.2.3.4:55", 5)
    assert ring_id([("a", "bc", 1)], (1,)) != ring_id([("ab", "c", 1)], (1,))
    assert ring_id([("a", "b", 1)], (12, 3)) != ring_id([("a", "b", 1)], (1, 23))
    assert ring_id([("a", "b", 1)], (1,)) != ring_id([("a", "b", 11)], ())


@given(st.text(max_size=20), st.integers(0, 40))
def test_vectorised_tokens_equal_single_ones(node: str, count: int) -> None:
    expected = [token_hash(node, index) for index in range(count)]
    assert np.array_equal(token_hashes(node, count), np.array(expected, dtype=np.uint64))


def test_every_parameter_that_moves_shards_is_in_the_id() -> None:
    changed = [
        RingSettings(vnodes=256), RingSettings(replicas=3), RingSettings(preference_length=4),
        RingSettings(max_tokens=1000), RingSettings(max_weight=2),
    ]  # fmt: skip
    ids = {Ring.build(MEMBERS, settings).ring_id for settings in [RingSettings(), *changed]}
    assert len(ids) == len(changed) + 1
