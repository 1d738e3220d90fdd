"""What a value in the configuration may be: numbers, words, lists (see ``units`` and ``addresses`` too).

A *kind* is four things that must agree: what to tell a person who got it wrong, how to read a TOML value,
how to read the same from an environment variable or flag (always text), and how to write it back for
``zoned config show``. Keeping the four together means that the message, the parser and the printed
defaults cannot drift apart. Rejected: a validation library; it would bring its own message form, and
tomllib's missing line numbers would still be ours to find.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_POOL = re.compile(r"[A-Za-z0-9._-]{0,64}")
_LABEL = re.compile(r"[A-Za-z0-9._-]{0,255}")
_DEPENDENCY = re.compile(r"[^\s:/,\"\\]{1,128}")


class Wrong(Exception):
    """The value is not of its kind. ``expected`` replaces the kind's own words where it is set."""

    def __init__(self, expected: str = "") -> None:
        super().__init__(expected)
        self.expected = expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of value; see the module's docstring."""

    expects: str
    example: str
    parse: Callable[[object], Any]
    """A TOML value -> ours, or Wrong."""
    from_text: Callable[[str], object] = str
    """Text of a variable or flag -> what the TOML would have held."""
    render: Callable[[Any], str] = lambda value: quoted(str(value))
    """Ours -> TOML text."""


def quoted(text: str) -> str:
    """A TOML string; JSON's escapes are TOML's too."""
    return json.dumps(text, ensure_ascii=False)


def shown(value: object) -> str:
    """A value as an operator wrote it, cut to a line."""
    if isinstance(value, dict):
        return "a table"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."


# ---- scalars ------------------------------------------------------------------------------------


def whole_of(value: object) -> int:
    """A whole number, which true and false are not."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong
    return value


def number_of(value: object) -> float:
    """A number, whole or not."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Wrong
    return float(value)


def string_of(value: object) -> str:
    """A string."""
    if not isinstance(value, str):
        raise Wrong
    return value


def as_int(text: str) -> object:
    """Text of a variable or flag as TOML would have it: an int, or still text, which is then Wrong."""
    try:
        return int(text.replace("_", ""))
    except ValueError:
        return text


def as_float(text: str) -> object:
    """The same for any number."""
    try:
        return float(text)
    except ValueError:
        return text


def _as_bool(text: str) -> object:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
        text.strip().lower(), text
    )


def limits_text(low: float | None, high: float | None, above: bool, write: Callable[[float], str]) -> str:
    """A range in words, after the noun: `` >= 1``; ``above`` excludes ``low`` itself."""
    sign = ">" if above else ">="
    match low, high:
        case None, None:
            return ""
        case float() | int(), None:
            return f" {sign} {write(low)}"
        case None, float() | int():
            return f" <= {write(high)}"
    assert low is not None and high is not None
    return f" > {write(low)} and <= {write(high)}" if above else f" from {write(low)} to {write(high)}"


def check_within(value: float, low: float | None, high: float | None, above: bool) -> None:
    """Wrong unless a number (not NaN) is in the range."""
    nan = value != value
    if nan or (low is not None and (value < low or (above and value == low))):
        raise Wrong
    if high is not None and value > high:
        raise Wrong


def integer(low: int | None = None, high: int | None = None, example: str = "1") -> Kind:
    """A whole number."""

    def parse(value: object) -> int:
        number = whole_of(value)
        check_within(number, low, high, False)
        return number

    expects = "a whole number" + limits_text(low, high, False, lambda n: str(int(n)))
    return Kind(expects=expects, example=example, parse=parse, from_text=as_int, render=str)


def number(
    low: float | None = None, high: float | None = None, example: str = "1.0", *, above: bool = False
) -> Kind:
    """A number without a unit."""

    def parse(value: object) -> float:
        found = number_of(value)
        check_within(found, low, high, above)
        return found

    expects = "a number" + limits_text(low, high, above, lambda n: f"{n:g}")
    return Kind(
        expects=expects, example=example, parse=parse, from_text=as_float, render=lambda v: f"{v:.15g}"
    )


