"""Settings of the predictive modeler: how finely demand is counted, how far ahead, at what cost.

The defaults are the ones measured in the study of real hourly web and cloud series: they are meant to
be left alone. What an operator may want to turn is ``bucket_s``, ``horizons_s``, ``top_k`` and the
worker's budget; the rest bounds memory and work.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSettings:
    """How the demand of dependencies and instances is predicted."""

    enabled: bool = True
    """False: ``Forecaster.update`` returns an empty forecast, nothing is learnt (ablation)."""
    bucket_s: float = 60.0
    """Width of the finest count of accesses, on the season clock. 1..3600, and 3600 must be a whole
    multiple of it. Finer: the correction within the hour reacts sooner, more memory per dependency."""
    horizons_s: tuple[float, ...] = (3600.0, 86400.0)
    """How far ahead dependencies are forecast, shortest first; instances use the first. Each 60 s..7 d."""
    reforecast_s: float = 60.0
    """A new forecast is made when a bucket has closed and at least this much season time went by.
    Replays of months raise it: the work is proportional to season time over this."""
    recount_s: float = 15.0
    """What was used since is counted at least so often, forecast or not: other zones are told these counts.
    Season time, > 0. Longer: what copies are worth to others is known later."""
    bucket_hours: int = 48
    """Hours for which buckets are kept (x 3600 / bucket_s numbers per dependency). 1..168."""
    history_hours: int = 840
    """Hours for which hourly counts are kept: five weeks. 72..8760. 8 bytes each per dependency."""
    max_dependencies: int = 1024
    """Dependencies tracked at most; accesses of further ones are counted as dropped. >= 1."""
    max_instances: int = 8192
    """Instances whose rate is tracked; the one with the least decayed count goes first. >= 1.
    About 120 bytes each."""
    max_forecast_instances: int = 500
    """Instances in a Forecast at most, by expected demand over the shortest horizon. >= 0."""
    rate_half_life_s: float = 172800.0
    """Half-life of the counts behind an instance's rate: two days. Shorter follows fashion, longer
    survives a quiet weekend. 600..2419200."""
    recent_half_life_s: float = 3600.0
    """Half-life of the fast count that stands beside it and catches bursts. 60..rate_half_life_s."""
    profile_half_life_s: float = 604800.0
    """Half-life of the day profile (24 bins) of an instance. 86400..."""
    profile_strength: float = 36.0
    """Pseudo-accesses spread over a day profile as its dependency's profile spreads them: an instance with
    few accesses of its own keeps its dependency's shape of day. > 0; larger trusts single instances less."""
    error_half_life_h: float = 48.0
    """Half-life of the rolling errors by which models are compared and quantiles are made, hours. 1..672."""
    drift_half_life_h: float = 12.0
    """Half-life of the error that a forecast reports of itself, hours. Shorter than the one above, or a
    drift would be seen days late. 1..672."""
    leader_margin: float = 0.1
    """A model leads, and is used alone, when its rolling error is smaller than the median's by more than
    this share. 0 always takes the leader (twitchy), 1 always the median."""
    worker_enabled: bool = True
    """False: no fit is ever asked for; the ladder ends at the online model (replay does this)."""
    worker_cpu_budget_s: float = 30.0
    """CPU seconds the worker may use per ``worker_cpu_window_s``. 0 switches fitting off."""
    worker_cpu_window_s: float = 300.0
    """The window of that budget, on the mono clock. 1..86400."""
    top_k: int = 50
    """Dependencies fitted in the worker: those with the most traffic. 0..max_dependencies."""
    min_fit_points: int = 48
    """Whole hours of history before a dependency is fitted: two days, or a season of 24 is guesswork."""
    max_fit_points: int = 672
    """Hours of history given to a fit. The models' cost grows about quadratically. min_fit_points..8760."""
    fit_steps: int = 60
    """Hours ahead a fit forecasts: the longest horizon, the time until the next fit, and some hours in case
    that is late. 24..168."""
    refit_interval_s: float = 86400.0
    """Season seconds after which a dependency is fitted again without being asked to. >= 3600."""
    refit_pause_s: float = 3600.0
    """Least season seconds between two fits of one dependency, whoever asks. Below that, drift alarms
    and failures would spend the whole budget on one series."""
    job_timeout_s: float = 600.0
    """Mono seconds after which a job that nobody answered is taken for lost. Longer than the worker's own
    timeout, or two jobs would be out at once."""
