"""Run several policies over one trace under the same rules, and say how much of the possible each gained.

A policy is any `Runner`; which ones there are is the caller's choice (`zoned.cli.replay` adds the real nodes
to `REFERENCE`), so that nothing here depends on them. ``gap_closed`` is the one figure to compare traces by:
the share of the mean-latency distance from the plain LRU to the clairvoyant that a policy closed. It is None
where the clairvoyant gains nothing, and left out unless both ends have run: running them unasked could cost
more than what was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from zoned.simulation import oracle, policies
from zoned.simulation.results import PolicyResult, ReplayOptions, Runner, no_progress
from zoned.simulation.trace import Trace

REFERENCE: dict[str, Runner] = {**policies.REFERENCE, "oracle": oracle.run}
"""All policies that need no node."""
FLOOR, CEILING = "lru", "oracle"
LEAST_GAP_MS = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came out of a replay, policies in the order they were asked for."""

    trace: Trace
    options: ReplayOptions
    capacity: int  # per zone; objects, or bytes if options.by_bytes
    share: float  # of the trace's unique objects, or of their bytes
    results: Mapping[str, PolicyResult]

    def gap_closed(self) -> dict[str, float | None]:
        """Per policy other than the two ends; empty unless both ends have run."""
        if FLOOR not in self.results or CEILING not in self.results:
            return {}
        floor = self.results[FLOOR].mean_latency_ms
        gap = floor - self.results[CEILING].mean_latency_ms
        return {
            policy: (floor - result.mean_latency_ms) / gap if gap > LEAST_GAP_MS else None
            for policy, result in self.results.items()
            if policy not in (FLOOR, CEILING)
        }

    def as_json(self) -> dict[str, object]:
        """contract.md, "Replay's JSON", and what else is needed to run the same again."""
        options, trace = self.options, self.trace
        unit = "bytes" if options.by_bytes else "count"
        return {
            "trace": trace.name,
            "requests": len(trace),
            "measured": len(trace) - trace.warm_from(options.warmup),
            "skipped_lines": trace.skipped,
            "meaningless_lines": trace.meaningless,
            "notes": list(trace.notes),
            "zones": len(trace.zone_names),
            "zone_names": sorted(trace.zone_names),
            "unique": len(trace.instances),
            "capacity": {"share": round(self.share, 6), unit: self.capacity},
            "model": {
                "hit_ms": round(options.hit_s * 1e3, 6),
                "rtt_ms": round(options.rtt_s * 1e3, 6),
                "origin_ms": round(options.origin_s * 1e3, 6),
            },
            "warmup": options.warmup,
            "window_s": options.window_s,
            "seed": options.seed,
            "ablate": list(options.ablate),
            "with_statsforecast": options.fitter is not None,
            "config": list(options.own.notes),
            "policies": {policy: result.as_json() for policy, result in self.results.items()},
            "gap_closed": {
                policy: None if gap is None else round(gap, 4) for policy, gap in self.gap_closed().items()
            },
        }


def capacity_of(trace: Trace, share: float, objects: int | None, by_bytes: bool) -> tuple[int, float]:
    """(capacity per zone, share it is): from a share, or from a fixed count of objects."""
    if objects is not None:
        return objects, objects / len(trace.instances)
    room, whole = trace.capacity(share), len(trace.instances)
    if by_bytes:
        room, whole = trace.capacity_bytes(share), sum(trace.object_sizes)
    return room, share if room <= share * whole + 1 else min(1.0, room / whole)  # four are the least


def run(
    trace: Trace,
    names: Sequence[str],
    options: ReplayOptions,
    capacity: int,
    share: float,
    *,
    runners: Mapping[str, Runner] = REFERENCE,
    progress: Callable[[str, int], None] | None = None,
) -> Replay:
    """Run these policies one after the other; ``progress`` hears (policy, requests of the trace done)."""
    results: dict[str, PolicyResult] = {}
    for name in names:
        report = partial(progress, name) if progress is not None else no_progress
        results[name] = runners[name](trace, capacity, options, report)
    return Replay(trace=trace, options=options, capacity=capacity, share=share, results=results)
