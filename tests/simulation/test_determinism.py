"""The same seed gives the same run, whatever the interpreter's own chance: a failure can be replayed."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(120)  # two whole runs, on a machine that may be busy
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
from zoned.simulation.run import SimulateOptions, simulate
options = SimulateOptions(
    zones=12, minutes=0.75, seed=7, fault="partition", capacity_objects=60, settle_s=10.0, rest_s=10.0
)
report = simulate(options)
print(report["digest"], report["reads"], len(report["breaches"]))
"""


@cache
def digest(hash_seed: str) -> str:
    """What a process of its own computes."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_same_seed_gives_the_same_digest_whatever_the_hash_seed(hash_seed: str) -> None:
    assert digest(hash_seed) == digest("0")
    assert int(digest("0").split()[1]) > 500
