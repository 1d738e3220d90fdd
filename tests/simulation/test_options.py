"""What is printed to play a run again is a command line that the same options come out of."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from click.testing import CliRunner

from zoned.cli import simulate as verb
from zoned.simulation.gossip_run import GossipOptions
from zoned.simulation.options import RunOptions
from zoned.simulation.run import SimulateOptions


@pytest.mark.parametrize("kind", [SimulateOptions, GossipOptions])
def test_again(kind: type[RunOptions], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    def played(options: RunOptions, progress: object) -> dict[str, object]:
        told.append(options)
        return options.as_json() | {"breaches": []}

    monkeypatch.setattr(verb, "simulate_members", played)
    monkeypatch.setattr(verb, "run_simulation", played)
    options = kind(zones=7, minutes=1.5, seed=9, loss=0.125, fault="partition")
    done = CliRunner().invoke(verb.simulate, [*shlex.split(options.command())[2:], "--json"])
    assert done.exit_code == 0, done.output
    assert told == [options]
