"""``zoned replay --config FILE``: the operator's own zoned.toml, as far as a replay can follow it.

What says how copies are treated is applied to zoned's nodes: the dependencies' policies, eviction, prefetch,
learning, forecast and ring, only where the file sets it. Sockets, gossip and timers stay the replay's, which
runs slower than life. TTLs hold for all policies but the oracle, so that the comparison stays fair, and the
store's limit is the room of each zone unless a flag says another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from zoned.cli.config import read_config
from zoned.config import Config
from zoned.config.schema import KEYS
from zoned.config.units import duration_text
from zoned.core.names import Dependency
from zoned.core.settings import NodeSettings
from zoned.simulation.results import Own, ReplayOptions
from zoned.simulation.trace import Trace

STAGES = ("cache", "forecast", "prefetch", "placement", "learning", "ring")
ROOM = ("store.max_objects", "store.max_bytes")


def own_config(path: Path) -> Config:
    """Read it, as an agent of any zone would. Ends the command (78) with every problem."""
    return read_config(path, {"agent.zone": "replay"})


def _given(config: Config, key: str) -> bool:
    return not config.sources.get(key, "default").startswith("default")


def room_of(config: Config) -> tuple[int, bool] | None:
    """(limit of the store, whether it counts bytes), if the file sets one; objects go before bytes."""
    for key in ROOM:
        if _given(config, key):
            return config.values[key], key == "store.max_bytes"
    return None


def with_own(config: Config, trace: Trace, options: ReplayOptions) -> ReplayOptions:
    """The options with what the file says; names that it has and the trace lacks are told on stderr."""
    policies = {one.policy.name: one.policy for one in config.dependencies}
    lacking = sorted(set(policies) - set(trace.dependencies))
    if lacking:
        click.echo(
            f"warning: {config.path}: the trace has no dependency {', '.join(lacking)}; it has"
            f" {', '.join(trace.dependencies[:12])} (--dep-prefix, or several files, name others)",
            err=True,
        )
    changes: dict[str, dict[str, Any]] = {}
    keys = [key for key in KEYS if key.stage in STAGES and key.path not in ROOM and _given(config, key.path)]
    for key in keys:
        changes.setdefault(key.stage, {})[key.field] = config.values[key.path]

    def apply(settings: NodeSettings) -> NodeSettings:
        stages = {name: replace(getattr(settings, name), **fields) for name, fields in changes.items()}
        named = tuple(policies.get(one.name, one) for one in settings.policies)
        return replace(settings, policies=named, **stages)

    ttls: dict[Dependency, float] = {
        name: ttl_s
        for name in trace.dependencies
        if name in policies and (ttl_s := policies[name].ttl_s) is not None
    }
    used = [name for name in trace.dependencies if name in policies]
    applied = [*(key.path for key in keys), *(f"dependency[{name}]" for name in used)]
    ablate = tuple(dict.fromkeys((*options.ablate, *config.values["agent.ablate"])))
    own = Own(apply=apply, ttl_s=ttls, notes=_notes(config, trace, applied, ttls))
    return replace(options, own=own, ablate=ablate)


def _notes(
    config: Config, trace: Trace, applied: list[str], ttls: Mapping[Dependency, float]
) -> tuple[str, ...]:
    notes = [f"{config.path}: {', '.join(applied) or 'nothing of it'} applied to zoned's nodes"]
    if ttls:
        shown = [f"{name} {duration_text(ttl_s)}" for name, ttl_s in sorted(ttls.items())[:12]]
        notes.append(
            f"copies expire ({', '.join(shown)}) under all policies but the oracle, which ignores it"
        )
    eternal = [name for name in trace.dependencies if name not in ttls]
    if eternal:
        notes.append(f"no ttl is set for {', '.join(eternal[:12])}: copies of these do not expire here")
    if all(_given(config, key) for key in ROOM):
        notes.append("store.max_objects is each zone's room; store.max_bytes is not applied beside it")
    return tuple(notes)
