"""``zoned replay``: what zoned would gain on your own log, before you deploy it.

Reads a trace, access logs or a journal (`day`), runs the policies one after the other in virtual time, and
prints a table (or contract.md's JSON). The real nodes join the reference policies in `day`, so that
`zoned.simulation.replay` does not depend on them. Standard output carries the result only; the progress bar
goes to standard error.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import zoned
from zoned import models
from zoned.cli.day import OF_JOURNALS, RUNNERS, Day, Source, day_of
from zoned.cli.journal import agreement_table, journal_json, journal_lines
from zoned.cli.moves import move_lines, move_table, moves_of
from zoned.config.kinds import Wrong
from zoned.config.units import duration_text, seconds_of
from zoned.core.settings import ABLATIONS
from zoned.simulation import zoned_policy
from zoned.simulation.moves import run as play_move
from zoned.simulation.recording import Recording
from zoned.simulation.replay import Replay, run
from zoned.simulation.report import page, verdict, zones_text
from zoned.simulation.results import PolicyResult, ReplayOptions
from zoned.simulation.rows import READERS
from zoned.simulation.tolls import MoveResult

DEFAULT_POLICIES = "lru,sieve,s3fifo,peer,zoned,oracle"
PLAIN_WIDTH = 120
"""Columns of the table where standard output is no terminal."""


def _policies(ctx: click.Context, param: click.Parameter, written: str) -> tuple[str, ...]:
    """``"lru,zoned"`` -> ``("lru", "zoned")``, each once."""
    names = tuple(dict.fromkeys(name.strip() for name in written.split(",")))
    known = (*RUNNERS, OF_JOURNALS)
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r} is no policy; there are {', '.join(known)}")
    return names


def _duration(ctx: click.Context, param: click.Parameter, written: str) -> float:
    """``"5m"`` -> 300.0."""
    try:
        seconds = seconds_of(written)
    except Wrong:
        seconds = 0.0
    if seconds <= 0:
        raise click.BadParameter(f"expected a duration > 0, got {written!r} (example 5m)")
    return seconds


@click.command("replay")
@click.argument(
    "traces",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option(
    "--capacity",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.05,
    show_default=True,
    help="Cache of each zone, as a share of the trace's unique objects (at least 4).",
)
@click.option(
    "--capacity-objects", type=click.IntRange(1), help="Cache of each zone, as a number of objects."
)
@click.option("--by-bytes", is_flag=True, help="--capacity is a share of the unique objects' bytes.")
@click.option(
    "--policies", metavar="NAME,...", callback=_policies, default=DEFAULT_POLICIES, show_default=True
)
@click.option("--hit-ms", type=click.FloatRange(0), default=1.0, show_default=True, help="A local hit.")
@click.option("--rtt-ms", type=click.FloatRange(0), default=80.0, show_default=True, help="To another zone.")
@click.option(
    "--origin-ms", type=click.FloatRange(0), default=200.0, show_default=True, help="To the origin."
)
@click.option(
    "--warmup",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of the requests that fill the caches and are not measured.",
)
@click.option(
    "--window",
    metavar="DURATION",
    callback=_duration,
    default="1h",
    show_default=True,
    help="How far the oracle sees.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(READERS)),
    help="What the files are; default: as their first lines look.",
)
@click.option(
    "--dep-prefix", is_flag=True, help="Objects are dep:key (envoy: the cluster is the dependency)."
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Your zoned.toml: policies, TTLs, eviction, prefetch, learning and ring as you set them.",
)
@click.option(
    "--ablate",
    type=click.Choice(list(ABLATIONS)),
    multiple=True,
    help="Switch a stage off (refresh: no effect without TTLs).",
)
@click.option(
    "--with-statsforecast",
    is_flag=True,
    help="Have zoned fit its models, as agents do in a process of their own (slower).",
)
@click.option(
    "--drain", metavar="ZONE@TIME", help="Drain a zone there (60%, or 12h), and show what that costs."
)
@click.option(
    "--join", metavar="ZONE@TIME", help="Have a zone's agent come only there, and show what that costs."
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Also write one HTML page, with plots, to mail to whoever decides.",
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def replay(
    traces: tuple[Path, ...],
    capacity: float,
    capacity_objects: int | None,
    by_bytes: bool,
    policies: tuple[str, ...],
    hit_ms: float,
    rtt_ms: float,
    origin_ms: float,
    warmup: float,
    window: float,
    kind: str | None,
    dep_prefix: bool,
    config: Path | None,
    ablate: tuple[str, ...],
    with_statsforecast: bool,
    drain: str | None,
    join: str | None,
    report: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Replay a recorded day and compare policies: what would zoned gain on your own logs?

    TRACE is ts,zone,object,size,req (CSV, plain or gzipped), or an access log (see --format); - is standard
    input. Several files without a zone column are one zone each, named by the file. A journal (zoned demo
    --record, [agent] journal) is replayed with its own clocks, latencies and stores, as it was.
    """
    if by_bytes and capacity_objects is not None:
        raise click.UsageError("--by-bytes and --capacity-objects exclude each other")
    for flag, given in (("--ablate", ablate), ("--with-statsforecast", with_statsforecast)):
        if given and "zoned" not in policies:
            raise click.UsageError(f"{flag} changes zoned, which is not among --policies")
    options = ReplayOptions(
        hit_s=hit_ms / 1e3,
        rtt_s=rtt_ms / 1e3,
        origin_s=origin_ms / 1e3,
        warmup=warmup,
        window_s=window,
        seed=seed,
        ablate=tuple(dict.fromkeys(ablate)),
        by_bytes=by_bytes,
        fitter=models.in_line() if with_statsforecast else None,
    )
    if report is not None and not report.parent.is_dir():
        raise click.BadParameter(f"there is no directory {report.parent}", param_hint="--report")
    day = day_of(Source(traces, kind, dep_prefix, capacity, capacity_objects, config), policies, options)
    moves = moves_of(day.trace, drain, join)
    finished = _run(day)
    moved = [play_move(day.trace, day.capacity, day.options, move) for move in moves]
    if report is not None:
        report.write_text(page(finished, moved, zoned.__version__))
    if as_json:
        click.echo(json.dumps(_told(finished, moved, day.recording), indent=2))
    else:
        _print(finished, moved, day.recording)


