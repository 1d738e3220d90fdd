"""Verbs that change something: drain, undrain, pause, resume, join, leave, forget.

All are idempotent: a playbook may say them twice. ``--wait`` polls, because an answer that stays open for
half an hour dies with the first proxy or ssh that sits between.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from zoned.cli.client import TIMED_OUT, Agent, AgentError
from zoned.cli.output import asks_agent, show

POLL_S = 1.0


def _done(value: Any, output: str | None, text: str) -> None:
    show(value, output, lambda: [text])


@click.command()
@click.argument("zone", required=False)
@click.option(
    "--wait", is_flag=True, help="Until the others hold what this zone held; exit code 5 after --timeout."
)
@asks_agent
def drain(agent: Agent, output: str | None, zone: str | None, wait: bool, timeout: float) -> None:
    """Warm the other zones, then let the traffic of ZONE (default: the agent's own) go."""
    if wait:
        _require_own_zone(agent, zone)
    value = agent.post("drain", body={"zone": zone} if zone else None)
    if wait:
        value = _wait_drained(agent, timeout)
    _done(value, output, "drained: traffic may move" if wait else "draining")


def _require_own_zone(agent: Agent, zone: str | None) -> None:
    """Only an agent of the drained zone knows when all is handed over."""
    own = agent.get("status")["zone"]
    if zone and zone != own:
        raise AgentError(f"--wait must ask an agent of zone {zone}; this one is in {own}")


def _wait_drained(agent: Agent, timeout: float) -> Mapping[str, Any]:
    deadline = time.monotonic() + timeout
    while True:
        value: Mapping[str, Any] = agent.get("status")
        if value["drained"]:
            return {"zone": value["zone"], "drained": True}
        if time.monotonic() + POLL_S > deadline:
            raise AgentError(f"not drained in {timeout:g} s", TIMED_OUT)
        time.sleep(POLL_S)


@click.command()
@click.argument("zone", required=False)
@asks_agent
def undrain(agent: Agent, output: str | None, zone: str | None) -> None:
    """ZONE (default: the agent's own) takes traffic again."""
    _done(agent.post("undrain", body={"zone": zone} if zone else None), output, "not draining")


@click.command()
@asks_agent
def pause(agent: Agent, output: str | None) -> None:
    """Stop all movement of copies in the whole pool."""
    _done(agent.post("pause"), output, "paused")


@click.command()
@asks_agent
def resume(agent: Agent, output: str | None) -> None:
    """Let copies move again."""
    _done(agent.post("resume"), output, "resumed")


@click.command()
@click.argument("address", metavar="HOST:PORT")
@asks_agent
def join(agent: Agent, output: str | None, address: str) -> None:
    """Join a pool by one of its members."""
    _done(agent.post("join", body={"seeds": [address]}), output, f"joining by {address}")


@click.command()
@asks_agent
def leave(agent: Agent, output: str | None) -> None:
    """Leave the pool for good, and end. (To restart, end it with SIGTERM: its place is held.)"""
    _done(agent.post("leave"), output, "leaving")


@click.command()
@click.argument("node")
@asks_agent
def forget(agent: Agent, output: str | None, node: str) -> None:
    """Drop a dead member from view and from the ring at once."""
    _done(agent.post("forget", body={"node": node}), output, f"forgot {node}")
