"""Tags: what we say, what we read from others, and that odd ones harm nobody."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.config import kinds
from zoned.core.errors import PeerError
from zoned.core.gossip.tags import Identity, Tags, meta_of, parse_address, parse_meta
from zoned.daemon.keyring import MAX_KEYS

ME = Identity("a", "eu-1", 4, ("10.0.0.1", 7946), ("10.0.0.1", 7947), ("::1", 7980), pool="prod")


def test_our_tags_come_back() -> None:
    assert parse_meta(meta_of(ME)) == Tags("eu-1", "zoned", 4, ("10.0.0.1", 7947), ("::1", 7980), "prod")


def test_keys_are_told_by_their_fingerprints_in_order() -> None:
    assert parse_meta(meta_of(ME._replace(keys=("0badf00d", "c0ffee00")))).keys == ("0badf00d", "c0ffee00")
    assert b"keys" not in meta_of(ME)


def test_they_are_serf_s_map_of_strings() -> None:
    meta = meta_of(ME)
    assert meta[0] == 0xFF
    assert msgpack.unpackb(meta[1:], raw=True)[b"weight"] == b"4"


def test_they_must_fit() -> None:
    with pytest.raises(ValueError, match="512"):
        meta_of(ME._replace(zone="z" * 600))


def test_the_longest_that_a_configuration_allows_fits() -> None:
    """So that neither a start nor a new key later can fail for it: eight keys, IPv6, all names full."""
    longest = "z" * 128
    where = ("1111:2222:3333:4444:5555:6666:7777:8888", 65535)
    weight, keys = 64, ("0badf00d",) * MAX_KEYS
    assert kinds.name("x").parse(longest) == longest and kinds.pool("x").parse("p" * 64) == "p" * 64
    for kind, text in ((kinds.name("x"), "z" * 129), (kinds.pool("x"), "p" * 65)):
        with pytest.raises(kinds.Wrong):
            kind.parse(text)
    meta = meta_of(Identity(longest, longest, weight, where, where, where, "zoned", "p" * 64, keys, where))
    assert b"resp" in meta and len(meta) <= 512
    assert parse_meta(meta).zone == longest and parse_meta(meta).keys == keys


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"role": "web", "zone": "x", "weight": "7"}, Tags(zone="x", role="web")),  # not ours: no weight
        ({"role": "zoned"}, Tags(role="zoned", weight=1)),
        ({"role": "zoned", "weight": "-1", "peer": "nowhere"}, Tags(role="zoned", weight=0)),
        ({"role": "zoned", "weight": "99999"}, Tags(role="zoned", weight=1024)),
    ],
)
def test_odd_values_read_as_absent(tags: dict[str, str], expected: Tags) -> None:
    assert parse_meta(b"\xff" + msgpack.packb(tags)) == expected


def test_old_style_meta_is_a_role() -> None:
    assert parse_meta(b"web") == Tags(role="web")
    assert parse_meta(b"") == Tags()


@pytest.mark.parametrize("meta", [b"\xff\xc1", b"\xff\x93\x01\x02\x03", b"\xff\x81\xa1a\x01", b"\xfe\xff"])
def test_damaged_tags(meta: bytes) -> None:
    with pytest.raises(PeerError, match="tags"):
        parse_meta(meta)


@given(st.text(max_size=30))
def test_addresses(text: str) -> None:
    found = parse_address(text)
    assert found is None or (isinstance(found[0], str) and 0 <= found[1] <= 65535)