def _run(day: Day) -> Replay:
    """Run them all under a progress bar, which shows itself on a terminal only."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks = {policy: bar.add_task(policy, start=False, total=len(day.trace)) for policy in day.policies}

        def progress(policy: str, done: int) -> None:
            bar.start_task(tasks[policy])
            bar.update(tasks[policy], completed=done)

        return run(
            day.trace,
            day.policies,
            day.options,
            day.capacity,
            day.share,
            runners=day.runners,
            progress=progress,
        )


def _told(finished: Replay, moved: Sequence[MoveResult], recording: Recording | None) -> dict[str, object]:
    """All of it as JSON."""
    told = finished.as_json()
    if recording is not None:
        told |= journal_json(recording, finished)
    if moved:
        told |= {"moves": [one.as_json() for one in moved]}
    return told


def _print(finished: Replay, moved: Sequence[MoveResult], recording: Recording | None) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    for line in [
        *_heading(finished),
        *(_pace_line(finished) if recording is None else journal_lines(recording)),
    ]:
        console.print(line, markup=False, soft_wrap=True)
    console.print(_table(finished))
    if recording is not None and (agreed := agreement_table(finished)) is not None:
        console.print()
        console.print(agreed)
        console.print()
    for line in _conclusion(finished):
        console.print(line, markup=False, soft_wrap=True)
    for one in moved:
        for line in move_lines(one):
            console.print(f"\n{line}", markup=False, soft_wrap=True)
        console.print(move_table(one))


def _ms(seconds: float) -> str:
    """``0.0427483`` -> ``42.75 ms``."""
    return f"{round(seconds * 1e3, 2):g} ms"


def _heading(finished: Replay) -> list[str]:
    """What was replayed, and under which rules."""
    trace, options = finished.trace, finished.options
    unit = "bytes" if options.by_bytes else "objects"
    lines = [
        f"{trace.name}: {len(trace):,} requests for {len(trace.instances):,} objects in"
        f" {zones_text(trace)}, the last {1 - options.warmup:.0%} measured",
        f"cache {finished.capacity:,} {unit} a zone ({finished.share:.1%}),"
        f" local hit {_ms(options.hit_s)},"
        f" another zone +{_ms(options.rtt_s)}, origin +{_ms(options.origin_s)},"
        f" oracle sees {duration_text(options.window_s)}",
    ]
    if trace.skipped > trace.meaningless:
        other = trace.skipped - trace.meaningless
        lines.append(f"{other:,} lines of the log were no cacheable reads and are left out")
    lines += trace.notes
    if options.ablate:
        lines.append(f"zoned runs without {', '.join(options.ablate)}")
    if options.fitter is not None:
        lines.append("zoned fits its models (statsforecast)")
    lines += options.own.notes
    return lines


def _pace_line(finished: Replay) -> list[str]:
    """How much slower than life the nodes' timers run."""
    if "zoned" not in finished.results or not len(finished.trace):
        return []
    pace = zoned_policy.paces(finished.trace)
    return [
        f"zoned's timers run slower than life: turn {pace.turn_s:,.0f} s,"
        f" plan and summary {pace.plan_s:,.0f} s, digest {pace.gossip_s:,.0f} s,"
        f" probe {pace.probe_s:,.0f} s"
    ]


def _table(finished: Replay) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))  # fits 80 columns
    table.add_column("policy", no_wrap=True)
    for name in ("hit %", "mean ms", "p99 ms", "gap", "origin", "peer", "prefetch", "used", "late"):
        table.add_column(name, justify="right", no_wrap=True)
    gaps = finished.gap_closed()
    for policy, result in finished.results.items():
        gap = gaps.get(policy)
        table.add_row(
            policy,
            f"{100 * result.hit_ratio:.1f}",
            f"{result.mean_latency_ms:.1f}",
            f"{result.p99_latency_ms:.0f}",
            "" if gap is None else f"{gap:.0%}",
            f"{result.origin_fetches:,}",
            f"{result.peer_transfers:,}",
            f"{result.prefetches:,}",
            _used(result),
            f"{result.late:,}",
            style="bold" if policy in ("zoned", OF_JOURNALS) else None,
        )
    return table


def _used(result: PolicyResult) -> str:
    """The share of prefetches that were used; a few of those that were used came before the measured part."""
    return f"{min(1.0, result.prefetch_used / result.prefetches):.0%}" if result.prefetches else ""


def _conclusion(finished: Replay) -> list[str]:
    """What the gap is, and zoned against the LRU that it would replace, in words."""
    lines = (
        ["gap: share closed of the way from lru to oracle in mean latency"] if finished.gap_closed() else []
    )
    both = {"zoned", "lru"} <= set(finished.results)
    return [*lines, "".join(verdict(finished))] if both and len(finished.trace) else lines
