"""/metrics of live agents: what gossip carries, whom it reaches, and each refusal under its reason."""

from __future__ import annotations

import signal
import socket
import zlib
from pathlib import Path

import msgpack
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.daemon.processes import AgentProcess, pool, until
from zoned.core.gossip.messages import Alive, Nack, Ping
from zoned.core.gossip.stream import compressed_stream
from zoned.core.gossip.wire import VERSIONS, compound, compressed, encode, with_crc
from zoned.daemon.gossip_seal import Seal
from zoned.daemon.keyring import Keyring, generate, parse_key

pytestmark = pytest.mark.timeout(120)  # processes, on a machine that may be busy
PING = encode(Ping(1, "n1", None, ""))
THERE = ("127.0.0.1", 9)
PACKETS = {
    "unknown_type": b"\x63?",
    "truncated": PING[:-3],
    "msgpack": b"\x00\xc1",
    "compound_cut": compound([encode(Nack(1)), PING])[:-3],
    "crc": with_crc(PING)[:-1] + b"?",
    "lzw_limit": compressed(b"\x08" + bytes(1 << 20)),
    "lzw": b"\x09" + msgpack.packb({"Algo": 0, "Buf": b"\xff" * 90}, use_bin_type=False),
    "compression": b"\x09" + msgpack.packb({"Algo": 7, "Buf": b""}, use_bin_type=False),
    "msgpack_limit": b"\x00\x81\xa1x" + b"\xdd\x00\x00\xff\x00" * 3000,
    "bytes": encode(Alive(9, "x", THERE, bytes(9000), VERSIONS)),
    "name": encode(Ping(1, "two words", None, "")),
    "nesting": with_crc(with_crc(with_crc(with_crc(with_crc(PING))))),
    "questions": compound([PING] * 100),
    "compound_limit": compound([compound([encode(Nack(1))] * 200)] * 2),
    "ping_for_another": encode(Ping(1, "n7", None, "")),
    "serf_limit": b"\x08\x03" + bytes(9000),
}
"""Sealed with the pool's key, so that they get as far as they can."""


def metrics(agent: AgentProcess) -> dict[tuple[str, ...], float]:
    text = agent.get("/metrics")[2].decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def rejected(agent: AgentProcess) -> set[str]:
    return {
        key[1] for key, count in metrics(agent).items() if key[0] == "zoned_gossip_rejected_total" and count
    }


def stream(agent: AgentProcess, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", agent.gossip), timeout=10) as sock:
        sock.sendall(data)
        answer = b""
        try:
            while piece := sock.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
        return answer


def test_each_refusal_is_counted_under_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = generate()
    (tmp_path / "gossip.key").write_text(key + "\n")
    monkeypatch.setenv("ZONED_GOSSIP__KEY_FILE", str(tmp_path / "gossip.key"))
    right, wrong = Seal(Keyring((parse_key(key),))), Seal(Keyring((b"w" * 16,)))
    sealed = right.packet(PING)
    forged = {
        "plain": PING,
        "wrong_key": wrong.packet(PING),
        "label": Seal(Keyring((parse_key(key),)), "other").packet(PING),
    }
    with pool(tmp_path, 1) as (_, (agent,)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        assert not rejected(agent)
        packets = forged | {reason: right.packet(data) for reason, data in PACKETS.items()}
        for data in packets.values():
            udp.sendto(data, ("127.0.0.1", agent.gossip))
        until(lambda: set(packets) <= rejected(agent), "a count under each reason")
        assert all(metrics(agent)["zoned_gossip_rejected_total", reason] == 1 for reason in forged)
        altered = sealed[:-1] + bytes((sealed[-1] ^ 1,))
        udp.sendto(altered, ("127.0.0.1", agent.gossip))
        until(lambda: metrics(agent)["zoned_gossip_rejected_total", "wrong_key"] == 2, "an altered packet")
        assert stream(agent, wrong.stream(PING)) and not stream(agent, b"\x0a\xff\xff\xff\xff")
        bomb = compressed_stream(b"\x08" + bytes(5 << 20)) + bytes(60_000)
        assert stream(agent, right.stream(bomb))  # told why
        assert not stream(agent, right.stream(b"\x06" + msgpack.packb({"Nodes": 1 << 30})))
        until(lambda: {"stream_limit", "number", "lzw_limit"} <= rejected(agent), "streams")
        assert metrics(agent)["zoned_gossip_rejected_total", "wrong_key"] == 3
        assert agent.said("refused: it is encrypted with a key that is not in our keyring, or was altered")
        assert [each["state"] for each in agent.json("/v1/members")["members"]] == ["alive"]


def test_what_gossip_does_is_in_the_metrics(tmp_path: Path) -> None:
    with pool(tmp_path, 2) as (_, (one, two)):

        def shows(*names: tuple[str, ...]) -> bool:
            found = metrics(one)
            return all(found.get(name, 0.0) > 0 for name in names)

        messages = [
            ("zoned_gossip_messages_total", direction, kind)
            for kind in ("ping", "ack", "alive", "serf", "reconcile", "push_pull")
            for direction in ("in", "out")
        ]
        peer = (("zoned_peer_reachable", "n2", "udp"), ("zoned_peer_rtt_seconds", "z2"))
        until(lambda: shows(*messages, *peer), "messages of every kind, and n2 answers")
        until(lambda: metrics(one)["zoned_ring_ids",] == 1, "one ring")
        until(lambda: metrics(one)["zoned_gossip_health_score",] == 0, "it is well, if the machine is slow")
        until(lambda: metrics(one)["zoned_members", "alive"] == 2, "and suspects nobody")
        now = metrics(one)
        assert now["zoned_member_transitions_total", "alive"] >= 1
        assert now["zoned_peers_folded",] == 0
        assert ("zoned_gossip_queue_length",) in now
        for name in ("zoned_gossip_bytes_total", "zoned_gossip_packets_total"):
            assert now[name, "in"] > 0 and now[name, "out"] > 0
        joiner = metrics(two)
        assert joiner["zoned_gossip_push_pull_seconds_count",] >= 1
        assert joiner["zoned_gossip_push_pull_seconds_sum",] > 0
        assert joiner["zoned_gossip_push_pull_bytes_total", "in"] > 100
        assert joiner["zoned_peer_reachable", "n1", "tcp"] == 1
        two.stop(signal.SIGKILL)
        until(lambda: shows(("zoned_member_transitions_total", "failed")), "n2 failed")
        until(lambda: metrics(one)["zoned_members", "failed"] == 1, "one has failed")
        two.start()
        until(lambda: shows(("zoned_member_flaps_total",)), "n2 was back at once")
        until(lambda: metrics(one)["zoned_members", "alive"] == 2, "two again")


def test_the_packets_above_are_what_they_say() -> None:
    """The checksum is wrong, and nothing else."""
    data = PACKETS["crc"]
    assert data[0] == 12 and zlib.crc32(data[5:]) != int.from_bytes(data[1:5], "big")
