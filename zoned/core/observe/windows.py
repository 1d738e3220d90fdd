"""Counts of one window: the accesses between two turns, per dependency and per instance.

Most windows are a second long and small; a burst must not make them large. So instances are counted in
one dictionary of at most twice ``max_instances`` entries: when it is full, the least used half is dropped
(and counted). Since a window is short and starts empty, what is dropped was seen once or twice.

Rejected: Space-Saving and count-min sketches. They bound the error, but invent counts for instances that
were not seen that often, and cost two to four times as much per access in CPython.
"""

from __future__ import annotations

from zoned.core.names import OTHER, Dependency, InstanceKey, Instant, KeyHash
from zoned.core.observe.settings import ObserveSettings
from zoned.core.records import Access, DependencyUse, InstanceUse, Load, Window


class OpenWindow:
    """Accesses counted since ``started``. Not a value: `close` makes that."""

    __slots__ = ("_dependencies", "_instances", "_room", "_settings", "dropped", "pending", "started")

    def __init__(self, settings: ObserveSettings, started: Instant) -> None:
        self._settings = settings
        self._room = 2 * settings.max_instances
        self.started = started
        self.pending = 0
        """Accesses counted in this window."""
        self.dropped = 0
        """Instances that this window had to forget."""
        # dependency -> [accesses, hits, bytes, latency_s]
        self._dependencies: dict[Dependency, list[float]] = {}
        # key_hash -> [accesses, size, key]: hashing the hash is much cheaper than hashing the key
        self._instances: dict[KeyHash, list[object]] = {}

    def access(self, access: Access, times: int = 1) -> None:
        """[hot] Count an access, or so many equal ones."""
        key, hashed, size, hit, _ = access
        self.pending += times
        line = self._dependencies.get(key[0])
        if line is None:
            line = self._line(key[0])
        line[0] += times
        if hit:
            line[1] += times
        line[2] += size * times
        use = self._instances.get(hashed)
        if use is not None:
            use[0] += times  # type: ignore[operator]  # a list is the cheapest thing to count in
            if size:
                use[1] = size
        else:
            if len(self._instances) >= self._room:
                self._drop_least_used()
            self._instances[hashed] = [times, size, key]

    def waited(self, dependency: Dependency, latency_s: float) -> None:
        """[hot] A reader of that dependency waited so long."""
        line = self._dependencies.get(dependency)
        if line is None:
            line = self._line(dependency)
        line[3] += latency_s

    def close(self, ended: Instant, load: Load) -> Window:
        """Everything counted, as a value."""
        dependencies = tuple(
            DependencyUse(name, int(line[0]), int(line[1]), int(line[2]), line[3])
            for name, line in sorted(self._dependencies.items())
        )
        uses: list[InstanceUse] = [
            InstanceUse(key, hashed, accesses, size)  # type: ignore[arg-type]
            for hashed, (accesses, size, key) in self._instances.items()
        ]
        uses.sort(key=_most_used)
        limit = self._settings.max_instances
        self.dropped += max(0, len(uses) - limit)
        return Window(
            started=self.started,
            ended=ended,
            dependencies=dependencies,
            instances=tuple(uses[:limit]),
            load=load,
        )

    def _line(self, dependency: Dependency) -> list[float]:
        # Both the window and the totals are bounded by the same number, so this table needs no counter.
        if len(self._dependencies) >= self._settings.max_dependencies:
            dependency = OTHER
        return self._dependencies.setdefault(dependency, [0, 0, 0, 0.0])

    def _drop_least_used(self) -> None:
        keep = self._settings.max_instances
        ranked = sorted(self._instances.items(), key=_count, reverse=True)  # stable: the older one stays
        self.dropped += len(ranked) - keep
        self._instances = dict(ranked[:keep])


def _count(item: tuple[KeyHash, list[object]]) -> int:
    return item[1][0]  # type: ignore[return-value]


def _most_used(use: InstanceUse) -> tuple[int, InstanceKey]:
    return (-use.accesses, use.key)
