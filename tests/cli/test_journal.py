"""``zoned replay`` of a journal: recognised by what it is, and honest about what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.core.solo import at, key, settings_of
from zoned.cli.replay import replay
from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.cache import CacheSettings
from zoned.core.names import Season
from zoned.journal import Recorder
from zoned.journal.frames import MAGIC, Frame, encode
from zoned.journal.lives import beginning


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """One agent with room for four reads twelve instances in turn, in a season a hundred times as fast."""
    recorder = Recorder(at(0.0))
    for number in range(120):
        asked = act.FetchOrigin(fetch=number, key=key(number % 12), timeout_s=1.0)
        recorder.taken(ev.Read(request=number, key=key(number % 12)), [asked], at(number))
        done = ev.FetchDone(fetch=number, outcome=ev.FetchOutcome.OK, size=10, latency_s=0.25)
        served = act.ServeFetched(request=number, fetch=number, source=ev.Source.ORIGIN)
        recorder.taken(done, [served], at(number + 0.25))
    cache = CacheSettings(max_objects=4, max_bytes=None)
    wall_s = at(0.0).wall_s
    begin = beginning("0.1", wall_s, Season(wall_s, wall_s, 100.0), settings_of("a1", cache=cache), None)
    path = tmp_path / "day.anything"
    frames = [
        Frame("a1", 1, "begin", begin),
        Frame("a1", 1, "rows", {"rows": recorder.take(), "until_s": 121.0, "dropped": 7}),
    ]
    path.write_bytes(MAGIC + b"".join(map(encode, frames)) + b"torn")
    return path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(replay, [str(argument) for argument in arguments])


def test_the_table_says_who_was_recorded_and_what_is_missing(day: Path) -> None:
    found = invoke(day)
    assert found.exit_code == 0, found.output
    assert (
        "journal of 1 agents over 121s, a season at 100 times its speed; their lives ended: 1 killed"
        in found.stdout
    )
    assert "7 events are missing" in found.stdout and "4 bytes at the end are no whole frame" in found.stdout
    assert "cache 4 objects a zone" in found.stdout and "origin +250 ms" in found.stdout
    assert "timers run slower" not in found.stdout and "not in this journal" not in found.stdout
    policies = [line.split()[0] for line in found.stdout.splitlines() if line[:1].isalpha()]
    assert {"recorded", "lru", "zoned", "oracle", "a1", "all"} <= set(policies)


def test_json(day: Path) -> None:
    told = json.loads(invoke(day, "--json", "--policies", "recorded,zoned").stdout)
    assert told["policies"]["recorded"]["hit_ratio"] == 0.0 and told["requests"] == 120
    assert told["agreement"]["agents"]["a1"]["requests"] == 120
    assert told["journal"]["lives"][0]["ended"] == "killed" and told["model"]["origin_ms"] == 250.0
    alone = json.loads(invoke(day, "--json", "--policies", "zoned").stdout)
    assert alone["agreement"] is None


def test_a_flag_goes_over_what_was_measured(day: Path) -> None:
    told = json.loads(
        invoke(day, "--json", "--policies", "lru,recorded", "--origin-ms", "500", "--warmup", "0.5").stdout
    )
    assert told["model"]["origin_ms"] == 500.0 and told["measured"] == 60
    assert told["policies"]["lru"]["p99_latency_ms"] == pytest.approx(501.0)


@pytest.mark.parametrize(
    "flags",
    [
        ("--capacity", "0.1"),
        ("--capacity-objects", "9"),
        ("--drain", "a@50%"),
        ("--format", "envoy"),
        ("--seed", "2"),
    ],
)
def test_what_a_journal_brings_itself_cannot_be_asked_for(day: Path, flags: tuple[str, ...]) -> None:
    found = invoke(day, *flags)
    assert found.exit_code == 2 and f"{flags[0]}: not with a journal" in found.stderr


def test_logs_and_journals_do_not_mix(day: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("ts,zone,object,size,req\n1,a,x,1,\n")
    found = invoke(day, log)
    assert found.exit_code == 2 and f"{log} is no journal" in found.stderr


def test_a_journal_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "day.zj"
    path.write_bytes(MAGIC + encode(Frame("a1", 1, "begin", {"format": 2, "version": "7.0"})))
    found = invoke(path)
    assert found.exit_code == 1 and f"{path}: journal of a1: format 2" in found.stderr


def test_the_report_says_whether_the_replay_can_be_believed(day: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    assert invoke(day, "--policies", "recorded,lru,zoned", "--report", out).exit_code == 0
    html = out.read_text()
    assert "Can the replay be believed?" in html and "what the real agents had" in html
    assert "0.0 points apart" in html and "slower than in life" not in html and "The first 0%" not in html
    assert invoke(day, "--policies", "lru,zoned", "--report", out).exit_code == 0
    assert "Can the replay be believed?" not in out.read_text()


def test_an_agent_without_its_neighbours_is_said_to_be(tmp_path: Path) -> None:
    recorder = Recorder(at(0.0))
    asked = act.FetchPeer(
        fetch=1,
        key=key(1),
        node="b1",
        address=("10.9.9.9", 1),
        purpose=ev.Purpose.COPY,
        ring_id="",
        timeout_s=1.0,
    )
    recorder.taken(ev.Read(request=1, key=key(1)), [asked], at(1.0))
    recorder.taken(ev.FetchDone(fetch=1, outcome=ev.FetchOutcome.OK, size=9, latency_s=0.5), [], at(1.5))
    begin = beginning("0.1", at(0.0).wall_s, Season(), settings_of("a1"), None)
    path = tmp_path / "day.zj"
    frames = [Frame("a1", 1, "begin", begin), Frame("a1", 1, "rows", {"rows": recorder.take()})]
    path.write_bytes(MAGIC + b"".join(map(encode, frames)))
    found = invoke(path, "--policies", "recorded,zoned")
    assert found.exit_code == 0 and "agents that are not in this journal" in found.stdout, found.output
