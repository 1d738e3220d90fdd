"""When a fit is asked for, what it may cost, and which answers are believed."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from zoned.core.forecast import ForecastSettings
from zoned.core.forecast.history import History
from zoned.core.forecast.refit import FitDesk
from zoned.core.names import Instant
from zoned.core.records import FitJob, FitResult, FittedSeries

SETTINGS = ForecastSettings(top_k=2, fit_steps=48)


def at(hour: float) -> Instant:
    return Instant(hour * 3600, hour * 3600, hour * 3600)


def busy(hours: int, names: str = "abc") -> History:
    history = History(SETTINGS)
    history.advance(0.0)
    live(history, 0, hours, names)
    return history


def live(history: History, first: int, end: int, names: str = "abc") -> None:
    for hour in range(first, end):
        for rank, name in enumerate(names):
            if name not in history.rows:
                history.track(name, hour * 3600.0, None)
            history.add(history.rows[name], 100.0 * (rank + 1), hour * 3600.0, hour * 3600.0 + 3600)
        history.advance((hour + 1) * 3600.0)
        history.take(hour, hour + 1)


def result(job: FitJob, seconds: float = 1.0, value: float = 5.0) -> FitResult:
    path = (value,) * job.steps
    fitted = tuple(
        FittedSeries(one.dependency, one.end_s, one.step_s, "theta", path, path, path, path)
        for one in job.series
    )
    return FitResult(fitted=fitted, failures=(), seconds=seconds)


def test_the_busiest_with_two_days_of_history_one_job_at_a_time() -> None:
    desk, history = FitDesk(SETTINGS), busy(47)
    assert desk.due(history, at(47)) is None
    live(history, 47, 48)
    job = desk.due(history, at(48))
    assert job is not None and [one.dependency for one in job.series] == ["c", "b"]  # top_k = 2
    assert job.steps == 48 and job.budget_s == 30.0
    assert job.series[0].values == (300.0,) * 48 and job.series[0].end_s == 48 * 3600.0
    assert desk.due(history, at(48.1)) is None


def test_history_is_capped() -> None:
    job = FitDesk(SETTINGS).due(busy(800), at(800))
    assert job is not None and len(job.series[0].values) == 672


def test_daily_or_on_a_wish_but_not_within_the_pause() -> None:
    desk, history = FitDesk(SETTINGS), busy(48)
    job = desk.due(history, at(48))
    assert job is not None
    desk.fitted(job.job, result(job), at(48))
    assert desk.fits == 2 and desk.due(history, at(48.5)) is None
    desk.want(("b",))
    assert desk.due(history, at(48.5)) is None  # pause
    live(history, 48, 50)
    job = desk.due(history, at(50))
    assert job is not None and [one.dependency for one in job.series] == ["b"]
    desk.fitted(job.job, result(job), at(50))
    live(history, 50, 72)
    job = desk.due(history, at(72))
    assert job is not None and [one.dependency for one in job.series] == ["c"]  # a day after its fit


def test_the_budget_is_what_was_really_spent() -> None:
    desk, history = FitDesk(SETTINGS), busy(48)
    job = desk.due(history, at(48))
    assert job is not None
    desk.fitted(job.job, result(job, seconds=29.5), at(48))
    live(history, 48, 80)
    assert desk.due(history, Instant(48 * 3600 + 200, 0, 80 * 3600)) is None
    job = desk.due(history, Instant(48 * 3600 + 301, 0, 80 * 3600))
    assert job is not None and job.budget_s == 30.0


def test_a_job_cut_short_by_the_budget_goes_on_when_there_is_budget() -> None:
    desk, history = FitDesk(SETTINGS), busy(48)
    job = desk.due(history, at(48))
    assert job is not None
    half = result(job)
    desk.fitted(
        job.job, dataclasses.replace(half, fitted=half.fitted[:1], failures=(("b", "budget"),)), at(48)
    )
    again = desk.due(history, at(48.01))
    assert again is not None and [one.dependency for one in again.series] == ["b"]


def test_failures_are_counted_and_tried_again_later() -> None:
    desk, history = FitDesk(SETTINGS), busy(48)
    job = desk.due(history, at(48))
    assert job is not None
    desk.fitted(job.job, None, at(48))
    assert desk.failures == desk.fallbacks == 2
    assert desk.due(history, at(48.5)) is None
    live(history, 48, 50)
    assert desk.due(history, at(50)) is not None


def test_a_lost_job_is_given_up_and_its_late_answer_dropped() -> None:
    desk, history = FitDesk(SETTINGS), busy(48)
    job = desk.due(history, at(48))
    assert job is not None
    again = desk.due(history, at(48.5))
    assert again is not None and again.job != job.job and desk.lost == 1
    desk.fitted(job.job, result(job), at(48.6))
    assert desk.fits == 0


def test_never_when_switched_off() -> None:
    history = busy(48)
    for change in ({"worker_enabled": False}, {"top_k": 0}, {"worker_cpu_budget_s": 0.0}):
        assert FitDesk(dataclasses.replace(SETTINGS, **change)).due(history, at(48)) is None


@pytest.mark.parametrize(
    "path", [(1.0,) * 47, (math.nan,) * 48, (math.inf,) * 48, (-1.0,) * 48, ()], ids=repr
)
def test_paths_that_cannot_be_are_not_believed(path: tuple[float, ...]) -> None:
    desk, history = FitDesk(SETTINGS), busy(48)
    job = desk.due(history, at(48))
    assert job is not None
    bad = FittedSeries("c", 48 * 3600.0, 3600.0, "x", path, path, path, path)
    stranger = bad._replace(dependency="zzz", mean=(1.0,) * 48)
    desk.fitted(job.job, FitResult(fitted=(bad, stranger), failures=(), seconds=1.0), at(48))
    assert desk.fits == 0 and desk.failures == 1
    assert np.isnan(desk.paths(48, np.zeros((4, 25)), history.rows)).all()


def test_a_path_is_shifted_by_its_last_errors_and_ends() -> None:
    desk, history = FitDesk(SETTINGS), busy(48)
    job = desk.due(history, at(48))
    assert job is not None
    desk.fitted(job.job, result(job, value=100.0), at(48))
    row, instead = history.rows["c"], np.full((4, 25), 7.0)
    assert np.allclose(desk.paths(48, instead, history.rows)[row], 100.0)
    demand = np.full(4, 400.0)
    for hour in range(48, 58):
        desk.learn(hour, demand, history.rows)
    shifted = desk.paths(58, instead, history.rows)[row]
    assert 300 < shifted[0] < 400 and 100 < shifted[-1] < 120
    assert desk.speaks("c", 58, 25) and not desk.speaks("c", 90, 25)
    late = desk.paths(80, instead, history.rows)[row]
    assert late[0] > 100 and (late[16:] == 7.0).all()  # the fit ends after 16 hours
    for hour in range(58, 100):
        desk.learn(hour, demand, history.rows)
    assert desk.fallbacks == 2 and np.isnan(desk.paths(100, instead, history.rows)).all()
