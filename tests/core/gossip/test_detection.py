"""Detection times: what is told to operators, held against simulated crashes."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest

from tests.core.gossip.pool import Pool, sees
from zoned.core.gossip import GossipSettings
from zoned.core.gossip.detection import detection
from zoned.core.members import MemberState


def crashed(seed: int, count: int, settings: GossipSettings) -> float:
    """Kill one of a pool; seconds until all others hold it failed."""
    pool = Pool(seed=seed)
    hosts = pool.start(count, settings)
    pool.run(3 + seed * 0.37 * settings.probe_interval_s)
    victim = hosts[1 + seed % (count - 1)]
    others = [host for host in hosts if host is not victim]
    victim.up = False
    died_s = pool.now_s
    assert pool.run(600, lambda: all(sees(each, [victim], MemberState.FAILED) for each in others))
    return pool.now_s - died_s


@pytest.mark.parametrize(("profile", "count", "kills"), [("lan", 3, 12), ("lan", 10, 6), ("wan", 6, 6)])
def test_simulated_crashes_lie_within_what_is_told(profile: str, count: int, kills: int) -> None:
    settings = GossipSettings.profile(profile)
    told = detection(settings, count)
    took = [crashed(seed, count, settings) for seed in range(kills)]
    assert told.soonest_s * 0.97 <= min(took) and max(took) <= told.latest_s
    assert statistics.mean(took) == pytest.approx(told.typical_s, rel=0.15)


def test_lan_by_hand() -> None:
    told = detection(GossipSettings(), 3)  # nobody is left to confirm: 1 s of probe and 4 s of suspicion
    assert told.soonest_s == 0.5 + 0.125 + 4.0  # its host refuses the TCP ping
    assert detection(replace(GossipSettings(), tcp_fallback=False), 3).soonest_s == 5.0
    assert told.typical_s == pytest.approx(7 / 12 + 1 + 4 + 0.1)
    assert told.latest_s == pytest.approx(3 + 1 + 4 + 0.2, abs=0.3)  # 3: last in this round and in the next


def test_it_grows_with_the_pool_and_shrinks_with_the_interval() -> None:
    settings = GossipSettings()
    sizes = [detection(settings, members) for members in (10, 30, 100, 1000)]
    assert sizes == sorted(sizes)
    quick = replace(settings, probe_interval_s=0.5)
    assert all(a < b for a, b in zip(detection(quick, 30), detection(settings, 30), strict=True))


def test_without_confirmations_in_time_the_suspicion_lasts() -> None:
    """So many accusers are wanted that the first verdict falls before all have spoken."""
    many = replace(GossipSettings(), suspicion_mult=30, suspicion_max_mult=6)
    least = 0.625 + 30.0
    told = detection(many, 10)  # 28 are wanted and 8 can come: the least suspicion, as in memberlist
    assert told.soonest_s == pytest.approx(least) and told.latest_s < 2 * least
    told = detection(replace(many, suspicion_mult=8, suspicion_max_mult=1), 10)
    assert told.typical_s == pytest.approx(7 / 12 + 1.0 + 8.0 + 0.2)
