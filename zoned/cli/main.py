"""The ``zoned`` command: a table of verbs, and nothing imported before one is chosen.

``zoned members`` in a script must not pay for numpy, and ``zoned --help`` for nothing at all, so the
table has each verb's one line of help and the place of its command as text. Rejected: imports inside
functions, which house.md bans because they hide cycles; a name in a table hides none, and test_cli walks
all of it.

Exit codes, in all verbs: 0 good, 1 failed, 2 usage, 3 unhealthy or rings differ, 4 agent not reachable,
5 a wait timed out, 78 bad configuration.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

VERBS: dict[str, tuple[str, str]] = {
    "agent": ("zoned.cli.agent:agent", "Run the agent of this zone."),
    "demo": ("zoned.cli.demo:demo", "Zones as real agents on this machine, and what they gain."),
    "replay": ("zoned.cli.replay:replay", "What zoned would have done with your access logs."),
    "simulate": ("zoned.cli.simulate:simulate", "Many zones in virtual time, with faults."),
    "status": ("zoned.cli.reads:status", "How this agent is."),
    "members": ("zoned.cli.reads:members", "The members of the pool, as this agent sees them."),
    "ring": ("zoned.cli.ring:ring", "Who is home to what, and whether all agree."),
    "route": ("zoned.cli.ring:route", "Which zones can serve an instance now, best first."),
    "deps": ("zoned.cli.reads:deps", "Dependencies: uses, hits, latency."),
    "forecast": ("zoned.cli.reads:forecast", "Expected demand of a dependency in this zone."),
    "plan": ("zoned.cli.reads:plan", "What this agent will fetch, hand over or let go, and why."),
    "queue": ("zoned.cli.reads:queue", "Copies waiting to be fetched ahead of demand."),
    "ledger": ("zoned.cli.reads:ledger", "Misses avoided and bytes spent, against a plain LRU."),
    "explain": ("zoned.cli.reads:explain", "Why a copy is, or is not, in this zone."),
    "get": ("zoned.cli.data:get", "Read an instance through the agent."),
    "invalidate": ("zoned.cli.data:invalidate", "No copy may be served any more, anywhere."),
    "drain": ("zoned.cli.acts:drain", "Warm the other zones, then let this one's traffic go."),
    "undrain": ("zoned.cli.acts:undrain", "The zone takes traffic again."),
    "pause": ("zoned.cli.acts:pause", "Stop all movement of copies in the whole pool."),
    "resume": ("zoned.cli.acts:resume", "Let copies move again."),
    "join": ("zoned.cli.acts:join", "Join a pool by one of its members."),
    "leave": ("zoned.cli.acts:leave", "Leave the pool for good, and end."),
    "forget": ("zoned.cli.acts:forget", "Drop a dead member at once."),
    "keygen": ("zoned.cli.keys:keygen", "A new key for encrypted gossip."),
    "keyring": ("zoned.cli.keys:keyring", "Keys of the pool: list, install, use, remove."),
    "config": ("zoned.cli.config:config", "Check, show or explain the configuration."),
    "top": ("zoned.cli.top:top", "The agent, live."),
    "version": ("zoned.cli.about:version", "Which zoned this is."),
    "completion": ("zoned.cli.about:completion", "Completion script for a shell."),
}


class _Lazy(click.Group):
    """A group that knows its verbs by name and loads one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in VERBS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Zones that warm each other before the traffic comes."""


def main() -> None:
    """Entry point of the command."""
    try:
        cli.main(prog_name="zoned")
    except BrokenPipeError:  # `zoned members | head` is no failure; keep the interpreter's flush quiet too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
