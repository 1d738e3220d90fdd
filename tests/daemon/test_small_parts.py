"""Clock, log, systemd, load, heartbeat, joining: the small parts around the driver."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.fakes import until
from tests.status.snapshots import member, snapshot
from zoned.core.actions import Note
from zoned.core.events import Event, Join, LoadSampled
from zoned.core.members import MemberState
from zoned.daemon import heartbeat as heartbeat_module
from zoned.daemon import joining as joining_module
from zoned.daemon.clock import Clock
from zoned.daemon.heartbeat import Gauges, Heartbeat
from zoned.daemon.joining import Joining
from zoned.daemon.load_probe import LoadProbe
from zoned.daemon.log import LibraryRecords, Log
from zoned.daemon.systemd import Notifier
from zoned.status import Metrics

WALL_S = 1_795_000_000.123
UP = Note(level="info", event="member_up", text="member up eu1", fields=(("member", "eu1"),))


# ---- clock --------------------------------------------------------------------------------------


def test_the_season_is_the_wall_unless_told_otherwise() -> None:
    now = Clock().now()
    assert now.season_s == now.wall_s


def test_a_fast_season_runs_from_the_agreed_moment() -> None:
    plain = Clock().now()
    since_s = plain.wall_s - 10.0
    fast = Clock(1.3e9, 100.0, since_s)
    later = Clock(1.3e9, 100.0, since_s)  # an agent that starts a bit later
    one, two = fast.now(), later.now()
    assert one.season_s - 1.3e9 == pytest.approx(1000.0, abs=100.0)
    assert two.season_s - one.season_s == pytest.approx(100 * (two.wall_s - one.wall_s), abs=0.5)


def test_before_its_moment_a_fast_season_goes_as_the_wall() -> None:
    clock = Clock(1.3e9, 1000.0, Clock().now().wall_s + 3600.0)
    assert clock.now().season_s == pytest.approx(1.3e9 - 3600.0, abs=5.0)


def test_a_season_may_start_elsewhere_and_run_as_the_wall() -> None:
    assert Clock(season_start_s=1.3e9).now().season_s == pytest.approx(1.3e9, abs=5.0)


# ---- log ----------------------------------------------------------------------------------------


def test_text_lines() -> None:
    out = io.StringIO()
    Log(out, journal=False).note(UP, WALL_S)
    assert out.getvalue() == "2026-11-18T11:06:40.123Z INFO member up eu1\n"


def test_text_lines_for_the_journal_have_a_priority() -> None:
    out = io.StringIO()
    Log(out, journal=True).say("warning", "x", "two\nlines")
    assert out.getvalue().startswith("<4>")
    assert out.getvalue().endswith("WARNING two\n    lines\n")


def test_json_lines() -> None:
    out = io.StringIO()
    Log(out, "json").note(UP, WALL_S)
    assert json.loads(out.getvalue()) == {
        "ts": "2026-11-18T11:06:40.123Z",
        "level": "info",
        "event": "member_up",
        "text": "member up eu1",
        "member": "eu1",
    }


def test_debug_is_left_out_and_counted_and_every_line_is_flushed() -> None:
    @dataclass
    class Stream:
        written: list[str] = field(default_factory=list)
        flushed: int = 0

        def write(self, text: str) -> None:
            self.written.append(text)

        def flush(self) -> None:
            self.flushed += 1

    stream = Stream()
    log = Log(stream, journal=False)  # type: ignore[arg-type]
    log.say("debug", "x", "unheard")
    log.say("info", "x", "a")
    log.say("error", "x", "b")
    assert (len(stream.written), stream.flushed) == (2, 2)
    assert log.counts == {"debug": 1, "info": 1, "warning": 0, "error": 1}


def test_a_log_that_nobody_reads_is_no_reason_to_die() -> None:
    out = io.StringIO()
    out.close()
    log = Log(out)
    log.say("info", "x", "into the void")
    assert log.counts["info"] == 1


def test_the_libraries_records_come_in_the_same_form() -> None:
    out = io.StringIO()
    logger = logging.Logger("aiohttp.server")
    logger.addHandler(LibraryRecords(Log(out, "json")))
    logger.info("chatter")
    try:
        raise ValueError("boom")
    except ValueError:
        logger.exception("Unhandled")
    line = json.loads(out.getvalue())
    assert (line["level"], line["event"], line["logger"]) == ("error", "library", "aiohttp.server")
    assert "ValueError: boom" in line["text"]


# ---- systemd ------------------------------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True])
def test_lines_reach_the_manager(tmp_path: Path, abstract: bool) -> None:
    path = f"@zoned-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + path[1:] if abstract else path)
        manager.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": path})
        assert notifier.send("READY=1", "STATUS=well")
        assert manager.recv(1000) == b"READY=1\nSTATUS=well"


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    assert Notifier({}).send("READY=1") is False
    assert Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).send("READY=1") is False


def test_the_watchdog_is_ours_only_if_it_names_us() -> None:
    assert Notifier({}).watchdog_s is None
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog_s == 30.0
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_s == 30.0
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog_s is None
    assert Notifier({"WATCHDOG_USEC": "soon"}).watchdog_s is None


# ---- load and heartbeat -------------------------------------------------------------------------


def test_load_is_in_ratios() -> None:
    clock = Clock()
    probe = LoadProbe(clock.now().mono_s)
    load = probe.sample(clock.now().mono_s + 1.0, 0.25)
    for value in (load.cpu, load.memory, load.network):
        assert 0.0 <= value <= 1.0
    assert load.memory > 0
    assert load.loop_lag_s == 0.25


class Driver:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.reports = 0

    def submit(self, event: Event) -> None:
        self.events.append(event)

    def report_latency(self) -> None:
        self.reports += 1


class Manager(Notifier):
    def __init__(self, watchdog_s: float | None) -> None:
        super().__init__({})
        self.watchdog_s = watchdog_s
        self.sent: list[str] = []

    def send(self, *lines: str) -> bool:
        self.sent += lines
        return True


@pytest.mark.asyncio
async def test_the_heart_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat_module, "BEAT_S", 0.001)
    metrics = Metrics(snapshot, lambda view: {}, dict, "0")
    driver, manager = Driver(), Manager(watchdog_s=0.02)
    gauges = Gauges(loop_lag=metrics.loop_lag, load=metrics.load)
    heart = Heartbeat(driver, Clock(), manager, gauges, lambda: "fine")  # type: ignore[arg-type]
    task = asyncio.create_task(heart.run())
    await until(lambda: len(driver.events) >= 2)
    await until(lambda: manager.sent.count("WATCHDOG=1") >= 2)
    task.cancel()
    assert all(isinstance(event, LoadSampled) for event in driver.events)
    assert driver.reports >= 5
    assert "STATUS=fine" in manager.sent
    assert b"zoned_load_ratio" in metrics.render("")[0]


def test_the_watchdog_is_not_told_that_a_loop_lives_that_is_far_behind() -> None:
    manager = Manager(watchdog_s=2.0)
    metrics = Metrics(snapshot, lambda view: {}, dict, "0")
    gauges = Gauges(loop_lag=metrics.loop_lag, load=metrics.load)
    heart = Heartbeat(Driver(), Clock(), manager, gauges, lambda: "")  # type: ignore[arg-type]
    heart._ping(lag_s=1.1)
    assert manager.sent == []
    heart._ping(lag_s=0.9)
    heart._ping(lag_s=0.0)  # not twice within a quarter of what it wants
    assert manager.sent == ["WATCHDOG=1"]


# ---- joining ------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_agent_alone_keeps_joining_by_name_until_somebody_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(joining_module, "FIRST_RETRY_S", 0.001)
    monkeypatch.setattr(joining_module, "LONGEST_RETRY_S", 0.005)
    others: list[Any] = [member("n2", "z2", state=MemberState.FAILED)]
    events: list[Event] = []
    joining = Joining(
        "n1", lambda: snapshot(members=(member("n1", "z1"), *others)), events.append, Log(io.StringIO())
    )
    task = asyncio.create_task(joining.keep_joining([("localhost", 7946), ("127.0.0.9", 1)]))
    await until(lambda: len(events) >= 3)
    assert isinstance(events[0], Join)
    assert ("127.0.0.1", 7946) in events[0].seeds and ("127.0.0.9", 1) in events[0].seeds
    others.append(member("n3", "z3"))
    assert not joining.alone()
    task.cancel()


@pytest.mark.asyncio
async def test_a_name_that_nobody_knows_is_a_warning_and_the_others_are_tried() -> None:
    events: list[Event] = []
    out = io.StringIO()
    joining = Joining("n1", snapshot, events.append, Log(out))
    await joining.join([("no-such-host.invalid", 7946), ("127.0.0.1", 7946)])
    assert events == [Join(seeds=(("127.0.0.1", 7946),))]
    assert "WARNING cannot look up no-such-host.invalid" in out.getvalue()
    await joining.join([("no-such-host.invalid", 7946)])
    assert len(events) == 1
