"""``zoned simulate``: a virtual pool under faults, with the invariants checked."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from zoned.simulation.chaos import FAULTS
from zoned.simulation.gossip_run import GossipOptions, simulate_members
from zoned.simulation.run import SimulateOptions
from zoned.simulation.run import simulate as run_simulation


@click.command()
@click.option(
    "--zones", default=50, show_default=True, type=click.IntRange(1, 1000), help="Agents, one a zone."
)
@click.option(
    "--minutes", default=30.0, show_default=True, type=click.FloatRange(0.5, 100_000), help="Virtual time."
)
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same run.")
@click.option("--loss", default=0.02, show_default=True, type=click.FloatRange(0, 0.9), help="Of datagrams.")
@click.option(
    "--fault",
    default="none",
    show_default=True,
    type=click.Choice(FAULTS),
    help="What goes wrong; chaos and churn are random, by the seed.",
)
@click.option(
    "--gossip-only",
    is_flag=True,
    help="Members without caches: no reads, no rings, hundreds of zones at many times the speed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def simulate(gossip_only: bool, as_json: bool, **run: Any) -> None:
    """Run a whole pool in virtual time, inject a fault, and check what must hold.

    Exits 3 when an invariant was broken; failed reads are in the report.
    """
    if gossip_only and run["fault"] == "drain":
        raise click.UsageError("--gossip-only has no caches to drain: choose another --fault")
    shown = sys.stderr.isatty() and not as_json
    with Progress(console=Console(stderr=True), disable=not shown, transient=True) as bar:
        task = bar.add_task("simulating", total=1.0)

        def progress(done: float) -> None:
            bar.update(task, completed=done)

        if gossip_only:
            report = simulate_members(GossipOptions(**run), progress)
        else:
            report = run_simulation(SimulateOptions(**run), progress)
    if as_json:
        click.echo(json.dumps(report))
    else:
        _print(report)
    sys.exit(3 if report["breaches"] else 0)


def _print(report: dict[str, object]) -> None:
    table = Table(show_header=False)
    for name, value in report.items():
        if name != "breaches":
            table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    Console().print(table)
    breaches = report["breaches"]
    assert isinstance(breaches, list)
    for breach in breaches:
        click.echo(f"broken: {breach}", err=True)
    click.echo("all invariants held" if not breaches else f"{len(breaches)} invariants broken")
