"""Verbs that change something: drain, undrain, pause, resume, join, leave, forget.

All are idempotent: a playbook may say them twice. ``--dry-run`` has the agent check the command against the
pool as it is, and do nothing; for a drain it tells what would be cold. ``--wait`` polls, because an answer
that stays open for half an hour dies with the first proxy or ssh that sits between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from zoned.cli.client import TIMED_OUT, Agent, AgentError
from zoned.cli.output import asks_agent, show, table

POLL_S = 1.0
_MIB = 1 << 20

dry_run_option: Callable[..., Any] = click.option(
    "--dry-run", is_flag=True, help="Check it against the pool as it is, and do nothing."
)


def act(
    agent: Agent, output: str | None, command: str, body: Mapping[str, object], dry_run: bool, text: str
) -> None:
    """Send a command, or have it checked only; say what was (or would be) done."""
    value = agent.post(command, body={**body, "dry_run": True} if dry_run else body)
    show(value, output, lambda: [f"would be done: {text}" if dry_run else text])


@click.command()
@click.argument("zone", required=False)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Move nothing; say what would be cold, who would take it, and how long that takes.",
)
@click.option(
    "--wait", is_flag=True, help="Until the others hold what this zone held; exit code 5 after --timeout."
)
@asks_agent
def drain(
    agent: Agent, output: str | None, zone: str | None, dry_run: bool, wait: bool, timeout: float
) -> None:
    """Warm the other zones, then let the traffic of ZONE (default: the agent's own) go. Any agent of the pool
    can be asked."""
    if dry_run and wait:
        raise click.UsageError("--dry-run moves nothing, so there is nothing to --wait for")
    body: dict[str, object] = {"zone": zone} if zone else {}
    if dry_run:
        told = agent.post("drain", body={**body, "dry_run": True})["rehearsal"]
        show(told, output, lambda: _rehearsal(told))
        return
    value = agent.post("drain", body=body)
    if wait:
        value = _wait_drained(agent, zone or agent.get("status")["zone"], timeout)
    show(value, output, lambda: ["drained: traffic may move" if wait else "draining"])


def _rehearsal(told: Mapping[str, Any]) -> Iterable[str]:
    """The rehearsal for people."""
    zone, about = told["zone"], "" if told["exact"] else "about "
    yield (
        f"zone {zone} holds {about}{told['instances']:,} instances; {about}{told['cold']:,} of them"
        f" ({told['cold_bytes'] / _MIB:,.1f} MiB) no other zone holds"
    )
    if not told["cold"]:
        yield "nothing would be cold: its traffic may move"
        return
    if not told["to"]:
        yield "nobody is left to take them: all other zones drain or are down"
        return
    yield f"warming the others takes {about}{max(1, round(told['warm_seconds']))} s within their budgets"
    yield (
        f"unprepared, the origins would get {about}{told['origin_requests']:,.0f} more requests in the"
        " first hour"
    )
    rows = [(one["node"], one["zone"], one["instances"], f"{one['bytes'] / _MIB:.1f}") for one in told["to"]]
    yield from table(("node", "zone", "takes", "MiB"), rows)


def _wait_drained(agent: Agent, zone: str, timeout: float) -> Mapping[str, Any]:
    deadline = time.monotonic() + timeout
    while True:
        told = {one["zone"]: one for one in agent.get("status")["zones"]}
        if zone in told and told[zone]["drained"]:
            return {"zone": zone, "drained": True}
        if time.monotonic() + POLL_S > deadline:
            raise AgentError(f"not drained in {timeout:g} s", TIMED_OUT)
        time.sleep(POLL_S)


@click.command()
@click.argument("zone", required=False)
@dry_run_option
@asks_agent
def undrain(agent: Agent, output: str | None, zone: str | None, dry_run: bool) -> None:
    """ZONE (default: the agent's own) takes traffic again."""
    act(agent, output, "undrain", {"zone": zone} if zone else {}, dry_run, "not draining")


@click.command()
@dry_run_option
@asks_agent
def pause(agent: Agent, output: str | None, dry_run: bool) -> None:
    """Stop all movement of copies in the whole pool."""
    act(agent, output, "pause", {}, dry_run, "paused")


@click.command()
@dry_run_option
@asks_agent
def resume(agent: Agent, output: str | None, dry_run: bool) -> None:
    """Let copies move again."""
    act(agent, output, "resume", {}, dry_run, "resumed")


@click.command()
@click.argument("address", metavar="HOST:PORT")
@dry_run_option
@asks_agent
def join(agent: Agent, output: str | None, address: str, dry_run: bool) -> None:
    """Join a pool by one of its members."""
    act(agent, output, "join", {"seeds": [address]}, dry_run, f"joining by {address}")


@click.command()
@dry_run_option
@asks_agent
def leave(agent: Agent, output: str | None, dry_run: bool) -> None:
    """Leave the pool for good, and end. (To restart, end it with SIGTERM: its place is held.)"""
    act(agent, output, "leave", {}, dry_run, "leaving")


@click.command()
@click.argument("node")
@dry_run_option
@asks_agent
def forget(agent: Agent, output: str | None, node: str, dry_run: bool) -> None:
    """Drop a dead member from view and from the ring at once."""
    act(agent, output, "forget", {"node": node}, dry_run, f"forgot {node}")
