"""Writes an agent's journal: what its node is told, to a file, so that the day can be replayed.

The node is wrapped, so that nobody else knows of it. Rows wait in a list; twice a second a task has them
packed and written, in a thread. A journal is never worth an outage: a disk that refuses costs the rows of
that moment, with a warning when it begins and a counter; what was half written is cut off before the next
attempt. When the file has grown to its limit, recording ends with a warning, and the agent goes on.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoned.core.actions import Action
from zoned.core.events import Event
from zoned.core.names import Instant
from zoned.core.node import Node
from zoned.core.snapshot import Snapshot
from zoned.daemon.log import Log
from zoned.journal import JournalError, Recorder
from zoned.journal.frames import MAGIC, Frame, encode, whole_length
from zoned.journal.lives import FULL

FLUSH_S = 0.5


class RecordedNode:
    """The node as the driver knows it; a recorder sees what goes in and what comes out."""

    def __init__(self, node: Node, recorder: Recorder) -> None:
        self._node, self._recorder = node, recorder
        self.next_deadline = node.next_deadline

    def handle(self, event: Event, now: Instant) -> list[Action]:
        """Take one event; return what is to be done, in order."""
        actions = self._node.handle(event, now)
        self._recorder.taken(event, actions, now)
        return actions

    def snapshot(self, now: Instant) -> Snapshot:
        """A frozen view."""
        return self._node.snapshot(now)

    def export_state(self) -> dict[str, Any]:
        """What should survive a restart."""
        return self._node.export_state()


class JournalFile:
    """One agent's journal, written until ``end`` or until it is full."""

    def __init__(
        self, path: Path, max_bytes: int, node: Node, began: Instant, begin: dict[str, Any], log: Log
    ) -> None:
        """``begin``: the first frame's content. The file is opened at the first write."""
        self.recorder = Recorder(began)
        self.counters = {"failures": 0, "lost_rows": 0, "bytes": 0}
        self._path, self._max_bytes = path, max_bytes
        self._node, self._log = node, log
        self._name, self._life = node.settings.node, int(began.wall_s * 1000)
        self._began_s = began.mono_s
        self._begin: dict[str, Any] | None = begin  # until it is written
        self._fd: int | None = None
        self._size = 0  # of whole frames
        self._failing = False
        self._writing = threading.Lock()  # a write whose task was cancelled goes on in its thread
        self.over = False
        """Nothing more is recorded: full, ended, or a file that is not ours."""

    async def keep(self, now: Callable[[], Instant]) -> None:
        """Write what there is, again and again, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush(now())

    async def flush(self, now: Instant, how: str = "") -> None:
        """Write the rows so far; with ``how``, also that the life ended so."""
        rows, dropped = self.recorder.take(), self.recorder.dropped
        if self.over:
            return
        self.recorder.dropped = 0
        line = self._node.tuner.ledger(self._node.observer.price)[0]
        content: dict[str, Any] = {
            "until_s": round(now.mono_s - self._began_s, 6),
            "rows": rows,
            "dropped": dropped,
            "account": [line.requests, line.hits, round(line.lru_hit_ratio * line.requests, 3)],
        }
        if how:
            content["how"] = how
        try:
            warning = await asyncio.to_thread(self._write, content, "end" if how else "rows")
            self._failing = False
        except JournalError as error:
            self.over = True
            warning = f"not recording: {error}"
        except OSError as error:
            self.counters["failures"] += 1
            self.counters["lost_rows"] += len(rows)
            self.recorder.dropped += dropped + len(rows)  # told with the next frame that can be written
            warning = "" if self._failing else f"cannot write the journal {self._path}: {error.strerror}"
            self._failing = True
        if warning:
            self._log.say("warning", "journal", warning)
        if how or self.over:
            self.close()

    def _write(self, content: dict[str, Any], kind: str) -> str:
        """In a thread: append a frame; a warning if that was the last one."""
        with self._writing:
            if self._fd is None:
                self._open()
            frames = encode(Frame(self._name, self._life, kind, content))
            if self._begin is not None:
                frames = encode(Frame(self._name, self._life, "begin", self._begin)) + frames
            if not self._size:
                frames = MAGIC + frames
            if self._size + len(frames) > self._max_bytes:
                return self._give_up(content)
            self._append(frames)
            self._begin = None
            return ""

    def _give_up(self, content: dict[str, Any]) -> str:
        """No more room: say so in the file (a few bytes), and stop."""
        self.over = True
        self.counters["lost_rows"] += len(content["rows"])
        if self._begin is None:
            last = {**content, "rows": [], "how": FULL, "dropped": len(content["rows"])}
            self._append(encode(Frame(self._name, self._life, "end", last)))
        return (
            f"the journal {self._path} would grow over {self._max_bytes} bytes (agent.journal_max):"
            f" nothing more is recorded"
        )

    def _open(self) -> None:
        whole = whole_length(self._path)
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise JournalError(f"{self._path}: another agent writes it; one file for each agent") from error
        self._fd, self._size = fd, whole

    def _append(self, data: bytes) -> None:
        assert self._fd is not None
        os.ftruncate(self._fd, self._size)  # what an attempt that failed left behind
        os.lseek(self._fd, self._size, os.SEEK_SET)
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        self._size += len(data)
        self.counters["bytes"] += len(data)

    def close(self) -> None:
        """Let the file go."""
        self.over = True
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
