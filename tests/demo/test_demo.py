"""The demo as a user runs it: real agents, a kill, a drain, a report in JSON; on a small trace, quickly."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TRACE = Path(__file__).parent.parent / "data" / "semicomplete_web.csv.gz"


@pytest.mark.timeout(200)
def test_zones_warm_each_other_and_nothing_fails(tmp_path: Path) -> None:
    with gzip.open(TRACE, "rt") as lines:
        rows = list(csv.reader(lines))
    small = tmp_path / "web.csv"
    with small.open("w") as out:
        # Twenty times as dense: all of it within hours, so that a fast run has many reads.
        dense = [(float(ts) / 20, *rest) for ts, *rest in rows[1:] if rest[0] != "h3"]
        csv.writer(out).writerows([rows[0], *dense])
    zoned, day = [sys.executable, "-m", "zoned"], tmp_path / "day.zj"
    flags = ["--json", "--seconds", "20", "--trace", str(small), "--record", str(day)]
    done = subprocess.run([*zoned, "demo", *flags], capture_output=True, text=True, timeout=140)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["agents"] == 3 and report["ring_agreed"]
    assert report["killed"]["failed_reads"] == 0 and report["failures"] == []
    assert report["killed"]["detected_s"] > 0
    assert report["requests"] > 1000
    assert 0 < report["hit_ratio"] < report["fabric_hit_ratio"] < 1 and 0 < report["lru_hit_ratio"] < 1
    assert report["mean_latency_ms"] < report["lru_mean_latency_ms"]
    assert report["peer_transfers"] > 0 and report["prefetched"] > 0
    assert report["drained"]["zone"] in ("h0", "h1", "h2") and report["drained"]["waited_s"] > 0
    assert len(report["dashboard"]) == 3
    again = [*zoned, "replay", str(day), "--policies", "recorded,lru,zoned", "--json"]
    replayed = subprocess.run(again, capture_output=True, text=True, timeout=60)
    assert replayed.returncode == 0, replayed.stderr
    the_replay_agrees(json.loads(replayed.stdout), report)


def the_replay_agrees(replayed: dict[str, Any], report: dict[str, Any]) -> None:
    """Within three points of what the real agents had, in all; their day is all in the journal."""
    agreement, journal = replayed["agreement"], replayed["journal"]
    assert abs(agreement["points"]) < 3.0, agreement
    assert all(abs(one["points"]) < 6.0 for one in agreement["agents"].values()), agreement
    assert abs(agreement["recorded"] - report["hit_ratio"]) < 0.02
    assert sorted(life["ended"] for life in journal["lives"]) == ["killed", *["restart"] * 3]
    assert journal["dropped"] == journal["torn_bytes"] == 0 and len(journal["agents"]) == 3
    assert (
        report["requests"] - replayed["requests"] < 0.1 * report["requests"]
    )  # the last moment before the kill
    assert replayed["policies"]["lru"]["hit_ratio"] > 0.2


def test_a_trace_that_is_none_says_where(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("ts,zone,object,size,req\n1,a,x,1,\nnonsense\n")
    command = [sys.executable, "-m", "zoned", "demo", "--json", "--trace", str(bad)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=18)
    assert done.returncode == 1
    assert "bad.csv:3" in done.stderr
