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


def text(value: object) -> Markup:
    """Anything as HTML; escaped unless it is Markup."""
    return value if isinstance(value, Markup) else Markup(escape(str(value), quote=True))


def tag(name: str, *inside: object, **attributes: object) -> Markup:
    """``<name attributes>inside</name>``; ``class_`` stands for ``class``."""
    written = "".join(f' {key.rstrip("_")}="{text(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{written}>{''.join(text(part) for part in inside)}</{name}>")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> Markup:
    """A table; numbers stand right. ``empty`` is said when there are no rows."""
    lines = [
        tag(
            "tr",
            *(tag("td", cell, class_="n" if isinstance(cell, int | float) else "t") for cell in row),
        )
        for row in rows
    ]
    if not lines:
        return tag("p", empty, class_="none")
    return tag("table", tag("thead", tag("tr", *(tag("th", head) for head in heads))), tag("tbody", *lines))


def percent(value: float) -> str:
    """0.1234 -> ``12.3 %``."""
    return f"{100 * value:.1f} %"


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
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} m"
    return f"{minutes} m {left} s" if minutes else f"{left} s"
