"""What moving a zone's traffic costs: a zone is drained, joins, leaves or dies in the middle of a replay.

The same trace is played three times by real nodes, up to some reads after the move: without it, with it as
zoned does it (warm first, then let the traffic go), and with it unprepared. Beside each other stand the
origin fetches and misses of the reads that follow, the same reads in all three.

A zone without its agent has its clients served by the others, each client by one of them (by its hash), as a
load balancer would. Before it joined a zone's agent was not there; when it drains, its clients go on reading
there until the agent says that they may move.

Rejected: comparing the reads before the move with those after it (traffic changes by the hour, and on most
traces more than a move does).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple
from zlib import crc32

from zoned.core.events import Drain, Event, Join, Pause, Stop, StopKind
from zoned.core.names import Zone
from zoned.core.placement import Phase
from zoned.core.records import Source
from zoned.core.settings import NodeSettings
from zoned.simulation.cluster import Cluster, chance, gossip_address
from zoned.simulation.host import Host
from zoned.simulation.network import Network, NetworkSettings
from zoned.simulation.results import Progress, ReplayOptions, no_progress
from zoned.simulation.trace import Trace
from zoned.simulation.world import Answer, Transfers
from zoned.simulation.zoned_policy import TraceOrigin, settings_of

READS_AFTER = 5000
_LONGEST_WAIT_READS = 2000  # a drain that is not done by then moves its clients all the same
_STEP, _STEPS_OF_BURST, _STEPS_BEFORE = 100, 5, 50
_BOOT_S = 600.0  # before the trace begins, the pool comes together


class Kind(Enum):
    """What happens to the zone."""

    DRAIN = "drain"
    JOIN = "join"
    LEAVE = "leave"
    CRASH = "crash"


class Move(NamedTuple):
    """A zone's traffic moves ``at_s`` seconds into the trace."""

    kind: Kind
    zone: Zone
    at_s: float


class Prepared(Enum):
    """How a move is made."""

    NOT_AT_ALL = "without"  # no move: what would have been
    WARM = "warm"
    COLD = "cold"  # the agent goes (or the clients come) at once, nothing is handed over


class Toll(NamedTuple):
    """The reads that followed. ``waited_s``: from the command until the clients moved."""

    reads: int
    failed: int
    misses: int
    origin_fetches: int
    peer_transfers: int
    mean_latency_ms: float
    waited_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveResult:
    """The three runs. Where nothing can be prepared (a crash) only two."""

    move: Move
    tolls: dict[Prepared, Toll]
    burst: float
    """Prepared: the most origin fetches in any 500 reads that follow, over the mean of the 5,000 before; 0.0
    where there were none before."""

    def extra(self, how: Prepared, field: str) -> float:
        """How much more than without the move, as a share of what there was without it."""
        before = float(getattr(self.tolls[Prepared.NOT_AT_ALL], field))
        more = float(getattr(self.tolls[how], field)) - before
        return more / before if before else 0.0

    def as_json(self) -> dict[str, object]:
        """The runs by name, and what the move cost more."""
        shown = [how for how in self.tolls if how is not Prepared.NOT_AT_ALL]
        return {
            "kind": self.move.kind.value,
            "zone": self.move.zone,
            "at_s": self.move.at_s,
            **{how.value: toll._asdict() for how, toll in self.tolls.items()},
            "extra_origin_ratio": {how.value: round(self.extra(how, "origin_fetches"), 4) for how in shown},
            "burst": round(self.burst, 4),
            "extra_miss_ratio": {how.value: round(self.extra(how, "misses"), 4) for how in shown},
        }


Settings = Callable[[int], NodeSettings]
"""The settings of the agent of the zone with that number."""


