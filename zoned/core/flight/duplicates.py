"""How often zones fetch the same new thing from its origin at the same time, and whether a home would pay.

Of what nobody holds yet, each zone that asks goes to the origin until it hears of the others' copies, a
second or so later. By way of the shard's home one fetch would do for all; but then every such miss waits
for the hop, and where zones seldom want the same thing at once that is all that it brings. So it is
measured. Another member's digest that claims what we fetched from the origin a moment ago, and that it did
not have from us, tells of a duplicate. Two zones see each of them, and one of the two would have been
spared the way to the origin: the hop pays while

    duplicates / 2 * (origin - hop) > fetches * hop

at the measured means. Going by way of the home makes duplicates disappear from the origin, not from here:
who would have fetched it, too, still claims it at once. There is a band between beginning and ending, or
each would undo the other.

Rejected: asking the origin to tell (it does not know who asks for whom), and counting at the home (only who
already goes that way would be seen).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from zoned.core.flight.settings import FlightSettings
from zoned.core.names import Dependency, Fingerprint, NodeName


class _Fetch(NamedTuple):
    """One from the origin, lately."""

    dependency: Dependency
    at_s: float
    home: NodeName  # by way of whom, "" for none; that it has a copy, too, is no duplicate


@dataclass(slots=True)
class _Line:
    """Of one dependency, decayed by the number of fetches."""

    fetches: float = 0.0
    duplicates: float = 0.0
    pays: bool = False


class Duplicates:
    """Fetches from origins that other zones made as well, per dependency."""

    __slots__ = ("_lines", "_recent", "_settings", "counters")

    def __init__(self, settings: FlightSettings) -> None:
        self._settings = settings
        self._recent: dict[Fingerprint, _Fetch] = {}  # oldest first
        self._lines: dict[Dependency, _Line] = {}
        self.counters = {"origin_duplicates": 0, "duplicates_dropped": 0}

    def __len__(self) -> int:
        """Fetches that may still turn out to be one of two."""
        return len(self._recent)

    def fetched(
        self,
        dependency: Dependency,
        fingerprint: Fingerprint,
        home: NodeName,
        prices_s: tuple[float, float],
        now_s: float,
    ) -> None:
        """A read had to wait for the origin, perhaps by way of ``home``. ``prices_s``: what the way to
        another zone, and to the origin, takes now."""
        line = self._lines.get(dependency)
        if line is None:
            if len(self._lines) >= self._settings.max_duplicate_lines:
                self.counters["duplicates_dropped"] += 1
                return
            line = self._lines[dependency] = _Line()
        keep = 1.0 - 1.0 / self._settings.duplicate_memory
        line.fetches = keep * line.fetches + 1.0
        line.duplicates *= keep
        if line.fetches >= self._settings.least_duplicate_fetches:
            hop_s, origin_s = prices_s
            gain, cost = 0.5 * line.duplicates * max(0.0, origin_s - hop_s), line.fetches * hop_s
            line.pays = gain > (0.5 * cost if line.pays else cost)
        self._forget(now_s)
        self._recent.pop(fingerprint, None)
        self._recent[fingerprint] = _Fetch(dependency, now_s, home)

    def asked(self, fingerprint: Fingerprint) -> None:
        """A member wants it from us: a copy that it claims after that it may have from here."""
        self._recent.pop(fingerprint, None)

    def claimed(self, node: NodeName, fingerprints: Iterable[Fingerprint], now_s: float) -> None:
        """What a member holds since a moment ago."""
        recent, window_s = self._recent, self._settings.duplicate_window_s
        for fingerprint in fingerprints:
            found = recent.get(fingerprint)
            if found is None or found.home == node:
                continue
            del recent[fingerprint]
            if now_s - found.at_s <= window_s:
                self._lines[found.dependency].duplicates += 1.0
                self.counters["origin_duplicates"] += 1

    def pays(self, dependency: Dependency) -> bool:
        """[hot] Whether a miss that nobody has a copy for had better go by way of the home."""
        line = self._lines.get(dependency)
        return line is not None and line.pays

    @property
    def ratios(self) -> Mapping[Dependency, float]:
        """Of what was fetched from the origin lately, the share that another zone fetched as well."""
        return {name: line.duplicates / line.fetches for name, line in self._lines.items()}

    def _forget(self, now_s: float) -> None:
        recent, settings = self._recent, self._settings
        while recent:
            oldest = next(iter(recent))
            if len(recent) < settings.max_duplicate_fetches and (
                recent[oldest].at_s + settings.duplicate_window_s >= now_s
            ):
                return
            del recent[oldest]
