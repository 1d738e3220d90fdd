"""Serf's layer: intents and their clocks, push/pull state, queries, events, relays."""

from __future__ import annotations

import random
from typing import Any

import msgpack
import pytest

from zoned.core.actions import SendPacket
from zoned.core.errors import PeerError
from zoned.core.gossip import GossipSettings, Identity, Swim
from zoned.core.gossip.lamport import LamportClock
from zoned.core.gossip.messages import Alive, Kind, Nack, User
from zoned.core.gossip.tags import meta_of
from zoned.core.gossip.wire import VERSIONS, decode_packet, encode
from zoned.core.members import MemberState
from zoned.core.names import Address, Instant

NOW = Instant(100.0, 1000.0, 1000.0)
ME = Identity("a", "eu-1", 1, ("10.0.0.1", 7946))
OTHER = Identity("b", "eu-2", 1, ("10.0.0.2", 7946), role="web")


def swim() -> Swim:
    one = Swim(GossipSettings(), ME, random.Random(1), NOW)
    one.packet(encode(Alive(5, "b", OTHER.gossip, meta_of(OTHER), VERSIONS)), OTHER.gossip, NOW)
    one.take_actions()
    return one


def serf(one: Swim, kind: int, fields: dict[str, Any], sender: Address = OTHER.gossip) -> list[SendPacket]:
    body = bytes((Kind.USER, kind)) + msgpack.packb(fields, use_bin_type=False)
    one.packet(body, sender, NOW)
    return [action for action in one.take_actions() if isinstance(action, SendPacket)]


def state(one: Swim, node: str = "b") -> MemberState | None:
    return next((each.state for each in one.members() if each.node == node), None)


def replies(packets: list[SendPacket]) -> list[tuple[Address, int, dict[bytes, Any]]]:
    """(to, Serf type, fields) of every Serf message in these packets, but for relays and our own."""
    found = []
    for packet in packets:
        for message in decode_packet(packet.data).messages:
            if isinstance(message, User) and message.body[0] <= 8:
                fields = msgpack.unpackb(message.body[1:], raw=True)
                found.append((packet.address, message.body[0], fields))
    return found


def test_lamport_clocks_never_fall_behind() -> None:
    clock = LamportClock()
    assert clock.tick() == 2
    clock.witness(10)
    assert clock.time == 11
    clock.witness(3)
    assert clock.tick() == 12


def test_a_leave_intent_makes_a_member_leaving_and_its_death_a_leave() -> None:
    one = swim()
    serf(one, 0, {"LTime": 7, "Node": "b", "Prune": False})
    assert state(one) is MemberState.LEAVING
    one.packet(b"\x05" + msgpack.packb({"Incarnation": 5, "Node": "b", "From": "c"}), OTHER.gossip, NOW)
    assert state(one) is MemberState.LEFT


def test_old_intents_are_void() -> None:
    one = swim()
    serf(one, 1, {"LTime": 9, "Node": "b"})
    serf(one, 0, {"LTime": 9, "Node": "b", "Prune": False})
    assert state(one) is MemberState.ALIVE
    serf(one, 0, {"LTime": 10, "Node": "b", "Prune": False})
    assert state(one) is MemberState.LEAVING
    serf(one, 1, {"LTime": 11, "Node": "b"})
    assert state(one) is MemberState.ALIVE


def test_an_intent_that_comes_before_its_member_waits() -> None:
    one = swim()
    serf(one, 0, {"LTime": 4, "Node": "c", "Prune": False})
    third = Identity("c", "z", 1, ("10.0.0.3", 7946))
    one.packet(encode(Alive(1, "c", third.gossip, meta_of(third), VERSIONS)), OTHER.gossip, NOW)
    assert state(one, "c") is MemberState.LEAVING


def test_waiting_intents_are_bounded() -> None:
    one = swim()
    for number in range(1100):
        serf(one, 0, {"LTime": 4, "Node": f"x{number}", "Prune": False})
    assert one.counters["intents_dropped"] == 1100 - 1024


