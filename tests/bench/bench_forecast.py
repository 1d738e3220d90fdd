"""How good forecasts are, and what they cost, on real hourly web and cloud series. Not a test: prints.

    python tests/bench/bench_forecast.py [--last-days 20] [--fit] [--data ../shared/data]

The series (not part of the project: see the README beside them) are scaled to 1,000 accesses an hour and
fed, all at once, hour by hour, through the Forecaster itself. At many origins its path of the next hours is
compared with what came; everything is divided by seasonal naive (the value 24 hours before) on the same
hours. ``--last-days N`` judges only those; ``--fit`` lets statsforecast fit daily, as the worker would: the
full ladder. Before that, the cost of a turn.
"""

from __future__ import annotations

import argparse
import gzip
import random
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoned.core.forecast import Forecaster, ForecastSettings
from zoned.core.names import InstanceKey, Instant, key_hash
from zoned.core.records import DependencyUse, Forecast, InstanceUse, Load, Window
from zoned.models.fit import fit

Floats = NDArray[np.float64]
DAY = 24
WARM_H = 14 * DAY
MEAN = 1000.0


def load(folder: Path) -> dict[str, Floats]:
    """Hourly series by name, scaled."""
    found: dict[str, Floats] = {}
    with np.load(folder / "hourly" / "hourly_dev.npz") as stored:
        found.update({name: stored[name].astype(np.float64) for name in stored.files})
    for path in sorted((folder / "series").glob("*.csv.gz")):
        with gzip.open(path, "rt") as lines:
            next(lines)
            rows = np.array([[float(part) for part in line.split(",")] for line in lines])
        hour = (rows[:, 0] // 3600 - rows[0, 0] // 3600).astype(np.int64)
        found[path.name.removesuffix(".csv.gz")] = np.bincount(hour, weights=rows[:, 1])[1:-1]
    return {
        name: np.round(values / values.mean() * MEAN)
        for name, values in found.items()
        if len(values) >= WARM_H - DAY + 2
    }


def window(
    start_s: float, end_s: float, uses: list[tuple[str, int]], instances: tuple[InstanceUse, ...] = ()
) -> Window:
    return Window(
        started=Instant(start_s, start_s, start_s),
        ended=Instant(end_s, end_s, end_s),
        dependencies=tuple(DependencyUse(name, count, 0, 0, 0.0) for name, count in uses if count),
        instances=instances,
        load=Load(),
    )


def hours(series: dict[str, Floats], forecaster: Forecaster) -> Iterator[tuple[int, Forecast]]:
    """Feed all series, aligned at their ends, hour by hour; yields (hours fed, forecast)."""
    length = max(map(len, series.values()))
    for hour in range(length):
        uses = [
            (name, int(values[hour - length + len(values)]))
            for name, values in series.items()
            if hour >= length - len(values)
        ]
        now = Instant((hour + 1) * 3600.0, (hour + 1) * 3600.0, (hour + 1) * 3600.0)
        yield hour + 1, forecaster.update(window(hour * 3600.0, now.season_s, uses), now)


def accuracy(series: dict[str, Floats], last_days: int, fits: bool, every_h: int) -> None:
    """MAE over the next 24 hours and of the next hour, by series, relative to seasonal naive."""
    length = max(map(len, series.values()))
    settings = ForecastSettings(worker_enabled=fits, worker_cpu_budget_s=1e6)
    forecaster = Forecaster(settings, random.Random(1))
    first = length - last_days * DAY if last_days else 0
    off: dict[str, list[tuple[float, ...]]] = {name: [] for name in series}
    inside: list[tuple[bool, bool, float, float]] = []
    for fed, forecast in hours(series, forecaster):
        now = forecast.made
        if fed >= first - DAY and (job := forecaster.fit_due(now)) is not None:
            forecaster.fitted(job.job, fit(job), now)
        if fed < first or length - fed < DAY:
            continue
        lines = {(line.dependency, line.horizon_s): line for line in forecast.dependencies}
        for name, values in series.items():
            at = fed - length + len(values)
            if at < min(WARM_H, len(values) - 4 * DAY):
                continue
            past, came = values[max(0, at - 672) : at], values[at : at + DAY]
            scale = float(np.abs(past[DAY:] - past[:-DAY]).mean())
            naive = values[at - DAY : at]
            row = forecaster._history.rows[name]
            path = forecaster._ladder._paths[row, :DAY]
            hour, day = lines[name, 3600.0], lines[name, 86400.0]
            if fed % every_h == 0 and scale > 0:
                off[name].append(
                    (
                        float(np.abs(path - came).mean()) / scale,
                        float(np.abs(naive - came).mean()) / scale,
                        abs(path[0] - came[0]) / scale,
                        abs(naive[0] - came[0]) / scale,
                        abs(hour.mean - came[0]) / scale,
                        abs(day.mean - came.sum()) / scale,
                        abs(naive.sum() - came.sum()) / scale,
                    )
                )
            inside.append(
                (
                    hour.quantiles[0] <= came[0] <= hour.quantiles[2],
                    day.quantiles[0] <= came.sum() <= day.quantiles[2],
                    0.0,
                    0.0,
                )
            )
    report(off, inside, f"{'full ladder' if fits else 'without the worker'}, last {last_days or 'all'} days")


def report(
    off: dict[str, list[tuple[float, ...]]], inside: list[tuple[bool, bool, float, float]], title: str
) -> None:
    """Print one table."""
    print(f"\n{title}\n{'series':62} {'h24':>6} {'h1':>6} {'origins':>8}")
    found = {name: np.array(rows) for name, rows in off.items() if rows}
    worst = 0.0
    for name, rows in found.items():
        mean = rows.mean(axis=0)
        day, hour = mean[0] / max(mean[1], 1e-9), mean[2] / max(mean[3], 1e-9)
        worst = max(worst, day)
        print(f"{name[:62]:62} {day:6.2f} {hour:6.2f} {len(rows):8d}")
    means = np.array([rows.mean(axis=0) for rows in found.values()])
    mean = means.mean(axis=0)
    middle = np.exp(np.log(np.maximum(means[:, (0, 2)] / means[:, (1, 3)], 1e-3)).mean(axis=0))
    print(
        f"mean MASE / seasonal naive's:  h24 {mean[0] / mean[1]:.3f}   h1 {mean[2] / mean[3]:.3f}   "
        f"worst h24 {worst:.2f}"
    )
    print(f"geometric mean of the ratios:  h24 {middle[0]:.3f}   h1 {middle[1]:.3f}")
    print(f"as the Forecast says it:       1 h {mean[4] / mean[3]:.3f}   sum of 24 h {mean[5] / mean[6]:.3f}")
    share = np.array([(hour, day) for hour, day, _, _ in inside]).mean(axis=0)
    print(f"inside (0.1, 0.9), 0.80 wanted: 1 h {share[0]:.2f}   24 h {share[1]:.2f}")


def cost() -> None:
    """Milliseconds of a turn: one dependency, 3,000 instances."""
    rng = np.random.default_rng(1)
    keys = [InstanceKey("d", b"/k/%d" % i) for i in range(3000)]
    hashes = [key_hash(key) for key in keys]
    share = 1 / np.arange(1, 3001) ** 0.9
    share /= share.sum()
    forecaster = Forecaster(ForecastSettings(), random.Random(1))
    new, same = [], []
    for turn in range(1, 12 * 3600, 20):
        counts = rng.poisson(50 * share)
        uses = tuple(
            InstanceUse(keys[i], hashes[i], int(counts[i]), 100) for i in np.flatnonzero(counts).tolist()
        )
        now = Instant(turn + 20.0, turn + 20.0, turn + 20.0)
        turn_window = window(float(turn), now.season_s, [("d", int(counts.sum()))], uses)
        begun = time.perf_counter()
        forecast = forecaster.update(turn_window, now)
        (new if forecast.made == now else same).append(time.perf_counter() - begun)
    print(
        f"\nturn with {len(forecaster._rates.table)} instances: new forecast {1e3 * np.mean(new):.2f} ms "
        f"(p99 {1e3 * np.percentile(new, 99):.2f}), nothing due {1e3 * np.mean(same):.4f} ms"
    )
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak RSS of this process, statsforecast and data included: {rss:.0f} MB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data")
    parser.add_argument("--last-days", type=int, default=0)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--every", type=int, default=7, help="hours between origins")
    options = parser.parse_args()
    warnings.simplefilter("error", RuntimeWarning)
    cost()
    if not options.data.is_dir():
        print(f"no series in {options.data}: only the cost was measured")
        return 0
    series = load(options.data)
    begun = time.perf_counter()
    accuracy(series, options.last_days, options.fit, options.every)
    print(f"{len(series)} series, {time.perf_counter() - begun:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
