"""The keys of an encrypted pool: the first seals, all of them open.

Keys are 16, 24 or 32 bytes (AES-128, -192, -256), written as base64. ``keyring.json`` in the data directory
is a list of them, first the primary: the form of Serf's ``-keyring-file``, so that either may take the
other's over. The configuration's ``key_file`` only seeds it: once there is a keyring, what was installed and
removed in the running pool counts, or a restart would bring a removed key back.

A key is never shown. Its *fingerprint* is: the first 8 hex digits of a SHA-256 under a prefix of our own,
enough to tell keys apart and worth nothing to who wants to guess one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from zoned.core.errors import ConfigError, StateError, ZonedError
from zoned.daemon.state import write_atomically

KEY_SIZES = (16, 24, 32)
MAX_KEYS = 8
FILE = "keyring.json"
_PREFIX = b"zoned key fingerprint\0"


class KeyRefused(ZonedError):
    """A change of keys that would do harm, or means nothing; the text says why."""


def generate() -> str:
    """A new key of 32 random bytes, as base64."""
    return key_text(secrets.token_bytes(32))


def key_text(key: bytes) -> str:
    """A key as base64."""
    return base64.b64encode(key).decode()


def parse_key(text: str) -> bytes:
    """The bytes of a key in base64; ValueError for anything else (the text is not in the message)."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("expected base64") from None
    if len(key) not in KEY_SIZES:
        raise ValueError(f"expected base64 of 16, 24 or 32 bytes, got {len(key)}")
    return key


def fingerprint(key: bytes) -> str:
    """8 hex digits that stand for a key where it may be seen."""
    return hashlib.sha256(_PREFIX + key).hexdigest()[:8]


class Keyring:
    """The keys, first the primary; empty: nothing is sealed. ``path``: where it is kept, None: nowhere."""

    def __init__(self, keys: Sequence[bytes] = (), path: Path | None = None) -> None:
        self._path = path
        self._ciphers = {key: AESGCM(key) for key in keys}

    def __bool__(self) -> bool:
        return bool(self._ciphers)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """All keys, first the primary."""
        return tuple(self._ciphers)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """What may be told of the keys, in their order."""
        return tuple(map(fingerprint, self._ciphers))

    @property
    def primary(self) -> AESGCM:
        """What seals; there must be a key."""
        return next(iter(self._ciphers.values()))

    @property
    def ciphers(self) -> tuple[AESGCM, ...]:
        """What may open, the primary first."""
        return tuple(self._ciphers.values())

    def save(self) -> None:
        """Write the file as a whole, readable by us alone. Raises OSError."""
        self._write(self.keys)

    def _write(self, keys: Sequence[bytes]) -> None:
        if self._path is not None:
            write_atomically(self._path, json.dumps(list(map(key_text, keys)), indent=1).encode() + b"\n")

    # ---- changes: on disk first, so that what is in use is never forgotten ----

    def install(self, key: bytes) -> None:
        """Open with this key, too. Raises KeyRefused when there are too many, OSError."""
        if key in self._ciphers:
            return
        if len(self._ciphers) >= MAX_KEYS:
            raise KeyRefused(f"there are {MAX_KEYS} keys already: remove one")
        self._change((*self.keys, key))

    def use(self, told: str) -> None:
        """Seal with the key of that fingerprint. Raises KeyRefused when there is none, OSError."""
        key = self._find(told)
        self._change((key, *(other for other in self.keys if other != key)))

    def remove(self, told: str) -> None:
        """Forget the key of that fingerprint, if we have it. Raises KeyRefused if it seals, OSError."""
        if told not in self.fingerprints:
            return
        if told == self.fingerprints[0]:
            raise KeyRefused(f"key {told} is the one that seals: use another first")
        self._change([key for key in self.keys if fingerprint(key) != told])

    def _find(self, told: str) -> bytes:
        for key in self.keys:
            if fingerprint(key) == told:
                return key
        raise KeyRefused(f"there is no key {told} here: install it first")

    def _change(self, keys: Sequence[bytes]) -> None:
        if tuple(keys) != self.keys:
            self._write(keys)
            self._ciphers = {key: AESGCM(key) for key in keys}


def read_keyring(path: Path) -> tuple[bytes, ...] | None:
    """The keys of a keyring's file, None if there is none. StateError when it cannot be used: to go on
    without its keys would be to go on in the clear."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StateError(f"cannot read the keyring {path}: {error}") from error
    if not isinstance(found, list) or not 0 < len(found) <= MAX_KEYS:
        raise StateError(f"keyring {path}: expected a list of 1 to {MAX_KEYS} keys")
    try:
        return tuple(parse_key(text if isinstance(text, str) else "") for text in found)
    except ValueError as error:
        raise StateError(f"keyring {path}: {error}") from error


def read_key_file(path: Path) -> bytes:
    """The one key of ``gossip.key_file``. ConfigError: what was to be encrypted must not go in the clear."""
    try:
        return parse_key(path.read_text())
    except OSError as error:
        raise ConfigError((f"gossip.key_file: cannot read {path}: {error.strerror}",)) from error
    except ValueError as error:
        raise ConfigError((f"gossip.key_file: {path}: {error} (make one with: zoned keygen)",)) from error


def open_keyring(data_dir: Path, key_file: Path | None) -> tuple[Keyring, str]:
    """The agent's keyring, and a warning (or "") for the log. Seeds the file from ``key_file`` if there is
    none yet. Raises ConfigError or StateError."""
    path = data_dir / FILE
    kept = read_keyring(path)
    given = None if key_file is None else read_key_file(key_file)
    if kept is None:
        ring = Keyring(() if given is None else (given,), path)
        if ring:
            try:
                ring.save()
            except OSError as error:
                raise StateError(f"cannot write the keyring {path}: {error.strerror}") from error
        return ring, ""
    if given is None or given in kept:
        return Keyring(kept, path), ""
    known = ", ".join(map(fingerprint, kept))
    return Keyring(kept, path), (
        f"gossip.key_file has key {fingerprint(given)}, the keyring has {known} and is what counts; "
        f"to begin anew with the file's key remove {path}"
    )
