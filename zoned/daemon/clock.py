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

from zoned.core.names import Instant, Season


class Clock:
    """Reads the three clocks; monotonic and season time never jump between two readings."""

    def __init__(
        self,
        season_start_s: float | None = None,
        season_rate: float = 1.0,
        season_since_s: float | None = None,
    ) -> None:
        """At the wall time ``season_since_s`` (None: now) the season is ``season_start_s`` (None: wall);
        after it, it runs ``season_rate`` times as fast as the wall; before, as fast. All in Unix time.
        Without a start and with rate 1 it is the wall's time."""
        self._born_mono_s, self._born_wall_s = time.monotonic(), time.time()
        self._is_wall = season_start_s is None and season_rate == 1.0
        since_s = self._born_wall_s if season_since_s is None else season_since_s
        start_s = since_s if season_start_s is None else season_start_s
        self.season = Season() if self._is_wall else Season(start_s, since_s, season_rate)
        """What the season clock does; a journal tells it on."""

    mono_s = staticmethod(time.monotonic)
    """The monotonic clock alone: for what has not even time for a whole Instant."""

    def now(self) -> Instant:
        """This moment."""
        mono_s, wall_s = time.monotonic(), time.time()
        if self._is_wall:
            return Instant(mono_s, wall_s, wall_s)
        return Instant(mono_s, wall_s, self.season.at(self._born_wall_s + (mono_s - self._born_mono_s)))
