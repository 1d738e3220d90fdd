"""Values with a unit: durations, sizes, rates, moments.

Durations and sizes carry their unit, because ``timeout = 30`` has been read as seconds, milliseconds
and minutes by three people in one team. A bare 0 needs none.
"""

from __future__ import annotations

import re
from datetime import datetime

from zoned.config.kinds import (
    Kind,
    Wrong,
    as_float,
    check_within,
    limits_text,
    number_of,
    quoted,
    string_of,
)

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BYTES |= {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_SIZE = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(_BYTES)})")


def seconds_of(written: str) -> float:
    """``"1h30m"`` -> 5400.0. Units: ms s m h d w."""
    spans = list(_DURATION.finditer(written.replace(" ", "")))
    if not spans or "".join(span.group() for span in spans) != written.replace(" ", ""):
        raise Wrong
    return sum(float(span[1]) * _SECONDS[span[2]] for span in spans)


def duration_text(seconds: float) -> str:
    """5400.0 -> ``"90m"``: the largest unit that gives a whole number."""
    for unit in ("w", "d", "h", "m", "s", "ms"):
        count = seconds / _SECONDS[unit]
        if seconds and abs(count - round(count)) < 1e-9:
            return f"{round(count)}{unit}"
    return f"{seconds:.9g}s"


def duration(
    low: float | None = 0.0, high: float | None = None, example: str = "30s", *, above: bool = False
) -> Kind:
    """Seconds, written with a unit. A bare 0 is allowed where 0 is."""

    def parse(value: object) -> float:
        seconds = 0.0 if value == 0 and not isinstance(value, bool) else seconds_of(string_of(value))
        check_within(seconds, low, high, above)
        return seconds

    expects = "a duration" + limits_text(low, high, above, lambda s: duration_text(s) if s else "0")
    return Kind(
        expects=expects, example=quoted(example), parse=parse, render=lambda v: quoted(duration_text(v))
    )


def part_of_an_hour() -> Kind:
    """A duration that fits a whole number of times into an hour."""
    plain = duration(1.0, 3600.0)

    def parse(value: object) -> float:
        seconds = float(plain.parse(value))
        if 3600 % seconds:
            raise Wrong
        return seconds

    expects = "a duration from 1s to 1h that divides an hour"
    return Kind(expects=expects, example='"1m"', parse=parse, render=plain.render)


def bytes_of(written: str) -> int:
    """``"64MiB"`` -> 67108864."""
    found = _SIZE.fullmatch(written.strip())
    if not found:
        raise Wrong
    return int(float(found[1]) * _BYTES[found[2]])


def size_text(size: float) -> str:
    """67108864 -> ``"64MiB"``: the largest binary unit that gives a whole number."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _BYTES[unit] == 0:
            return f"{int(size) // _BYTES[unit]}{unit}"
    return f"{int(size)}B"


def size(low: int = 1, example: str = "64MiB", *, high: int | None = None) -> Kind:
    """Bytes, written with a unit."""

    def parse(value: object) -> int:
        found = bytes_of(string_of(value))
        check_within(found, low, high, False)
        return found

    expects = "a size" + limits_text(low, high, False, size_text)
    return Kind(expects=expects, example=quoted(example), parse=parse, render=lambda v: quoted(size_text(v)))


def rate(unit: str, example: str) -> Kind:
    """More than 0 bytes (``unit`` "B") or things per second: ``"10MiB/s"``, ``"50/s"``, ``"30/m"``."""

    def parse(value: object) -> float:
        head, slash, per = string_of(value).partition("/")
        if not slash or per.strip() not in ("s", "m", "h"):
            raise Wrong
        amount = float(bytes_of(head)) if unit == "B" else number_of(as_float(head))
        check_within(amount, 0, None, True)
        return amount / _SECONDS[per.strip()]

    def render(value: float) -> str:
        return quoted(f"{size_text(value) if unit == 'B' else format(value, '.15g')}/s")

    what = "a rate > 0 in bytes per second" if unit == "B" else f"a rate > 0 of {unit} per second"
    return Kind(expects=what, example=quoted(example), parse=parse, render=render)


def moment() -> Kind:
    """A Unix time: a number of seconds, or RFC 3339 with a zone offset."""

    def parse(value: object) -> float:
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise Wrong from None
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise Wrong
            return value.timestamp()
        return number_of(value)

    expects = "a Unix time in seconds, or a date and time with an offset"
    return Kind(
        expects=expects,
        example='"2026-03-02T06:00:00Z"',
        parse=parse,
        from_text=as_float,
        render=lambda v: "0.0" if v is None else f"{v!r}",
    )
