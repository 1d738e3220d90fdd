"""Keys: what one is, where the ring of them is kept, and who may read it."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest

from zoned.core.errors import ConfigError, StateError
from zoned.daemon.keyring import Keyring, fingerprint, generate, open_keyring, parse_key, read_keyring


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def key_file(folder: Path, written: str) -> Path:
    path = folder / "gossip.key"
    path.write_text(written)
    return path


def test_generated_keys_are_keys_and_differ() -> None:
    one, two = generate(), generate()
    assert len(parse_key(one)) == 32 and one != two


@pytest.mark.parametrize("written", ["", "short", text(b"x" * 17), "not base64 !", text(b"x" * 33)])
def test_what_is_no_key_is_not_repeated_in_the_message(written: str) -> None:
    with pytest.raises(ValueError) as error:
        parse_key(written)
    assert not written or written not in str(error.value)


def test_a_fingerprint_tells_keys_apart_and_is_not_one() -> None:
    keys = [bytes([n]) * size for n in range(20) for size in (16, 24, 32)]
    prints = {fingerprint(key) for key in keys}
    assert len(prints) == len(keys) and all(len(found) == 8 for found in prints)


def test_the_file_seeds_the_ring_once(tmp_path: Path) -> None:
    first, second = b"a" * 16, b"b" * 32
    ring, warning = open_keyring(tmp_path, key_file(tmp_path, text(first) + "\n"))
    assert (ring.keys, warning) == ((first,), "")
    kept = tmp_path / "keyring.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text()) == [text(first)]
    Keyring((second, first), kept).save()
    ring, warning = open_keyring(tmp_path, tmp_path / "gossip.key")
    assert (ring.keys, warning) == ((second, first), "")
    Keyring((second,), kept).save()
    ring, warning = open_keyring(tmp_path, tmp_path / "gossip.key")
    assert ring.keys == (second,), "a removed key does not come back by a restart"
    assert fingerprint(first) in warning and fingerprint(second) in warning and text(first) not in warning
    assert open_keyring(tmp_path, None)[0].keys == (second,), "no key file any more, but still encrypted"


def test_no_key_no_ring(tmp_path: Path) -> None:
    ring, warning = open_keyring(tmp_path, None)
    assert not ring and warning == "" and list(tmp_path.iterdir()) == []


def test_a_bad_key_file_is_the_operators_to_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gossip.key_file: cannot read"):
        open_keyring(tmp_path, tmp_path / "none")
    with pytest.raises(ConfigError, match="expected base64 of 16, 24 or 32 bytes, got 3"):
        open_keyring(tmp_path, key_file(tmp_path, text(b"abc")))


NONSENSE = ["", "{}", "[]", '["?"]', "[1]", '["YWJj"]', "\xff", "[" + '"",' * 9 + '""]']


@pytest.mark.parametrize("content", NONSENSE)
def test_a_damaged_ring_never_means_no_encryption(tmp_path: Path, content: str) -> None:
    (tmp_path / "keyring.json").write_text(content, encoding="latin-1")
    with pytest.raises(StateError, match=r"keyring"):
        read_keyring(tmp_path / "keyring.json")
