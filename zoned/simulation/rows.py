"""Lines of a recorded day, one `Row` each, whatever wrote them: our CSV, Apache and nginx, Envoy.

A row is what all of them have in common: when, where, what, how big, for whom. Two attitudes meet here. A
CSV of ours was made on purpose, so its first mistake is an error that names file and line. An access log was
made by a server in production, with truncated lines, probes and other methods in it, so a line that is no
cacheable read is skipped and counted; only a file in which most lines mean nothing is an error.

Rejected: pandas (a large dependency for four columns, and its errors do not name the line).
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from zoned.core.errors import ZonedError

CACHEABLE_STATUS = frozenset({"200", "203", "206", "304"})
"""Answers that a cache could have given: a whole or partial body, or "you have it already"."""
COLUMNS = ("ts", "zone", "object", "size", "req")
_FAR_S = 1e11  # the year 5138: no log of seconds is that far from 1970
_GROUPS = 1.1  # accesses a request id: with fewer, it groups nothing
MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}


class TraceError(ZonedError):
    """A trace that cannot be read; says the file, the line, what was expected and what was there."""


class Row(NamedTuple):
    """One access as its file tells it; ``zone`` and ``dependency`` None where the file does not say."""

    line: int
    ts: float  # Unix seconds
    zone: str | None
    dependency: str | None
    object: str
    size: int
    client: str


class Skipped:
    """How many lines of the log files were no cacheable reads, and where the first meaningless one was."""

    __slots__ = ("first_bad", "lines", "meaningless", "other")

    def __init__(self) -> None:
        self.lines = 0
        self.other = 0  # another method, another status
        self.meaningless = 0
        self.first_bad = ""


Reader: TypeAlias = Callable[[Iterable[str], str, Skipped], Iterator[Row]]


def csv_rows(lines: Iterable[str], name: str, skipped: Skipped) -> Iterator[Row]:
    """Rows of ``ts,zone,object,size,req``. With a header, columns go by name and zone, size, req may lack."""
    reader = csv.reader(lines, strict=True)
    columns: dict[str, int] | None = None
    try:
        for fields in reader:
            if not fields:
                continue
            if columns is None:
                columns = _columns(fields, name)
                if fields[0] in COLUMNS:
                    continue
            yield _csv_row(fields, columns, name, reader.line_num)
    except csv.Error as error:
        raise TraceError(f"{name}:{reader.line_num}: not CSV: {error}") from error


def _columns(first: list[str], name: str) -> dict[str, int]:
    """Which column is where: by the header if the first line is one, else in the order of `COLUMNS`."""
    if first[0] not in COLUMNS:
        if len(first) != len(COLUMNS):
            raise TraceError(
                f"{name}:1: expected the columns {','.join(COLUMNS)}, got {len(first)} fields"
                f" ({','.join(first)[:80]!r}) (another kind of log? see --format)"
            )
        return {column: index for index, column in enumerate(COLUMNS)}
    unknown = [column for column in first if column not in COLUMNS]
    missing = [column for column in ("ts", "object") if column not in first]
    if unknown or missing or len(set(first)) != len(first):
        raise TraceError(
            f"{name}:1: expected the columns {','.join(COLUMNS)} (zone, size and req may be left"
            f" out), got {','.join(first)[:120]!r}"
        )
    return {column: index for index, column in enumerate(first)}


def _csv_row(fields: list[str], columns: dict[str, int], name: str, line: int) -> Row:
    if len(fields) != len(columns):
        raise TraceError(f"{name}:{line}: expected {len(columns)} fields, got {len(fields)}")
    text = fields[columns["ts"]]
    try:
        ts = float(text)
    except ValueError:
        ts = math.nan
    if not abs(ts) < _FAR_S:
        hint = "; milliseconds?" if abs(ts) < math.inf else ""
        raise TraceError(
            f"{name}:{line}: ts: expected Unix seconds, got {text[:40]!r} (example 1381638648{hint})"
        )
    size_at, zone_at, client_at = columns.get("size"), columns.get("zone"), columns.get("req")
    zone = fields[zone_at] if zone_at is not None else None
    if zone is not None and not (zone and zone.isprintable()):
        raise TraceError(f"{name}:{line}: zone: expected a name, got {zone[:40]!r} (example eu-west-1)")
    text = fields[size_at] if size_at is not None else "1"
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise TraceError(f"{name}:{line}: size: expected bytes, got {text[:40]!r} (example 14150)")
    client = fields[client_at] if client_at is not None else ""
    return Row(line, ts, zone, None, fields[columns["object"]], int(text), client)


_COMBINED = re.compile(
    r"(?P<client>\S+) \S+ .*?\[(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):"
    r'(?P<time>\d\d:\d\d:\d\d) (?P<offset>[+-]\d{4})\] "(?P<method>[A-Z]+) (?P<target>\S+)(?: HTTP/[\d.]+)?"'
    r" (?P<status>\d{3}) (?P<size>\d+|-)"
)


def combined_rows(lines: Iterable[str], name: str, skipped: Skipped) -> Iterator[Row]:
    """Rows of the Common or Combined Log Format (Apache, nginx): the object is the request target."""
    for number, line in enumerate(lines, start=1):
        skipped.lines += 1
        found = _COMBINED.match(line)
        ts = _combined_time(found) if found is not None else None
        if found is None or ts is None:
            where = f"{name}:{number}"
            _meaningless(skipped, f"{where}: not a line of the combined log format: {line.strip()[:80]!r}")
        elif found["method"] != "GET" or found["status"] not in CACHEABLE_STATUS:
            skipped.other += 1
        else:
            size = 0 if found["size"] == "-" else int(found["size"][:15])
            yield Row(number, ts, None, None, found["target"].partition("#")[0], size, found["client"])


def _combined_time(found: re.Match[str]) -> float | None:
    month = MONTHS.get(found["month"], 0)  # month 0 is no date
    text = f"{found['year']}-{month:02}-{found['day']}T{found['time']}{found['offset']}"
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def envoy_rows(lines: Iterable[str], name: str, skipped: Skipped) -> Iterator[Row]:
    """Rows of Envoy's JSON access log with the usual field names (as Istio and Contour write it).

    The client is the request id where it groups the calls that one request caused. At the edge each request
    has its own; there, and where there is none, it is the remote address. The dependency, for
    ``--dep-prefix``, is ``upstream_cluster``.
    """
    found = list(_envoy_reads(lines, name, skipped))
    requests = {row.client for row, _ in found}
    grouped = len(found) >= _GROUPS * len(requests)
    for row, address in found:
        yield row if grouped and row.client else row._replace(client=address)


def _envoy_reads(lines: Iterable[str], name: str, skipped: Skipped) -> Iterator[tuple[Row, str]]:
    """Each read, its client the request id, and the address it came from."""
    for number, line in enumerate(lines, start=1):
        skipped.lines += 1
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        row = _envoy_row(record, number) if isinstance(record, dict) else None
        if row is None:
            where = f"{name}:{number}"
            _meaningless(skipped, f"{where}: not a line of Envoy's JSON access log: {line.strip()[:80]!r}")
        elif record["method"] != "GET" or str(record["response_code"]) not in CACHEABLE_STATUS:
            skipped.other += 1
        else:
            yield row, _address(record)


def _address(record: dict[str, object]) -> str:
    """Of whoever asked first, without the port: a browser has several connections."""
    forwarded, remote = record.get("x_forwarded_for"), record.get("downstream_remote_address")
    if isinstance(forwarded, str) and forwarded:
        return forwarded.partition(",")[0].strip()
    return str(remote or "").rpartition(":")[0] or str(remote or "")


def _envoy_row(record: dict[str, object], number: int) -> Row | None:
    path = record.get("path") or record.get("x_envoy_origin_path")
    cluster = record.get("upstream_cluster")
    clients = (record.get(field) for field in ("request_id", "x_request_id"))
    if not isinstance(path, str) or "method" not in record or "response_code" not in record:
        return None
    try:
        moment = datetime.fromisoformat(str(record.get("start_time")))
        if moment.tzinfo is None:  # %START_TIME% is UTC, and says so unless its format was changed
            moment = moment.replace(tzinfo=UTC)
        ts, size = moment.timestamp(), int(str(record.get("bytes_sent") or 0))
    except (ValueError, OverflowError):
        return None
    client = next((str(value) for value in clients if value), "")
    dependency = cluster if isinstance(cluster, str) else None
    return Row(number, ts, None, dependency, path.partition("#")[0], max(0, size), client)


def _meaningless(skipped: Skipped, where: str) -> None:
    skipped.meaningless += 1
    skipped.first_bad = skipped.first_bad or where


def kind_of(first: Iterable[str]) -> str:
    """Which of `READERS` a file is for, by its first lines, of which one may be torn."""
    for line in first:
        if line.lstrip().startswith("{"):
            return "envoy"
        if _COMBINED.match(line):
            return "combined"
    return "csv"


READERS: dict[str, Reader] = {"csv": csv_rows, "combined": combined_rows, "envoy": envoy_rows}
