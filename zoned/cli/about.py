"""``zoned version`` and ``zoned completion``."""

from __future__ import annotations

import platform

import click
from click.shell_completion import get_completion_class

from zoned import __version__
from zoned.cli.output import output_option, show


@click.command()
@output_option
def version(output: str | None) -> None:
    """Which zoned this is."""
    value = {"version": __version__, "python": platform.python_version(), "system": platform.system()}
    show(value, output, lambda: [f"zoned {__version__} (Python {value['python']}, {value['system']})"])


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Completion script for a shell: put `source <(zoned completion bash)` into its start file."""
    kind = get_completion_class(shell)
    assert kind is not None
    # Only the shell's template is wanted: asking a live bash for its version, as source() may, needs bash.
    script = kind(ctx.find_root().command, {}, "zoned", "_ZONED_COMPLETE")
    click.echo(script.source_template % script.source_vars())
