"""``zoned config check|show|defaults``: the same table of keys that the agent starts from."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from zoned.cli.client import BAD_CONFIG
from zoned.cli.output import output_option, show, wants_json
from zoned.config import (
    DEFAULT_PATH,
    Config,
    ConfigError,
    defaults,
    describe,
    detections,
    effective,
    load,
    staleness_s,
)

file_option = click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), help=f"Default: {DEFAULT_PATH} if it is there."
)


def read_config(path: Path | None, flags: dict[str, str]) -> Config:
    """The configuration, or every problem on stderr and exit code 78."""
    if path is None and DEFAULT_PATH.exists():
        path = DEFAULT_PATH
    try:
        return load(path, os.environ, flags)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        sys.exit(BAD_CONFIG)


@click.group()
def config() -> None:
    """Check, show or explain the configuration."""


@config.command()
@file_option
@output_option
def check(path: Path | None, output: str | None) -> None:
    """All that is wrong with it, on stderr; exit code 78 if anything is."""
    loaded = read_config(path, {})
    value = {"ok": True, "node": loaded.agent.node, "zone": loaded.agent.zone}
    show(value, output, lambda: [f"configuration good: node {value['node']} in zone {value['zone']}"])


@config.command("show")
@file_option
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@output_option
def show_config(path: Path | None, origin: bool, output: str | None) -> None:
    """What is in force: files, variables and defaults together, how fast crashes are noticed
    with it and how late others' news may be. Headers of origins are hidden."""
    loaded = read_config(path, {})
    rows = describe(loaded)
    if not origin:
        rows = [{"key": row["key"], "value": row["value"]} for row in rows]
    bounds_s = staleness_s(loaded)
    noticed = [
        {"members": members, **told._asdict(), "staleness_s": bounds_s[members]}
        for members, told in detections(loaded).items()
    ]
    show({"config": rows, "detection": noticed}, output, lambda: effective(loaded, origin=origin))


@config.command("defaults")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def show_defaults(output: str) -> None:
    """Every key with its default and meaning, as a file to start from."""
    lines = list(defaults())
    show({"toml": "\n".join(lines)} if wants_json(output) else None, output, lambda: lines)
