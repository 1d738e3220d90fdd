"""``zoned ring [show|locate|diff]``: who is home to what, and do all agree? ``zoned route``: who serves it?

Exit code 3 where the rings differ, so that a roll-out can wait for agreement with a shell loop.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click

from zoned.cli.client import UNHEALTHY, Agent, AgentError, parse_target
from zoned.cli.output import asks_agent, rows_table, show
from zoned.cli.reads import key_bytes

ROUTE_COLUMNS = (
    "zone",
    "node",
    "http",
    "holds",
    "known_by",
    "rtt_seconds",
    "load",
    "expected_seconds",
    "reasons",
)


class _ShowByDefault(click.Group):
    """``zoned ring -o json`` is ``zoned ring show -o json``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["show", *args])


@click.group(cls=_ShowByDefault)
def ring() -> None:
    """Who is home to what, and whether all agree; without a verb: show."""


@ring.command("show")
@asks_agent
def show_ring(agent: Agent, output: str | None) -> None:
    """The ring of this agent, and who computed another."""
    value = agent.get("ring")
    show(value, output, lambda: _ring_lines(value))
    if value.get("disagreeing"):
        sys.exit(UNHEALTHY)


def _ring_lines(value: Mapping[str, Any]) -> Iterable[str]:
    yield f"ring {value['ring_id']} epoch {value['epoch']}"
    columns = ["node", "zone", "weight", "state", "owned_ratio"]
    if any(member["state"] == "warming" for member in value["members"]):
        columns += ["flipped_ratio", "warming_since"]
    yield from rows_table(value["members"], *columns)
    if value.get("disagreeing"):
        yield ""
        yield "disagreeing:"
        yield from rows_table(value["disagreeing"])


@ring.command()
@click.argument("dependency")
@click.argument("key")
@asks_agent
def locate(agent: Agent, output: str | None, dependency: str, key: str) -> None:
    """Homes and holders of one instance."""
    value = agent.get("ring", "locate", dependency, key_bytes(key))

    def lines() -> Iterable[str]:
        yield f"shard {value['shard']} of ring {value['ring_id']}"
        yield from rows_table(value["preference_list"], "node", "zone")
        yield "held by " + (", ".join(value["holders"]) or "nobody that we know of")

    show(value, output, lines)


@click.command()
@click.argument("dependency")
@click.argument("key")
@asks_agent
def route(agent: Agent, output: str | None, dependency: str, key: str) -> None:
    """Which zones can serve an instance now, best first, and why. Exit code 3 when none takes traffic."""
    value = agent.get("route", dependency, key_bytes(key))
    show(value, output, lambda: rows_table(value["zones"], *ROUTE_COLUMNS))
    if all(zone["draining"] for zone in value["zones"]):
        sys.exit(UNHEALTHY)


@ring.command()
@click.argument("node")
@asks_agent
def diff(agent: Agent, output: str | None, node: str) -> None:
    """This agent's ring against another's, asked at the address that it tells the pool."""
    ours = agent.get("ring")
    theirs = _ring_of(agent, ours, node)
    value = {
        "same": ours["ring_id"] == theirs["ring_id"],
        "ours": ours["ring_id"],
        "theirs": theirs["ring_id"],
        "members": _differences(ours.get("members", ()), theirs.get("members", ())),
    }
    show(value, output, lambda: _diff_lines(value, node))
    if not value["same"]:
        sys.exit(UNHEALTHY)


def _ring_of(agent: Agent, ours: Mapping[str, Any], node: str) -> Mapping[str, Any]:
    """The other's own answer where it can be asked; else what its gossip says: the ring id alone."""
    found = [member for member in agent.get("members")["members"] if member["node"] == node]
    if not found:
        raise AgentError(f'no member is called "{node}"')
    address = found[0].get("http")
    if address:
        try:
            value = agent.elsewhere(parse_target(str(address))).get("ring")
        except (AgentError, ValueError):
            pass
        else:
            assert isinstance(value, dict)
            return value
    for line in ours.get("disagreeing", ()):
        if line["node"] == node:
            return {"ring_id": line["ring_id"]}
    return {"ring_id": ours["ring_id"]}


def _differences(ours: Iterable[Any], theirs: Iterable[Any]) -> list[dict[str, Any]]:
    """Members that only one of the rings has, or with another weight or zone."""
    left = {member["node"]: member for member in ours}
    right = {member["node"]: member for member in theirs}
    if not right:
        return []
    rows = []
    for node in sorted({*left, *right}):
        mine, other = left.get(node), right.get(node)
        if _short(mine) != _short(other):
            rows.append({"node": node, "ours": _short(mine), "theirs": _short(other)})
    return rows


def _short(member: Mapping[str, Any] | None) -> str:
    return "absent" if member is None else f"zone {member['zone']} weight {member['weight']}"


def _diff_lines(value: Mapping[str, Any], node: str) -> Iterable[str]:
    if value["same"]:
        yield f"same ring {value['ours']}"
        return
    yield f"ours {value['ours']}, {node}'s {value['theirs']}"
    if value["members"]:
        yield from rows_table(value["members"])
