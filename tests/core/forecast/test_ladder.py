"""Hours worked out together say what hours lived one by one say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zoned.core.forecast.history import HOUR_S, History
from zoned.core.forecast.ladder import Ladder, over
from zoned.core.forecast.refit import FitDesk
from zoned.core.forecast.settings import ForecastSettings

SETTINGS = ForecastSettings()
ROWS = 3


class Zone:
    """A history, its ladder, and the desk of fits."""

    def __init__(self) -> None:
        self.history = History(SETTINGS)
        self.ladder = Ladder(SETTINGS, SETTINGS.horizons_s, self.history.capacity)
        self.desk = FitDesk(SETTINGS)
        self.history.advance(0.0)

    def track(self, name: str, at_s: float) -> None:
        row = self.history.track(name, at_s, None)
        self.ladder.welcome(row, self.history.capacity)

    def pass_to(self, hour: int, until: int, used: list[float]) -> np.ndarray:
        """Accesses of each row, spread over these hours; the demands of the hours that closed."""
        self.history.advance(until * HOUR_S)
        for row, count in enumerate(used):
            self.history.add(row, count, hour * HOUR_S, until * HOUR_S - 10.0)
        return self.history.take(hour, until)

    def says(self, hour: int) -> list[np.ndarray]:
        """All that the ladder tells a moment after that hour began."""
        path = self.ladder.path(self.history, hour * HOUR_S + 7.0)
        told = [path]
        for i, horizon_s in enumerate(SETTINGS.horizons_s):
            total = over(path, 7.0, horizon_s)
            told += [self.ladder.bands(i, total), self.ladder.mean(i, total), self.ladder.error(i)]
        return told


def spans(rng: np.random.Generator) -> list[int]:
    """Hours between two forecasts: short ones, and some that are longer than what is worked out at once."""
    return [*rng.integers(1, 30, 8).tolist(), 130, *rng.integers(1, 5, 20).tolist()]


@pytest.mark.parametrize("seed", range(4))
def test_hours_worked_out_together_say_what_hours_lived_one_by_one_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    alone, together = Zone(), Zone()
    for zone in (alone, together):
        zone.track("a", 0.0)
        zone.track("b", 0.0)
        zone.track("c", 1000.0)  # part of its first hour is unknown
    hour = 0
    for number, span in enumerate(spans(rng)):
        if number == 9:
            for zone in (alone, together):
                zone.track("d", hour * HOUR_S + 3000.0)  # of its first hour too little is known
        rows = ROWS + (number >= 9)
        used = [float(rng.poisson(20 * span)) if rng.random() < 0.6 else 0.0 for _ in range(rows)]
        demands = alone.pass_to(hour, hour + span, used)
        for i, demand in enumerate(demands):
            alone.ladder.live(hour + i, demand, alone.history, alone.desk)
        together.ladder.run(hour, together.pass_to(hour, hour + span, used), together.history, together.desk)
        hour += span
        for one, other in zip(alone.says(hour), together.says(hour), strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-9, equal_nan=True)
    assert any(not math.isnan(error) for error in alone.ladder.error(1))
    assert alone.ladder.speaker("a", 0, HOUR_S, hour, alone.desk) == together.ladder.speaker(
        "a", 0, HOUR_S, hour, together.desk
    )
