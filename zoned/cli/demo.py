"""``zoned demo``: real agents on loopback, a real trace, one kill, one drain."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from zoned.core.settings import ABLATIONS
from zoned.demo.run import DemoError, DemoOptions
from zoned.demo.run import demo as run_demo
from zoned.demo.screen import LiveScreen, Screen, SilentScreen, TextScreen
from zoned.simulation.trace import TraceError


@click.command()
@click.option(
    "--seconds",
    default=90.0,
    show_default=True,
    type=click.FloatRange(20, 3600),
    help="How long the live day lasts (longer, if that were over 1000x).",
)
@click.option("--seed", default=1, show_default=True, help="Seeds the agents' chance.")
@click.option(
    "--trace",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV trace instead of the one shipped.",
)
@click.option(
    "--ablate", multiple=True, type=click.Choice(list(ABLATIONS)), help="Switch a stage off (repeatable)."
)
@click.option(
    "--record",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE.zj",
    help="Record what the agents live through, for zoned replay.",
)
@click.option("--serve", is_flag=True, help="Leave the agents and their pages up at the end, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, and nothing else.")
def demo(
    seconds: float,
    seed: int,
    trace: Path | None,
    ablate: tuple[str, ...],
    record: Path | None,
    serve: bool,
    as_json: bool,
) -> None:
    """Five zones that warm each other on a real trace, as real processes on this machine.

    Exits 1 when a read failed, or the agents did not agree on a ring.
    """
    chosen = {} if trace is None else {"trace": trace}
    if record is not None and not record.parent.is_dir():
        raise click.BadParameter(f"there is no directory {record.parent}", param_hint="--record")
    options = DemoOptions(seconds=seconds, seed=seed, ablate=ablate, serve=serve, record=record, **chosen)
    console = Console()
    screen = (
        SilentScreen() if as_json else LiveScreen(console) if console.is_terminal else TextScreen(console)
    )
    try:
        result = asyncio.run(_until_told_to_stop(options, screen))
    except (DemoError, TraceError) as error:
        click.echo(f"zoned demo: {error}", err=True)
        sys.exit(1)
    except asyncio.CancelledError:
        sys.exit(143)
    except KeyboardInterrupt:
        sys.exit(0 if serve else 130)
    if as_json:
        click.echo(json.dumps(result))
    else:
        screen.result(result)
    sys.exit(0 if result["ring_agreed"] and not result["failures"] else 1)


async def _until_told_to_stop(options: DemoOptions, screen: Screen) -> dict[str, Any]:
    """Run the demo; SIGTERM ends it as Ctrl-C does: the agents first."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run_demo(options, screen)
