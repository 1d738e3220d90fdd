"""How a trace is cut into what the agents learn from and the day that is lived."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from zoned.config import load
from zoned.core.names import InstanceKey
from zoned.daemon.clock import Clock
from zoned.demo.play import MAX_LIVE_S, MAX_RATE, MIN_LIVE_S, cut
from zoned.demo.pool import agents_of
from zoned.demo.run import DemoOptions, configure
from zoned.simulation.trace import Trace

DAY = 86_400.0


def trace_of(rows: list[tuple[float, int, int, bytes]]) -> Trace:
    """A trace of two zones and three objects from (time, zone, object, client)."""
    return Trace(
        name="t",
        ts=[row[0] for row in rows],
        zones=[row[1] for row in rows],
        objects=[row[2] for row in rows],
        sizes=[1] * len(rows),
        clients=[row[3] for row in rows],
        zone_names=("a", "b"),
        instances=tuple(InstanceKey("d", b"%d" % number) for number in range(3)),
        object_sizes=[1, 1, 1],
    )


ROWS = [(number * 3600.0, number % 2, number % 3, b"c%d" % number) for number in range(24 * 90)]


@pytest.mark.parametrize("seconds", [20.0, 90.0, 130.0, 3600.0])
def test_the_live_part_is_the_end_and_its_rate_is_bounded(seconds: float) -> None:
    play = cut(trace_of(ROWS), seconds, 0.5)
    assert MIN_LIVE_S <= play.live_s <= MAX_LIVE_S
    assert play.sessions[0].at_s == 0, "it begins with a read"
    assert 1.0 <= play.rate <= MAX_RATE
    assert play.live_from_s + play.live_s == ROWS[-1][0]
    assert play.past.ts[-1] < play.live_from_s, "what is lived is not learnt beforehand"
    assert len(play.past) + play.requests <= len(ROWS)


def test_a_group_is_one_session_in_the_order_of_its_lines() -> None:
    end = 40 * DAY
    rows = [*ROWS[:100], (end, 1, 2, b"x"), (end, 1, 0, b"x"), (end, 0, 1, b"y"), (end, 1, 1, b"x")]
    play = cut(trace_of(rows), 90.0, 0.5)
    last = [session for session in play.sessions if session.at_s == play.live_s]
    assert [(s.zone, s.client, [key.key for key in s.keys]) for s in last] == [
        ("b", b"x", [b"2", b"0", b"1"]),
        ("a", b"y", [b"1"]),
    ]


def test_a_short_trace_is_played_too() -> None:
    play = cut(trace_of([(float(number), 0, 0, b"") for number in range(100)]), 20.0, 0.5)
    assert play.live_s == pytest.approx(99 * 0.9)
    assert play.requests == 90


def test_the_agents_season_is_the_traces_when_the_day_begins(tmp_path: Path) -> None:
    play = cut(trace_of(ROWS), 90.0, 0.5)
    agent = agents_of(play.zones, tmp_path)[0]
    configure(agent, [agent], play, DemoOptions(), 1, time.time() - 1.0)
    who = load(agent.directory / "zoned.toml", {}, {}).agent
    season_s = Clock(who.season_start_s, who.season_rate, who.season_since_s).now().season_s
    assert season_s - play.live_from_s == pytest.approx(play.rate, rel=0.5), "a second into the day"


def test_a_seed_that_was_killed_is_told_of_another(tmp_path: Path) -> None:
    play = cut(trace_of(ROWS), 90.0, 0.5)
    one, two = agents_of(play.zones, tmp_path)
    for agent, other in ((one, two), (two, one)):
        configure(agent, [one, two], play, DemoOptions(), 1, time.time())
        seeds = load(agent.directory / "zoned.toml", {}, {}).gossip.join
        assert seeds == (("127.0.0.1", other.gossip_port),)
