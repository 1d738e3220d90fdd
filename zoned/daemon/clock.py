"""The three clocks, read in one place.

The core takes time as an argument (house.md, section 5), so somebody must read it: this file, and no other in
``daemon``. Monotonic time for everything that is measured or waited for, wall time for what people read, and
the *season* clock, which tells forecasts the phase of the day and the week. A demo cannot wait a day to show
a morning, so its season clock starts at a chosen moment and runs faster; everyone else's equals the wall.

Why not the event loop's clock: uvloop's has millisecond steps and stands still within one iteration, which is
too coarse for the latency of a local hit.
"""

from __future__ import annotations

import time

from zoned.core.names import Instant


class Clock:
    """Reads the three clocks; monotonic time never runs backwards between two readings."""

    def __init__(self, season_start_s: float | None = None, season_rate: float = 1.0) -> None:
        """``season_start_s``: the season clock's reading at this moment (Unix seconds; None: the wall's);
        ``season_rate``: season seconds per real second."""
        self._born_mono_s = time.monotonic()
        self._season_start_s = time.time() if season_start_s is None else season_start_s
        self._season_rate = season_rate
        self._follows_wall = season_start_s is None and season_rate == 1.0

    def now(self) -> Instant:
        """This moment."""
        mono_s = time.monotonic()
        wall_s = time.time()
        if self._follows_wall:
            return Instant(mono_s, wall_s, wall_s)
        season_s = self._season_start_s + (mono_s - self._born_mono_s) * self._season_rate
        return Instant(mono_s, wall_s, season_s)
