"""Garbage into the seal: forged, cut, altered and replayed packets and streams, with keys, without, labelled.

Only PeerError leaves, under a reason of a short list; what is not refused is exactly what was sealed.
"""

from __future__ import annotations

import random

import pytest

from zoned.core.errors import PeerError
from zoned.core.gossip.messages import Ping, User
from zoned.core.gossip.stream import encode_stream
from zoned.core.gossip.wire import encode
from zoned.daemon.gossip_seal import REASONS, Seal
from zoned.daemon.keyring import Keyring

PACKETS = 20_000
A, B = b"a" * 32, b"b" * 16
STREAM_REASONS = {
    *REASONS,
    "stream_limit",
    "stream_cut",
    "msgpack",
    "msgpack_limit",
    "truncated",
    "unknown_type",
    "header",
    "row",
    "number",
    "empty",
    "encrypted",
    "labelled",
}
PLAIN = [encode(Ping(7, "z", ("10.0.0.1", 7946), "y")), encode_stream(User(b"x" * 200)), b"\x0c" + bytes(90)]


def damaged(chance: random.Random, data: bytes) -> bytes:
    """A piece of it, or with bytes changed, added or taken out; or something else altogether."""
    found = bytearray(data)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(found)) if found else 0
        match chance.randrange(5):
            case 0:
                del found[at:]
            case 1:
                found[at : at + 1] = bytes((chance.randrange(256),))
            case 2:
                found[at:at] = chance.randbytes(chance.randrange(1, 20))
            case 3:
                del found[at : at + chance.randrange(1, 20)]
            case _:
                found = bytearray(chance.randbytes(chance.randrange(300)))
    return bytes(found)


@pytest.mark.parametrize(("keys", "label"), [((), ""), ((A,), ""), ((B, A), "shop")])
def test_only_peer_errors_leave_and_nothing_forged_enters(keys: tuple[bytes, ...], label: str) -> None:
    chance = random.Random(f"{len(keys)}{label}")
    ours = Seal(Keyring(keys), label)
    others = [ours, Seal(Keyring(())), Seal(Keyring((A,))), Seal(Keyring((b"c" * 24,)), label)]
    reasons: dict[str, int] = {}
    for _ in range(PACKETS // 3):
        plain, sender = chance.choice(PLAIN), chance.choice(others)
        try:
            opened = ours.open_packet(damaged(chance, sender.packet(plain)))
            assert not keys or opened in PLAIN
        except PeerError as error:
            assert error.reason in REASONS
            reasons[error.reason] = reasons.get(error.reason, 0) + 1
        reader = ours.reader(1 << 20)
        try:
            stream = damaged(chance, sender.stream(PLAIN[chance.randrange(2)]))
            cut = chance.randrange(len(stream) + 1)
            whole = [found for found in (reader.feed(stream[:cut]), reader.feed(stream[cut:])) if found]
            assert not keys or all(found in PLAIN for found in whole)
        except PeerError as error:
            assert error.reason in STREAM_REASONS, error.reason
    assert set(reasons) == ({"no_key", "label"} if not keys else {"wrong_key", "plain", "label"})