def test_a_rumour_of_our_leaving_is_answered_by_a_join() -> None:
    one = swim()
    serf(one, 0, {"LTime": 50, "Node": "a", "Prune": False})
    assert state(one, "a") is MemberState.ALIVE
    one.tick(Instant(100.1, 1000.1, 1000.1))
    packets = [action for action in one.take_actions() if isinstance(action, SendPacket)]
    assert (OTHER.gossip, 1, {b"LTime": 52, b"Node": b"a"}) in replies(packets)


def test_force_leave_and_prune() -> None:
    one = swim()
    one.packet(b"\x05" + msgpack.packb({"Incarnation": 5, "Node": "b", "From": "c"}), OTHER.gossip, NOW)
    assert state(one) is MemberState.FAILED
    serf(one, 0, {"LTime": 5, "Node": "b", "Prune": False})
    assert state(one) is MemberState.LEFT
    serf(one, 0, {"LTime": 6, "Node": "b", "Prune": True})
    assert state(one) is None


def test_absurd_clocks_are_refused() -> None:
    one = swim()
    serf(one, 0, {"LTime": 1 << 60, "Node": "b", "Prune": False})
    assert state(one) is MemberState.ALIVE and one.counters["rejected_clock"] == 1


def query(name: str, **more: Any) -> dict[str, Any]:
    fields = {
        "LTime": 3, "ID": 77, "Addr": bytes((10, 0, 0, 9)), "Port": 4000, "SourceNode": "q", "Filters": None,
        "Flags": 1, "RelayFactor": 0, "Timeout": 10**9, "Name": name, "Payload": b"",
    }  # fmt: skip
    return {**fields, **more}


def answers(packets: list[SendPacket]) -> list[tuple[Address, int, dict[bytes, Any]]]:
    return [each for each in replies(packets) if each[1] == 5]


def test_a_ping_query_is_acknowledged_and_passed_on() -> None:
    one = swim()
    packets = serf(one, 4, query("_serf_ping"))
    ((to, _, fields),) = answers(packets)
    assert [len(decode_packet(each.data).messages) for each in packets if each.address == to] == [1]
    assert to == ("10.0.0.9", 4000)
    assert fields == {b"LTime": 3, b"ID": 77, b"From": b"a", b"Flags": 1, b"Payload": None}
    assert one.counters["queue_length"] >= 1
    assert serf(one, 4, query("_serf_ping")) == []  # once only


@pytest.mark.parametrize(
    ("filters", "meant"),
    [
        ([b"\x00" + msgpack.packb(["x", "a"], use_bin_type=False)], True),
        ([b"\x00" + msgpack.packb(["x"], use_bin_type=False)], False),
        ([b"\x01" + msgpack.packb({"Tag": "zone", "Expr": "^eu-.*"}, use_bin_type=False)], True),
        ([b"\x01" + msgpack.packb({"Tag": "zone", "Expr": "us"}, use_bin_type=False)], False),
        ([b"\x01" + msgpack.packb({"Tag": "none", "Expr": ""}, use_bin_type=False)], True),  # as in Serf
        ([b"\x01" + msgpack.packb({"Tag": "none", "Expr": "x"}, use_bin_type=False)], False),
        ([b"\x01" + msgpack.packb({"Tag": "zone", "Expr": "(?i)^EU-(?:1|2)$"}, use_bin_type=False)], True),
        ([b"\x01" + msgpack.packb({"Tag": "zone", "Expr": "(?=eu)"}, use_bin_type=False)], False),
        ([b"\x01" + msgpack.packb({"Tag": "zone", "Expr": "(a+)+$"}, use_bin_type=False)], False),
        ([b"\x01" + msgpack.packb({"Tag": "zone", "Expr": "("}, use_bin_type=False)], False),
        ([b"\x00"], False),
        (["x" * 50] * 50, False),
    ],
)
def test_queries_with_filters(filters: list[Any], meant: bool) -> None:
    assert bool(answers(serf(swim(), 4, query("_serf_ping", Filters=filters)))) is meant


def test_a_conflict_query_gets_what_we_know_of_the_name() -> None:
    found = answers(serf(swim(), 4, query("_serf_conflict", Payload=b"b")))
    payload = next(fields[b"Payload"] for _, _, fields in found if fields[b"Payload"])
    assert payload[0] == 6
    member = msgpack.unpackb(payload[1:], raw=True)
    assert member[b"Name"] == b"b" and member[b"Addr"] == bytes((10, 0, 0, 2)) and member[b"Port"] == 7946
    assert member[b"Status"] == 1 and member[b"Tags"][b"zone"] == b"eu-2"
    about_us = answers(serf(swim(), 4, query("_serf_conflict", Payload=b"a")))
    assert len(about_us) == 1  # the ack only


