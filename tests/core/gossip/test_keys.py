"""Serf's key queries through a whole stage: who is obeyed, who is answered, and what a lost packet costs."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from tests.core.gossip.test_serf import NOW, OTHER, query, replies, swim
from zoned.core.actions import KeyReplies, KeyReply, KeyRequest, SendPacket
from zoned.core.events import AskKeys, KeyAnswered, KeyVerb
from zoned.core.gossip import Swim
from zoned.core.gossip.keys import MAX_ASKED, MAX_ASKING
from zoned.core.gossip.messages import Kind
from zoned.core.names import Instant

KEY = b"k" * 32


def later(seconds: float) -> Instant:
    return Instant(NOW.mono_s + seconds, NOW.wall_s + seconds, NOW.season_s + seconds)


def request(key: bytes = KEY) -> bytes:
    return b"\x07" + msgpack.packb({"Key": key}, use_bin_type=False)


def asked(one: Swim, verb: str, payload: bytes, private: bool = True, **more: Any) -> list[Any]:
    """One of Serf's agents asks us; what we do."""
    fields = query(f"_serf_{verb}", Payload=payload, Flags=0, **more)
    body = bytes((Kind.USER, 4)) + msgpack.packb(fields, use_bin_type=False)
    one.packet(body, OTHER.gossip, NOW, private)
    return one.take_actions()


def told(actions: list[Any]) -> dict[bytes, Any]:
    """The one KeyResponse among these actions."""
    (payload,) = (
        fields[b"Payload"]
        for _, kind, fields in replies([each for each in actions if isinstance(each, SendPacket)])
        if kind == 5
    )
    assert payload[0] == 8
    fields: dict[bytes, Any] = msgpack.unpackb(payload[1:], raw=True)
    return fields


@pytest.mark.parametrize("verb", [KeyVerb.INSTALL, KeyVerb.USE, KeyVerb.REMOVE])
def test_a_request_goes_to_the_world_and_its_answer_back(verb: KeyVerb) -> None:
    one = swim()
    (order,) = (each for each in asked(one, f"{verb.value}-key", request()) if isinstance(each, KeyRequest))
    assert (order.verb, order.key, order.asker) == (verb, KEY, "q") and "kkk" not in repr(order)
    one.keys.answered(KeyAnswered(request=order.request), NOW)
    assert told(one.take_actions()) == {b"Keys": [], b"Message": b"", b"Result": True}
    one.keys.answered(KeyAnswered(request=order.request), NOW)
    assert one.take_actions() == [] and one.counters["key_answers_late"] == 1  # once only


def test_a_refusal_says_why_and_a_listing_says_which_key_seals() -> None:
    one = swim()
    (order,) = asked(one, "remove-key", request())[:1]
    one.keys.answered(KeyAnswered(request=order.request, error="it seals", keys=("never told",)), NOW)
    assert told(one.take_actions()) == {b"Keys": [], b"Message": b"it seals", b"Result": False}
    (order,) = asked(one, "list-keys", b"", ID=78)[:1]
    one.keys.answered(KeyAnswered(request=order.request, keys=("a2V5", "b3RoZXI=")), NOW)
    fields = told(one.take_actions())
    assert (
        fields[b"Keys"] == [b"a2V5", b"b3RoZXI="] and fields[b"PrimaryKey"] == b"a2V5" and fields[b"Result"]
    )


def test_what_did_not_come_sealed_is_refused_and_not_passed_on() -> None:
    one = swim()
    before = one.counters["queue_length"]
    actions = asked(one, "install-key", request(), private=False)
    assert not any(isinstance(each, KeyRequest) for each in actions)
    assert b"not encrypted both ways" in told(actions)[b"Message"]
    assert one.counters["key_queries_kept"] == 1 and one.counters["queue_length"] == before
    asked(one, "list-keys", b"", private=False, ID=78)  # there is no key in this one
    assert one.counters["queue_length"] == before + 1


def test_sealed_ones_are_passed_on_also_by_who_is_not_meant() -> None:
    one = swim()
    before = one.counters["queue_length"]
    others = [b"\x00" + msgpack.packb(["x"], use_bin_type=False)]
    assert asked(one, "install-key", request(), Filters=others) == []
    assert one.counters["queue_length"] == before + 1


def test_late_answers_and_floods() -> None:
    one = swim()
    (order,) = asked(one, "use-key", request())[:1]
    one.keys.answered(KeyAnswered(request=order.request), later(1.1))  # the query said one second
    assert one.take_actions() == [] and one.counters["key_answers_late"] == 1
    for number in range(MAX_ASKED + 3):
        asked(one, "use-key", request(), ID=100 + number)
    assert one.counters["key_queries_dropped"] == 3


