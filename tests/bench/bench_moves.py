"""What a zone's coming and going costs the others, at twenty zones: one line per move, zone and moment.

    PYTHONPATH=. .venv/bin/python tests/bench/bench_moves.py [join] [leave] [drain] [crash] \\
        [--zones z03,z07,z11] [--at .44,.72] [--cold] [--never]

A part of the shipped retail trace, its clients hashed to 20 zones, a hundred times faster than it was, so
that the agents' timers are those of life while the trace passes in hours. Each move stands beside the same
seed without it; "cold" is the same move with nothing handed over. Wanted: a join, a leave and a drain cost at
most 1 % more origin fetches and 3 % more misses in the 5,000 reads that follow; after a crash no 500 reads
fetch more than 1.5 times the mean of before. The trace fetches in bursts of its own, which stand beside that.
And whoever goes takes a twentieth of all memory along, which costs something for ever, however well it went:
"--never" also plays a pool that never had that agent.

All moves of one moment grow out of one run up to it (the process is forked), and one run without the move
does for all of them: half a minute a line. A move shifts some fetches either way by chance, each of which is
a third of one in a hundred here; so several zones are moved at several moments, and summed up.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from zoned.core.gossip import GossipSettings
from zoned.core.names import Zone
from zoned.core.settings import NodeSettings
from zoned.simulation.moves import LONGEST_WAIT_READS, MovingPool, without_warming
from zoned.simulation.results import ReplayOptions
from zoned.simulation.tolls import READS_AFTER, Course, Kind, Move, MoveResult, Prepared, compare
from zoned.simulation.trace import Trace, read
from zoned.simulation.zoned_policy import settings_of

RETAIL = Path(__file__).resolve().parents[2] / "zoned" / "demo" / "data" / "retail.csv.gz"
ZONES, FASTER = 20, 100.0
READS = 25_000  # the last of the trace
OPTIONS = ReplayOptions()


def twenty_zones(trace: Trace) -> Trace:
    """The end of the trace, spread over more zones and squeezed in time."""
    start = len(trace) - READS
    ts, clients = trace.ts[start:], trace.clients[start:]
    return replace(
        trace,
        ts=[ts[0] + (at - ts[0]) / FASTER for at in ts],
        zones=[crc32(client) % ZONES for client in clients],
        objects=trace.objects[start:],
        sizes=trace.sizes[start:],
        clients=clients,
        zone_names=tuple(f"z{index:02d}" for index in range(ZONES)),
    )


def settings_for(trace: Trace, capacity: int) -> Callable[[int], NodeSettings]:
    """A replay's settings with the timers of life."""

    def settings(zone: int) -> NodeSettings:
        made = settings_of(trace, capacity, OPTIONS, zone)
        return replace(
            made,
            turn_interval_s=1.0,
            idle_turn_s=30.0,
            summary_interval_s=5.0,
            gossip=replace(
                GossipSettings.profile("lan"),
                probe_interval_s=5.0,
                push_pull_interval_s=60.0,
                reconcile_interval_s=5.0,
                compress_streams_below_bytes=0,
            ),
            placement=replace(made.placement, plan_interval_s=5.0),
        )

    return settings


