"""Which line of a TOML file a key stands on: tomllib does not say, and an operator needs to know.

A second, much smaller reader walks over the text: it only knows strings, comments, brackets, headers and
``key =`` at depth 0, which is enough because tomllib has already accepted the file. Where it should be
wrong after all, an error message shows the line of the section or of the file's start; no value ever
comes from here. Rejected: a round-trip TOML library, a dependency for one number.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]

# What may hide brackets, '=' and '#': strings first, the long ones before the short ones.
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""' r"|'''.*?'''" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'" r"|#[^\n]*", re.DOTALL
)
_HEADER = re.compile(r"^[ \t]*(\[\[?)([^\[\]\n]+)\]\]?", re.MULTILINE)
_PART = r"""(?:"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_KEY = re.compile(rf"^[ \t]*({_PART}(?:[ \t]*\.[ \t]*{_PART})*)[ \t]*=")


def _blank(match: re.Match[str]) -> str:
    """Strings and comments lose their content but keep their length, lines and quotes at the ends."""
    found = match.group()
    inner = re.sub(r"[^\n]", "_", found[1:-1])
    return re.sub(r"[^\n]", " ", found) if found.startswith("#") else f"{found[0]}{inner}{found[-1]}"


def _parts(written: str) -> tuple[str, ...]:
    """``a."b.c"`` -> ("a", "b.c"), as tomllib itself reads it."""
    parts: list[str] = []
    table: object = tomllib.loads(f"{written} = 0")
    while isinstance(table, dict):
        (key, table), *_ = table.items()
        parts.append(key)
    return tuple(parts)


def _statements(text: str) -> Iterator[tuple[int, str, str]]:
    """(line number, line as written, line with strings blanked) for lines that begin at depth 0."""
    blanked = _STRING.sub(_blank, text)
    depth = 0
    in_string = False
    for number, (line, bare) in enumerate(zip(text.split("\n"), blanked.split("\n"), strict=True), start=1):
        if depth == 0 and not in_string:
            yield number, line, bare
        if _HEADER.match(bare) and depth == 0:
            continue
        in_string ^= bool(bare.count('"') % 2) ^ bool(bare.count("'") % 2)
        depth += sum(bare.count(mark) for mark in "[{") - sum(bare.count(mark) for mark in "]}")


def key_lines(text: str) -> Mapping[KeyPath, int]:
    """Line of every section and key: ``("ring", "replicas")``, ``("dependency", 0, "name")`` -> 1, 2, …"""
    found: dict[KeyPath, int] = {}
    counts: dict[tuple[str, ...], int] = {}
    section: KeyPath = ()
    for number, line, bare in _statements(text):
        header = _HEADER.match(bare)
        if header:
            parts = _parts(line[header.start(2) : header.end(2)])
            section = parts
            if header.group(1) == "[[":
                index = counts.get(parts, -1) + 1
                counts[parts] = index
                section = (*parts, index)
            elif parts[:1] in counts:  # [dependency.headers] belongs to the last [[dependency]]
                section = (parts[0], counts[parts[:1]], *parts[1:])
            found.setdefault(section, number)
        elif (key := _KEY.match(line)) is not None:
            full = (*section, *_parts(key.group(1)))
            for length in range(len(section) + 1, len(full) + 1):
                found.setdefault(full[:length], number)
    return found


def line_of(lines: Mapping[KeyPath, int], key: KeyPath) -> int:
    """The line of a key, or of the nearest thing around it that has one."""
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key, 1)
