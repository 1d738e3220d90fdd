"""The state file: whole or not there, whatever happens while it is written."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import StateError
from zoned.daemon import state as module
from zoned.daemon.state import MAGIC, DataDirError, StateFile, decode, encode, write_atomically

OLD, NEW = {"n": 1, "pad": b"o" * 4000}, {"n": 2, "pad": b"n" * 9000}


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.binary() | st.text(),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=5,
        ),
    )
)
def test_what_is_encoded_is_decoded(state: dict[str, Any]) -> None:
    assert decode(encode(state)) == state


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_escapes(data: bytes) -> None:
    with pytest.raises(StateError):
        decode(data)


@given(st.integers(0, 10**9), st.integers(1, 255))
def test_any_flipped_byte_and_any_missing_end_is_noticed(at: int, flip: int) -> None:
    whole = encode(OLD)
    broken = bytearray(whole)
    broken[at % len(whole)] ^= flip
    with pytest.raises(StateError):
        decode(bytes(broken))
    with pytest.raises(StateError):
        decode(whole[: at % len(whole)])


def test_a_later_format_and_a_value_that_is_no_table_are_refused() -> None:
    later = encode(OLD).replace(MAGIC + b"\x00\x01", MAGIC + b"\x00\x02")
    with pytest.raises(StateError, match="format 2"):
        decode(later)
    with pytest.raises(StateError, match="holds a list"):
        decode(encode([1, 2]))  # type: ignore[arg-type]


class Crash(Exception):
    """The power goes."""


class CrashingOs:
    """``os``, until a number of its writing calls were made; then the power goes. A write stops half way."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in ("open", "write", "fsync", "rename"):
            return real

        def call(*args: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                if name == "write":
                    os.write(args[0], args[1][: len(args[1]) // 2])
                raise Crash(name)
            return real(*args)

        return call


@pytest.mark.parametrize("before", [None, OLD])
@pytest.mark.parametrize("calls", range(8))
def test_a_crash_after_any_step_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int, before: dict[str, Any] | None
) -> None:
    path = tmp_path / "state"
    if before is not None:
        write_atomically(path, encode(before))
    monkeypatch.setattr(module, "os", CrashingOs(calls))
    crashed = False
    try:
        write_atomically(path, encode(NEW))
    except Crash:
        crashed = True
    monkeypatch.undo()
    found = decode(path.read_bytes()) if path.exists() else None
    assert found in (before, NEW)
    if not crashed:
        assert found == NEW
    write_atomically(path, encode(OLD))  # what the crash left behind is in nobody's way
    assert decode(path.read_bytes()) == OLD


WRITER = """
import sys
from pathlib import Path
from zoned.daemon.state import encode, write_atomically
number = 0
while True:
    number += 1
    write_atomically(Path(sys.argv[1]), encode({"n": number, "pad": b"x" * 300_000}))
    print(number, flush=True)
"""


def test_kill_9_at_any_moment_leaves_a_whole_state(tmp_path: Path) -> None:
    path, chance = tmp_path / "state", random.Random(5)
    for _ in range(8):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        written = 0
        for _ in range(chance.randint(1, 40)):
            written = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        assert decode(path.read_bytes())["n"] >= written


@pytest.fixture
def state_file(tmp_path: Path) -> Any:
    file = StateFile(tmp_path / "data")
    yield file
    file.close()


def test_a_fresh_directory_is_made_and_has_no_state(state_file: StateFile) -> None:
    assert state_file.load() is None
    asyncio.run(state_file.save(OLD))
    assert state_file.load() == OLD
    assert state_file.saved_bytes == len(encode(OLD))


def test_a_corrupt_file_is_set_aside_and_the_next_start_is_fresh(state_file: StateFile) -> None:
    state_file.path.write_bytes(b"not ours")
    with pytest.raises(StateError):
        state_file.load()
    aside = state_file.set_aside(1700000000.5)
    assert aside.name == "state.corrupt-1700000000"
    assert aside.read_bytes() == b"not ours"
    assert state_file.load() is None


def test_a_second_agent_is_kept_out(state_file: StateFile) -> None:
    with pytest.raises(DataDirError, match="in use by another agent"):
        StateFile(state_file.path.parent)


def test_a_directory_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirError, match="cannot use data directory .*file/data: Not a directory"):
        StateFile(tmp_path / "file" / "data")
