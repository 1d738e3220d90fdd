"""The three clocks, read in one place.

The core takes time as an argument (house.md, section 5), so somebody must read it: this file, and no other in
``daemon`` but where a latency is measured. Monotonic time for everything that is measured or waited for, wall
time for what people read, and the *season* clock, which tells forecasts the phase of the day and the week. A
demo cannot wait a day to show a morning: from an agreed moment on, its season clock runs faster. The moment
is a wall time and not "now", so that agents that start one after the other, or again, are in the same season.

Why not the event loop's clock: uvloop's has millisecond steps and stands still within one iteration, which is
too coarse for the latency of a local hit.
"""

from __future__ import annotations

import time

from zoned.core.names import Instant


class Clock:
    """Reads the three clocks; monotonic and season time never jump between two readings."""

    def __init__(self, season_start_s: float | None = None, season_rate: float = 1.0) -> None:
        """From ``season_start_s`` (Unix time; None: from now) season time runs ``season_rate`` times as fast
        as the wall. With rate 1 it equals the wall."""
        self._rate = season_rate
        self._born_mono_s = time.monotonic()
        now_s = time.time()
        start_s = now_s if season_start_s is None else season_start_s
        self._born_season_s = start_s + (now_s - start_s) * season_rate

    def now(self) -> Instant:
        """This moment."""
        mono_s, wall_s = time.monotonic(), time.time()
        if self._rate == 1.0:
            return Instant(mono_s, wall_s, wall_s)
        return Instant(mono_s, wall_s, self._born_season_s + (mono_s - self._born_mono_s) * self._rate)
