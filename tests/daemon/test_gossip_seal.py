"""Seals: memberlist's envelope byte by byte, labels, what is refused and under which reason."""

from __future__ import annotations

from itertools import product

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import PeerError
from zoned.core.gossip.messages import Ack, IndirectPing, Nack, Ping, User
from zoned.core.gossip.stream import encode_stream
from zoned.core.gossip.wire import compound, encode, with_crc
from zoned.daemon.gossip_seal import OVERHEAD, Seal
from zoned.daemon.keyring import Keyring
from zoned.daemon.refusals import EVERY_S, MAX_HOSTS, Refusals

A, B, C = b"a" * 16, b"b" * 24, b"c" * 32
PING = encode(Ping(7, "z-1", ("127.0.0.1", 7946), "z-2"))
STREAM = encode_stream(User(b"x" * 500))
LIMIT = 1 << 20


def seal(*keys: bytes, label: str = "", incoming: bool = True, outgoing: bool = True) -> Seal:
    return Seal(Keyring(keys), label, incoming, outgoing)


def read(one: Seal, data: bytes, step: int = 65536, answer: bool = False) -> bytes | None:
    reader = one.reader(LIMIT, answer)
    whole = None
    for start in range(0, len(data), step):
        whole = reader.feed(data[start : start + step])
    return whole


def reason(one: Seal, packet: bytes) -> str:
    with pytest.raises(PeerError) as error:
        one.open_packet(packet)
    return error.value.reason


def stream_reason(one: Seal, data: bytes, answer: bool = False) -> str:
    with pytest.raises(PeerError) as error:
        read(one, data, answer=answer)
    return error.value.reason


def test_the_envelope_is_memberlists() -> None:
    packet = seal(A).packet(PING)
    assert packet[0] == 1 and len(packet) == len(PING) + OVERHEAD == len(PING) + 29
    assert AESGCM(A).decrypt(packet[1:13], packet[13:], None) == PING
    labelled = seal(A, label="shop").packet(PING)
    assert labelled[:6] == b"\xf4\x04shop"
    assert AESGCM(A).decrypt(labelled[7:19], labelled[19:], b"shop") == PING
    stream = seal(A, label="shop").stream(STREAM)
    assert stream[6] == 10 and int.from_bytes(stream[7:11], "big") == 29 + len(STREAM) == len(stream) - 11
    assert AESGCM(A).decrypt(stream[12:24], stream[24:], stream[6:11] + b"shop") == STREAM


def test_version_0_is_padded_and_still_read() -> None:
    for size in (15, 16, 17):
        plain = b"\x08" + bytes(size)
        count = 16 - len(plain) % 16
        nonce = b"n" * 12
        packet = b"\0" + nonce + AESGCM(C).encrypt(nonce, plain + bytes((count,)) * count, None)
        assert seal(A, C).open_packet(packet) == plain
    bad = b"\0" + nonce + AESGCM(C).encrypt(nonce, b"\x08" * 16 + b"\x11", None)
    assert reason(seal(C), bad) == "wrong_key"


@given(st.binary(min_size=1, max_size=2000), st.sampled_from((A, B, C)), st.sampled_from(("", "shop")))
def test_what_is_sealed_is_opened_by_any_of_the_keys(plain: bytes, key: bytes, label: str) -> None:
    assert seal(C, B, A, label=label).open_packet(seal(key, label=label).packet(plain)) == plain


@pytest.mark.parametrize(
    ("step", "label", "keys"), list(product((1, 7, 4096), ("", "shop"), ((), (A,), (B, A))))
)
def test_streams_arrive_in_any_pieces(step: int, label: str, keys: tuple[bytes, ...]) -> None:
    theirs, ours = seal(*keys[-1:], label=label), seal(*keys, label=label)
    assert read(ours, theirs.stream(STREAM), step) == STREAM
    answer = theirs.stream(STREAM, answer=True)
    assert answer[0] != 0xF4 and read(ours, answer, step, answer=True) == STREAM
    assert theirs.stream(b"", answer=True) == b""


