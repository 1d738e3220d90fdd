"""What an eviction arm's copies spare the other zones, against what they really spare when it is played.

One zone's store goes by one arm or another, the others' by LRU, which takes in whatever is read, wherever it
came from: so what the others hold and want is the same in both runs, and the difference in what they fetch
from the origin is exactly what the one zone's copies are worth to them.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from zoned.core.names import InstanceKey
from zoned.simulation import zoned_policy
from zoned.simulation.results import ReplayOptions, no_progress
from zoned.simulation.trace import Trace

pytestmark = pytest.mark.timeout(60)  # some seconds each, on a machine of its own

READS, OBJECTS, CAPACITY = 4500, 500, 40
PLAYED = ("lru", "s3fifo")


def scanned_over() -> Trace:
    """Zone a is scanned all the time, and holds what all ask for only where its policy withstands that."""
    rng = random.Random(5)
    numbers: dict[str, int] = {}
    zones, objects = [], []
    for number in range(READS):
        zone = rng.choices(range(3), (4, 1, 1))[0]
        scan = zone == 0 and rng.random() < 0.6
        name = f"scan {number}" if scan else f"{int(OBJECTS * rng.random() ** 3)}"
        zones.append(zone)
        objects.append(numbers.setdefault(name, len(numbers)))
    return Trace(
        name="scanned",
        ts=[1e6 + 1.5 * number for number in range(READS)],
        zones=zones,
        objects=objects,
        sizes=[1] * READS,
        clients=[b""] * READS,
        zone_names=("a", "b", "c"),
        instances=tuple([InstanceKey("scanned", name.encode()) for name in numbers]),
        object_sizes=[1] * len(numbers),
    )


def run(monkeypatch: pytest.MonkeyPatch, trace: Trace, arm: str) -> tuple[dict[str, float], int]:
    """(what each arm is said to spare the others, what they fetch from the origin): zone a plays ``arm``."""
    as_it_is = zoned_policy.settings_of

    def settings_of(trace, capacity, options, index):
        settings = as_it_is(trace, capacity, options, index)
        cache = replace(settings.cache, eviction="lru" if index else arm, touch_for_peers=False)
        return replace(settings, cache=cache)

    with monkeypatch.context() as patched:
        patched.setattr(zoned_policy, "settings_of", settings_of)
        options = ReplayOptions(warmup=0.0, ablate=("association", "forecast", "placement", "refresh"))
        replay = zoned_policy.Replay(trace, CAPACITY, options)
        replay.run(no_progress)
    ours, *others = replay.hosts
    assert ours.node is not None
    spared = {one.name: one.spared for one in ours.node.tuner._shadow.arms}
    return spared, sum(host.transfers.origin for host in others)


def test_a_copy_is_worth_the_same_to_others_whether_we_hold_it_or_only_a_shadow_does(monkeypatch) -> None:
    trace = scanned_over()
    (said, origin), (said_then, origin_then) = [run(monkeypatch, trace, arm) for arm in PLAYED]
    really = origin - origin_then
    assert really > 40, "S3-FIFO keeps what they ask for"
    for arm in PLAYED:
        assert said[arm] == pytest.approx(said_then[arm], abs=2.0), f"{arm}, whichever is played"
    for each in (said, said_then):
        assert each["s3fifo"] - each["lru"] == pytest.approx(really, abs=4.0)
