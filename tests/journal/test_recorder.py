"""Events in, rows out, and what a replay gets of them: nothing that was said is lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.core.solo import at, key, settings_of
from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.events import FetchOutcome, LocalUse, Purpose, Step
from zoned.core.names import InstanceKey, Season, key_hash
from zoned.core.records import Access, Load, Source
from zoned.journal import Happening, JournalError, Recorder, read_journal
from zoned.journal import recorder as module
from zoned.journal.frames import MAGIC, Frame, encode
from zoned.journal.lives import Fetch, Use, Wait, beginning

K, L = key(1), key(2)


def lived(tmp_path: Path, rows: list[Any], kind: str = "rows", **content: Any) -> list[Happening]:
    """Through the file and back."""
    begin = beginning("1", 1000.0, Season(), settings_of("a1"), None)
    path = tmp_path / "day"
    frames = [Frame("a1", 1, "begin", begin), Frame("a1", 1, kind, {"rows": rows, **content})]
    path.write_bytes(MAGIC + b"".join(map(encode, frames)))
    return list(read_journal([path]).lives[0].happenings())


def test_reads_and_their_ends(tmp_path: Path) -> None:
    recorder = Recorder(at(10.0))
    recorder.taken(ev.Read(request=1, key=K, client=b"u"), [act.Serve(request=1, key=K)], at(10.5))
    fetch = act.FetchOrigin(fetch=9, key=L, timeout_s=1.0)
    recorder.taken(ev.Read(request=2, key=L), [fetch], at(11.0))
    done = ev.FetchDone(fetch=9, outcome=FetchOutcome.OK, size=70, version="v", ttl_s=60.0, latency_s=0.2)
    recorder.taken(done, [act.ServeFetched(request=2, fetch=9, source=Source.ORIGIN)], at(11.25))
    recorder.taken(
        ev.Read(request=3, key=L), [act.Refuse(request=3, outcome=FetchOutcome.FAILED, detail="")], at(12.0)
    )
    assert lived(tmp_path, recorder.take()) == [
        Happening(1000.5, Use(K, b"u", True)),
        Happening(1001.0, Use(L, b"", False)),
        Happening(1001.25, Fetch(L, "origin", False, "ok", 70, "v", 60.0, 0.2)),
        Happening(1001.25, Wait("origin", 0.25)),
        Happening(1002.0, Use(L, b"", False)),
        Happening(1002.0, Wait("", 0.0)),
    ]
    assert recorder.take() == []


@pytest.mark.parametrize(
    ("purpose", "source", "ahead"),
    [(Purpose.COPY, "peer", False), (Purpose.OWNER, "home", False), (Purpose.PREFETCH, "peer", True)],
)
def test_fetches_from_others(tmp_path: Path, purpose: Purpose, source: str, ahead: bool) -> None:
    recorder = Recorder(at(0.0))
    asked = act.FetchPeer(
        fetch=1, key=K, node="b1", address=("10.0.0.2", 1), purpose=purpose, ring_id="r", timeout_s=1.0
    )
    recorder.taken(ev.Tick(), [asked], at(1.0))
    recorder.taken(ev.FetchDone(fetch=1, outcome=FetchOutcome.NOT_HELD), [], at(2.0))
    recorder.taken(ev.FetchDone(fetch=77, outcome=FetchOutcome.OK), [], at(2.0))  # never seen to begin
    (found,) = lived(tmp_path, recorder.take())
    assert found.what == Fetch(K, source, ahead, "not_held", 0, "", None, 0.0)


EVENTS = [
    ev.AccessBatch(accesses=(Access(K, key_hash(K), 5, True, b"c"), Access(L, key_hash(L), 6, False, b""))),
    ev.Timed(source=Source.LOCAL, mean_s=0.25, count=3),
    ev.LoadSampled(load=Load(cpu=0.5, memory=0.25, network=0.125, loop_lag_s=0.75)),
    ev.Join(seeds=(("10.0.0.2", 7946), ("10.0.0.3", 7946))),
    ev.Drain(zone="eu"),
    ev.Undrain(zone="eu"),
    ev.Pause(paused=True),
    ev.Forget(node="x"),
    ev.Stop(kind=ev.StopKind.LEAVE),
    ev.Invalidate(dependency="shop", key=b"\xff"),
    ev.Invalidate(dependency="shop", key=None),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_other_events_come_back_whole(tmp_path: Path, event: ev.Event) -> None:
    recorder = Recorder(at(0.0))
    recorder.taken(event, [], at(3.0))
    assert lived(tmp_path, recorder.take()) == [Happening(1003.0, event)]


def test_hits_of_the_hot_lane_are_reads_again(tmp_path: Path) -> None:
    recorder = Recorder(at(0.0))
    uses = (LocalUse(K, key_hash(K), 3), LocalUse(L, key_hash(L), 1))
    recorder.taken(ev.LocalHits(uses=uses, steps=(Step(K, key_hash(K), b"c"),)), [], at(1.0))
    whats = [one.what for one in lived(tmp_path, recorder.take())]
    assert whats == [Use(K, b"c", True), Use(K, b"", True), Use(K, b"", True), Use(L, b"", True)]


def test_what_has_no_room_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    monkeypatch.setattr(module, "MAX_OPEN", 1)
    recorder = Recorder(at(0.0))
    for request in range(5):
        recorder.taken(
            ev.Read(request=request, key=K), [act.FetchOrigin(fetch=request, key=K, timeout_s=1.0)], at(1.0)
        )
    assert (recorder.dropped, recorder.rows, len(recorder.take())) == (2, 3, 3)
    for request in range(5):  # of those under way one was remembered
        recorder.taken(ev.FetchDone(fetch=request, outcome=FetchOutcome.OK), [], at(2.0))
    assert len(recorder.take()) == 1


@pytest.mark.parametrize(
    "row",
    [
        ["?", 1.0],
        [],
        ["r", "soon", "d", b"k", b"", True],
        ["c", 1.0, "explode"],
        ["h", 1.0, [["d", b"k", -1, 2]], []],
    ],
)
def test_rows_that_mean_nothing_are_refused(tmp_path: Path, row: list[Any]) -> None:
    with pytest.raises(JournalError, match="journal of a1: a row means nothing"):
        lived(tmp_path, [msgpack.unpackb(msgpack.packb(row))])


def test_a_life_without_a_last_word_was_ended_by_force(tmp_path: Path) -> None:
    lived(tmp_path, [], until_s=4.5, dropped=2, account=[10, 5, 4.0])
    (life,) = read_journal([tmp_path / "day"]).lives
    assert (life.ended, life.end_s, life.dropped, life.account.requests) == ("killed", 1004.5, 2, 10)
    lived(tmp_path, [], kind="end", until_s=5.0, how="leave")
    (life,) = read_journal([tmp_path / "day"]).lives
    assert (life.ended, life.end_s, life.node) == ("leave", 1005.0, "a1")


def test_keys_are_any_bytes(tmp_path: Path) -> None:
    odd = InstanceKey("shop", bytes(range(256)))
    recorder = Recorder(at(0.0))
    recorder.taken(ev.Read(request=1, key=odd), [], at(0.0))
    assert lived(tmp_path, recorder.take())[0].what == Use(odd, b"", False)
