"""What ``zoned replay`` is to replay: logs as a trace, or journals, with the policies that can play them.

Both come out as one `Day`, so that the command runs, prints and reports without asking which it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import click
from click.core import ParameterSource

from zoned.cli.journal import as_recorded, journal_of
from zoned.cli.own_config import own_config, room_of, with_own
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
    kind: str | None
    dep_prefix: bool
    capacity: float
    capacity_objects: int | None
    config: Path | None


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
    if source.config is not None:
        config = own_config(source.config)
        options = with_own(config, trace, options)
        theirs = None if _room_is_given() else room_of(config)
        if theirs is not None:
            room, options = theirs[0], replace(options, by_bytes=theirs[1])
            share = room / (sum(trace.object_sizes) if options.by_bytes else len(trace.instances))
    return Day(trace, policies, options, room, share, RUNNERS)


def _room_is_given() -> bool:
    context = click.get_current_context()
    flags = ("capacity", "capacity_objects", "by_bytes")
    return any(context.get_parameter_source(flag) is ParameterSource.COMMANDLINE for flag in flags)


def _recorded(source: Source, policies: tuple[str, ...], options: ReplayOptions) -> Day:
    recording = journal_of(source.paths)
    options, policies = as_recorded(recording, options, policies)
    trace, room = recording.trace, recording.capacity
    share = room / (sum(trace.object_sizes) if options.by_bytes else len(trace.instances))
    runners = {**RUNNERS, **journal_runners(recording)}
    return Day(trace, policies, options, room, share, runners, recording)
