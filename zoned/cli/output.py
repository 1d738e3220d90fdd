"""What verbs print: a table for people, JSON for programs, and errors in the form that was asked for.

``-o json`` prints valid JSON on failure too (``{"error": …}``), since a script that reads nothing and sees
exit 0 has been a real bug elsewhere (supacloud PR 656). Tables are plain text without colour: they are
pasted into tickets.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from zoned.cli.client import Agent, AgentError, find

Verb = TypeVar("Verb", bound=Callable[..., Any])


def wants_json(output: str | None) -> bool:
    """``-o`` if it was given; else a table on a terminal and JSON in a pipe."""
    return output == "json" if output else not sys.stdout.isatty()


def output_option(verb: Verb) -> Verb:
    """``-o table|json``."""
    option = click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        help="Default: table on a terminal, else json.",
    )
    return option(verb)


def fail(error: AgentError, output: str | None) -> None:
    """Say why on stderr, and on stdout too where JSON is read; then end with the error's code."""
    if wants_json(output):
        click.echo(json.dumps({"error": str(error)}))
    click.echo(f"zoned: {error}", err=True)
    sys.exit(error.exit_code)


def asks_agent(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb ``--addr``, ``--timeout`` and ``-o``; it is called with ``agent`` and ``output``
    (and ``timeout``, where it has a parameter of that name)."""
    takes_timeout = "timeout" in inspect.signature(verb).parameters

    @output_option
    @click.option("--addr", metavar="HOST:PORT|unix:PATH", help="The agent to ask; default: the local one.")
    @click.option(
        "--timeout", type=click.FloatRange(0.1), default=10.0, help="Seconds to wait.", show_default=True
    )
    @click.option(
        "--token-file", type=click.Path(path_type=Path), envvar="ZONED_TOKEN_FILE", help="Its token."
    )
    @functools.wraps(verb)
    def wrapped(
        addr: str | None, timeout: float, token_file: Path | None, output: str | None, **more: Any
    ) -> None:
        try:
            target = find(addr, os.environ)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        try:
            token = token_file.read_text().strip() if token_file else ""
            if takes_timeout:
                more["timeout"] = timeout
            verb(Agent(target, timeout, token), output=output, **more)
        except OSError as error:
            fail(AgentError(f"{error.filename or 'file'}: {error.strerror}"), output)
        except AgentError as error:
            fail(error, output)

    return wrapped


def show(value: Any, output: str | None, lines: Callable[[], Iterable[str]]) -> None:
    """Print an answer: JSON as it came, or what ``lines`` makes of it."""
    if wants_json(output):
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
        return
    for line in lines():
        click.echo(line)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterable[str]:
    """Left-aligned text columns, numbers to the right; nothing but spaces between them."""
    cells = [[cell(value) for value in row] for row in rows]
    right = [_numeric(row[index] for row in cells) for index in range(len(columns))]
    widths = [
        max(len(name), *(len(row[index]) for row in cells), 0) if cells else len(name)
        for index, name in enumerate(columns)
    ]
    for row in ([name.upper() for name in columns], *cells):
        padded = (
            text.rjust(width) if is_right else text.ljust(width)
            for text, width, is_right in zip(row, widths, right, strict=True)
        )
        yield "  ".join(padded).rstrip()


def pairs(values: Mapping[str, object]) -> Iterable[str]:
    """One ``name  value`` a line."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        yield f"{name:<{width}}  {cell(value)}"


def cell(value: object) -> str:
    """A value in a table: nothing is a dash, floats have four figures, lists are joined."""
    if value is None or value in ("", [], {}):
        return "-"
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
        case list():
            return ", ".join(cell(item) for item in value)
        case dict():
            return ", ".join(f"{name}={cell(item)}" for name, item in value.items())
    return str(value)


def columns_of(rows: Sequence[Mapping[str, object]], *preferred: str) -> list[str]:
    """The preferred columns that are there: an older or newer agent may lack some."""
    return [name for name in preferred if any(name in row for row in rows)]


def rows_table(rows: Sequence[Mapping[str, object]], *preferred: str) -> Iterable[str]:
    """A table of JSON objects, of the preferred columns (all there are, without any)."""
    names = columns_of(rows, *preferred) if preferred else list(rows[0]) if rows else []
    if not rows:
        return ["(none)"]
    return table(names, ([row.get(name) for name in names] for row in rows))


def _numeric(texts: Iterable[str]) -> bool:
    return all(text == "-" or text.replace(".", "", 1).replace("-", "", 1).isdigit() for text in texts)
