"""What ``zoned replay`` is to replay: logs as a trace, or journals, with the policies that can play them.

Both come out as one `Day`, so that the command runs, prints and reports without asking which it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import click

from zoned.cli.journal import as_recorded, journal_of
from zoned.journal import JournalError, is_journal
from zoned.simulation import zoned_policy
from zoned.simulation.journal_replay import runners as journal_runners
from zoned.simulation.recording import Recording
from zoned.simulation.replay import REFERENCE, capacity_of
from zoned.simulation.results import ReplayOptions, Runner
from zoned.simulation.trace import Trace, TraceError, read

RUNNERS: dict[str, Runner] = {**REFERENCE, "zoned": zoned_policy.run}
OF_JOURNALS = "recorded"
"""The policy that only a journal has: what the real agents had."""


class Source(NamedTuple):
    """What the command line says of the traces and of the room in each zone."""

    paths: tuple[Path, ...]
    kind: str
    dep_prefix: bool
    capacity: float
    capacity_objects: int | None


class Day(NamedTuple):
    """What is replayed, by which policies, under which rules."""

    trace: Trace
    policies: tuple[str, ...]
    options: ReplayOptions
    capacity: int
    share: float
    runners: Mapping[str, Runner]
    recording: Recording | None = None


def day_of(source: Source, policies: tuple[str, ...], options: ReplayOptions) -> Day:
    """Read it. Raises ClickException when a file cannot be read, UsageError when flags do not fit."""
    try:
        if any(is_journal(path) for path in source.paths):
            return _recorded(source, policies, options)
        if OF_JOURNALS in policies:
            raise click.UsageError(f"--policies {OF_JOURNALS}: only a journal has it")
        trace = read(source.paths, source.kind, source.dep_prefix)
    except (TraceError, JournalError) as error:
        raise click.ClickException(str(error)) from error
    room, share = capacity_of(trace, source.capacity, source.capacity_objects, options.by_bytes)
    return Day(trace, policies, options, room, share, RUNNERS)


def _recorded(source: Source, policies: tuple[str, ...], options: ReplayOptions) -> Day:
    recording = journal_of(source.paths)
    options, policies = as_recorded(recording, options, policies)
    trace, room = recording.trace, recording.capacity
    share = room / (sum(trace.object_sizes) if options.by_bytes else len(trace.instances))
    runners = {**RUNNERS, **journal_runners(recording)}
    return Day(trace, policies, options, room, share, runners, recording)
