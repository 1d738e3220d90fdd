"""HTML from text, escaped in one place.

Names of nodes, zones and keys come over the network and from clients, so nothing reaches the page but through
``text`` (or as a number). ``Markup`` marks what is already HTML; plain ``str`` is always escaped. Rejected: a
template engine; six small functions are less than its smallest manual.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


class Figure(Markup):
    """A number that is formatted already: in a table it stands right, as numbers do."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Anything as HTML; escaped unless it is Markup."""
    return value if isinstance(value, Markup) else Markup(escape(str(value), quote=True))


def tag(name: str, *inside: object, **attributes: object) -> Markup:
    """``<name attributes>inside</name>``; ``class_`` stands for ``class``, ``text_anchor`` for
    ``text-anchor``."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items()
    )
    return Markup(f"<{name}{written}>{''.join(text(part) for part in inside)}</{name}>")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> Markup:
    """A table; columns that open with a number stand right. ``empty`` is said when there are no rows."""
    lines = list(rows)
    if not lines:
        return tag("p", empty, class_="none")
    sides = ["n" if isinstance(cell, int | float | Figure) else "t" for cell in lines[0]]
    head = [tag("th", text, class_=side) for text, side in zip(heads, sides, strict=True)]
    body = [
        tag("tr", *(tag("td", cell, class_=side) for cell, side in zip(row, sides, strict=True)))
        for row in lines
    ]
    return tag("table", tag("thead", tag("tr", *head)), tag("tbody", *body))


def percent(value: float) -> str:
    """0.1234 -> ``12.3 %``, which does not break over a line; never ``-0.0 %``."""
    return f"{100 * value:z.1f}\u00a0%"


def size(count: float) -> str:
    """Bytes for people: ``1.5 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def span(seconds: float) -> str:
    """Seconds for people: ``4 h 12 m``."""
    whole = int(max(0.0, seconds))
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (left, "s")]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count) or "0 s"