class MovingPool:
    """One run: agents of all zones, whose clients are moved once."""

    def __init__(
        self, trace: Trace, options: ReplayOptions, settings: Settings, move: Move, how: Prepared
    ) -> None:
        self._trace, self._move, self._how = trace, move, how
        if move.zone not in trace.zone_names:
            raise ValueError(f"no zone {move.zone!r} in {trace.name}")
        self._zone = trace.zone_names.index(move.zone)
        self._failed = self._local = self._reads = 0
        self._latency_s = 0.0
        self._start_s = trace.ts[0] - _BOOT_S
        self._cluster = Cluster(
            network=Network(
                NetworkSettings(one_way_s=options.rtt_s / 2, jitter_s=0.0), chance(options.seed, "network")
            ),
            origin=TraceOrigin(trace, options.origin_s, options.by_bytes),
            start_s=self._start_s,
            hit_s=options.hit_s,
            rtt_s=options.rtt_s,
            instant_fetches=True,
            answered=self._answered,
        )
        self.hosts: list[Host] = [
            self._cluster.add(self._prepared(settings(zone))) for zone in range(len(trace.zone_names))
        ]
        self._serving = [True] * len(self.hosts)
        self.course: list[int] = []  # origin fetches in all before every hundredth read

    def run(self, reads_after: int, moved_at: int | None, progress: Progress) -> tuple[Toll, int]:
        """Play the trace up to so many reads after the move. ``moved_at``: count from that read on, wherever
        the clients moved. Returns the toll, and with which read they moved."""
        trace, cluster = self._trace, self._cluster
        self._boot()
        begun_s: float | None = None
        moved: int | None = None
        counted_from: int | None = None
        before, waited_s = self._counts(), 0.0
        due_s = trace.ts[0] + self._move.at_s
        begun = 0
        rows = zip(trace.ts, trace.zones, trace.objects, trace.clients, strict=True)
        for number, (ts, zone, instance, client) in enumerate(rows):
            cluster.run_until(ts - self._start_s)
            if begun_s is None and ts >= due_s:
                begun_s, begun = cluster.schedule.now_s, number
                self._begin()
            if begun_s is not None and moved is None and self._may_move(number - begun):
                moved, waited_s = number, cluster.schedule.now_s - begun_s
                self._move_clients()
            if counted_from is None and moved is not None and number >= (moved_at or moved):
                counted_from, before = number, self._counts()
            if counted_from is not None and number - counted_from >= reads_after:
                break
            self.hosts[self._who_serves(zone, client)].read(trace.instances[instance], client)
            if not number % _STEP:
                progress(number)
                self.course.append(sum(host.transfers.origin for host in self.hosts))
        cluster.run_until(cluster.schedule.now_s + 60.0)
        return self._toll(before, waited_s), moved if moved is not None else len(trace)

    # ---- inside ---------------------------------------------------------------------------------

    def _prepared(self, settings: NodeSettings) -> NodeSettings:
        """Who joins cold owns its shards at once, and nobody passes anything on to it."""
        if self._move.kind is Kind.JOIN and self._how is Prepared.COLD:
            return replace(settings, placement=replace(settings.placement, warm_within_s=0.0))
        return settings

    def _boot(self) -> None:
        absent = self._zone if self._move.kind is Kind.JOIN else -1
        seed = 0 if absent else 1
        for index, host in enumerate(self.hosts):
            if index == absent:
                self._serving[index] = False
                continue
            host.boot()
            self._cluster.run_until(self._cluster.schedule.now_s + 1.0)
            if index != seed:
                host.give(Join(seeds=(gossip_address(seed),)))

    def _begin(self) -> None:
        """The operator says so, or the power fails."""
        kind, host = self._move.kind, self.hosts[self._zone]
        if self._how is Prepared.NOT_AT_ALL:
            return
        if kind is Kind.JOIN:
            host.boot()
            host.give(Join(seeds=(gossip_address(0 if self._zone else 1),)))
        elif kind is Kind.CRASH:
            host.crash()
        elif self._how is Prepared.COLD:
            host.give(Pause(paused=True))  # nothing is handed over: as if there were no migration
            host.give(Stop(kind=StopKind.LEAVE))
        else:
            event: Event = Drain(zone=host.zone) if kind is Kind.DRAIN else Stop(kind=StopKind.LEAVE)
            host.give(event)

    def _may_move(self, reads: int) -> bool:
        """Whether the clients may go (or come) now, so many reads after it began."""
        node = self.hosts[self._zone].node
        if self._how is not Prepared.WARM or self._move.kind is Kind.CRASH or node is None:
            return True
        if reads >= _LONGEST_WAIT_READS:
            return True
        if self._move.kind is Kind.DRAIN:
            return node.plan is not None and node.plan.drained
        if self._move.kind is Kind.LEAVE:
            return not node.farewell.handing_over
        there = len(node.agreement.ring.members) == len(self.hosts)
        return there and node.joining.own.phase is Phase.SETTLED

    def _move_clients(self) -> None:
        if self._how is not Prepared.NOT_AT_ALL:
            self._serving[self._zone] = self._move.kind is Kind.JOIN

    def _who_serves(self, zone: int, client: bytes) -> int:
        if self._serving[zone]:
            return zone
        others = [index for index, serves in enumerate(self._serving) if serves]
        return others[crc32(client) % len(others)]

    def _answered(self, answer: Answer) -> None:
        self._reads += 1
        self._latency_s += answer.latency_s
        self._local += answer.source is Source.LOCAL
        self._failed += answer.source is None

    def _counts(self) -> tuple[float, ...]:
        total = Transfers()
        for host in self.hosts:
            total.add(host.transfers)
        return self._reads, self._failed, self._local, total.origin, total.peer, self._latency_s

    def _toll(self, before: Sequence[float], waited_s: float) -> Toll:
        reads, failed, local, origin, peer, latency_s = (
            after - earlier for after, earlier in zip(self._counts(), before, strict=True)
        )
        mean_ms = 1e3 * latency_s / reads if reads else 0.0
        return Toll(int(reads), int(failed), int(reads - local), int(origin), int(peer), mean_ms, waited_s)


