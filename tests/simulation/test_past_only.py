"""Policies see the past only: whatever comes later, what was answered until then is the same to the last."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from zoned.simulation.results import ReplayOptions
from zoned.simulation.trace import Trace, read
from zoned.simulation.world import Answer
from zoned.simulation.zoned_policy import Replay

TRACE = Path(__file__).resolve().parent.parent / "data" / "semicomplete_web.csv.gz"
PREFIX, WHOLE, CAPACITY = 1200, 2000, 40


def future(seed: int) -> Trace:
    """The first reads of the trace, and then others than those that followed. Their number and times are the
    same, since a replay's timers are paced by them (and say so)."""
    trace = read([TRACE])
    rng = Random(seed)
    later = list(range(PREFIX, WHOLE))
    objects = trace.objects[:PREFIX] + [rng.randrange(len(trace.instances)) for _ in later]
    zones = trace.zones[:PREFIX] + [rng.randrange(len(trace.zone_names)) for _ in later]
    clients = trace.clients[:PREFIX] + [b"%d" % rng.randrange(9) for _ in later]
    sizes, ts = trace.sizes[:WHOLE], trace.ts[:WHOLE]
    return replace(trace, ts=ts, zones=zones, objects=objects, sizes=sizes, clients=clients)


def answers(seed: int, monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    """What each read was answered with, in order."""
    heard: list[Answer] = []
    played = Replay(future(seed), CAPACITY, ReplayOptions())
    monkeypatch.setattr(played._cluster, "answered", heard.append)
    played.run(lambda done: None)
    return heard


def test_the_same_past_is_answered_the_same_whatever_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = answers(1, monkeypatch), answers(2, monkeypatch)
    assert len(one) == len(other) == WHOLE
    assert one[:PREFIX] == other[:PREFIX]
    assert one[PREFIX:] != other[PREFIX:]
