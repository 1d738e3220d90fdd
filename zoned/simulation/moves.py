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

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
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
from zoned.simulation.tolls import READS_AFTER, Counts, Course, Kind, Move, MoveResult, Prepared, compare
from zoned.simulation.trace import Trace
from zoned.simulation.world import Answer
from zoned.simulation.zoned_policy import TraceOrigin, settings_of

LONGEST_WAIT_READS = 2000  # a drain that is not done by then moves its clients all the same
_PROGRESS_EVERY = 100
_BOOT_S = 600.0  # before the trace begins, the pool comes together


Settings = Callable[[int], NodeSettings]
"""The settings of the agent of the zone with that number."""


class MovingPool:
    """One run: agents of all zones; the clients of one of them are moved once."""

    def __init__(self, trace: Trace, options: ReplayOptions, settings: Settings, absent: Zone = "") -> None:
        """``absent``: the zone whose agent is not there yet."""
        self._trace = trace
        self._absent = absent
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
            fitter=options.fitter,
        )
        self.hosts: list[Host] = [self._cluster.add(settings(zone)) for zone in range(len(trace.zone_names))]
        self._serving = [name != absent for name in trace.zone_names]
        self._counted: list[Counts] = []

    def lead_up(self, until: int, progress: Progress = no_progress) -> None:
        """Play the reads before that one; the first time, the pool comes together before."""
        if not self._counted:
            self._boot()
        for number in range(len(self._counted), until):
            self._play(number, progress)

    def follow(
        self,
        move: Move,
        how: Prepared,
        reads_after: int,
        moved_at: int | None,
        progress: Progress = no_progress,
    ) -> Course:
        """Make the move with the read that comes next (``number_of(move)``, had ``lead_up`` come so far), and
        play so many reads after the clients moved, or after the read ``moved_at``."""
        trace, schedule = self._trace, self._cluster.schedule
        number = begun = len(self._counted)
        moved: int | None = None
        waited_s = begun_s = 0.0
        while number < len(trace):
            self._cluster.run_until(trace.ts[number] - self._start_s)
            if number == begun:
                begun_s = schedule.now_s
                self._begin(move, how)
            if moved is None and self._may_move(move, how, number - begun):
                moved, waited_s = number, schedule.now_s - begun_s
                self._move_clients(move, how)
            if moved is not None and number - (moved_at or moved) >= reads_after:
                break
            self._play(number, progress)
            number += 1
        self._cluster.run_until(schedule.now_s + 60.0)
        moved = number if moved is None else moved
        return Course((*self._counted, self._counts()), moved, waited_s)

    # ---- inside ---------------------------------------------------------------------------------

    def _boot(self) -> None:
        seed = 0 if self._serving[0] else 1
        for index, host in enumerate(self.hosts):
            if not self._serving[index]:
                continue
            host.boot()
            self._cluster.run_until(self._cluster.schedule.now_s + 1.0)
            if index != seed:
                host.give(Join(seeds=(gossip_address(seed),)))

    def _play(self, number: int, progress: Progress) -> None:
        """One read, at its time."""
        trace = self._trace
        zone, client = trace.zones[number], trace.clients[number]
        self._cluster.run_until(trace.ts[number] - self._start_s)
        self._counted.append(self._counts())
        self.hosts[self._who_serves(zone, client)].read(trace.instances[trace.objects[number]], client)
        if not number % _PROGRESS_EVERY:
            progress(number)

    def _begin(self, move: Move, how: Prepared) -> None:
        """The operator says so, or the power fails."""
        kind, zone = move.kind, self._trace.zone_names.index(move.zone)
        host = self.hosts[zone]
        if how is Prepared.NOT_AT_ALL:
            return
        if kind is Kind.JOIN:
            host.boot()
            host.give(Join(seeds=(gossip_address(0 if zone else 1),)))
        elif kind is Kind.CRASH:
            host.crash()
        elif how is Prepared.COLD:
            host.give(Pause(paused=True))  # nothing is handed over: as if there were no migration
            host.give(Stop(kind=StopKind.LEAVE))
        else:
            event: Event = Drain(zone=host.zone) if kind is Kind.DRAIN else Stop(kind=StopKind.LEAVE)
            host.give(event)

    def _may_move(self, move: Move, how: Prepared, reads: int) -> bool:
        """Whether the clients may go (or come) now, so many reads after it began."""
        node = self.hosts[self._trace.zone_names.index(move.zone)].node
        if how is not Prepared.WARM or move.kind is Kind.CRASH or node is None:
            return True
        if reads >= LONGEST_WAIT_READS:
            return True
        if move.kind is Kind.DRAIN:
            return node.plan is not None and node.plan.drained
        if move.kind is Kind.LEAVE:
            return not node.farewell.handing_over
        there = len(node.agreement.ring.members) == len(self.hosts)
        return there and node.joining.own.phase is Phase.SETTLED

    def _move_clients(self, move: Move, how: Prepared) -> None:
        if how is not Prepared.NOT_AT_ALL:
            self._serving[self._trace.zone_names.index(move.zone)] = move.kind is Kind.JOIN

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

    def _counts(self) -> Counts:
        origin = peer = 0
        for host in self.hosts:
            origin += host.transfers.origin
            peer += host.transfers.peer
        return Counts(self._reads, self._failed, self._local, origin, peer, self._latency_s)


def without_warming(settings: Settings) -> Settings:
    """A pool where who joins owns its shards at once, and nobody passes anything on to it."""

    def cold(zone: int) -> NodeSettings:
        made = settings(zone)
        return replace(made, placement=replace(made.placement, warm_within_s=0.0))

    return cold


def number_of(trace: Trace, move: Move) -> int:
    """The read with which the move begins. ValueError: no such zone in that trace."""
    if move.zone not in trace.zone_names:
        raise ValueError(f"no zone {move.zone!r} in {trace.name}")
    return bisect_left(trace.ts, trace.ts[0] + move.at_s)


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
    begun = number_of(trace, move)
    courses: dict[Prepared, Course] = {}
    moved: int | None = None
    for how in (Prepared.WARM, Prepared.COLD, Prepared.NOT_AT_ALL):
        if how is Prepared.COLD and move.kind is Kind.CRASH:
            continue
        joins = move.kind is Kind.JOIN
        here = without_warming(made) if joins and how is Prepared.COLD else made
        pool = MovingPool(trace, options, here, move.zone if joins else "")
        pool.lead_up(begun, progress)
        courses[how] = pool.follow(move, how, reads_after, moved, progress)
        moved = courses[Prepared.WARM].moved
    return compare(move, courses, reads_after)
