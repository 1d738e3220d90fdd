"""What a node takes with it through a restart, and how it takes it up again.

Each stage says itself what it must keep (``export_state``) and refuses nonsense (``StateError``). What is not
here is either told again by the pool within seconds (members, rings, holdings) or made anew each turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoned.core.errors import StateError
from zoned.core.names import Instant
from zoned.core.stages import Stages

STATE_VERSION = 1


def export_state(stages: Stages) -> dict[str, Any]:
    """Everything that should survive, msgpack-able."""
    return {
        "version": STATE_VERSION,
        "observe": stages.observer.export_state(),
        "graph": stages.analyzer.export_state(),
        "forecast": stages.forecaster.export_state(),
        "facts": stages.facts.export_state(),
        "cache": stages.cache.export_state(),
        "demand": stages.worth.demand.export_state(stages.cache.max_saved_keys),
        "learning": stages.tuner.export_state(),
        "gossip": stages.swim.export_state(),
        "weight": stages.weight.weight,
    }


def restore_state(stages: Stages, state: Mapping[str, Any], now: Instant) -> None:
    """Take up what ``export_state`` gave before; the hottest instances are fetched again first."""
    if state.get("version") != STATE_VERSION:
        raise StateError(f"state version {state.get('version')!r}, expected {STATE_VERSION}")
    try:
        stages.observer.restore_state(state["observe"], now)
        stages.analyzer.restore_state(state["graph"], now)
        stages.forecaster.restore_state(state["forecast"], now)
        stages.facts.restore_state(state["facts"], now)
        stages.cache.restore_state(state["cache"], now)
        if "demand" in state:  # states of before it was kept are good for the rest
            stages.worth.demand.restore_state(state["demand"], resize=not stages.counted)
        stages.tuner.restore_state(state["learning"], now)
        stages.swim.restore_state(state["gossip"], now)
        weight = state["weight"]
        if type(weight) is not int:
            raise StateError(f"weight {weight!r}")
        if stages.weight.restore(weight):
            stages.swim.weigh(weight, now)
    except KeyError as error:
        raise StateError(f"state lacks {error}") from error
    for fact in stages.facts.all():  # after a restart of the whole pool nobody else may know it
        stages.swim.spread(fact, now)
    plain = {name for name, policy in stages.policies.items() if policy.policy == "lru"}
    stages.prefetcher.restart(
        [row for row in stages.cache.heat_list() if row[0].dependency not in plain], now
    )
