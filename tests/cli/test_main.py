"""The table of verbs, and that help costs nothing."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module

import click
import pytest
from click.testing import Result

from zoned.cli.main import VERBS

Run = Callable[..., Result]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_table_is_there_and_says_what_it_does(verb: str, zoned: Run) -> None:
    module, _, attribute = VERBS[verb][0].partition(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    result = zoned(verb, "--help")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: cli {verb}")


def test_help_and_client_verbs_load_nothing_heavy() -> None:
    code = (
        "import sys, zoned.cli.main as m; from click.testing import CliRunner as R;"
        "assert R().invoke(m.cli, ['--help']).exit_code == 0;"
        "assert R().invoke(m.cli, ['members', '--help']).exit_code == 0;"
        "heavy = {'numpy', 'aiohttp', 'rich', 'asyncio', 'zoned.core', 'zoned.daemon'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_usage_errors_are_2(zoned: Run) -> None:
    assert zoned("no-such-verb").exit_code == 2
    assert zoned("members", "--nope").exit_code == 2
    assert zoned("members", "--addr", "nonsense").exit_code == 2


def test_version(zoned: Run) -> None:
    assert '"version": "0.1.0"' in zoned("version").output
    assert zoned("version", "-o", "table").output.startswith("zoned 0.1.0 (Python 3.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, zoned: Run) -> None:
    result = zoned("completion", shell)
    assert result.exit_code == 0 and "_ZONED_COMPLETE" in result.output


def test_keygen_makes_a_key_for_gossip(zoned: Run) -> None:
    one, two = zoned("keygen").output, zoned("keygen").output
    assert one != two and len(base64.b64decode(one)) == 32
