"""The command ``zoned replay``: flags, exit codes, table and JSON."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zoned.cli.replay import replay

TRACE = Path(__file__).resolve().parent.parent / "data" / "semicomplete_web.csv.gz"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(replay, [str(TRACE), "--policies", "lru,peer,oracle", *arguments])


def test_json() -> None:
    found = invoke("--json")
    assert found.exit_code == 0 and found.stderr == ""
    replayed = json.loads(found.stdout)
    assert replayed["policies"]["lru"]["origin_fetches"] == 2913
    assert list(replayed["gap_closed"]) == ["peer"]


def test_table() -> None:
    found = invoke("--policies", "lru,s3fifo,oracle")
    assert found.exit_code == 0
    assert "9,581 requests for 1,387 objects in 4 zones" in found.stdout
    assert "cache 69 objects a zone (5.0%)" in found.stdout
    row = next(line for line in found.stdout.splitlines() if "s3fifo" in line)
    assert row.split() == ["s3fifo", "64.6", "71.8", "201", "9%", "2,714", "0", "0", "0"]
    assert "gap: share closed" in found.stdout
    assert all(len(line.rstrip()) <= 80 for line in found.stdout.splitlines() if "objects" not in line)


def test_the_model_is_in_the_flags() -> None:
    flags = (
        "--hit-ms",
        "2",
        "--rtt-ms",
        "10",
        "--origin-ms",
        "50",
        "--warmup",
        "0",
        "--window",
        "5m",
        "--seed",
        "3",
    )
    found = json.loads(invoke("--json", "--capacity-objects", "100", *flags).stdout)
    assert found["model"] == {"hit_ms": 2.0, "rtt_ms": 10.0, "origin_ms": 50.0}
    assert (found["warmup"], found["window_s"], found["seed"], found["measured"]) == (0.0, 300.0, 3, 9581)
    assert found["capacity"] == {"share": pytest.approx(0.0721, abs=1e-4), "count": 100}
    assert found["policies"]["lru"]["p99_latency_ms"] == 52.0


def test_by_bytes() -> None:
    found = json.loads(invoke("--json", "--by-bytes").stdout)
    assert found["capacity"]["bytes"] > 1_000_000 and "count" not in found["capacity"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--policies", "lru,belady"), "'belady' is no policy"),
        (("--window", "60"), "expected a duration > 0"),
        (("--window", "0s"), "expected a duration > 0"),
        (("--capacity", "0"), "--capacity"),
        (("--warmup", "1"), "--warmup"),
        (("--by-bytes", "--capacity-objects", "5"), "exclude each other"),
        (("--ablate", "learning"), "not among --policies"),
        (("--ablate", "gossip"), "--ablate"),
        (("--format", "iis"), "--format"),
        (("--policies", "recorded,lru"), "only a journal has it"),
        (("absent.csv",), "does not exist"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], words: str) -> None:
    found = invoke(*arguments)
    assert found.exit_code == 2 and words in found.stderr and found.stdout == ""


def test_a_trace_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("ts,zone,object,size,req\nsoon,eu,/a,1,\n")
    found = CliRunner().invoke(replay, [str(path)])
    assert found.exit_code == 1 and f"{path}:2: ts: expected Unix seconds" in found.stderr


def test_a_drain_in_the_middle(tmp_path: Path) -> None:
    rows = [f"{i},{'abc'[i % 3]},o{i * i % 40},1,c{i % 7}" for i in range(600)]
    log = tmp_path / "small.csv"
    log.write_text("\n".join(["ts,zone,object,size,req", *rows]) + "\n")
    flags = (str(log), "--policies", "lru", "--drain", "b@50%", "--join", "c@3m")
    found = CliRunner().invoke(replay, [*flags, "--json"])
    assert found.exit_code == 0, found.output
    moves = json.loads(found.stdout)["moves"]
    assert [(one["kind"], one["zone"]) for one in moves] == [("drain", "b"), ("join", "c")]
    assert moves[0]["at_s"] == 300.0 and moves[1]["at_s"] == 180.0
    assert set(moves[0]) >= {"without", "warm", "cold", "extra_origin_ratio", "extra_miss_ratio"}
    table = CliRunner().invoke(replay, [*flags[:5]]).stdout
    assert "b is drained after 5 m" in table and "at once, nothing handed over" in table


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("b", "expected ZONE@TIME, got 'b'"),
        ("nowhere@50%", "no zone 'nowhere' in this trace; there are h0, h1, h2, h3"),
        ("h1@noon", "expected a time after the @, got 'noon'"),
        ("h1@120%", "expected a time after the @, got '120%'"),
        ("h1@90000h", "not within the trace"),
    ],
)
def test_a_move_that_cannot_be_played(written: str, said: str) -> None:
    found = invoke("--drain", written)
    assert found.exit_code == 2 and said in found.stderr and "--drain" in found.stderr


def test_a_report_is_written_beside_the_table(tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    assert invoke("--report", str(out)).exit_code == 0
    assert out.read_text().startswith("<!doctype html>")
    found = invoke("--report", str(tmp_path / "nowhere" / "out.html"))
    assert found.exit_code == 2 and "there is no directory" in found.stderr


def test_standard_input_is_a_log_too() -> None:
    rows = "\n".join(f"{i},{'ab'[i % 2]},o{i * i % 20},1,c" for i in range(200))
    found = CliRunner().invoke(replay, ["-", "--policies", "lru"], input=f"ts,zone,object,size,req\n{rows}\n")
    assert found.exit_code == 0 and "200 requests for" in found.stdout, found.output
    zipped = gzip.compress(f"ts,zone,object,size,req\n{rows}\n".encode())
    again = CliRunner().invoke(replay, ["-", "--policies", "lru"], input=zipped)
    assert again.stdout == found.stdout


def test_fitting_models_is_zoneds_and_said(tmp_path: Path) -> None:
    refused = invoke("--with-statsforecast")
    assert refused.exit_code == 2 and "not among --policies" in refused.output
    log = tmp_path / "days.csv"
    rows = "".join(f"{1_700_000_000 + 600 * n},z{n % 2},k{n % 17},1,\n" for n in range(450))
    log.write_text(f"ts,zone,object,size,req\n{rows}")
    found = CliRunner().invoke(
        replay, [str(log), "--with-statsforecast", "--policies", "lru,zoned", "--json"]
    )
    replayed = json.loads(found.stdout)
    assert replayed["with_statsforecast"] and replayed["policies"]["zoned"]["details"]["fits"] > 0