def boolean() -> Kind:
    """true or false."""

    def parse(value: object) -> bool:
        if not isinstance(value, bool):
            raise Wrong
        return value

    return Kind(
        expects="true or false",
        example="true",
        parse=parse,
        from_text=_as_bool,
        render=lambda v: str(v).lower(),
    )


def or_auto(kind: Kind) -> Kind:
    """The word ``auto`` (None to us), or one of that kind."""
    return Kind(
        expects=f'"auto" or {kind.expects}',
        example=kind.example,
        parse=lambda value: None if value == "auto" else kind.parse(value),
        from_text=kind.from_text,
        render=lambda value: quoted("auto") if value is None else kind.render(value),
    )


def choice(*words: str) -> Kind:
    """One of some words."""

    def parse(value: object) -> str:
        if value not in words:
            raise Wrong
        return str(value)

    listed = " or ".join(quoted(word) for word in words) if len(words) < 3 else ""
    return Kind(
        expects=listed or "one of " + ", ".join(quoted(word) for word in words),
        example=quoted(words[0]),
        parse=parse,
    )


def text(pattern: re.Pattern[str], expects: str, example: str) -> Kind:
    """A string that a pattern matches as a whole."""

    def parse(value: object) -> str:
        found = string_of(value)
        if not pattern.fullmatch(found):
            raise Wrong
        return found

    return Kind(expects=expects, example=quoted(example), parse=parse)


def name(example: str) -> Kind:
    """A node's or zone's name, as memberlist and Serf allow."""
    return text(_NAME, "a name of letters, digits, '.', '_' and '-' (at most 128)", example)


def label(example: str) -> Kind:
    """A pool's label: a name of at most 255, as memberlist allows, or nothing."""
    return text(_LABEL, "letters, digits, '.', '_' and '-' (at most 255), or nothing", example)


def pool(example: str) -> Kind:
    """A pool's name: short, since it stands in the tags, which have 512 bytes; or nothing."""
    return text(_POOL, "letters, digits, '.', '_' and '-' (at most 64), or nothing", example)


def dependency_name() -> Kind:
    """A dependency's name: it goes before ``:`` in a key and into a path, so neither may be in it."""
    return text(_DEPENDENCY, "a name without ':', '/', ',', quotes or spaces (at most 128)", "pricing-api")


def path(example: str) -> Kind:
    """A path; empty means none."""

    def parse(value: object) -> Path | None:
        found = string_of(value)
        if "\0" in found:
            raise Wrong
        return Path(found).expanduser() if found else None

    return Kind(
        expects="a path",
        example=quoted(example),
        parse=parse,
        render=lambda value: quoted("" if value is None else str(value)),
    )


# ---- of many ------------------------------------------------------------------------------------


def items(kind: Kind, what: str, *, least: int = 0) -> Kind:
    """A list of one kind. As text: separated by commas."""

    def parse(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) < least:
            raise Wrong
        return tuple(kind.parse(item) for item in value)

    def render(values: Sequence[Any]) -> str:
        return "[" + ", ".join(kind.render(value) for value in values) + "]"

    def from_text(written: str) -> object:
        return [kind.from_text(part.strip()) for part in written.split(",") if part.strip()]

    return Kind(
        expects=f"a list of {what}",
        example=f"[{kind.example}]",
        parse=parse,
        from_text=from_text,
        render=render,
    )


def headers() -> Kind:
    """A table of HTTP header names and values. The values may be secrets: they are never printed."""

    def parse(value: object) -> tuple[tuple[str, str], ...]:
        if not isinstance(value, dict):
            raise Wrong
        for header, content in value.items():
            if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", header):
                raise Wrong
            if not isinstance(content, str) or re.search(r"[\r\n\0]", content):
                raise Wrong
        return tuple(value.items())

    return Kind(
        expects="a table of header names and values",
        example='{ "X-Team" = "shop" }',
        parse=parse,
        render=lambda v: (
            "{ " + ", ".join(f'{quoted(key)} = "(hidden)"' for key, _ in v) + " }" if v else "{}"
        ),
    )
