"""``zoned simulate``: every fault, minutes of a small pool, nothing broken and no read failed in vain."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from zoned.simulation.faults import SCENARIOS
from zoned.simulation.run import SimulateOptions, simulate
from zoned.simulation.workload import WorkloadSettings, reads

pytestmark = pytest.mark.timeout(120)  # whole runs, on a machine that may be busy

SMALL = WorkloadSettings(instances=300, period_s=300.0)


def run(**changed: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"zones": 6, "minutes": 2.0, "settle_s": 15.0, "capacity_objects": 100}
    return simulate(SimulateOptions(**(fields | {"workload": SMALL} | changed)))


@pytest.mark.parametrize("fault", sorted(SCENARIOS))
def test_a_fault_breaks_nothing_and_fails_no_read_that_could_be_answered(fault: str) -> None:
    report = run(fault=fault, seed=3)
    again = f"again: run(fault={fault!r}, seed=3)"
    assert report["breaches"] == [], again
    assert report["ring_agreed"], again
    # What waits at an agent when it is switched off has lost its server; all else is answered.
    assert report["failed_reads"] <= (2 if fault in ("kill", "leave") else 0), again
    assert report["reads"] > 900 and report["hit_ratio"] > 0.2
    assert report["answered_by"]["peer"] > 0


def test_a_lossy_network_costs_packets_and_no_reads() -> None:
    report = run(loss=0.2, minutes=1.0)
    assert report["breaches"] == [] and report["failed_reads"] == 0
    assert report["gossip"]["lost"] > 0.15 * report["gossip"]["packets"]


def test_one_zone_is_a_pool_too() -> None:
    report = run(zones=1, minutes=1.0)
    assert report["breaches"] == [] and report["failed_reads"] == 0 and "peer" not in report["answered_by"]


def test_progress_is_told() -> None:
    told: list[float] = []
    simulate(SimulateOptions(zones=1, minutes=2.0, settle_s=1.0, rest_s=1.0, workload=SMALL), told.append)
    assert told == sorted(told) and len(told) >= 3 and 0 < told[0] <= told[-1] <= 1.1


def test_the_workload_is_in_order_as_dense_as_said_and_swings() -> None:
    settings = WorkloadSettings(reads_per_zone_s=5.0, period_s=400.0)
    made = list(reads(settings, 2, 400.0, Random(1)))
    assert [r.at_s for r in made] == sorted(r.at_s for r in made)
    assert len(made) == pytest.approx(5.0 * 2 * 400.0, rel=0.1)
    first_half = [r.zone for r in made if r.at_s < 200.0]
    assert first_half.count(0) > 1.5 * first_half.count(1), "zone 1 is half a day behind"
    assert {r.key.dependency for r in made} == set(settings.dependencies)