def branched(
    pool: MovingPool, move: Move, how: Prepared, reads_after: int, moved: int | None = None
) -> Course:
    """``pool.follow`` in a process of its own, which begins as we are: so a run has several ends."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=lambda: there.send(pool.follow(move, how, reads_after, moved)))
    child.start()
    there.close()
    course: Course = here.recv()
    child.join()
    return course


class Played(NamedTuple):
    """A move, and with which read the clients moved."""

    found: MoveResult
    moved: int


def played(pool: MovingPool, moves: Sequence[Move], cold: MovingPool | None) -> list[Played]:
    """Those moves, each with the read that comes next, and a line of each. ``cold``: the pool for those with
    nothing handed over, as far; None: not asked for."""
    without = branched(pool, moves[0], Prepared.NOT_AT_ALL, READS_AFTER + LONGEST_WAIT_READS)
    results = []
    for move in moves:
        courses = {Prepared.WARM: branched(pool, move, Prepared.WARM, READS_AFTER)}
        if cold is not None and move.kind is not Kind.CRASH:
            moved = courses[Prepared.WARM].moved
            courses[Prepared.COLD] = branched(cold, move, Prepared.COLD, READS_AFTER, moved)
        found = compare(move, {**courses, Prepared.NOT_AT_ALL: without})
        results.append(Played(found, courses[Prepared.WARM].moved))
        tell(found)
    return results


def tell(found: MoveResult) -> None:
    """A line for each way to make it."""
    before = found.tolls[Prepared.NOT_AT_ALL]
    for how, toll in found.tolls.items():
        if how is Prepared.NOT_AT_ALL:
            continue
        more = [
            f"{name} {getattr(before, field)} -> {getattr(toll, field)} ({found.extra(how, field):+.1%})"
            for name, field in (("origin", "origin_fetches"), ("misses", "misses"))
        ]
        print(
            f"{found.move.kind.value:>6} {found.move.zone} {how.value}: {', '.join(more)},"
            f" {before.mean_latency_ms:.1f} -> {toll.mean_latency_ms:.1f} ms, {toll.failed} failed,"
            f" waited {toll.waited_s:.0f} s",
            flush=True,
        )
    print(
        f"       most of 500 reads / mean before: {found.burst_without:.2f} -> {found.burst:.2f};"
        f" at most {found.surge:.2f} more than the same reads without"
    )


def never(pool: MovingPool, zone: Zone, results: Sequence[Played]) -> None:
    """What the same reads cost without that agent from the beginning, beside those after it went."""
    kinds = (Kind.LEAVE, Kind.CRASH)
    gone = [one for one in results if one.found.move.zone == zone and one.found.move.kind in kinds]
    pool.lead_up(min(READS, max(one.moved for one in gone) + READS_AFTER + 1))
    course = pool.follow(gone[0].found.move, Prepared.NOT_AT_ALL, 0, None)
    for kind in kinds:
        some = [one for one in gone if one.found.move.kind is kind]
        if some:
            now = sum(one.found.tolls[Prepared.WARM].origin_fetches for one in some)
            best = sum(course.toll(one.moved, READS_AFTER).origin_fetches for one in some)
            print(f"{kind.value:>6} {zone}: origin {best} had it never been -> {now} ({now / best - 1:+.1%})")


def sums(results: Sequence[MoveResult]) -> None:
    """All moves of a kind together."""
    for kind in Kind:
        for how in (Prepared.WARM, Prepared.COLD):
            some = [one for one in results if one.move.kind is kind and how in one.tolls]
            if not some:
                continue
            shares = []
            for field in ("origin_fetches", "misses"):
                before = sum(getattr(one.tolls[Prepared.NOT_AT_ALL], field) for one in some)
                now = sum(getattr(one.tolls[how], field) for one in some)
                shares.append(f"{field.replace('_', ' ')} {now / before - 1:+.1%}")
            print(f"{kind.value:>6} {how.value}, {len(some)} together: {', '.join(shares)}")


def main() -> None:
    """Play the moves that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", type=Kind, metavar="MOVE", help="join leave drain crash; all")
    parser.add_argument("--zones", default="z03,z07,z11")
    parser.add_argument("--at", default="0.44,0.72", help="shares of the reads")
    parser.add_argument("--cold", action="store_true", help="also with nothing handed over")
    parser.add_argument("--never", action="store_true", help="also a pool that never had who leaves or dies")
    asked = parser.parse_args()
    kinds, zones = asked.kinds or list(Kind), asked.zones.split(",")
    numbers = sorted(int(float(share) * READS) for share in asked.at.split(","))
    trace = twenty_zones(read([RETAIL]))
    capacity = trace.capacity(0.05)
    print(f"{len(trace):,} reads of {len(trace.instances):,} objects, {ZONES} zones of {capacity} copies")
    settings = settings_for(trace, capacity)
    results: list[Played] = []
    staying = [kind for kind in kinds if kind is not Kind.JOIN]
    plans = [("", staying, zones)] if staying else []
    plans += [(zone, [Kind.JOIN], [zone]) for zone in zones if Kind.JOIN in kinds]
    for absent, some, where in plans:
        pool = MovingPool(trace, OPTIONS, settings, absent)
        cold = pool if asked.cold else None
        if absent and asked.cold:
            cold = MovingPool(trace, OPTIONS, without_warming(settings), absent)
        for number in numbers:
            pool.lead_up(number)
            if cold is not None:
                cold.lead_up(number)
            print(f"with read {number:,}", f"(without {absent} before)" if absent else "")
            at_s = trace.ts[number] - trace.ts[0]
            results += played(pool, [Move(kind, zone, at_s) for kind in some for zone in where], cold)
    sums([one.found for one in results])
    if asked.never and {Kind.LEAVE, Kind.CRASH} & set(kinds):
        for zone in zones:
            never(MovingPool(trace, OPTIONS, settings, zone), zone, results)


if __name__ == "__main__":
    main()
