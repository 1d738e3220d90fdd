"""Push/pull: what is made of another's table, row by row."""

from __future__ import annotations

import random

import pytest

from tests.core.gossip.pool import Pool
from zoned.core.actions import Note, StreamReply
from zoned.core.gossip import GossipSettings, Identity, Swim, decode_stream
from zoned.core.gossip.messages import ErrorReply, PushPull, Row, Standing
from zoned.core.gossip.stream import encode_stream
from zoned.core.gossip.tags import meta_of
from zoned.core.gossip.wire import VERSIONS
from zoned.core.names import Instant

NOW = Instant(50.0, 1000.0, 1000.0)
ME, CALLER = (Identity(name, "z1", 1, (f"10.0.0.{n}", 7946)) for n, name in ((1, "a"), (2, "b")))


def row(node: str, number: int, standing: Standing, versions: bytes = VERSIONS) -> Row:
    of = Identity(node, "z2", 1, (f"10.0.0.{number}", 7946))
    return Row(node, of.gossip, meta_of(of), 7, standing, versions)


def exchanged(one: Swim, *rows: Row) -> PushPull:
    """Our answer to a newcomer with these rows."""
    one.take_actions()
    one.stream(1, encode_stream(PushPull(True, rows, b"")), CALLER.gossip, NOW)
    (reply,) = (each for each in one.take_actions() if isinstance(each, StreamReply))
    answer = decode_stream(reply.data)
    assert isinstance(answer, PushPull)
    return answer


@pytest.mark.parametrize("versions", [b"", bytes(6), bytes((6, 9, 7, 2, 5, 5)), bytes((1, 5, 2, 0, 0, 0))])
def test_a_row_of_odd_versions_costs_that_row_only_and_goes_no_further(versions: bytes) -> None:
    """memberlist refuses every exchange with a table that has such a row, so ours never has one."""
    one = Swim(GossipSettings(), ME, random.Random(1), NOW)
    caller, odd, other = (
        row("b", 2, Standing.ALIVE),
        row("x", 3, Standing.ALIVE, versions),
        row("c", 4, Standing.ALIVE),
    )
    answer = exchanged(one, caller, odd, other)
    assert [each.node for each in answer.rows] == ["a", "b", "c"]
    assert one.counters["rejected_protocol"] == 1
    assert [member.node for member in one.members()] == ["a", "b", "c"]


def test_the_failed_of_a_pool_are_not_met_if_their_versions_are_odd() -> None:
    """A newcomer takes up whom its pool has lost: not those who would spoil its exchanges."""
    one = Swim(GossipSettings(), ME, random.Random(1), NOW)
    one.join([CALLER.gossip], NOW)
    (call,) = one.take_actions()
    lost = row("c", 4, Standing.DEAD), row("x", 5, Standing.DEAD, bytes(6))
    answer = encode_stream(PushPull(True, (row("b", 2, Standing.ALIVE), *lost), b""))
    one.answered(call.call, answer, NOW)  # type: ignore[union-attr]
    assert [member.node for member in one.members()] == ["a", "b", "c"]
    told = [each.text for each in one.take_actions() if isinstance(each, Note) and "speaks" in each.text]
    assert told == [
        "not a member: x at 10.0.0.5:7946 speaks protocol versions 0 0 0 0 0 0, we speak 1 5 2 2 5 5"
    ]


def test_a_refusal_is_told_once_in_ten_minutes_however_often_we_call() -> None:
    pool = Pool()
    seed, caller = pool.add(0), pool.add(1)
    refusal = encode_stream(ErrorReply("its gossip.label is not ours"))
    seed.swim.stream = lambda stream, data, sender, now: seed.swim._wiring.actions.append(  # type: ignore[method-assign]
        StreamReply(stream=stream, data=refusal)
    )
    pool.do(caller, "join", [seed.identity.gossip])
    pool.run(900)
    told = [at for at, text in caller.notes if "refuses us" in text]
    assert len(told) == 2 and told[1] - told[0] >= 600
    assert caller.swim.counters["rejected_error_reply"] > 100
