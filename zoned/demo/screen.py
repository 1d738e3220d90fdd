"""What a person sees of the demo: a live table on a terminal, plain lines elsewhere, nothing with --json."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

import aiohttp
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from zoned.demo.pool import DemoError, Pool
from zoned.demo.traffic import Traffic

_REFRESH_S = 0.5


class Screen(Protocol):
    """Where the demo reports to while it runs."""

    def say(self, text: str) -> None:
        """A line that stays."""

    def phase(self, name: str) -> None:
        """The next phase begins."""

    def progress(self, done: float) -> None:
        """Share of the phase that is done."""

    async def watch(self, pool: Pool, traffic: Traffic) -> None:
        """Show the pool until cancelled."""

    def result(self, result: dict[str, Any]) -> None:
        """Show the report."""

    def close(self) -> None:
        """Give the terminal back."""


class SilentScreen:
    """For --json: nothing but the result, which the caller prints."""

    def say(self, text: str) -> None:
        """Nothing."""

    def phase(self, name: str) -> None:
        """Nothing."""

    def progress(self, done: float) -> None:
        """Nothing."""

    async def watch(self, pool: Pool, traffic: Traffic) -> None:
        """Nothing."""

    def result(self, result: dict[str, Any]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class TextScreen(SilentScreen):
    """Plain lines, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began_s = time.monotonic()

    def say(self, text: str) -> None:
        """A line with the seconds since the start."""
        self._console.print(
            f"[{time.monotonic() - self._began_s:6.1f}s] {text}", markup=False, highlight=False
        )

    def phase(self, name: str) -> None:
        """A line."""
        self.say(f"-- {name}")

    def result(self, result: dict[str, Any]) -> None:
        """The report as a table."""
        self._console.print(result_table(result))


class LiveScreen(TextScreen):
    """A live table of the agents, and a progress bar."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._bar.add_task("starting", total=1.0)
        self._live = Live(self._bar, console=console, refresh_per_second=4, transient=True)
        self._live.start()

    def phase(self, name: str) -> None:
        """Name the bar, and leave a line."""
        super().phase(name)
        self._bar.update(self._task, description=name)

    def progress(self, done: float) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done)

    async def watch(self, pool: Pool, traffic: Traffic) -> None:
        """Show every agent's ledger beside its shadow LRU's."""
        while True:
            table = Table(
                "zone",
                "state",
                "reads",
                "hit here",
                "or elsewhere",
                "plain LRU",
                "prefetched",
                "used",
                "ms",
                "LRU ms",
                "page",
            )
            for agent in pool.agents:
                try:
                    ledger = await pool.get(agent, "v1/ledger") if agent.serving else None
                except (DemoError, aiohttp.ClientError, OSError, TimeoutError):
                    ledger = None
                if ledger is None:
                    table.add_row(agent.zone, "[red]down", *[""] * 8, agent.url)
                    continue
                table.add_row(
                    agent.zone,
                    "up",
                    str(ledger["requests"]),
                    f"{ledger['hit_ratio']:.3f}",
                    f"{ledger['fabric_hit_ratio']:.3f}",
                    f"{ledger['lru_hit_ratio']:.3f}",
                    str(ledger["prefetched"]),
                    str(ledger["prefetch_used"]),
                    f"{ledger['mean_latency_ms']:.1f}",
                    f"{ledger['lru_mean_latency_ms']:.1f}",
                    agent.url,
                )
            self.progress(traffic.progress)
            self._live.update(Group(table, self._bar))
            await asyncio.sleep(_REFRESH_S)

    def close(self) -> None:
        """Stop drawing."""
        self._live.stop()


def result_table(result: dict[str, Any]) -> Table:
    """The report for people."""
    table = Table("", "zoned", "plain LRU", title="what the agents measured")
    lru = f"{result['lru_hit_ratio']:.3f}"
    table.add_row("hit in its own zone", f"{result['hit_ratio']:.3f}", lru)
    table.add_row("hit there or in another zone", f"{result['fabric_hit_ratio']:.3f}", lru)
    table.add_row(
        "mean latency, ms", f"{result['mean_latency_ms']:.1f}", f"{result['lru_mean_latency_ms']:.1f}"
    )
    table.add_row("origin fetches", str(result["origin_fetches"]), str(result["lru_origin_fetches"]))
    table.add_row("prefetched / used", f"{result['prefetched']} / {result['prefetch_used']}", "")
    if result["killed"] is not None:
        killed = result["killed"]
        table.add_row(
            "kill -9",
            f"{killed['node']} noticed in {killed['detected_s']} s, failed reads {killed['failed_reads']}",
            "",
        )
    if result["drained"] is not None:
        drained = result["drained"]
        again = f"{drained['extra_misses']} origin fetches of the {drained['held']} instances held before"
        moved = f"in {drained['moved_reads']} reads elsewhere"
        table.add_row("drain", f"{drained['zone']} in {drained['waited_s']} s, then {again}, {moved}", "")
    table.add_row(
        "ring", f"{result['agents']} agents, " + ("all agree" if result["ring_agreed"] else "NOT agreed"), ""
    )
    return table
