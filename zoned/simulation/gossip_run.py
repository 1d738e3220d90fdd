"""``zoned simulate --gossip-only``: members alone, hundreds of them, under faults, from a seed.

While the faults last members say facts and publish summaries, so that there is something that must converge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import xxhash

from zoned.core.names import NodeName
from zoned.simulation.chaos import steps_of
from zoned.simulation.checkers import GOSSIP_ALWAYS, GOSSIP_AT_REST, IncarnationWatch
from zoned.simulation.cluster import chance
from zoned.simulation.members import MemberPool, member_settings
from zoned.simulation.network import Network, NetworkSettings
from zoned.simulation.options import RunOptions

_CHECK_EVERY_S = 5.0
_PUBLISH_EVERY_S = 20.0
_BREACHES_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GossipOptions(RunOptions):
    """One run of members alone."""

    FLAGS = ("--gossip-only",)

    zones: int = 300
    minutes: float = 2.0


def simulate_members(
    options: GossipOptions, progress: Callable[[float], None] = lambda done: None
) -> dict[str, object]:
    """Run it; the report is a part of that of whole nodes, and what members alone can tell."""
    network = Network(NetworkSettings(loss=options.loss), chance(options.seed, "network"))
    pool = MemberPool(options.zones, network=network, settings=member_settings(), seed=options.seed)
    pool.start()
    pool.run_until(max(options.settle_s, pool.schedule.now_s))
    seconds, begin_s = options.minutes * 60.0, pool.schedule.now_s
    watch, breaches = IncarnationWatch(), list[str]()
    names = sorted(pool.hosts)
    for step in steps_of(options.fault, names, seconds, chance(options.seed, "faults")):
        pool.schedule.at(begin_s + step.at * seconds, lambda step=step: step.do(pool))  # type: ignore[misc]
    publishers = chance(options.seed, "publishers")
    next_publish_s = begin_s
    while pool.schedule.now_s < begin_s + seconds:
        if pool.schedule.now_s >= next_publish_s:
            next_publish_s += _PUBLISH_EVERY_S
            _publish(pool, names, publishers)
        pool.run_for(min(_CHECK_EVERY_S, begin_s + seconds - pool.schedule.now_s))
        for always in (watch, *GOSSIP_ALWAYS):
            breaches += always(pool)
        progress((pool.schedule.now_s - begin_s) / seconds)
    pool.run_for(options.rest_s)
    for check in (watch, *GOSSIP_ALWAYS, *GOSSIP_AT_REST):
        breaches += check(pool)
    return _report(options, pool, breaches)


def _publish(pool: MemberPool, names: list[NodeName], rng: Random) -> None:
    for name in rng.sample(names, max(1, len(names) // 10)):
        pool.hosts[name].publish()


def _report(options: GossipOptions, pool: MemberPool, breaches: list[str]) -> dict[str, object]:
    digest, said = xxhash.xxh3_64(), dict[str, int]()
    for name, host in sorted(pool.hosts.items()):
        for at_s, note in host.notes:
            said[note.event] = said.get(note.event, 0) + 1
            digest.update(f"{at_s:.6f} {name} {note.text}\n".encode())
    sent, seconds = pool.network.sent, pool.schedule.now_s
    more = [f"... and {len(breaches) - _BREACHES_SHOWN} more"] if len(breaches) > _BREACHES_SHOWN else []
    return {
        **options.as_json(),
        "gossip_only": True,
        "said": dict(sorted(said.items())),
        "gossip": dict(sorted(sent.items())),
        "bytes_per_agent_s": (sent["bytes"] + sent["stream_bytes"]) / max(1, options.zones) / seconds,
        "breaches": breaches[:_BREACHES_SHOWN] + more,
        "again": options.command(),
        "digest": digest.hexdigest(),
    }
