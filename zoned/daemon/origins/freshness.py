"""What an HTTP answer says of its own freshness (RFC 9111), as one number of seconds.

A pure function of the headers. Shared-cache rules: ``s-maxage`` beats ``max-age`` beats ``Expires``; what has
aged on its way here (``Age``) is taken off. ``no-store``, ``no-cache``, ``private`` and ``Vary: *`` mean
zero: the answer may be given to whoever waits for it, and not kept. Nothing said means None, and the
operator's ``ttl`` decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_NOT_KEPT = ("no-store", "no-cache", "private")
MAX_TTL_S = 365 * 86400.0


def age_s(headers: Mapping[str, str]) -> float:
    """Seconds since the origin made the answer, as far as the headers say."""
    value = headers.get("Age", "").strip()
    return min(float(value), MAX_TTL_S) if value.isascii() and value.isdigit() else 0.0


def ttl_s(headers: Mapping[str, str]) -> float | None:
    """Seconds for which the answer may be served without asking again; None: it does not say."""
    directives = _directives(headers.get("Cache-Control", ""))
    if headers.get("Vary", "").strip() == "*" or any(name in directives for name in _NOT_KEPT):
        return 0.0
    for name in ("s-maxage", "max-age"):
        if name in directives:
            value = directives[name]
            # A lifetime that is no number makes the answer stale at once (RFC 9111, 4.2.1).
            lifetime_s = min(float(value), MAX_TTL_S) if value.isascii() and value.isdigit() else 0.0
            return max(0.0, lifetime_s - age_s(headers))
    if "Expires" in headers:
        return _until_expires_s(headers)
    return None


def _directives(cache_control: str) -> dict[str, str]:
    """``Cache-Control`` as lower-case names and their values ("" where there is none); the first of a name
    counts."""
    found: dict[str, str] = {}
    for part in cache_control.split(","):
        name, _, value = part.strip().partition("=")
        found.setdefault(name.lower(), value.strip().strip('"'))
    return found


def _until_expires_s(headers: Mapping[str, str]) -> float:
    """``Expires`` counted from the origin's own ``Date``, so that clocks need not agree."""
    try:
        expires = parsedate_to_datetime(headers["Expires"])
        date = parsedate_to_datetime(headers["Date"])
        return max(0.0, min((expires - date).total_seconds(), MAX_TTL_S) - age_s(headers))
    except (KeyError, ValueError, TypeError):
        return 0.0  # "0" and other non-dates mean already expired
