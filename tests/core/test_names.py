"""The one hash that everything is placed by: what goes in, and that its memo cannot show."""

from __future__ import annotations

import xxhash

from zoned.core.names import InstanceKey, key_hash, key_hashes


def test_the_hash_is_that_of_both_names_kept_apart() -> None:
    assert key_hash(InstanceKey("prices", b"/item/1")) == xxhash.xxh3_64_intdigest(b"prices\0/item/1")
    assert key_hash(InstanceKey("a", b"bc")) != key_hash(InstanceKey("ab", b"c"))
    assert key_hash(InstanceKey("prices", b"/item/1")) == 0xFC3C07A21997A233


def test_more_dependencies_than_the_memo_holds_hash_as_ever() -> None:
    first = key_hash(InstanceKey("d0", b"k"))
    for number in range(10_000):
        name = f"d{number}"
        assert key_hash(InstanceKey(name, b"k")) == xxhash.xxh3_64_intdigest(name.encode() + b"\0k")
    assert key_hash(InstanceKey("d0", b"k")) == first
    for name in ("d0", "é", "fresh"):
        assert key_hashes(name, [b"k", b""]) == [key_hash(InstanceKey(name, key)) for key in (b"k", b"")]
