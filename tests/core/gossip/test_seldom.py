"""Warnings that repeat: once in ten minutes for each subject, and bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zoned.core.gossip.seldom import AGAIN_S, LIMIT, Seldom
from zoned.core.names import Instant


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.floats(0, 400)), max_size=30))
def test_each_is_said_once_in_ten_minutes(asked: list[tuple[str, str, float]]) -> None:
    seldom, last, now_s = Seldom(), dict[tuple[str, str], float](), 0.0
    for event, subject, passed_s in asked:
        now_s += passed_s
        due = (event, subject) not in last or now_s - last[event, subject] >= AGAIN_S
        assert seldom.may_say(event, subject, Instant(now_s, now_s, now_s)) is due
        if due:
            last[event, subject] = now_s


def test_it_remembers_so_many() -> None:
    seldom, now = Seldom(), Instant(1.0, 1.0, 1.0)
    for number in range(LIMIT + 1):
        assert seldom.may_say("event", str(number), now)
    assert not seldom.may_say("event", "1", now) and seldom.may_say("event", "0", now)
