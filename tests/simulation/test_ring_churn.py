"""Members come and go while the network is cut and lossy: rings agree soon after, and no read suffers."""

from __future__ import annotations

import pytest

from zoned.simulation.run import SimulateOptions, simulate
from zoned.simulation.workload import WorkloadSettings

SMALL = WorkloadSettings(instances=300, period_s=300.0, reads_per_zone_s=1.0)
AGREED_WITHIN_S = 5.0


def churn(seed: int) -> None:
    """One ring among all connected agents 5 s after the last change; a read that was not waiting at an agent
    when that agent was switched off is answered. ``make soak-sim`` does this for a hundred seeds."""
    options = SimulateOptions(
        zones=8,
        minutes=1.5,
        settle_s=15.0,
        capacity_objects=60,
        workload=SMALL,
        fault="churn",
        seed=seed,
    )
    report = simulate(options)
    assert report["breaches"] == [], report["again"]
    assert float(str(report["ring_agreed_after_s"])) <= AGREED_WITHIN_S, report["again"]
    assert report["failed_reads"] == report["reads_cut_short"], report["again"]
    assert int(str(report["reads"])) > 300


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", range(4))
def test_rings_agree_soon_after_the_last_change_and_reads_are_answered(seed: int) -> None:
    churn(seed)
