"""Replay's policies against the reference simulator: the same figures, and how fast each is.

    .venv/bin/python tests/bench/bench_replay.py [TRACE.csv.gz WINDOW_S]...

Without arguments: the retail trace that the demo ships, an hour. Every policy at 5 and 10 % must give the
reference's figures to its last digit; prints thousand accesses a second of both. First: the nodes' speed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter, process_time

from zoned.simulation import zoned_policy
from zoned.simulation.replay import REFERENCE
from zoned.simulation.results import ReplayOptions, no_progress
from zoned.simulation.trace import read

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.simulation.reference import REFSIM, refsim, rounded, run_refsim  # noqa: E402

RETAIL = ROOT / "zoned" / "demo" / "data" / "retail.csv.gz"


def compare(path: Path, window_s: float) -> bool:
    """All policies at 5 and 10 %; whether all figures are equal."""
    sim = refsim()
    started = perf_counter()
    trace = read([path])
    print(f"{path.name}: {len(trace):,} accesses read in {perf_counter() - started:.2f} s")
    equal = True
    for share in (0.05, 0.10):
        started = perf_counter()
        theirs = run_refsim(path, share, window_s)
        their_s = perf_counter() - started
        our_s = 0.0
        for policy, runner in REFERENCE.items():
            started = perf_counter()
            result = runner(trace, trace.capacity(share), ReplayOptions(window_s=window_s), no_progress)
            took_s = perf_counter() - started
            our_s += took_s
            same = rounded(result) == theirs[policy]
            equal &= same
            print(
                f"  {share:4.0%} {policy:7} hit {result.hit_ratio:.4f} mean {result.mean_latency_ms:7.2f} ms"
                f" {len(trace) / took_s / 1e3:6,.0f} k/s  {'equal' if same else f'DIFFERS {theirs[policy]}'}"
            )
        print(f"       all five {our_s:.2f} s; {sim.__name__} with its reading {their_s:.2f} s")
    return equal


def speed_of_nodes(path: Path) -> None:
    """Replay by real nodes, one a zone: accesses a second of one core, all shadows running."""
    trace = read([path])
    started = process_time()
    result = zoned_policy.run(trace, trace.capacity(0.05), ReplayOptions(), no_progress)
    took_s = process_time() - started
    print(
        f"{path.name}: {len(trace.zone_names)} nodes, {len(trace):,} accesses, {len(trace) / took_s:,.0f}/s;"
        f" hit {result.hit_ratio:.4f} mean {result.mean_latency_ms:.2f} ms"
    )


def main(arguments: list[str]) -> int:
    """Pairs of trace and window; 1 if any figure differs."""
    speed_of_nodes(RETAIL)
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True)) or [(str(RETAIL), "3600")]
    if not REFSIM.exists():
        print(f"nothing to compare with: {REFSIM} is not here")
        return 0
    equal = [compare(Path(path), float(window_s)) for path, window_s in pairs]
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
