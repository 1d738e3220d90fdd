"""The agent's log: one flushed line per event on stderr, as text or as JSON.

The words of membership lines are an interface (contract.md): playbooks and the pool benchmark read them, so
the core writes them as ``Note`` actions and this file only sets them on a line. Text is
``2026-11-22T10:41:07.123Z INFO member up eu1``; JSON is ``{"ts", "level", "event", "text", ...fields}``.

Flushed per line, because readers stamp lines on arrival. Under systemd (``JOURNAL_STREAM`` set) text lines
open with the ``<N>`` priority that journald understands. The standard library's records (aiohttp, asyncio)
are led into the same lines; their tracebacks follow, indented. Rejected: ``logging`` for our own events as
well. It costs 10 us a record, knows no stable event names, and needs a formatter class to lose its own fields
again.
"""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from typing import Literal, TextIO

from zoned.core.actions import Note

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_PRIORITY = {"debug": "<7>", "info": "<6>", "warning": "<4>", "error": "<3>"}


class Log:
    """Writes notes to a stream; ``counts`` has the lines written per level."""

    def __init__(
        self,
        stream: TextIO,
        form: Literal["text", "json"] = "text",
        level: str = "info",
        journal: bool | None = None,
    ) -> None:
        """``journal``: prefix priorities; None asks the environment, as systemd tells it."""
        self._stream = stream
        self._json = form == "json"
        self._least = LEVELS[level]
        self._journal = "JOURNAL_STREAM" in os.environ if journal is None else journal
        self.counts: dict[str, int] = dict.fromkeys(LEVELS, 0)

    def note(self, note: Note, wall_s: float) -> None:
        """Write one note, made at ``wall_s`` (Unix seconds)."""
        level = note.level if note.level in LEVELS else "error"
        self.counts[level] += 1
        if LEVELS[level] < self._least:
            return
        ts = datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        if self._json:
            record = {"ts": ts, "level": level, "event": note.event, "text": note.text, **dict(note.fields)}
            line = json.dumps(record, ensure_ascii=False)
        else:
            text = note.text.replace("\n", "\n    ")
            line = f"{_PRIORITY[level] if self._journal else ''}{ts} {level.upper()} {text}"
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads our log any more; that is no reason to stop serving

    def say(self, level: str, event: str, text: str, **fields: str | int | float) -> None:
        """Write a line of the daemon's own, made now."""
        note = Note(level=level, event=event, text=text, fields=tuple(fields.items()))
        self.note(note, datetime.now(UTC).timestamp())


class LibraryRecords(logging.Handler):
    """Leads the standard library's log records (aiohttp, asyncio) into our lines."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """One record; a traceback stays with its line."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        level = record.levelname.lower()
        known = level if level in LEVELS else "error"
        self._log.say(known, "library", f"{record.name}: {text}", logger=record.name)
