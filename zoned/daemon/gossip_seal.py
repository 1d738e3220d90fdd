"""Sealing and opening gossip: memberlist's AES-GCM envelope and its labels.

An envelope is ``version, nonce (12 bytes), ciphertext, tag (16)``. Version 1 goes out; version 0, whose
plaintext is padded to 16 bytes, is still read. A packet is one envelope; a stream is the byte 10, a length
and an envelope. A label (byte 244, length, name) stands in the clear before either and is part of what the
seal covers, with a stream's first five bytes. Only who opens a stream sends the label on it; the answer has
none, yet is sealed with it.

This is the daemon's and not the core's because nonces are random; the core hands over plain messages and
keeps room for what is added here. Random nonces are good for 2^32 messages per key, so what is sealed is
counted, and ``key_wear.py`` says when to rotate (memberlist has the same limit, and says nothing).

What cannot be opened has one of four reasons: ``no_key`` (sealed, and we have no key), ``wrong_key`` (sealed
with another, or damaged), ``plain`` (clear, and we insist on sealed) and ``label`` (another pool's). There is
no protection against replays: gossip is idempotent and incarnations settle what is newer.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag

from zoned.core.errors import PeerError
from zoned.core.gossip import StreamScanner
from zoned.core.gossip.messages import Kind
from zoned.core.gossip.wire import unpack_map
from zoned.daemon.keyring import Keyring

MAX_LABEL = 255
REASONS = ("no_key", "wrong_key", "plain", "label")
_VERSION = 1
_NONCE, _TAG = 12, 16
OVERHEAD = 1 + _NONCE + _TAG
_HEAD = 5  # of a sealed stream: its type and its length
_BLOCK = 16


class Seal:
    """How one agent seals what it sends and opens what it gets."""

    def __init__(
        self,
        keyring: Keyring,
        label: str = "",
        verify_incoming: bool = True,
        verify_outgoing: bool = True,
    ) -> None:
        """``verify_*`` off: what comes may be clear, what goes is clear, although there are keys; the steps
        on the way from a clear pool to a sealed one."""
        self._keyring = keyring
        self._label = label.encode()
        assert len(self._label) <= MAX_LABEL, "the configuration limits labels"
        self._header = bytes((Kind.LABEL, len(self._label))) + self._label if label else b""
        self._verify_incoming = verify_incoming
        self._verify_outgoing = verify_outgoing
        self._sealed = 0

    def take_count(self) -> int:
        """How many messages were sealed since the last call."""
        count, self._sealed = self._sealed, 0
        return count

    @property
    def overhead_bytes(self) -> int:
        """What a packet grows by at most."""
        return len(self._header) + (OVERHEAD if self._keyring else 0)

    @property
    def sealing(self) -> bool:
        """Whether what we send is sealed."""
        return bool(self._keyring) and self._verify_outgoing

    @property
    def private(self) -> bool:
        """Whether whatever comes in was sealed and whatever goes out is: keys may be told."""
        return self.sealing and self._verify_incoming

    # ---- packets --------------------------------------------------------------------------------

    def packet(self, plain: bytes) -> bytes:
        """A datagram as it goes out."""
        return self._header + (self._envelope(plain, self._label) if self.sealing else plain)

    def open_packet(self, data: bytes) -> bytes:
        """A datagram as the core reads it; PeerError with one of ``REASONS``."""
        data = self._unlabelled(data)
        if not self._keyring:
            if _sealed(data):
                raise PeerError("no_key")
            return data
        plain = self._opened(memoryview(data), self._label)
        if plain is not None:
            return plain
        if _sealed(data):
            raise PeerError("wrong_key")
        if self._verify_incoming:
            raise PeerError("plain")
        return data

    def _unlabelled(self, data: bytes) -> bytes:
        header = self._header
        if data[: len(header)] != header or (not header and data[:1] == bytes((Kind.LABEL,))):
            raise PeerError("label")
        return data[len(header) :]

    # ---- streams --------------------------------------------------------------------------------

    def stream(self, plain: bytes, answer: bool = False) -> bytes:
        """A stream's one message as it goes out; ``answer``: on a stream that the other side opened."""
        header = b"" if answer else self._header
        if not self.sealing or not plain:
            return header + plain if plain else b""
        head = bytes((Kind.ENCRYPTED,)) + (OVERHEAD + len(plain)).to_bytes(4, "big")
        return header + head + self._envelope(plain, head + self._label)

    def reader(self, limit: int, answer: bool = False) -> StreamReader:
        """What takes in one message of a stream; ``answer``: on a stream that we opened."""
        return StreamReader(self, b"" if answer else self._header, limit)

    def may_be_plain(self) -> bool:
        """Whether a clear stream is taken."""
        return not self._keyring or not self._verify_incoming

    def open_stream(self, head: bytes, envelope: memoryview) -> bytes:
        """The plain message of a sealed stream."""
        if not self._keyring:
            raise PeerError("no_key")
        plain = self._opened(envelope, head + self._label)
        if plain is None:
            raise PeerError("wrong_key")
        return plain

    # ---- envelopes ------------------------------------------------------------------------------

    def _envelope(self, plain: bytes, covered: bytes) -> bytes:
        self._sealed += 1
        nonce = os.urandom(_NONCE)
        return bytes((_VERSION,)) + nonce + self._keyring.primary.encrypt(nonce, plain, covered)

    def _opened(self, data: memoryview, covered: bytes) -> bytes | None:
        """The content of an envelope, None if it is not one that a key of ours opens. A view, because it may
        be 20 MiB and is not worth a copy before somebody's key has proved itself."""
        if len(data) < OVERHEAD or data[0] > _VERSION:
            return None
        nonce, sealed = data[1 : 1 + _NONCE], data[1 + _NONCE :]
        for cipher in self._keyring.ciphers:
            try:
                plain = cipher.decrypt(nonce, sealed, covered)
            except InvalidTag:
                continue
            return _unpadded(plain) if data[0] == 0 else plain
        return None


