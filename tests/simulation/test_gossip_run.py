"""Members alone under random faults: what must hold holds, and a failure says how to play it again."""

from __future__ import annotations

import shlex
from random import Random
from typing import Any

import pytest

from zoned.core.events import Invalidate
from zoned.simulation.chaos import FAULTS, ChaosSettings, chaos, steps_of
from zoned.simulation.checkers import (
    IncarnationWatch,
    gossip_bounded,
    nobody_wrongly_failed,
    quiet,
    views_converge,
)
from zoned.simulation.gossip_run import GossipOptions, simulate_members
from zoned.simulation.members import MemberPool, member_settings
from zoned.simulation.network import Network, NetworkSettings

NAMES = [f"z{index:03d}-1" for index in range(8)]


def pool_of(count: int, seed: int = 1, settle_s: float = 10.0, **network: Any) -> MemberPool:
    pool = MemberPool(
        count,
        network=Network(NetworkSettings(**network), Random(seed)),
        settings=member_settings(),
        seed=seed,
    )
    pool.start()
    pool.run_for(settle_s)
    return pool


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"drain"}))
@pytest.mark.parametrize("zones", [3, 10])
def test_any_fault_leaves_a_pool_that_agrees(fault: str, zones: int) -> None:
    report = simulate_members(GossipOptions(zones=zones, fault=fault, seed=2))
    assert report["breaches"] == [], report["again"]


@pytest.mark.parametrize("seed", range(4))
def test_chaos_leaves_a_pool_that_agrees(seed: int) -> None:
    report = simulate_members(GossipOptions(zones=16, minutes=3.0, fault="chaos", seed=seed))
    assert report["breaches"] == [], report["again"]
    said = report["said"]
    assert isinstance(said, dict) and said["member_failed"] > 10, "it was not much of a chaos"


def test_the_same_seed_gives_the_same_run_and_the_report_says_how() -> None:
    options = GossipOptions(zones=5, minutes=1.0, fault="chaos", seed=9, loss=0.1)
    first, second, other = (
        simulate_members(each) for each in (options, options, GossipOptions(zones=5, minutes=1.0, seed=10))
    )
    assert first == second and first["digest"] != other["digest"]
    assert shlex.split(str(first["again"]))[2:] == (
        [
            "--gossip-only",
            "--zones",
            "5",
            "--minutes",
            "1",
            "--seed",
            "9",
            "--loss",
            "0.1",
            "--fault",
            "chaos",
        ]
    )


def test_random_faults_end_with_the_run_and_follow_from_the_seed() -> None:
    for seed in range(20):
        steps = chaos(ChaosSettings(), NAMES, 120.0, Random(seed))
        assert all(0 <= step.at <= 1 + 15 / 120 for step in steps) and steps[-1].at == 1.0
        texts = [step.text for step in steps]
        assert texts == [step.text for step in chaos(ChaosSettings(), NAMES, 120.0, Random(seed))]
        assert len(steps) > 3
    assert steps_of("kill", NAMES, 60.0, Random(1))[0].text == "kill -9 of the last agent"


# ---- the checkers find what they look for ------------------------------------------------------------


def test_a_member_held_failed_or_unknown_is_found_and_a_cut_off_one_is_not_blamed() -> None:
    pool = pool_of(3)
    assert nobody_wrongly_failed(pool) == [] == views_converge(pool)
    for zone in ("z000", "z001"):
        pool.network.cut("z002", zone)
    pool.run_for(60.0)
    assert nobody_wrongly_failed(pool) == []
    pool.network.heal()
    assert "z000-1 holds z002-1 for failed" in nobody_wrongly_failed(pool)
    pool.run_for(60.0)
    pool.hosts["z001-1"].crash()
    pool.hosts["z001-1"].boot()
    assert "z001-1 holds z000-1 for unknown" in nobody_wrongly_failed(pool)


def test_views_that_differ_are_found() -> None:
    pool = pool_of(3)
    pool.hosts["z002-1"].crash()
    assert any("z002-1 for alive: it is not up" in line for line in views_converge(pool))
    pool.hosts["z002-1"].boot()
    pool.run_for(30.0)
    pool.hosts["z000-1"].give(Invalidate(dependency="pricing", key=None))
    assert any("hold other facts" in line for line in views_converge(pool))
    pool.run_for(10.0)
    assert views_converge(pool) == []
    pool.hosts["z000-1"].node.swim._rumours.refute(1 << 31)  # type: ignore[union-attr]
    assert any("knows z000-1 at" in line for line in views_converge(pool))


def test_a_summary_that_did_not_arrive_is_found() -> None:
    pool = pool_of(3)
    pool.hosts["z001-1"].publish()
    pool.run_for(10.0)
    pool.hosts["z002-1"].node.swim._reconciler.summaries.gone("z001-1")  # type: ignore[union-attr]
    assert views_converge(pool) == [], "it may be on its way"
    pool.hosts["z002-1"].node.swim._reconciler._round = lambda now: None  # type: ignore[union-attr, method-assign]
    pool.schedule.now_s += 31.0
    assert "z002-1 has an old summary of z001-1" in views_converge(pool)


def test_an_incarnation_that_goes_back_is_found_but_not_that_of_a_new_life() -> None:
    pool = pool_of(2)
    watch = IncarnationWatch()
    assert watch(pool) == []
    swim = pool.hosts["z000-1"].node.swim  # type: ignore[union-attr]
    known = swim._wiring.table.get("z001-1")
    assert known is not None
    known.incarnation -= 1
    known.touched()
    swim._wiring.table.changed()
    (line,) = watch(pool)
    assert "z000-1 saw z001-1 go back" in line
    pool.hosts["z000-1"].crash()
    pool.hosts["z000-1"].skew_s = -600.0
    pool.hosts["z000-1"].boot()
    assert watch(pool) == []


def test_a_queue_that_overflows_or_does_not_empty_is_found() -> None:
    pool = pool_of(2)
    queue = pool.hosts["z000-1"].node.swim._wiring.queue  # type: ignore[union-attr]
    for number in range(9):
        queue.put(("member", str(number)), b"x" * 10)
    assert quiet(pool) == ["z000-1 still has 9 rumours"]
    assert gossip_bounded(pool) == ["z000-1: 9 rumours queued, 0 dropped"]
    queue.dropped = 1
    queue.clear()
    assert gossip_bounded(pool) == ["z000-1: 0 rumours queued, 1 dropped"]
