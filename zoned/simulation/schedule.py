"""Virtual time: a heap of things that are due, in the order (when, in which they were asked for).

The second key makes runs repeatable: equal times are common (a request group shares one time stamp), and
without it their order would depend on how functions compare.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


class Schedule:
    """The only clock of a simulation. ``now_s`` never goes back."""

    def __init__(self, start_s: float) -> None:
        self.now_s = start_s
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, when_s: float, call: Callable[[], None]) -> None:
        """Have ``call`` called at that time, or now if it has passed."""
        heappush(self._due, (max(when_s, self.now_s), next(self._order), call))

    def after(self, delay_s: float, call: Callable[[], None]) -> None:
        """Have ``call`` called that much later."""
        heappush(self._due, (self.now_s + delay_s, next(self._order), call))

    def run_until(self, when_s: float) -> None:
        """Let everything happen that is due by then; time stands at ``when_s`` afterwards."""
        due = self._due
        while due and due[0][0] <= when_s:
            self.now_s, _, call = heappop(due)
            call()
        self.now_s = max(self.now_s, when_s)
