"""The agents' past: the earlier part of the trace, lived by the same nodes in virtual time.

What they have learnt is written as the state files that agents find in their data directories, as after any
restart. Their stores are empty then, as after a restart too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zoned.daemon.state import encode, write_atomically
from zoned.demo.play import Play
from zoned.simulation.results import Progress, ReplayOptions
from zoned.simulation.zoned_policy import Replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """What the demo puts before fetches; the past is lived with the same."""

    origin_s: float
    peer_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the preload did, for the report: ratios over all of it, cold start included, from the ledgers."""

    requests: int
    hit_ratio: float
    lru_hit_ratio: float


def preload(
    play: Play,
    seed: int,
    ablate: tuple[str, ...],
    delays: Delays,
    directories: dict[str, Path],
    progress: Progress,
) -> Past:
    """Let the nodes live through ``play.past``; leave each zone's state in its directory."""
    options = ReplayOptions(
        warmup=0.2, seed=seed, ablate=ablate, rtt_s=delays.peer_s, origin_s=delays.origin_s
    )
    replay = Replay(play.past, play.capacity, options)
    result = replay.run(progress)
    for host in replay.hosts:
        assert host.node is not None
        directory = directories[host.zone]
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(directory / "state", encode(host.node.export_state()))
    ours, lru = result.details["ledger_hit_ratio"], result.details["ledger_lru_hit_ratio"]
    assert isinstance(ours, float) and isinstance(lru, float)
    return Past(requests=len(play.past), hit_ratio=ours, lru_hit_ratio=lru)