class StreamReader:
    """Takes in one message of a stream, piece by piece: label, then sealed or clear."""

    def __init__(self, seal: Seal, header: bytes, limit: int) -> None:
        self._seal = seal
        self._header = header
        self._limit = limit
        self._buffer = bytearray()
        self._labelled = False  # the label has been read (there may be none to read)
        self._scanner: StreamScanner | None = None
        self._sealed_bytes = 0  # of the whole sealed message, once its length is known

    @property
    def sealed(self) -> bool:
        """Whether the message came sealed."""
        return self._sealed_bytes > 0

    def feed(self, data: bytes) -> bytes | None:
        """The plain message once it is whole, else None; PeerError for nonsense and what cannot be opened."""
        if self._scanner is not None:
            return self._scanned(data)
        self._buffer += data
        if not self._labelled and not self._read_label():
            return None
        if not self._buffer:
            return None
        if self._buffer[0] == Kind.ENCRYPTED:
            return self._read_sealed()
        if not self._seal.may_be_plain():
            raise PeerError("plain")
        self._scanner = StreamScanner(self._limit)
        data, self._buffer = bytes(self._buffer), bytearray()
        return self._scanned(data)

    def _read_label(self) -> bool:
        header = self._header
        got = bytes(self._buffer[: len(header)])
        if not header.startswith(got) or (not header and self._buffer[:1] == bytes((Kind.LABEL,))):
            raise PeerError("label")
        if len(got) < len(header) or (not header and not self._buffer):
            return False
        del self._buffer[: len(header)]
        self._labelled = True
        return True

    def _scanned(self, data: bytes) -> bytes | None:
        assert self._scanner is not None, "made when the first clear byte came"
        length = self._scanner.feed(data)
        return None if length is None else self._scanner.take(length)

    def _read_sealed(self) -> bytes | None:
        if not self._sealed_bytes:
            if len(self._buffer) < _HEAD:
                return None
            self._sealed_bytes = _HEAD + int.from_bytes(self._buffer[1:_HEAD], "big")
            if not _HEAD + OVERHEAD < self._sealed_bytes <= self._limit:
                raise PeerError("stream_limit")
        if len(self._buffer) < self._sealed_bytes:
            return None
        with memoryview(self._buffer) as whole, whole[_HEAD : self._sealed_bytes] as envelope:
            plain = self._seal.open_stream(bytes(whole[:_HEAD]), envelope)
        self._buffer = bytearray()  # held twice no longer than it must be
        length = StreamScanner(self._limit).scan(plain) if plain else None
        if length is None:
            raise PeerError("stream_cut")
        return plain if length == len(plain) else plain[:length]


def _unpadded(plain: bytes) -> bytes | None:
    """Version 0's padding off: 1..16 bytes that all say how many they are."""
    count = plain[-1] if plain else 0
    whole = 0 < count <= _BLOCK and plain.endswith(bytes((count,)) * count)
    return plain[:-count] if whole else None


def _sealed(data: bytes) -> bool:
    """Whether a packet looks like an envelope. Its version is also the number of pings, but then a map with
    their number follows, which a random nonce is not."""
    if len(data) < OVERHEAD or data[0] > _VERSION:
        return False
    try:
        return b"SeqNo" not in unpack_map(data[1:])
    except PeerError:
        return True
