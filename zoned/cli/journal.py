"""What ``zoned replay`` says of a journal: its agents and their lives, and how well the replay agrees.

A journal brings its own clocks, latencies and stores, so flags that set those for a log are refused: a figure
that a flag seemed to change, and did not, would be worse than none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.table import Table

from zoned.config.units import duration_text
from zoned.journal import is_journal, read_journal
from zoned.simulation.recording import Recording, agreement, measured, recording_of
from zoned.simulation.replay import Replay
from zoned.simulation.results import ReplayOptions

NOT_FOR_JOURNALS = (
    "capacity", "capacity_objects", "by_bytes", "kind", "dep_prefix", "drain", "join", "seed", "config",
)  # fmt: skip
"""Parameters that a journal brings itself, or that cannot be played into one."""


def _given(name: str) -> bool:
    context = click.get_current_context()
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def journal_of(paths: Sequence[Path]) -> Recording:
    """Read these journals. Raises JournalError, and UsageError if some are logs or flags do not fit."""
    logs = [str(path) for path in paths if not is_journal(path)]
    if logs:
        raise click.UsageError(
            f"journals and logs cannot be replayed together: {', '.join(logs)} is no journal"
        )
    context = click.get_current_context()
    flags = {param.name: param.opts[-1] for param in context.command.params}
    wrong = [flags[name] for name in NOT_FOR_JOURNALS if name in flags and _given(name)]
    if wrong:
        raise click.UsageError(f"{', '.join(wrong)}: not with a journal, which has its own")
    return recording_of(read_journal(paths))


def as_recorded(
    recording: Recording, options: ReplayOptions, policies: tuple[str, ...]
) -> tuple[ReplayOptions, tuple[str, ...]]:
    """The options as the journal says, but for what flags gave; and ``recorded`` as the first policy."""
    theirs = measured(recording, options)
    kept = {name: getattr(options, f"{name}_s") for name in ("hit", "rtt", "origin") if _given(f"{name}_ms")}
    chosen = replace(theirs, **{f"{name}_s": value for name, value in kept.items()})
    if not _given("warmup"):
        chosen = replace(chosen, warmup=0.0)
    return chosen, policies if _given("policies") else ("recorded", *policies)


def journal_lines(recording: Recording) -> list[str]:
    """Who was recorded, and what of it is missing."""
    journal = recording.journal
    lives = journal.lives
    length_s = max(life.end_s for life in lives) - lives[0].wall_s
    ends = Counter(life.ended for life in lives)
    rate = lives[0].season.rate
    lines = [
        f"journal of {len(journal.nodes)} agents over {duration_text(round(length_s))}"
        + (f", a season at {rate:,.0f} times its speed" if rate != 1 else "")
        + f"; their lives ended: {', '.join(f'{count} {how}' for how, count in sorted(ends.items()))}",
        "the other policies have one cache an agent, empty at first, which no end of a life empties",
    ]
    dropped = sum(life.dropped for life in lives)
    if dropped:
        lines.append(f"{dropped:,} events are missing: the recording agents could not write them")
    if recording.others_missing:
        lines.append("it had copies from agents that are not in this journal: here they come from the origin")
    if journal.torn_bytes:
        lines.append(f"{journal.torn_bytes:,} bytes at the end are no whole frame and are left out")
    if recording.unequal:
        lines.append(
            f"the agents' stores differ; the other policies have the smallest, {recording.capacity:,}"
        )
    return lines


def journal_json(recording: Recording, finished: Replay) -> dict[str, Any]:
    """What the JSON has besides, for a journal."""
    lives = recording.journal.lives
    return {
        "journal": {
            "agents": list(recording.journal.nodes),
            "version": sorted({life.version for life in lives}),
            "lives": [
                {"node": life.node, "began": life.wall_s, "ended": life.ended, "end": life.end_s}
                for life in lives
            ],
            "dropped": sum(life.dropped for life in lives),
            "torn_bytes": recording.journal.torn_bytes,
        },
        "agreement": agreement(finished.results),
    }


def agreement_table(finished: Replay) -> Table | None:
    """Agent by agent: what the real one had, and what the same node has in the replay."""
    found = agreement(finished.results)
    if found is None:
        return None
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("agent", no_wrap=True)
    for name in ("reads", "recorded hit %", "replayed hit %", "points"):
        table.add_column(name, justify="right", no_wrap=True)
    reads = sum(one["requests"] for one in found["agents"].values())
    for name, one in [*found["agents"].items(), ("all", {**found, "requests": reads})]:
        table.add_row(
            name,
            f"{one['requests']:,}",
            f"{100 * one['recorded']:.1f}",
            f"{100 * one['replayed']:.1f}",
            f"{one['points']:+.1f}",
            style="bold" if name == "all" else None,
        )
    return table
