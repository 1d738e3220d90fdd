"""``zoned keygen`` and ``zoned keyring``: the keys of encrypted gossip.

A key is read from a file or standard input, never from the command line, where every user of the host could
see it. To rotate: ``zoned keygen | zoned keyring install``, then ``use`` and ``remove`` by fingerprint.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

import click

from zoned.cli.client import FAILED, Agent
from zoned.cli.output import asks_agent, rows_table, show
from zoned.daemon.keyring import generate

forced = click.option("--force", is_flag=True, help="Although members lack the key: they will be cut off.")


@click.command()
def keygen() -> None:
    """A new random key for gossip, for ``gossip.key_file`` of every agent (and ``serf agent -encrypt``)."""
    click.echo(generate())


@click.group()
def keyring() -> None:
    """Keys of the pool, by their fingerprints; the first of each member's keys is the one it seals with."""


def _lines(report: Mapping[str, Any]) -> Iterable[str]:
    if not report["sealed"]:
        yield "this agent sends gossip in the clear"
    yield from rows_table(report["members"], "node", "state", "keys", "error")


def _told(report: Mapping[str, Any], output: str | None) -> None:
    show(report, output, lambda: _lines(report))
    if not report["ok"]:
        sys.exit(FAILED)


@keyring.command("list")
@asks_agent
def list_keys(agent: Agent, output: str | None) -> None:
    """Which keys each member has; of failed members, those that they had."""
    report = agent.get("keyring", "list")
    show(report, output, lambda: _lines(report))


@keyring.command()
@click.argument("file", type=click.File(), default="-")
@asks_agent
def install(agent: Agent, output: str | None, file: TextIO) -> None:
    """Give every member the key in FILE (default: standard input), to open with."""
    _told(agent.post("keyring", "install", body={"key": file.read().strip()}), output)


@keyring.command()
@click.argument("fingerprint")
@forced
@asks_agent
def use(agent: Agent, output: str | None, fingerprint: str, force: bool) -> None:
    """Have every member seal with that key; refused while any lacks it."""
    _told(agent.post("keyring", "use", body={"key": fingerprint, "force": force}), output)


@keyring.command()
@click.argument("fingerprint")
@forced
@asks_agent
def remove(agent: Agent, output: str | None, fingerprint: str, force: bool) -> None:
    """Have every member forget that key; refused while any, failed ones too, does not seal with ours."""
    _told(agent.post("keyring", "remove", body={"key": fingerprint, "force": force}), output)
