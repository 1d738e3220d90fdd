"""OBSERVE: counts what is used in this zone and times where it came from.

The first stage of the loop and the only one that sees every access *and* every latency. It only counts:
`access` and `served` run for each read, so they touch two dictionaries and nothing else. What the counts
mean is for the later stages, which get a `Window` once a turn.

Totals are kept as "closed windows" plus "open window" so that nothing is counted twice on the hot path.
"""

from __future__ import annotations

from typing import NamedTuple

from zoned.core.errors import StateError
from zoned.core.names import OTHER, Dependency, Instant
from zoned.core.observe.prices import SOURCES, Prices, place
from zoned.core.observe.settings import ObserveSettings
from zoned.core.observe.windows import OpenWindow
from zoned.core.records import Access, Load, Source, Window


class DependencyTotals(NamedTuple):
    """One dependency since the agent started. ``sources``: reads answered from each source that answered any.

    ``accesses`` counts when an access is seen, ``sources`` and ``latency_s`` when it is answered: reads
    on their way are in the first only.
    """

    accesses: int
    hits: int
    bytes: int
    sources: dict[Source, int]
    latency_s: float


class Observer:
    """The observe stage."""

    __slots__ = ("_closed", "_load", "_open", "_prices", "_recent", "_served", "_settings", "counters")

    def __init__(self, settings: ObserveSettings, now: Instant) -> None:
        self._settings = settings
        self._open = OpenWindow(settings, now)
        self._prices = Prices(settings)
        self._load = Load()
        self._closed: dict[Dependency, list[float]] = {}  # [accesses, hits, bytes, latency_s]
        self._served: dict[Dependency, list[int]] = {}  # answered reads, in the order of SOURCES
        self._recent = [0.0, 0.0]  # decayed accesses and hits of the closed windows
        self.counters: dict[str, int | float] = {"windows": 0, "instances_dropped": 0}

    def access(self, access: Access, times: int = 1) -> None:
        """[hot] Count an access in the open window. ``size`` 0 means not known (yet)."""
        self._open.access(access, times)

    def served(self, dependency: Dependency, source: Source, latency_s: float, times: int = 1) -> None:
        """[hot] A read was answered from that source after ``latency_s``."""
        index = place(source)
        self._prices.add_at(index, latency_s, times)
        self._open.waited(dependency, latency_s * times)
        counts = self._served.get(dependency)
        if counts is None:
            if len(self._served) >= self._settings.max_dependencies:
                dependency = OTHER
            counts = self._served.setdefault(dependency, [0, 0, 0, 0])
        counts[index] += times

    def timed(self, source: Source, mean_s: float, count: int) -> None:
        """Timings without accesses (fronts report those apart): they only move the price."""
        self._prices.add(source, mean_s, count)

    def loaded(self, load: Load) -> None:
        """The host's load now; the window that is open says so when it closes."""
        self._load = load

    @property
    def load(self) -> Load:
        """The host's load as last told."""
        return self._load

    @property
    def hit_ratio(self) -> float:
        """Share of about the last ``hit_ratio_memory_accesses`` that were local hits; 0 before any."""
        accesses, hits = self._recent
        return hits / accesses if accesses else 0.0

    @property
    def pending(self) -> int:
        """Accesses in the open window."""
        return self._open.pending

    def close_window(self, now: Instant) -> Window:
        """What was used since the last call; a new window opens."""
        window = self._open.close(now, self._load)
        self.counters["windows"] += 1
        self.counters["instances_dropped"] += self._open.dropped
        for use in window.dependencies:
            _add(self._line(use.dependency), use.accesses, use.hits, use.bytes, use.latency_s)
        self._remember(window)
        self._open = OpenWindow(self._settings, now)
        return window

    def price(self, source: Source) -> float:
        """Measured mean seconds of a read from that source (a prior before any was timed)."""
        return self._prices.price(source)

    @property
    def totals(self) -> dict[Dependency, DependencyTotals]:
        """Everything since the agent started, the open window included, by dependency name."""
        sums = {name: list(line) for name, line in self._closed.items()}
        for use in self._open.close(self._open.started, self._load).dependencies:
            line = sums.setdefault(use.dependency, [0, 0, 0, 0.0])
            _add(line, use.accesses, use.hits, use.bytes, use.latency_s)
        return {
            name: DependencyTotals(int(line[0]), int(line[1]), int(line[2]), self._sources(name), line[3])
            for name, line in sorted(sums.items())
        }

    def export_state(self) -> dict[str, object]:
        """The prices; counts start afresh with each process."""
        return {"prices": self._prices.export_state()}

    def restore_state(self, obj: object, now: Instant) -> None:
        """Take over what `export_state` gave. `StateError` if that is not what it is."""
        if not isinstance(obj, dict):
            raise StateError("observe: state is not a map")
        self._prices.restore_state(obj.get("prices"))

    def _remember(self, window: Window) -> None:
        accesses = sum(use.accesses for use in window.dependencies)
        keep = max(0.0, 1.0 - accesses / self._settings.hit_ratio_memory_accesses)
        self._recent[0] = self._recent[0] * keep + accesses
        self._recent[1] = self._recent[1] * keep + sum(use.hits for use in window.dependencies)

    def _sources(self, dependency: Dependency) -> dict[Source, int]:
        counts = self._served.get(dependency, (0, 0, 0, 0))
        return {source: count for source, count in zip(SOURCES, counts, strict=True) if count}

    def _line(self, dependency: Dependency) -> list[float]:
        line = self._closed.get(dependency)
        if line is None:
            if len(self._closed) >= self._settings.max_dependencies:
                dependency = OTHER
            line = self._closed.setdefault(dependency, [0, 0, 0, 0.0])
        return line


def _add(line: list[float], accesses: int, hits: int, size: int, latency_s: float) -> None:
    line[0] += accesses
    line[1] += hits
    line[2] += size
    line[3] += latency_s