def test_answers_come_also_by_way_of_others_where_that_is_wanted() -> None:
    one = swim()
    third = Identity("c", "z", 1, ("10.0.0.3", 7946))
    one.packet(encode(Alive(1, "c", third.gossip, meta_of(third), VERSIONS)), OTHER.gossip, NOW)
    packets = serf(one, 4, query("_serf_ping", RelayFactor=2, SourceNode="b", Addr=bytes((10, 0, 0, 2))))
    ways = {
        message.body[0]: packet
        for packet in packets
        for message in decode_packet(packet.data).messages
        if isinstance(message, User) and message.body[0] in (5, 9)
    }
    assert ways[5].address == ("10.0.0.2", 4000) and ways[9].address == third.gossip  # not by the asker
    two = swim()  # whoever is asked to relay finds the same answer in it
    moved = encode(Alive(6, "b", ("10.0.0.2", 4000), meta_of(OTHER), VERSIONS))
    two.packet(b"\x05" + msgpack.packb({"Incarnation": 5, "Node": "b", "From": "b"}), OTHER.gossip, NOW)
    two.packet(moved, OTHER.gossip, NOW)
    two.take_actions()
    two.packet(ways[9].data, ME.gossip, NOW)
    sent = [each for each in two.take_actions() if isinstance(each, SendPacket)]
    assert [to for to, _, _ in answers(sent)] == [("10.0.0.2", 4000)]


def test_events_are_passed_on_once() -> None:
    one = swim()
    for _ in range(3):
        serf(one, 3, {"LTime": 4, "Name": "deploy", "Payload": b"v1", "CC": False})
    assert one.counters["events_heard"] == 1


def test_relays_serve_members_only() -> None:
    one = swim()

    def relay(host: bytes) -> list[SendPacket]:
        fields = {"DestAddr": {"IP": host, "Port": 7946, "Zone": ""}, "DestName": "b"}
        header = msgpack.packb(fields, use_bin_type=False)
        one.packet(bytes((Kind.USER, 9)) + header + b"\x05inner", OTHER.gossip, NOW)
        return [action for action in one.take_actions() if isinstance(action, SendPacket)]

    (sent,) = relay(bytes((10, 0, 0, 2)))
    assert sent.address == OTHER.gossip and User(b"\x05inner") in decode_packet(sent.data).messages
    assert relay(bytes((10, 9, 9, 9))) == [] and one.counters["rejected_relay_stranger"] == 1


def test_unknown_serf_types_are_counted() -> None:
    one = swim()
    one.packet(bytes((Kind.USER, 99)) + b"\x80", OTHER.gossip, NOW)
    one.packet(bytes((Kind.USER,)), OTHER.gossip, NOW)
    one.packet(encode(Nack(1)), OTHER.gossip, NOW)
    assert one.counters["rejected_unknown_serf_type"] == 1 and one.counters["rejected_empty"] == 1


@pytest.mark.parametrize(
    "state_bytes",
    [
        b"\x03\x80",
        b"\x02\xc1",
        b"\x02" + msgpack.packb({"StatusLTimes": [1]}),
        b"\x02" + msgpack.packb({"LeftMembers": 3}),
        b"\x02" + msgpack.packb({"StatusLTimes": {b"\xff\xff": 1}}, use_bin_type=False),
        b"\x02" + msgpack.packb({"StatusLTimes": {b"x": "y"}}, use_bin_type=False),
        b"\x02" + msgpack.packb({"LTime": -1}),
    ],
)
def test_damaged_push_pull_states(state_bytes: bytes) -> None:
    with pytest.raises(PeerError):
        swim()._serf.merge(state_bytes, NOW)


def test_push_pull_state_carries_who_left() -> None:
    one, two = swim(), swim()
    serf(one, 0, {"LTime": 7, "Node": "b", "Prune": False})
    two._serf.merge(one._serf.state(), NOW)
    assert state(two) is MemberState.LEAVING
    assert two._serf.clock.time == one._serf.clock.time
