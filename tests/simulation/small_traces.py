"""Traces of a few zones and instances for properties against naive twins."""

from __future__ import annotations

from hypothesis import strategies as st

from zoned.core.names import InstanceKey
from zoned.simulation.trace import Trace


def trace_from(accesses: list[tuple[int, int, int]]) -> Trace:
    """(seconds since the last access, zone, instance) per access; instances have sizes 1, 2, 3, ..."""
    zones: dict[int, int] = {}
    numbers: dict[int, int] = {}
    ts, now = [], 1_000.0
    for gap, _, _ in accesses:
        now += gap
        ts.append(now)
    zone_column = [zones.setdefault(zone, len(zones)) for _, zone, _ in accesses]
    objects = [numbers.setdefault(instance, len(numbers)) for _, _, instance in accesses]
    sizes = [instance + 1 for instance in numbers]
    return Trace(
        name="small",
        ts=ts,
        zones=zone_column,
        objects=objects,
        sizes=[sizes[number] for number in objects],
        clients=[b""] * len(ts),
        zone_names=tuple(f"z{zone}" for zone in zones),
        instances=tuple(InstanceKey("small", b"%d" % instance) for instance in numbers),
        object_sizes=sizes,
    )


def small_traces() -> st.SearchStrategy[Trace]:
    """Up to 60 accesses to 9 instances in 3 zones."""
    access = st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 8))
    return st.lists(access, min_size=1, max_size=60).map(trace_from)
