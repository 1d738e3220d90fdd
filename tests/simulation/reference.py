"""``lab/refsim.py``, where it is around; and its figures, where it is not."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from zoned.simulation.results import PolicyResult

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "tests" / "data"
RETAIL = ROOT / "zoned" / "demo" / "data" / "retail.csv.gz"
REFSIM = ROOT.parent / "shared" / "lab" / "refsim.py"


class Figures(NamedTuple):
    """One row of the reference simulator."""

    hit: float
    lat: float
    orig: int
    cross: int
    pf: int
    n: int


# (trace, share, policy): written down from refsim.py, windows of one hour
GOLDEN = {
    ("hurence_web", 0.05, "lru"): Figures(0.2103, 158.94, 21129, 0, 0, 26756),
    ("hurence_web", 0.05, "sieve"): Figures(0.2993, 141.14, 18748, 0, 0, 26756),
    ("hurence_web", 0.05, "s3fifo"): Figures(0.3575, 129.49, 17190, 0, 0, 26756),
    ("hurence_web", 0.05, "peer"): Figures(0.3575, 98.57, 10294, 6896, 0, 26756),
    ("hurence_web", 0.05, "oracle"): Figures(0.6003, 80.94, 13418, 1613, 4337, 26756),
    ("retail", 0.05, "lru"): Figures(0.2045, 160.1, 200370, 0, 0, 251887),
    ("retail", 0.05, "sieve"): Figures(0.2995, 141.1, 176446, 0, 0, 251887),
    ("retail", 0.05, "s3fifo"): Figures(0.3075, 139.49, 174421, 0, 0, 251887),
    ("retail", 0.05, "peer"): Figures(0.3075, 109.32, 111091, 63330, 0, 251887),
    ("semicomplete_web", 0.05, "lru"): Figures(0.62, 77.01, 2913, 0, 0, 7665),
    ("semicomplete_web", 0.05, "sieve"): Figures(0.6283, 75.34, 2849, 0, 0, 7665),
    ("semicomplete_web", 0.05, "s3fifo"): Figures(0.6459, 71.82, 2714, 0, 0, 7665),
    ("semicomplete_web", 0.05, "peer"): Figures(0.6459, 60.09, 1965, 749, 0, 7665),
    ("semicomplete_web", 0.05, "oracle"): Figures(0.8971, 21.59, 1583, 582, 1376, 7665),
}


@cache
def refsim() -> ModuleType:
    """The reference simulator itself; skips where it is not around."""
    if not REFSIM.exists():
        pytest.skip(f"{REFSIM} is not here; the golden figures stand for it")
    spec = importlib.util.spec_from_file_location("refsim", REFSIM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def run_refsim(path: Path, share: float, window_s: float) -> dict[str, Figures]:
    """What the reference finds, by our names of the policies."""
    sim = refsim()
    times, zones, objects, requests, names, unique = sim.load(str(path))
    capacity, misses, found = max(4, int(unique * share)), {}, {}
    for policy in ("lru", "sieve", "s3fifo", "peer", "clair_seen"):
        row = sim.sim(
            times, zones, objects, requests, len(names), unique, capacity, window_s, policy, misses,
            misses if policy == "lru" else None,
        )  # fmt: skip
        name = "oracle" if policy == "clair_seen" else policy
        found[name] = Figures(*(row[field] for field in Figures._fields))
    return found


def rounded(result: PolicyResult) -> Figures:
    """Ours, as the reference rounds its own."""
    return Figures(
        round(result.hit_ratio, 4),
        round(result.mean_latency_ms, 2),
        result.origin_fetches,
        result.peer_transfers,
        result.prefetches,
        result.requests,
    )
