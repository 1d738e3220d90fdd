"""A recorded day in memory: columns of plain lists, which a policy walks with one ``zip``.

Zones, instances and clients are small integers or shared values, numbered as they first appear, because a
replay walks a trace once per policy and compares far more often than it prints. 300,000 accesses take
about 25 MB and a second to read.

Time must not go back: servers log a request when it ends, so real logs are a little out of order, and files
of several zones are interleaved here. Rows are therefore sorted by time; rows of equal time keep the order
of their file (and of the files). Rejected: streaming from disk (the clairvoyant and the capacity, a share
of all objects, need the whole trace first) and numpy columns (each element read makes an object).
"""

from __future__ import annotations

import gzip
import io
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path

import numpy as np

from zoned.core.names import MAX_KEY_BYTES, Dependency, InstanceKey, Zone
from zoned.simulation.rows import READERS, Row, Skipped, TraceError, kind_of

__all__ = ["Trace", "TraceError", "read", "stem_of"]

STDIN = Path("-")
_SUFFIXES = (".gz", ".csv", ".log", ".json", ".jsonl", ".ndjson", ".txt")
_ROTATED = re.compile(r"(?<=\.log)[.-]\d{1,8}$")
"""``access.log.1`` and ``access.log-20261122`` are what ``access.log`` was before."""
_GZIP_MAGIC = b"\x1f\x8b"
_NOT_IN_NAMES = re.compile(r"[\s:/,\"\\\ud800-\udfff]+")
MAX_NAME = 128
"""Longest name of a dependency, as in the configuration."""
_LOOKED_AT = 10  # lines at the beginning of a file, to see what it is
_DAY_S = 86400.0
_HOLE_S = 30 * _DAY_S
_MOST_HOLES = 16
ONLY_ZONE = "default"
"""The zone of a single file that names none."""
SHARED_DEPENDENCY = "default"
"""The dependency of several files that are a zone each."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Accesses in the order of time; the columns have one element per access and equal lengths."""

    name: str
    ts: list[float]  # Unix seconds, never falling
    zones: list[int]  # index into zone_names
    objects: list[int]  # index into instances
    sizes: list[int]  # bytes, of this access
    clients: list[bytes]  # groups accesses of one client or request; b"" = unknown
    zone_names: tuple[Zone, ...]
    instances: tuple[InstanceKey, ...]
    object_sizes: list[int]  # the largest size seen per instance, at least 1
    skipped: int = 0  # lines of access logs that were no cacheable reads
    meaningless: int = 0  # those of them that were nothing of that format at all
    notes: tuple[str, ...] = ()  # what a reader should know of how it was read, a line each

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def dependencies(self) -> tuple[Dependency, ...]:
        """Every dependency that occurs, sorted."""
        return tuple(sorted({instance.dependency for instance in self.instances}))

    def busy_s(self) -> float:
        """From the first access to the last, without holes longer than all the rest: a clock that was wrong,
        or the days between two samples."""
        left_s = self.ts[-1] - self.ts[0] if self.ts else 0.0
        for gap_s in sorted(np.diff(self.ts).tolist(), reverse=True)[:_MOST_HOLES]:
            if gap_s <= left_s / 2:
                break
            left_s -= gap_s
        return left_s

    def warm_from(self, warmup: float) -> int:
        """The index of the first measured access."""
        return int(len(self.ts) * warmup)

    def windows(self, window_s: float) -> list[int]:
        """Per access, the number of the window it falls in, counted from the first access."""
        first = self.ts[0] if self.ts else 0.0
        return [int((ts - first) // window_s) for ts in self.ts]

    def capacity(self, share: float) -> int:
        """Objects per zone for a share of the unique objects (contract.md: at least 4)."""
        return max(4, int(len(self.instances) * share))

    def capacity_bytes(self, share: float) -> int:
        """Bytes per zone for a share of the bytes of all unique objects: at least four of the mean size."""
        total = sum(self.object_sizes)
        return max(-(-4 * total // max(1, len(self.object_sizes))), int(total * share))


def stem_of(path: Path) -> str:
    """A file's name without the endings that only say what kind of file it is; safe as a name of ours."""
    stem = "stdin" if path == STDIN else _ROTATED.sub("", path.name)
    while ending := next((s for s in _SUFFIXES if stem.endswith(s) and len(stem) > len(s)), ""):
        stem = _ROTATED.sub("", stem[: -len(ending)])
    return _as_dependency(stem)


def _stems(paths: Sequence[Path]) -> list[str]:
    """The name of each file's zone or dependency. Where all files are called the same (``eu/access.log``,
    ``us/access.log``), it is their directories that tell them apart."""
    stems = [stem_of(path) for path in paths]
    folders = [_as_dependency(path.absolute().parent.name) for path in paths]
    alike = len(paths) > 1 and len(set(stems)) == 1
    return folders if alike and len(set(folders)) > 1 else stems


def read(paths: Sequence[Path], kind: str | None = None, dep_prefix: bool = False) -> Trace:
    """Read one or several files into one trace.

    One file: its stem is the dependency, unless ``dep_prefix`` says that each object is ``dep:key``
    (for Envoy: that the upstream cluster names it). Several files without a zone column are one zone
    each, all of the dependency ``default``. ``kind`` is a key of `READERS`; None: each file's own, as
    it looks. Raises TraceError (an empty trace, too).
    """
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise TraceError(f"{twice}: given twice")
    builder = _Builder(len(paths) > 1, dep_prefix)
    for path, stem in zip(paths, _stems(paths), strict=True):
        skipped, lines = Skipped(), _lines(path)
        first = list(islice(lines, _LOOKED_AT))
        form = kind or kind_of(first)
        if dep_prefix and form == "combined":
            raise TraceError("--dep-prefix: a combined log does not name a dependency (use csv or envoy)")
        builder.file(stem, READERS[form](chain(first, lines), str(path), skipped), str(path))
        if skipped.meaningless * 2 > skipped.lines:
            raise TraceError(
                f"{skipped.first_bad} ({skipped.meaningless} of {skipped.lines} lines mean"
                f" nothing as {form}; another --format?)"
            )
        builder.skipped += skipped.other + skipped.meaningless
        builder.meaningless += skipped.meaningless
        if skipped.meaningless:
            builder.notes.append(f"{skipped.meaningless:,} lines mean nothing as {form}: {skipped.first_bad}")
    return builder.trace(", ".join(str(path) for path in paths))


def _lines(path: Path) -> Iterator[str]:
    """Lines of a plain or gzipped file, or of standard input. Bytes that are no UTF-8 survive as surrogates:
    a key is any bytes."""
    try:
        with io.BufferedReader(sys.stdin.buffer) if path == STDIN else path.open("rb") as raw:  # type: ignore[type-var]
            zipped = raw.peek(2)[:2] == _GZIP_MAGIC
            binary = gzip.GzipFile(fileobj=raw) if zipped else raw
            with io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
                yield from text
    except (OSError, EOFError, zlib.error) as error:
        raise TraceError(f"{path}: cannot be read: {error}") from error


def _as_dependency(name: str) -> Dependency:
    """The nearest name that a dependency may have."""
    return _NOT_IN_NAMES.sub("_", name)[:MAX_NAME] or SHARED_DEPENDENCY


def _as_bytes(text: str) -> bytes:
    """The bytes that `_lines` read; JSON may have brought lone surrogates of its own, kept as they are."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


class _Builder:
    """Collects the rows of all files, sorts them by time, gives numbers to names."""

    def __init__(self, several: bool, dep_prefix: bool) -> None:
        self.skipped = self.meaningless = 0
        self.notes: list[str] = []
        self._several = several
        self._dep_prefix = dep_prefix
        self._rows: list[tuple[float, str, InstanceKey, int, bytes]] = []

    def file(self, stem: str, rows: Iterable[Row], name: str) -> None:
        """Take the rows of one file."""
        instances: dict[tuple[str | None, str], InstanceKey] = {}
        clients: dict[str, bytes] = {}
        for row in rows:
            instance = instances.get((row.dependency, row.object))
            if instance is None:
                instance = self._instance(row, stem, f"{name}:{row.line}")
                instances[row.dependency, row.object] = instance
            client = clients.get(row.client)
            if client is None:
                client = clients[row.client] = _as_bytes(row.client)
            zone = row.zone if row.zone is not None else stem if self._several else ONLY_ZONE
            self._rows.append((row.ts, zone, instance, row.size, client))

    def _instance(self, row: Row, stem: str, where: str) -> InstanceKey:
        dependency, text = stem, row.object
        if self._several and row.zone is None:
            dependency = SHARED_DEPENDENCY
        if self._dep_prefix and row.dependency is not None:
            dependency = _as_dependency(row.dependency)
        elif self._dep_prefix:
            dependency, colon, text = text.partition(":")
            if not colon or not dependency or _as_dependency(dependency) != dependency:
                raise TraceError(
                    f"{where}: object: expected dep:key, got {row.object[:80]!r} (without"
                    f" --dep-prefix the whole object is the key)"
                )
        key = _as_bytes(text)
        if not 0 < len(key) <= MAX_KEY_BYTES:
            raise TraceError(f"{where}: object: expected 1 to {MAX_KEY_BYTES} bytes, got {len(key)}")
        return InstanceKey(dependency, key)

    def trace(self, name: str) -> Trace:
        """The finished trace."""
        rows = self._rows
        if not rows:
            raise TraceError(f"{name}: no accesses in it")
        rows.sort(key=lambda row: row[0])  # stable; one pass when already sorted
        ts = self._without_holes([row[0] for row in rows])
        zone_numbers: dict[str, int] = {}
        numbers: dict[InstanceKey, int] = {}
        zones = [zone_numbers.setdefault(row[1], len(zone_numbers)) for row in rows]
        objects = [numbers.setdefault(row[2], len(numbers)) for row in rows]
        largest = [1] * len(numbers)
        for number, row in zip(objects, rows, strict=True):
            if row[3] > largest[number]:
                largest[number] = row[3]
        return Trace(
            name=name,
            ts=ts,
            zones=zones,
            objects=objects,
            sizes=[row[3] for row in rows],
            clients=[row[4] for row in rows],
            zone_names=tuple(zone_numbers),
            instances=tuple(numbers),
            object_sizes=largest,
            skipped=self.skipped,
            meaningless=self.meaningless,
            notes=tuple(self.notes),
        )

    def _without_holes(self, ts: list[float]) -> list[float]:
        """The times, with less than a day where nothing happens for a month or more: agents would live
        through it, second by second. The time of day stays what it is."""
        shift_s, shifted, holes = 0.0, list[float](), list[str]()
        for number, at_s in enumerate(ts):
            gap_s = at_s - ts[number - 1] if number else 0.0
            if gap_s > _HOLE_S:
                shift_s += gap_s - gap_s % _DAY_S
                holes.append(f"{gap_s / _DAY_S:,.0f} days after {_date(ts[number - 1])}")
            shifted.append(at_s - shift_s)
        if holes:
            more = f", and in {len(holes) - 1} more such holes" if len(holes) > 1 else ""
            self.notes.append(
                f"nothing happens for {holes[0]}{more} (a wrong clock?): what follows is played as if it were"
                f" the next day, so its dates are too early here"
            )
        return shifted


def _date(ts: float) -> str:
    try:
        return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return f"{ts:.0f}"
