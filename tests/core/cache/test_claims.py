"""Masks by fingerprint: against a dictionary, over all widths."""

from __future__ import annotations

import random

import pytest

from zoned.core.cache.claims import PARTITIONS, Claims


@pytest.mark.parametrize("members", [1, 8, 9, 40, 64, 65, 300])
def test_like_a_dictionary_of_masks(members: int) -> None:
    claims, twin, rng = Claims(), dict[int, int](), random.Random(members)
    names = [0, 0xFFFFFFFF, *(rng.getrandbits(32) for _ in range(400))]
    for step in range(4000):
        name, flag = rng.choice(names), 1 << min(rng.randrange(members), step // 4)
        if rng.random() < 0.5:
            claims.widen(flag.bit_length() - 1)
            claims.add(name, flag)
            twin[name] = twin.get(name, 0) | flag
        else:
            flags = flag | 1
            gone = twin.get(name, 0) & flags
            assert claims.clear(name, flags) == gone.bit_count()
            twin[name] = twin.get(name, 0) ^ gone
    assert [claims.of(name) for name in names] == [twin.get(name, 0) for name in names]
    found = [pair for part in range(PARTITIONS) for pair in claims.partition(part)]
    zero = twin.pop(0, 0)
    assert {name: mask for name, mask in twin.items() if mask}.items() <= set(found)
    assert len(found) == sum(map(bool, twin.values())) + bool(zero), "each once, and nobody else"
    assert len(claims._rows) <= len(names), "rows are used again"


def test_bits_may_go_while_a_partition_is_walked_through() -> None:
    claims = Claims()
    for name in range(1, 2001):
        claims.add(name, 1 + name % 2)
    for part in range(PARTITIONS):
        for name, _ in claims.partition(part):
            claims.clear(name, 1)
    left = sorted(name for part in range(PARTITIONS) for name, _ in claims.partition(part))
    assert left == list(range(1, 2001, 2)) and claims.of(2) == 0
