"""What goes into a replay and what comes out: the values that every policy, the table and the JSON share.

A policy is a function of (trace, capacity, options, progress) to one `PolicyResult`, so that the reference
policies, the clairvoyant and the real nodes can be compared row by row and none of them knows the others.
Counters are those of ``lab/refsim.py``: only what happens after the warm-up counts, a transfer counts when it
brings a copy into a zone, be it asked for or prefetched.

Rejected: a result that knows its policy's name (the name is the key it is stored under, once), and
derived figures such as precision as fields (they would have to agree with what they derive from).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from zoned.core.names import Dependency
from zoned.core.settings import NodeSettings
from zoned.simulation.trace import Trace
from zoned.simulation.world import Fitter

Progress: TypeAlias = Callable[[int], None]
"""Told now and then how many requests of the trace are done (the whole trace, warm-up included)."""


def no_progress(done: int) -> None:
    """For callers that nobody watches."""


def _as_it_is(settings: NodeSettings) -> NodeSettings:
    return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What an operator's own configuration changes. Its TTLs hold for the reference policies too, or zoned
    alone would have to let copies go."""

    apply: Callable[[NodeSettings], NodeSettings] = _as_it_is
    """The settings of a replay's node with the operator's in their place."""
    ttl_s: Mapping[Dependency, float] = field(default_factory=dict)
    """How long copies live; those of a dependency that is not here do not expire."""
    notes: tuple[str, ...] = ()
    """What was applied and what was not, a line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """The model and the rules of one replay; the same for all its policies. Durations in seconds."""

    hit_s: float = 0.001
    """What a local hit takes. Default 1 ms."""
    rtt_s: float = 0.080
    """What fetching from another zone adds. Default 80 ms."""
    origin_s: float = 0.200
    """What fetching from the origin adds. Default 200 ms."""
    warmup: float = 0.2
    """Share of the requests that fill the caches and are not measured, 0 <= warmup < 1. Default 0.2."""
    window_s: float = 3600.0
    """How far the clairvoyant sees, and over what its prefetches are budgeted. Default 1 h."""
    seed: int = 1
    """Seeds whatever has chance in it (only ``zoned``)."""
    ablate: tuple[str, ...] = ()
    """Stages of ``zoned`` that are switched off, of `ABLATIONS`."""
    by_bytes: bool = False
    """Whether ``capacity`` counts bytes instead of objects."""
    fitter: Fitter | None = None
    """Fits the models of ``zoned``'s forecasts; None: they end at the online model."""
    own: Own = Own()
    """The operator's configuration (``--config``)."""


class Mark(NamedTuple):
    """How far a policy was after so many measured requests: hits, and seconds waited in all."""

    requests: int
    hits: int
    waited_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """What one policy did with the measured part of a trace."""

    requests: int
    hits: int
    mean_latency_ms: float
    p99_latency_ms: float
    origin_fetches: int  # asked for and prefetched
    peer_transfers: int  # copies that came from another zone, asked for and prefetched
    prefetches: int
    prefetch_used: int
    late: int  # requests that had to wait for a prefetch still on its way
    timeline: tuple[Mark, ...] = ()  # for plots; not in the JSON
    details: Mapping[str, object] = field(default_factory=dict)  # what else it has to tell (JSON-able)

    @property
    def hit_ratio(self) -> float:
        """Local hits over requests; a request that waits for a prefetch on its way is not a hit."""
        return self.hits / self.requests if self.requests else 0.0

    @property
    def transfers(self) -> int:
        """All copies moved into zones."""
        return self.origin_fetches + self.peer_transfers

    def as_json(self) -> dict[str, object]:
        """The object that contract.md's "Replay's JSON" has for a policy."""
        row: dict[str, object] = {
            "hit_ratio": round(self.hit_ratio, 6),
            "mean_latency_ms": round(self.mean_latency_ms, 4),
            "p99_latency_ms": round(self.p99_latency_ms, 4),
            "origin_fetches": self.origin_fetches,
            "peer_transfers": self.peer_transfers,
            "prefetches": self.prefetches,
            "prefetch_used": self.prefetch_used,
            "late": self.late,
        }
        if self.details:
            row["details"] = dict(self.details)
        return row


Runner: TypeAlias = Callable[[Trace, int, ReplayOptions, Progress], PolicyResult]
"""A policy: (trace, capacity per zone, options, progress)."""
