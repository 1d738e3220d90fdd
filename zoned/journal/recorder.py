"""From events to rows: what an agent's node was told, and how its clients' reads ended.

Rows are short tuples ``(kind, t, ...)``, t in seconds of the mono clock since the life began. Only causes are
kept (reads, reports, commands, load) and what the world answered (fetches: size, freshness, time): gossip and
timers happen again by themselves in a replay. Of each read its end is kept too, so that the journal says what
the real agent's hit ratio was over exactly the reads that it holds.

Recording costs an append or two a read; packing and writing is somebody else's, later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.actions import Action
from zoned.core.names import InstanceKey, Instant

READ, WAITED, HITS, REPORT, FETCH, TIMED, LOAD, COMMAND = "r", "w", "h", "a", "f", "t", "l", "c"
ORIGIN, PEER, HOME = "origin", "peer", "home"
REFUSED = ""
Row: TypeAlias = tuple[Any, ...]

MAX_ROWS = 200_000
"""Between two writes: a disk that stands still costs rows, not memory."""
MAX_OPEN = 65_536
"""Reads and fetches under way that are remembered; of more, the ends are not recorded."""


class Recorder:
    """Takes each event with its actions; ``take`` hands out the rows since the last time."""

    def __init__(self, began: Instant) -> None:
        self._began_s = began.mono_s
        self._rows: list[Row] = []
        self._asked: dict[int, float] = {}  # reads that wait: since when
        self._fetches: dict[int, tuple[InstanceKey, str, bool]] = {}  # key, from where, ahead of demand
        self.dropped = 0
        """Rows that had no room."""
        self.rows = 0
        """Rows so far."""
        self._seers: dict[type, Callable[[Any, float], None]] = {
            act.FetchOrigin: self._fetching,
            act.FetchPeer: self._fetching,
            act.ServeFetched: lambda a, t: self._answered(a.request, a.source.value, t),
            act.Refuse: lambda a, t: self._answered(a.request, REFUSED, t),
        }
        self._takers: dict[type, Callable[[Any, list[Action], float], None]] = {
            ev.Read: self._read,
            ev.FetchDone: self._fetched,
            ev.LocalHits: self._local_hits,
            ev.AccessBatch: self._reported,
            ev.Timed: lambda e, _, t: self._add((TIMED, t, e.source.value, e.mean_s, e.count)),
            ev.LoadSampled: lambda e, _, t: self._add(
                (LOAD, t, e.load.cpu, e.load.memory, e.load.network, e.load.loop_lag_s)
            ),
            ev.Join: lambda e, _, t: self._command(t, "join", [list(seed) for seed in e.seeds]),
            ev.Drain: lambda e, _, t: self._command(t, "drain", e.zone),
            ev.Undrain: lambda e, _, t: self._command(t, "undrain", e.zone),
            ev.Pause: lambda e, _, t: self._command(t, "pause", e.paused),
            ev.Forget: lambda e, _, t: self._command(t, "forget", e.node),
            ev.Stop: lambda e, _, t: self._command(t, "stop", e.kind.value),
            ev.Invalidate: lambda e, _, t: self._command(t, "invalidate", e.dependency, e.key),
        }

    def taken(self, event: ev.Event, actions: list[Action], now: Instant) -> None:
        """[hot] The node took an event, and wants this done."""
        at_s = round(now.mono_s - self._began_s, 6)
        taker = self._takers.get(type(event))
        if taker is not None:
            taker(event, actions, at_s)
        for action in actions:
            sees = self._seers.get(type(action))
            if sees is not None:
                sees(action, at_s)

    def take(self) -> list[Row]:
        """The rows since the last time."""
        rows, self._rows = self._rows, []
        return rows

    def _add(self, row: Row) -> None:
        if len(self._rows) < MAX_ROWS:
            self._rows.append(row)
            self.rows += 1
        else:
            self.dropped += 1

    def _command(self, at_s: float, *words: Any) -> None:
        self._add((COMMAND, at_s, *words))

    def _read(self, event: ev.Read, actions: list[Action], at_s: float) -> None:
        request = event.request
        hit = False
        for action in actions:
            if type(action) is act.Serve and action.request == request:
                hit = True
        if not hit and len(self._asked) < MAX_OPEN:
            self._asked[request] = at_s
        self._add((READ, at_s, *event.key, event.client, hit))

    def _answered(self, request: int, source: str, at_s: float) -> None:
        asked_s = self._asked.pop(request, None)
        if asked_s is not None:
            self._add((WAITED, at_s, source, round(at_s - asked_s, 6)))

    def _fetching(self, action: Any, at_s: float) -> None:
        if len(self._fetches) >= MAX_OPEN:
            return
        if type(action) is act.FetchOrigin:
            self._fetches[action.fetch] = action.key, ORIGIN, action.prefetch
        else:
            source = HOME if action.purpose is ev.Purpose.OWNER else PEER
            self._fetches[action.fetch] = action.key, source, action.purpose is ev.Purpose.PREFETCH

    def _fetched(self, event: ev.FetchDone, actions: list[Action], at_s: float) -> None:
        begun = self._fetches.pop(event.fetch, None)
        if begun is not None:
            key, source, ahead = begun
            how = (event.outcome.value, event.size, event.version, event.ttl_s, round(event.latency_s, 6))
            self._add((FETCH, at_s, *key, source, ahead, *how))

    def _local_hits(self, event: ev.LocalHits, actions: list[Action], at_s: float) -> None:
        uses = [[*use.key, use.times] for use in event.uses]
        self._add((HITS, at_s, uses, [[*step.key, step.client] for step in event.steps]))

    def _reported(self, event: ev.AccessBatch, actions: list[Action], at_s: float) -> None:
        self._add((REPORT, at_s, [[*one.key, one.size, one.hit, one.client] for one in event.accesses]))
