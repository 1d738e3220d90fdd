"""``zoned top``: the agent, live. One screen of what the other verbs say, asked for every two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from zoned.cli.client import Agent
from zoned.cli.output import asks_agent, cell, columns_of

_STATE_STYLES = {"alive": "green", "suspect": "yellow", "failed": "red", "leaving": "yellow", "left": "dim"}
_MEMBERS = ("node", "zone", "state", "weight", "rtt_seconds", "since")
_DEPENDENCIES = (
    *("dependency", "requests", "hit_ratio", "fabric_hit_ratio", "lru_hit_ratio"),
    *("mean_latency_ms", "lru_mean_latency_ms", "misses_avoided", "prefetched", "prefetch_used"),
)
_MAX_ROWS = 15


@click.command()
@click.option("--interval", type=click.FloatRange(0.2), default=2.0, show_default=True, help="Seconds.")
@click.option("--once", is_flag=True, help="One screen, then end.")
@asks_agent
def top(agent: Agent, output: str | None, interval: float, once: bool) -> None:
    """The agent, live; ends with Ctrl-C."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    if once or not sys.stdout.isatty():
        console.print(screen(agent))
        return
    try:
        with Live(screen(agent), console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(interval)
                live.update(screen(agent), refresh=True)
    except KeyboardInterrupt:
        return


def screen(agent: Agent) -> RenderableType:
    """Everything on one page."""
    status, members, ledger = agent.get("status"), agent.get("members"), agent.get("ledger")
    return Group(
        _head(status),
        _total(ledger),
        _rows("members", members["members"], _MEMBERS),
        _rows("dependencies", ledger["dependencies"], _DEPENDENCIES),
    )


def _head(status: Mapping[str, Any]) -> Text:
    text = Text(
        f"{status['node']}  zone {status['zone']}  ring {status['ring_id']} epoch {status['epoch']}  "
    )
    text.append("ready" if status["ready"] else "NOT READY", "green" if status["ready"] else "bold red")
    if not status["ring_agreed"]:
        text.append("  rings differ", "bold red")
    if status["paused"]:
        text.append("  paused", "bold red")
    if status["draining"]:
        text.append(f"  draining {cell(status['draining'])}", "bold red")
    cache = status["cache"]
    text.append(
        f"\ncache {cache['objects']} objects, {cache['used_bytes'] / 1048576:.1f} MiB, {cache['eviction']}"
    )
    text.append(
        f"  warm {status['warm_ratio']:.0%}  queue {status['queue_length']}  flights {status['flights']}"
    )
    return text


def _total(ledger: Mapping[str, Any]) -> Text:
    """The ledger in one line; an agent that has seen nothing has none."""
    if not ledger.get("requests"):
        return Text("no requests yet", "dim")
    return Text(
        f"{ledger['requests']} requests  hits {ledger['hit_ratio']:.1%} (LRU {ledger['lru_hit_ratio']:.1%})"
        f"  mean {ledger['mean_latency_ms']:.2f} ms (LRU {ledger['lru_mean_latency_ms']:.2f} ms)"
        f"  origin {ledger['origin_fetches']} (LRU {ledger['lru_origin_fetches']:.0f})"
    )


def _rows(title: str, rows: Sequence[Mapping[str, Any]], preferred: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    names = columns_of(rows, *preferred)
    for name in names:
        table.add_column(name, justify="left" if name in ("node", "zone", "state", "dependency") else "right")
    for row in rows[:_MAX_ROWS]:
        table.add_row(
            *(cell(row.get(name)) for name in names), style=_STATE_STYLES.get(str(row.get("state")))
        )
    return table
