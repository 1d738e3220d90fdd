"""The journal on a real disk: never an outage, never somebody else's file, never without saying so."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.solo import at, key, settings_of
from zoned.core import events as ev
from zoned.core.names import Instant, Season
from zoned.core.node import Node
from zoned.daemon.journal_file import JournalFile, RecordedNode
from zoned.daemon.log import Log
from zoned.journal import read_journal
from zoned.journal.lives import Use, beginning

START = at(0.0)
pytestmark = pytest.mark.asyncio


class Rig:
    """A node that is recorded; what it needs is done by nobody."""

    def __init__(self, path: Path, max_bytes: int = 1 << 20, began: Instant = START) -> None:
        self.log = io.StringIO()
        self.real = Node(settings_of("a1"), began)
        begin = beginning("1", began.wall_s, Season(), self.real.settings, None)
        self.file = JournalFile(path, max_bytes, self.real, began, begin, Log(self.log))
        self.node = RecordedNode(self.real, self.file.recorder)
        self._reads = 0

    def read(self, now: Instant, count: int = 1) -> None:
        for _ in range(count):
            self._reads += 1
            self.node.handle(ev.Read(request=self._reads, key=key(self._reads)), now)


async def test_a_day_is_written_and_read(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "day")
    rig.read(at(1.0), 3)
    await rig.file.flush(at(1.5))
    rig.read(at(2.0))
    await rig.file.flush(at(2.5), "restart")
    journal = read_journal([tmp_path / "day"])
    (life,) = journal.lives
    assert (life.node, life.ended, life.end_s - life.wall_s, life.dropped) == ("a1", "restart", 2.5, 0)
    assert [type(one.what) for one in life.happenings()] == [Use] * 4
    assert life.settings == settings_of("a1") and life.account.requests == 0  # nothing was answered
    assert rig.file.over and rig.log.getvalue() == "" and rig.file.counters["failures"] == 0


async def test_the_next_life_goes_behind_what_a_kill_left(tmp_path: Path) -> None:
    path = tmp_path / "day"
    for began_s, tail in ((0.0, b"torn"), (100.0, b"")):
        rig = Rig(path, began=at(began_s))
        rig.read(at(began_s + 1.0))
        await rig.file.flush(at(began_s + 2.0))
        rig.file.close()  # no last word
        path.write_bytes(path.read_bytes() + tail)
    journal = read_journal([path])
    assert [(life.ended, life.end_s - life.wall_s) for life in journal.lives] == [("killed", 2.0)] * 2
    assert journal.torn_bytes == 0


async def test_a_disk_that_refuses_costs_rows_and_is_told_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "missing" / "day")
    for second in range(3):
        rig.read(at(second), 5)
        await rig.file.flush(at(second + 0.5))
    assert rig.file.counters == {"failures": 3, "lost_rows": 15, "bytes": 0}
    assert rig.log.getvalue().count("cannot write the journal") == 1
    (tmp_path / "missing").mkdir()
    rig.read(at(4.0))
    await rig.file.flush(at(4.5))
    (life,) = read_journal([tmp_path / "missing" / "day"]).lives
    assert life.dropped == 15 and len(list(life.happenings())) == 1


async def test_a_full_journal_says_so_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "day"
    rig = Rig(path, max_bytes=6000)
    for second in range(200):
        rig.read(at(second), 5)
        await rig.file.flush(at(second + 0.5))
    (life,) = read_journal([path]).lives
    assert life.ended == "full" and life.dropped == 5 and 0 < len(life.rows) < 1000
    assert path.stat().st_size < 6500 and rig.log.getvalue().count("nothing more is recorded") == 1
    assert rig.file.over


async def test_no_file_of_another_is_touched(tmp_path: Path) -> None:
    foreign = tmp_path / "notes.txt"
    foreign.write_text("dear diary")
    rig = Rig(foreign)
    rig.read(at(1.0))
    await rig.file.flush(at(1.5))
    assert foreign.read_text() == "dear diary" and "not recording" in rig.log.getvalue()
    first, second = Rig(tmp_path / "day"), Rig(tmp_path / "day")
    await first.file.flush(at(1.0))
    await second.file.flush(at(1.0))
    assert "another agent writes it" in second.log.getvalue() and second.file.over and not first.file.over
    first.file.close()


async def test_the_recorded_node_is_the_node(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "day")
    plain = Node(settings_of("a1"), at(0.0))
    read = ev.Read(request=1, key=key(1))
    assert rig.node.handle(read, at(1.0)) == plain.handle(read, at(1.0))
    assert rig.node.next_deadline() == plain.next_deadline()
    assert rig.node.export_state() == plain.export_state()
    assert replace(rig.node.snapshot(at(1.0))) == plain.snapshot(at(1.0))
