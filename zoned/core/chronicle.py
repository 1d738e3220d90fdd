"""What happened lately to which instance here, for whoever asks why.

Two rings of fixed size: the reads that were answered, and what became of copies (came from where, for what
reason; not kept; had to go; invalidated). ``explain`` picks out one instance's rows. Nothing decides by it,
so it has to be small: rows are packed, and what became of a copy is said in texts that many rows share,
beside the name of another instance where one was to blame.

Rejected: a list for each instance (its size is that of the traffic, not of what anybody asks about), and the
log (an agent that writes a line for each read is busy writing).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from struct import Struct
from sys import intern
from typing import Any

from zoned.core.names import InstanceKey, Instant, KeyHash, NodeName
from zoned.core.records import Reason, Source

_READS, _FATES = 8192, 4096
_READ = Struct("<QdIB")  # hash, mono seconds, times, source
_FATE = Struct("<Qd")  # hash, mono seconds
_SOURCES = tuple(Source)
_MOST_TIMES = 0xFFFFFFFF
_OFTEN = 4  # of the same are told as one


class _Ring:
    """The last so many rows of one layout, packed into bytes."""

    __slots__ = ("_most", "_next", "_rows", "_struct", "pack")

    def __init__(self, struct: Struct, most: int) -> None:
        self._struct = struct
        self.pack = struct.pack
        """Makes a row of its values."""
        self._most = most * struct.size
        self._rows = bytearray()
        self._next = 0  # where the next row goes, and once it is full: the oldest one is

    def append(self, row: bytes) -> None:
        """[hot] One more; the oldest goes."""
        at = self._next
        if len(self._rows) < self._most:
            self._rows += row
        else:
            after = at + len(row)
            self._rows[at:after] = row
            self._next = after if after < self._most else 0

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The oldest first."""
        rows = self._rows[self._next :] + self._rows[: self._next]
        return self._struct.iter_unpack(bytes(rows))


class Chronicle:
    """The last reads and the last fates of copies. About 300 KB when both are full, and the names."""

    def __init__(self) -> None:
        self._reads = _Ring(_READ, _READS)
        self._fates = _Ring(_FATE, _FATES)
        self._told: deque[str | InstanceKey] = deque(
            maxlen=_FATES
        )  # in step; a name: it had to go for that one
        self._texts: dict[tuple[str, NodeName, str, bool], str] = {}  # of copies that came

    def read(self, key_hash: KeyHash, source: Source, times: int, now: Instant) -> None:
        """[hot] So many reads were answered from there."""
        code = 0 if source is Source.LOCAL else _SOURCES.index(source)
        row = self._reads.pack(key_hash, now[0], times if times < _MOST_TIMES else _MOST_TIMES, code)
        self._reads.append(row)

    def came(
        self, key_hash: KeyHash, reason: Reason, source: Source, node: NodeName, kept: bool, now: Instant
    ) -> None:
        """A fetch brought a copy."""
        came = source._value_, node, reason._value_, kept  # of names: an Enum's own hash takes longer
        text = self._texts.get(came)
        if text is None:
            if len(self._texts) >= _FATES:
                self._texts.clear()
            text = self._texts[came] = _coming(reason, source, node, kept)
        self._note(key_hash, text, now)

    def failed(self, key_hash: KeyHash, reason: Reason, outcome: str, now: Instant) -> None:
        """A fetch brought nothing."""
        self._note(key_hash, intern(f"could not be fetched for {reason.value}: {outcome}"), now)

    def went(self, key_hash: KeyHash, why: str, now: Instant) -> None:
        """A copy is gone; ``why`` in one of a few texts."""
        self._note(key_hash, why, now)

    def gave_way(self, key_hash: KeyHash, newcomer: InstanceKey, now: Instant) -> None:
        """A copy had to go for another one."""
        self._note(key_hash, newcomer, now)

    def of(self, key_hash: KeyHash, now: Instant) -> list[str]:
        """That instance's part, the oldest first; reads, and what happened over and over, are summed up."""
        fates: dict[str, list[tuple[float, str]]] = {}
        for (one, at_s), what in zip(self._fates, self._told, strict=True):
            if one == key_hash:
                fates.setdefault(_kind(what), []).append((now.mono_s - at_s, _told(what)))
        told = [(row[-1][0], _summed(row)) for row in fates.values() if len(row) >= _OFTEN]
        told += [
            (ago_s, f"{ago_s:.0f} s ago: {text}")
            for few in fates.values()
            if len(few) < _OFTEN
            for ago_s, text in few
        ]
        lines = [text for _, text in sorted(told, key=lambda line: -line[0])]
        reads = [row for row in self._reads if row[0] == key_hash]
        if reads:
            counted: Counter[str] = Counter()
            for _, _, times, code in reads:
                counted[_SOURCES[code].value] += times
            answered = ", ".join(f"{times} from {name}" for name, times in sorted(counted.items()))
            first_s, last_s = now.mono_s - reads[0][1], now.mono_s - reads[-1][1]
            lines.append(
                f"read here in the last {first_s:.0f} s: {answered}; the last time {last_s:.0f} s ago"
            )
        return lines

    def _note(self, key_hash: KeyHash, what: str | InstanceKey, now: Instant) -> None:
        self._fates.append(self._fates.pack(key_hash, now[0]))
        self._told.append(what)


def _coming(reason: Reason, source: Source, node: NodeName, kept: bool) -> str:
    origin = f"the origin by way of {node}" if source is Source.HOME else "the origin"
    text = f"came from {node if source is Source.PEER else origin} for {reason.value}"
    return text if kept else f"{text}, not kept: worth less than what would have had to go for it"


def _summed(row: list[tuple[float, str]]) -> str:
    """What happened over and over in one line."""
    (first_s, _), (last_s, text) = row[0], row[-1]
    return f"{len(row)} times since {first_s:.0f} s ago, the last {last_s:.0f} s ago: {text}"


def _kind(what: str | InstanceKey) -> str:
    """What counts as the same happening."""
    return what if isinstance(what, str) else ""


def _told(what: str | InstanceKey) -> str:
    return what if isinstance(what, str) else f"had to go for {what.text()[:80]}"