def test_each_refusal_has_its_reason() -> None:
    for plain in (PING, encode(Nack(1)), with_crc(PING), compound([PING, PING]), b"\x08hello"):
        assert reason(seal(A), plain) == "plain"
        assert reason(seal(A, label="x"), plain) == reason(seal(A), b"\xf4\x01x" + plain) == "label"
        assert reason(seal(A), seal(B).packet(plain)) == "wrong_key"
        assert reason(seal(A, label="x"), b"\xf4\x01x" + seal(A).packet(plain)) == "wrong_key"
    packets = [seal(B).packet(PING) for _ in range(1000)]
    assert {reason(seal(), packet) for packet in packets} == {"no_key"}
    assert reason(seal(A), b"") == "plain"
    assert stream_reason(seal(A), STREAM) == "plain"
    assert stream_reason(seal(A), seal(B).stream(STREAM)) == "wrong_key"
    assert stream_reason(seal(), seal(B).stream(STREAM)) == "no_key"
    assert stream_reason(seal(A, label="x"), seal(A).stream(STREAM)) == "label"
    assert stream_reason(seal(A), seal(A, label="x").stream(STREAM)) == "label"
    assert stream_reason(seal(A, label="x"), seal(A, label="x").stream(STREAM), answer=True) == "label"
    assert stream_reason(seal(A), b"\x0a\xff\xff\xff\xff") == "stream_limit"
    assert stream_reason(seal(A), b"\x0a\0\0\0\x01") == "stream_limit"
    assert stream_reason(seal(A), seal(A).stream(STREAM[:-1])) == "stream_cut"


def test_every_damaged_byte_is_noticed() -> None:
    packet, stream = seal(A).packet(PING), seal(A).stream(PING)
    for at in range(len(packet)):
        damaged = packet[:at] + bytes((packet[at] ^ 1,)) + packet[at + 1 :]
        assert reason(seal(A), damaged) in ("wrong_key", "plain")
    for at in range(5, len(stream)):
        damaged = stream[:at] + bytes((stream[at] ^ 1,)) + stream[at + 1 :]
        assert stream_reason(seal(A), damaged) == "wrong_key"


def test_plain_messages_pass_without_a_key() -> None:
    indirect = encode(IndirectPing(7, ("10.0.0.1", 7946), "z-1", True, ("10.0.0.2", 7946), "z-2"))
    for plain in (PING, indirect, encode(Ack(1, b"p" * 100)), with_crc(PING), b""):
        assert seal().packet(plain) == plain == seal().open_packet(plain)


def test_from_clear_to_sealed_without_an_outage() -> None:
    """Each step goes agent by agent; any two neighbouring steps understand each other."""
    steps = [
        seal(),
        seal(A, incoming=False, outgoing=False),
        seal(A, incoming=False),
        seal(A),
    ]
    for before, after in zip(steps, steps[1:], strict=False):
        for one, two in ((before, after), (after, before), (after, after)):
            assert two.open_packet(one.packet(PING)) == PING
            assert read(two, one.stream(STREAM)) == STREAM
            assert read(one, two.stream(STREAM, answer=True), answer=True) == STREAM
    assert reason(steps[3], steps[0].packet(PING)) == "plain"
    assert reason(steps[0], steps[3].packet(PING)) == "no_key"


def test_room_is_kept_for_what_is_added() -> None:
    assert seal().overhead_bytes == 0 and seal(label="shop").overhead_bytes == 6
    full = seal(A, label="shop")
    assert full.overhead_bytes == 35 == len(full.packet(PING)) - len(PING)


def test_refusals_are_told_once_a_minute_per_host_and_reason() -> None:
    now_s, lines = [0.0], list[str]()
    refusals = Refusals(lambda level, event, text: lines.append(text), lambda: now_s[0])
    for port in range(100):
        refusals.refused("wrong_key", ("10.0.0.1", port))
    refusals.refused("plain", ("10.0.0.1", 1))
    assert len(lines) == 2
    assert lines[0].startswith("gossip from 10.0.0.1:0 refused: it is encrypted with a key")
    now_s[0] = EVERY_S
    refusals.refused("wrong_key", ("10.0.0.1", 5))
    assert "(99 more since" in lines[2]
    for host in range(2 * MAX_HOSTS):
        refusals.refused("label", (f"10.1.{host // 256}.{host % 256}", 5))
    assert len(lines) <= 3 + MAX_HOSTS
    assert refusals.counters["rejected_wrong_key"] == 101
    assert refusals.counters["rejected_label"] == 2 * MAX_HOSTS