def run(
    trace: Trace,
    capacity: int,
    options: ReplayOptions,
    move: Move,
    *,
    settings: Settings | None = None,
    reads_after: int = READS_AFTER,
    progress: Progress = no_progress,
) -> MoveResult:
    """Play the move, and what would have been without it. ``settings``: of the agents, if they are not to be
    those of a replay."""
    made = settings or (lambda zone: settings_of(trace, capacity, options, zone))
    ways = [Prepared.WARM] if move.kind is Kind.CRASH else [Prepared.WARM, Prepared.COLD]
    tolls: dict[Prepared, Toll] = {}
    moved: int | None = None
    burst = 0.0
    for how in ways:
        pool = MovingPool(trace, options, made, move, how)
        tolls[how], at = pool.run(reads_after, moved, progress)
        if moved is None:
            moved, burst = at, _burst(pool.course, at)
    without = MovingPool(trace, options, made, move, Prepared.NOT_AT_ALL)
    tolls[Prepared.NOT_AT_ALL] = without.run(reads_after, moved, progress)[0]
    order = (Prepared.NOT_AT_ALL, *ways)
    return MoveResult(move=move, tolls={how: tolls[how] for how in order}, burst=burst)


def _burst(course: Sequence[int], moved: int) -> float:
    """See ``MoveResult.burst``; ``course`` is a pool's, ``moved`` the read with which its clients moved."""
    step = moved // _STEP
    earlier = course[max(0, step - _STEPS_BEFORE)]
    steps = min(step, _STEPS_BEFORE)
    mean = (course[step] - earlier) / steps * _STEPS_OF_BURST if steps else 0.0
    later = course[step:]
    most = max((b - a for a, b in zip(later, later[_STEPS_OF_BURST:], strict=False)), default=0)
    return most / mean if mean else 0.0