@pytest.mark.parametrize(
    "payload", [b"", b"\x06\x80", b"\x07\xc1", b"\x07" + msgpack.packb({"Key": "k" * 65})]
)
def test_damaged_requests(payload: bytes) -> None:
    one = swim()
    assert not any(isinstance(each, KeyRequest) for each in asked(one, "use-key", payload))
    assert sum(n for name, n in one.counters.items() if name.startswith("rejected")) == 1


# ---- asked by us ----


def ask(one: Swim, verb: KeyVerb = KeyVerb.LIST, *nodes: str, at: Instant = NOW) -> list[dict[bytes, Any]]:
    """Ask; the queries that went out."""
    order = AskKeys(request=5, verb=verb, key=KEY, nodes=nodes or ("b",), timeout_s=3.0)
    one.keys.ask(order, at)
    return queries(one.take_actions())


def queries(actions: list[Any]) -> list[dict[bytes, Any]]:
    packets = [each for each in actions if isinstance(each, SendPacket)]
    assert all(packet.address == OTHER.gossip for packet in packets)
    return [fields for _, kind, fields in replies(packets) if kind == 4]


def answer(one: Swim, to: dict[bytes, Any], node: str = "b", private: bool = True, **fields: Any) -> None:
    payload = b"\x08" + msgpack.packb({"Result": True, "Message": "", **fields}, use_bin_type=False)
    what = {"ID": to[b"ID"], "LTime": to[b"LTime"], "From": node, "Flags": 0, "Payload": payload}
    body = bytes((Kind.USER, 5)) + msgpack.packb(what, use_bin_type=False)
    one.packet(body, OTHER.gossip, NOW, private)


def done(actions: list[Any]) -> tuple[KeyReply, ...]:
    (found,) = (each for each in actions if isinstance(each, KeyReplies))
    assert found.request == 5
    return found.replies


def test_an_asked_agent_s_answer_ends_the_asking() -> None:
    one = swim()
    (out,) = ask(one, KeyVerb.INSTALL)
    assert out[b"Name"] == b"_serf_install-key" and out[b"Payload"] == request()
    assert (out[b"Addr"], out[b"Port"], out[b"SourceNode"]) == (bytes((10, 0, 0, 1)), 7946, b"a")
    assert out[b"Flags"] == 2  # straight to who is meant, and no further
    answer(one, out, Keys=["x"], PrimaryKey="")
    assert done(one.take_actions()) == (KeyReply(node="b", error="", keys=("x",)),)
    one.tick(later(1.5))
    assert queries(one.take_actions()) == []


def test_newer_agents_say_which_key_seals_and_refusals_say_why() -> None:
    one = swim()
    (out,) = ask(one)
    answer(one, out, Keys=["x", "y"], PrimaryKey="y")
    assert done(one.take_actions())[0].keys == ("y", "x")
    (out,) = ask(one, KeyVerb.REMOVE)
    answer(one, out, Result=False, Message="removing the primary key is not allowed")
    assert done(one.take_actions())[0].error == "removing the primary key is not allowed"


def test_lost_packets_are_asked_for_again_and_the_dead_are_given_up() -> None:
    one = swim()
    (first,) = ask(one)
    numbers = [first[b"ID"]]
    for second in (1.0, 2.0):
        one.tick(later(second))
        (again,) = queries(one.take_actions())
        numbers.append(again[b"ID"])
    assert len(dict.fromkeys(numbers)) == 3  # each a query of its own: Serf answers each once
    one.tick(later(3.0))
    assert done(one.take_actions()) == ()
    answer(one, again)
    assert one.take_actions() == [] and one.counters["responses_unasked"] == 1


def test_answers_that_nobody_asked_for() -> None:
    one = swim()
    (out,) = ask(one)
    answer(one, out, node="z")
    answer(one, out, private=False)
    answer(one, {**out, b"ID": out[b"ID"] ^ 1})
    assert one.counters["responses_unasked"] == 3
    answer(one, out, Keys="no list")
    assert one.counters["rejected_key_response"] == 1 and one.take_actions() == []


def test_askings_are_bounded_and_always_end() -> None:
    one = swim()
    for number in range(MAX_ASKING):
        order = AskKeys(request=100 + number, verb=KeyVerb.LIST, key=b"", nodes=("b",), timeout_s=3.0)
        one.keys.ask(order, NOW)
    one.keys.ask(AskKeys(request=5, verb=KeyVerb.LIST, key=b"", nodes=("b",), timeout_s=3.0), NOW)
    assert done(one.take_actions()) == () and one.counters["key_askings_dropped"] == 1
    one = swim()
    assert ask(one, KeyVerb.LIST, "nobody") == []
    one.tick(later(3.0))
    assert done(one.take_actions()) == ()
