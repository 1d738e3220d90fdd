"""``zoned agent``: read the configuration, then run until told to stop.

Flags are no second configuration: each is one key, checked by the same table as the file, so that
``--check`` and a real start can never disagree.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from zoned.cli.config import read_config
from zoned.config import DEFAULT_PATH
from zoned.daemon import run


@click.command()
@click.option(
    "-c", "--config", type=click.Path(path_type=Path), help=f"Default: {DEFAULT_PATH} if it is there."
)
@click.option("--node", metavar="NAME", help="Name in the pool; default: the host's.")
@click.option("--zone", metavar="ZONE", help="Failure domain that this agent stands in.")
@click.option("--gossip", metavar="HOST:PORT", help="Bind of the membership, UDP and TCP.")
@click.option("--join", metavar="HOST:PORT", multiple=True, help="A member to join by; may be repeated.")
@click.option("--http", metavar="HOST:PORT", help="Local endpoint: status, reads, commands.")
@click.option("--resp", metavar="HOST:PORT", help="Reads for clients of the Redis protocol.")
@click.option("--peer", metavar="HOST:PORT", help="Where other agents fetch copies from us.")
@click.option("--socket", metavar="PATH", help="Unix socket of the local endpoint.")
@click.option("--data-dir", metavar="DIR", help="What survives a restart.")
@click.option("--log", metavar="text|json", help="Form of the log lines.")
@click.option("--check", is_flag=True, help="Only check the configuration.")
def agent(config: Path | None, join: tuple[str, ...], check: bool, **given: str | None) -> None:
    """Run the agent of this zone.

    SIGTERM restarts (the place in the ring is held), SIGINT leaves for good.
    """
    keys = {
        "node": "agent.node",
        "zone": "agent.zone",
        "gossip": "gossip.bind",
        "http": "http.listen",
        "resp": "resp.listen",
        "peer": "peer.listen",
        "socket": "http.socket",
        "data_dir": "agent.data_dir",
        "log": "agent.log",
    }
    flags = {keys[name]: text for name, text in given.items() if text is not None}
    if join:
        flags["gossip.join"] = ",".join(join)
    loaded = read_config(config, flags)
    if check:
        click.echo(f"configuration good: node {loaded.agent.node} in zone {loaded.agent.zone}")
        return
    sys.exit(run.run(loaded))
