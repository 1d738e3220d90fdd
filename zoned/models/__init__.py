"""Fitting models, which is too dear for the agent: runs in a process of its own (``python -m zoned.models``).

statsforecast costs two seconds and 200 MB to load, so only ``zoned.models.fit`` imports it, and only the
worker imports that, or a replay that asks for it (`in_line`).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from itertools import count

from zoned.core.records import FitJob, FitResult

SERIES_COST_S = 0.2
"""CPU seconds that fitting a series of four weeks is taken to cost where runs have to repeat."""


def in_line() -> Callable[[FitJob], FitResult]:
    """The fitting function itself, loaded now: for a simulation, where it is called in line. Its cost is
    modelled, not measured, or no run would repeat: a budget would cut off now this series, now that."""
    fit = import_module("zoned.models.fit").fit

    def modelled(job: FitJob) -> FitResult:
        result: FitResult = fit(job, count(0.0, SERIES_COST_S).__next__)
        return result

    return modelled
