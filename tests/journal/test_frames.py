"""The journal's file: whole frames are read, torn ends counted, everything else refused in one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoned.journal import JournalError, is_journal, merge, read_journal
from zoned.journal.frames import MAGIC, Frame, Torn, encode, read_frames, whole_length

FRAMES = [
    Frame("a1", 7, "rows", {"rows": [["r", 0.5, "shop", b"k\xff", b"", True]]}),
    Frame("b1", 9, "end", {}),
]


def journal(path: Path, frames: list[Frame], tail: bytes = b"") -> Path:
    path.write_bytes(MAGIC + b"".join(map(encode, frames)) + tail)
    return path


def test_frames_come_back_in_order(tmp_path: Path) -> None:
    path, torn = journal(tmp_path / "day", FRAMES), Torn()
    assert list(read_frames(path, torn)) == FRAMES and torn.bytes == 0
    assert is_journal(path) and whole_length(path) == path.stat().st_size


@pytest.mark.parametrize("cut", range(1, len(encode(FRAMES[1]))))
def test_a_torn_end_is_counted_and_the_rest_is_read(tmp_path: Path, cut: int) -> None:
    path = journal(tmp_path / "day", FRAMES[:1], encode(FRAMES[1])[:cut])
    torn = Torn()
    assert list(read_frames(path, torn)) == FRAMES[:1] and torn.bytes == cut
    assert whole_length(path) == path.stat().st_size - cut


def test_merging_keeps_whole_frames_only(tmp_path: Path) -> None:
    one = journal(tmp_path / "one", FRAMES[:1], b"torn")
    two = journal(tmp_path / "two", FRAMES[1:])
    size = merge([one, two], tmp_path / "both")
    torn = Torn()
    assert list(read_frames(tmp_path / "both", torn)) == FRAMES and torn.bytes == 0
    assert (tmp_path / "both").stat().st_size == size


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"ts,zone,object\n", "not a journal of zoned"),
        (b"", "not a journal of zoned"),
        (b"ZONEDJ9\n", "another version"),
        (MAGIC, "no agent recorded anything"),
        (MAGIC + encode(FRAMES[0]), "does not begin with its agent's start"),
        (MAGIC + encode(Frame("a1", 7, "begin", {"format": 3, "version": "9"})), "replay it with zoned 9"),
        (MAGIC + encode(Frame("a1", 7, "begin", {"format": 1})), "its beginning means nothing"),
    ],
)
def test_what_is_no_journal_is_refused_by_name(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "day.zj"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=said) as refused:
        read_journal([path])
    assert str(path) in str(refused.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.integers(0, 200), st.integers(1, 255))
def test_damage_never_surprises(tmp_path: Path, tail: bytes, at: int, flip: int) -> None:
    data = bytearray(MAGIC + b"".join(map(encode, FRAMES)) + tail)
    data[at % len(data)] ^= flip
    path = tmp_path / "day"
    path.write_bytes(data)
    with pytest.raises(JournalError):  # no frame begins a life
        read_journal([path])
