"""The stage's timers: one heap of (when, call).

Each part of the stage asks for its own wake-ups; the world sees only the nearest (``next_s``). A timer that
is cancelled stays in the heap as a dead entry until its time. Rejected: one deadline field per part with a
minimum over all, which made every new part change the router.

``hold_s``: when a host was frozen (SIGSTOP, VM pause, swap), our deadlines are long past but the answers
that came meanwhile are still unread in the socket. Judging then would accuse healthy members, so timers that
judge others keep the time they had left; the periodic ones just run late. Never twice in a row, or a world
that is always late would never judge.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from zoned.core.names import Instant


class Timer:
    """One wake-up; ``judges``: somebody is held dead if it fires."""

    __slots__ = ("call", "judges", "live", "when_s")

    def __init__(self, when_s: float, call: Callable[[Instant], None], judges: bool) -> None:
        self.when_s = when_s
        self.call = call
        self.judges = judges
        self.live = True


class Timers:
    """All wake-ups of one stage, on the mono clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._made = 0
        self._dead = 0  # at most so many entries of the heap are cancelled
        self._held = True  # the first wake-up is late by what the world took to start: nobody was frozen

    def at(self, when_s: float, call: Callable[[Instant], None], judges: bool = False) -> Timer:
        """Call back at ``when_s`` (mono seconds) or as soon after as the world ticks."""
        timer = Timer(when_s, call, judges)
        self._made += 1
        heapq.heappush(self._heap, (when_s, self._made, timer))
        return timer

    def cancel(self, timer: Timer | None) -> None:
        """Forget a timer; None and fired ones are fine."""
        if timer is None or not timer.live:
            return
        timer.live = False
        self._dead += 1
        if self._dead > 64 and self._dead > len(self._heap) // 2:
            self._heap = [entry for entry in self._heap if entry[2].live]
            heapq.heapify(self._heap)
            self._dead = 0

    def next_s(self) -> float | None:
        """When to wake up, or None."""
        heap = self._heap
        while heap and not heap[0][2].live:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def run(self, now: Instant) -> None:
        """Fire what is due. Timers made meanwhile wait for the next call, so this ends."""
        last = self._made
        while self._heap and self._heap[0][0] <= now.mono_s and self._heap[0][1] <= last:
            timer = heapq.heappop(self._heap)[2]
            if timer.live:
                timer.live = False
                timer.call(now)

    def hold_s(self, now: Instant, limit_s: float) -> float:
        """By how much we are late, if by more than ``limit_s``: then judging timers move by that much."""
        first = self.next_s()
        late_s = now.mono_s - first if first is not None else 0.0
        if late_s <= limit_s or self._held:
            self._held = False
            return 0.0
        self._held = True
        moved = [(when, made, timer) for when, made, timer in self._heap if timer.live]
        self._heap = [(when + late_s if timer.judges else when, made, timer) for when, made, timer in moved]
        heapq.heapify(self._heap)
        return late_s
