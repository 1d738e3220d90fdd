"""Go's LZW: a known stream, round trips over the table's end, and nothing but PeerError from garbage."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import PeerError
from zoned.core.gossip.lzw import compress, decompress

LIMIT = 1 << 20
PLAIN = b"\x28\xff\xff\xff\x28" + b"\xff" * 10
GIF = bytes.fromhex("0051fc1b2870a0c1830101")  # GIF's textbook example, also in Go's own tests


def test_the_stream_in_go_s_own_test() -> None:
    assert decompress(GIF, LIMIT) == PLAIN
    assert compress(PLAIN) == GIF


def test_an_empty_stream_is_clear_and_end() -> None:
    assert decompress(compress(b""), LIMIT) == b""


@given(st.binary(max_size=3000))
def test_round_trip(data: bytes) -> None:
    assert decompress(compress(data), LIMIT) == data


@pytest.mark.parametrize("alphabet", [1, 2, 4, 17, 256])
@pytest.mark.parametrize("size", [254, 255, 256, 511, 512, 3838, 3839, 3840, 5000, 60000])
def test_round_trip_where_widths_grow_and_the_table_starts_again(alphabet: int, size: int) -> None:
    rng = random.Random(f"{alphabet}/{size}")
    data = bytes(rng.randrange(alphabet) for _ in range(size))
    assert decompress(compress(data), LIMIT) == data


def test_output_is_bounded() -> None:
    bomb = compress(b"\0" * 500_000)
    assert len(bomb) < 3000
    with pytest.raises(PeerError, match="lzw_limit"):
        decompress(bomb, 100_000)


@given(st.binary(max_size=400))
def test_garbage_is_a_peer_error(data: bytes) -> None:
    try:
        decompress(data, LIMIT)
    except PeerError:
        pass
