"""Why does the plan want a copy of this instance here, or not? Planning's lines of ``zoned explain``.

What is here and who holds it is said by whoever shows the cache (``core.views``); this says only why.
"""

from __future__ import annotations

from collections.abc import Mapping

from zoned.core.names import Dependency, InstanceKey, KeyHash
from zoned.core.placement.policy import AUTO, Policies
from zoned.core.records import Contents, Forecast, Plan, Reason, Want
from zoned.core.ring import Ring


def explain(
    key: InstanceKey,
    key_hash: KeyHash,
    ring: Ring,
    contents: Contents,
    forecast: Forecast | None,
    plan: Plan | None,
    policies: Policies,
    learnt: Mapping[tuple[Dependency, Reason], float],
    overlaps: Mapping[Dependency, float],
) -> tuple[str, ...]:
    """Lines for people, the most important first."""
    dependency = key.dependency
    replicas = policies.replicas(dependency, ring)
    homes = ring.homes(key_hash, replicas)
    configured = "" if policies.kind(dependency) != AUTO else " (the default)"
    lines = [
        f"policy of {dependency}: {policies.kind(dependency)}{configured}, {replicas} replicas, "
        f"homed on {', '.join(homes) or 'no zone'}",
        _expectation(key_hash, dependency, forecast, policies, learnt),
    ]
    if dependency in overlaps:
        lines.append(f"of what is hot elsewhere in {dependency}, {overlaps[dependency]:.0%} is used here too")
    lines.extend(_planned(key_hash, contents.holds(key), plan))
    return tuple(lines)


def _expectation(
    key_hash: KeyHash,
    dependency: Dependency,
    forecast: Forecast | None,
    policies: Policies,
    learnt: Mapping[tuple[Dependency, Reason], float],
) -> str:
    least = policies.threshold(dependency, Reason.FORECAST, learnt)
    listed = forecast.instances if forecast is not None else ()
    known = next((item for item in listed if item.key_hash == key_hash), None)
    if known is None:
        return "it is not among the instances that the forecast follows here"
    assert forecast is not None
    nearest = min(
        [line.horizon_s for line in forecast.dependencies if line.dependency == dependency], default=0.0
    )
    within = f" in the next {nearest / 60:g} min" if nearest else ""
    verdict = "enough" if known.probability >= least else "too little"
    bound = (
        "no longer acted on: forecasts did not pay"
        if least > 1.0
        else f"{verdict} for the threshold {least:.2f}"
    )
    return f"forecast: {known.expected:.2f} uses expected{within}, P(use) {known.probability:.2f}, {bound}"


def _planned(key_hash: KeyHash, held: bool, plan: Plan | None) -> list[str]:
    if plan is None:
        return ["no plan has been made yet"]
    lines = []
    if plan.paused:
        lines.append("movement of copies is paused")
    wanted = next((want for want in plan.wants if want.key_hash == key_hash), None)
    if wanted is not None:
        lines.append(_wanted(wanted))
    elif not held:
        lines.append("the plan does not want it: not expected here, or it would not save more than it costs")
    if plan.draining:
        lines.append(f"draining zones: {', '.join(plan.draining)}")
    if plan.drained_ratio is not None:
        lines.append(f"this zone drains: the others hold {plan.drained_ratio:.0%} of its copies")
    return lines


def _wanted(want: Want) -> str:
    source = f" from {want.source}" if want.source else ""
    return f"the plan wants it{source} for reason {want.reason.value}: it saves {want.value:.3f} s per MiB"
