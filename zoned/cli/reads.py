"""Verbs that ask the agent and change nothing: status, members, deps, forecast, plan, queue, ledger, explain.

Tables show what people look for first; JSON is what the agent said, whole. A column that an older agent
does not send is left out instead of failing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import click

from zoned.cli.client import TIMED_OUT, UNHEALTHY, Agent, AgentError, reason_of
from zoned.cli.output import asks_agent, pairs, rows_table, show

SHOWN_ROWS = 40


def key_bytes(key: str) -> bytes:
    """A key from the command line, byte for byte as the shell gave it."""
    return os.fsencode(key)


def _section(title: str, lines: Iterable[str]) -> Iterable[str]:
    yield ""
    yield title
    yield from lines


def _flat(value: Mapping[str, Any]) -> dict[str, Any]:
    """What fits on one line each."""
    return {name: item for name, item in value.items() if not isinstance(item, dict | list)}


@click.command()
@click.option(
    "--wait-warm",
    type=click.FloatRange(0, 1),
    help="Wait until this share of what was hot at the last stop is held again (nothing was: at once).",
)
@asks_agent
def status(agent: Agent, output: str | None, wait_warm: float | None, timeout: float) -> None:
    """How this agent is. Exit code 3 when it is not ready, 5 when --wait-warm ran into --timeout."""
    value = agent.get("status") if wait_warm is None else _warm(agent, wait_warm, timeout)
    show(value, output, lambda: pairs({name: item for name, item in value.items() if item not in ({}, [])}))
    if value.get("ready") is False:
        sys.exit(UNHEALTHY)


def _warm(agent: Agent, wanted: float, timeout: float) -> Mapping[str, Any]:
    """The agent waits for us; 504 says that it was in vain."""
    answer = agent.patient().request("GET", f"/v1/status?wait_warm={wanted:g}&timeout={timeout:g}")
    if answer.status == HTTPStatus.GATEWAY_TIMEOUT:
        raise AgentError(f"not {wanted:g} warm in {timeout:g} s", TIMED_OUT)
    if answer.status != HTTPStatus.OK:
        raise AgentError(f"the agent refused: {reason_of(answer)}")
    value = answer.json()
    assert isinstance(value, dict)
    return value


@click.command()
@asks_agent
def members(agent: Agent, output: str | None) -> None:
    """The members of the pool, as this agent sees them."""
    value = agent.get("members")
    columns = ("node", "zone", "role", "state", "weight", "gossip", "rtt_seconds", "since", "accuser")
    show(value, output, lambda: rows_table(value["members"], *columns))


@click.command()
@asks_agent
def deps(agent: Agent, output: str | None) -> None:
    """Dependencies: uses, hits, latency."""
    value = agent.get("dependencies")
    columns = ("dependency", "accesses", "hits", "hit_ratio", "mean_latency_ms", "by_source")
    show(value, output, lambda: rows_table(value["dependencies"], *columns))


@click.command()
@click.argument("dependency")
@asks_agent
def forecast(agent: Agent, output: str | None, dependency: str) -> None:
    """Expected demand of a dependency in this zone."""
    value = agent.get("forecast", dependency)
    show(value, output, lambda: _forecast_lines(value))


def _forecast_lines(value: Mapping[str, Any]) -> Iterable[str]:
    yield from pairs(_flat(value))
    for name, item in value.items():
        if isinstance(item, list) and item and isinstance(item[0], dict):
            yield from _section(name, rows_table(item))


@click.command()
@asks_agent
def plan(agent: Agent, output: str | None) -> None:
    """What this agent will fetch, hand over or let go, and why."""
    value = agent.get("plan")
    show(value, output, lambda: _plan_lines(value))


def _plan_lines(value: Mapping[str, Any]) -> Iterable[str]:
    yield from pairs(_flat(value))
    titles = {"wants": "to fetch", "hand_over": "to hand over", "lines": "homes of the dependencies"}
    for name, title in titles.items():
        rows: Sequence[Mapping[str, Any]] = value.get(name) or ()
        if rows:
            yield from _section(title, rows_table(rows[:SHOWN_ROWS]))
        if len(rows) > SHOWN_ROWS:
            yield f"... and {len(rows) - SHOWN_ROWS} more (-o json has them)"


@click.command()
@asks_agent
def queue(agent: Agent, output: str | None) -> None:
    """Copies waiting to be fetched ahead of demand, the most valuable first."""
    value = agent.get("queue")
    show(value, output, lambda: rows_table(value["queue"]))


@click.command()
@asks_agent
def ledger(agent: Agent, output: str | None) -> None:
    """Misses avoided and bytes spent, against the plain LRU that this zone would otherwise have."""
    value = agent.get("ledger")
    show(value, output, lambda: _ledger_lines(value))


def _ledger_lines(value: Mapping[str, Any]) -> Iterable[str]:
    yield from pairs(_flat(value))
    rows: Sequence[Mapping[str, Any]] = value.get("dependencies") or ()
    columns = (
        "dependency",
        "requests",
        "hit_ratio",
        "fabric_hit_ratio",
        "lru_hit_ratio",
        "mean_latency_ms",
        "lru_mean_latency_ms",
    )
    if rows:
        yield from _section("by dependency", rows_table(rows, *columns, "misses_avoided", "prefetched_bytes"))
    arms: Sequence[Mapping[str, Any]] = value.get("arms") or ()
    if arms:
        title = "eviction (weight: how far the learner believes in it, 0 to 1)"
        yield from _section(title, rows_table(arms, "arm", "hit_ratio", "weight", "played", "why"))
    if rows:
        chosen = rows_table(rows, "dependency", "eviction", "eviction_why")
        yield from _section("eviction by dependency", chosen)
    names = [str(arm["arm"]) for arm in arms]
    every = {"dependency": "(all)", "arms_saved_s": value.get("arms_saved_s")}
    saved = [{"dependency": row["dependency"], **(row.get("arms_saved_s") or {})} for row in (every, *rows)]
    if names and rows:
        title = "seconds saved over a plain LRU that knows no other zone, had all gone by that eviction"
        yield from _section(title, rows_table(saved, "dependency", *names))


@click.command()
@click.argument("dependency")
@click.argument("key")
@asks_agent
def explain(agent: Agent, output: str | None, dependency: str, key: str) -> None:
    """Why a copy is, or is not, in this zone."""
    value = agent.get("explain", dependency, key_bytes(key))
    show(value, output, lambda: _explain_lines(value))


def _explain_lines(value: Mapping[str, Any]) -> Iterable[str]:
    yield f"{value['dependency']}:{value['key']}"
    for line in value["lines"]:
        yield f"  {line}"
