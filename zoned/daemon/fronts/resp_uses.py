"""What the hot lane served, told to the node ten times a second.

A hit only appends its entry to its connection's list. Here the lists are summed up by instance, and go to the
node in slices: no slice keeps the clients waiting for long, and so many a second that telling takes a few
percent of a core at most, whatever the traffic. Under more, an instance waits longer and tells more uses at
once; below, all is told in time. A connection with few hits may be one
user's, so its steps are told apart, for associations; of one with many (a pool, a benchmark) the order of
reads says nothing about anybody.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Protocol

from zoned.core.events import LocalHits, LocalUse, Step
from zoned.core.names import InstanceKey
from zoned.daemon.driver import Driver
from zoned.daemon.fronts.resp_ready import Ready
from zoned.daemon.fronts.resp_session import Counts, Session

EVERY_S = 0.1
SLICE = 128
"""Instances told at once: about half a millisecond of the node's time."""
SLICES = 2
"""Slices between two collections."""
MAX_UNTOLD = 50_000
"""Instances whose uses wait to be told; those of more are only counted as forgotten."""
MAX_STEPS_OF_ONE = 64
MAX_STEPS = 512


class Lane(Protocol):
    """A connection, as far as its hits go."""

    session: Session
    hits: list[Ready]


class Uses:
    """Collects and tells."""

    def __init__(self, driver: Driver, now_s: Callable[[], float], counts: Counts) -> None:
        self._driver = driver
        self._now_s = now_s
        self._counts = counts
        self.lanes: list[Lane] = []
        """Connections that have hits to tell; each puts itself here at its first one."""
        self._untold: dict[InstanceKey, list[int]] = {}  # instance -> [hash, times], the oldest first
        self._timer: asyncio.TimerHandle | None = None
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to tell."""
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._collect)

    def close(self) -> None:
        """Tell no more."""
        for timer in (self._timer, self._next):
            if timer is not None:
                timer.cancel()

    def _collect(self) -> None:
        """Sum up what all lanes have; tell the first slice."""
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._collect)
        lanes, self.lanes = self.lanes, []
        sums: Counter[Ready] = Counter()
        steps: list[Step] = []
        now_s = self._now_s()
        for lane in lanes:
            hits, lane.hits = lane.hits, []
            sums.update(hits)
            lane.session.active_s = now_s
            lane.session.last = "get"
            if len(hits) <= MAX_STEPS_OF_ONE and len(steps) < MAX_STEPS:
                client = lane.session.client
                steps += [Step(entry.key, entry.hashed, client) for entry in hits]
        if sums:
            self._sum_up(sums)
        if steps:
            self._driver.submit(LocalHits(uses=(), steps=tuple(steps)))
        self._tell(SLICES)

    def _sum_up(self, sums: Counter[Ready]) -> None:
        total = sum(sums.values())
        self._counts.commands += total
        self._counts.hits += total
        self._counts.quick += total
        untold = self._untold
        for entry, times in sums.items():
            entry.used = True
            known = untold.get(entry.key)
            if known is not None:
                known[1] += times
            elif len(untold) < MAX_UNTOLD:
                untold[entry.key] = [entry.hashed, times]
            else:
                self._counts.forgotten_uses += times

    def _tell(self, slices: int) -> None:
        """Tell a slice, those that waited longest first; the next one when clients have had their turn."""
        untold = self._untold
        if not untold:
            return
        keys = list(islice(untold, SLICE))
        uses = tuple([LocalUse(key, *untold.pop(key)) for key in keys])
        self._driver.submit(LocalHits(uses=uses))
        if untold and slices > 1:
            gap_s = EVERY_S / SLICES
            self._next = asyncio.get_running_loop().call_later(gap_s, self._tell, slices - 1)
