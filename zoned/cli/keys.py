"""``zoned keygen``: a new key for gossip."""

from __future__ import annotations

import click

from zoned.daemon.keyring import generate


@click.command()
def keygen() -> None:
    """A new random key for gossip, for ``gossip.key_file`` of every agent (and ``serf agent -encrypt``)."""
    click.echo(generate())
