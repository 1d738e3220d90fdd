"""What follows what: our graph stage against prediction by partial matching and Mithril, trace by trace.

    PYTHONPATH=. .venv/bin/python tests/bench/bench_associations.py [TRACE ...]    # without any: tests/data

Each predictor sees every access with its client, in order, and may name instances that the zone does not
hold (its cache is a plain LRU of 5 % of the objects). A prediction is open for 15 minutes; it is *used* when
it turns a miss of that LRU into a hit, *late* when the access comes sooner than an origin answers (0.2 s),
which helps nobody and counts against it. Printed for each: the share of the LRU's misses that it would have
saved (coverage), at the setting where that is most among those at which at least half of the predictions are
used (or, where there is none, at the most precise), and the most that any setting saves, whatever it wastes.

The references are small and plain. Partial matching: contexts of one to three accesses of a client, the
longest known one decides (Cleary and Witten 1984; its confidence is swept). Mithril (Yang et al. 2017): time
stamps of instances seen 2 to 8 times, mined in batches for pairs of which one follows the other within a
lookahead each time; lists of 3, batches of 100, since these traces are small, and the lookahead is swept.
All get one table for all zones, as our stage has it by gossip.
"""

from __future__ import annotations

import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

from zoned.core.graph import Analyzer, GraphSettings
from zoned.core.names import Instant, key_hash
from zoned.simulation.trace import Trace, read, stem_of

DATA = Path(__file__).resolve().parents[1] / "data"
OPEN_S, ORIGIN_S, SHARE, WARMUP = 900.0, 0.2, 0.05, 0.3
CONFIDENCES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
LOOKAHEADS = (2, 5, 10, 20, 50, 100)


class Predictor(Protocol):
    """Learns one access and names what may follow it."""

    def access(self, instance: int, client: bytes, at_s: float) -> Iterable[int]: ...


class Ours:
    """The graph stage, as the agent has it."""

    def __init__(self, trace: Trace, threshold: float) -> None:
        self._instances = trace.instances
        self._hashes = [key_hash(instance) for instance in trace.instances]
        self._numbers = {hashed: number for number, hashed in enumerate(self._hashes)}
        self._stage = Analyzer(replace(GraphSettings(), min_confidence=threshold))

    def access(self, instance: int, client: bytes, at_s: float) -> Iterable[int]:
        now = Instant(at_s, at_s, at_s)
        hashed = self._hashes[instance]
        found = self._stage.access(self._instances[instance], hashed, client, now)
        return [self._numbers[each.key_hash] for each in found]


class PartialMatching:
    """Contexts of the client's last one to three accesses; the longest that is known decides."""

    def __init__(self, trace: Trace, threshold: float) -> None:
        self._threshold = threshold
        self._last: dict[bytes, tuple[int, ...]] = {}
        self._counts: dict[tuple[int, ...], dict[int, int]] = {}
        self._totals: dict[tuple[int, ...], int] = {}

    def access(self, instance: int, client: bytes, at_s: float) -> Iterable[int]:
        if not client:
            return ()
        past = self._last.get(client, ())
        if past[-1:] == (instance,):
            return ()
        for start in range(len(past)):
            context = past[start:]
            followers = self._counts.setdefault(context, {})
            followers[instance] = followers.get(instance, 0) + 1
            self._totals[context] = self._totals.get(context, 0) + 1
        now = (*past, instance)[-3:]
        self._last[client] = now
        for start in range(len(now)):
            total = self._totals.get(now[start:], 0)
            if total >= 3:
                need = max(2.0, self._threshold * total)
                ranked = sorted((-n, each) for each, n in self._counts[now[start:]].items() if n >= need)
                return [each for _, each in ranked[:4]]
        return ()


class Mithril:
    """Mined pairs of instances whose few accesses keep together; it knows no clients."""

    MAX_SUPPORT, LIST, MINE_AT = 8, 3, 100

    def __init__(self, trace: Trace, lookahead: float) -> None:
        self._lookahead = int(lookahead)
        self._clock = 0
        self._stamps: dict[int, list[int]] = {}
        self._ready: dict[int, None] = {}
        self._lists: dict[int, deque[int]] = {}

    def access(self, instance: int, client: bytes, at_s: float) -> Iterable[int]:
        self._clock += 1
        stamps = self._stamps.setdefault(instance, [])
        stamps.append(self._clock)
        if len(stamps) > self.MAX_SUPPORT:  # frequent: an ordinary cache keeps it
            self._ready.pop(instance, None)
            del stamps[0]
        elif len(stamps) >= 2:
            self._ready[instance] = None
            if len(self._ready) >= self.MINE_AT:
                self._mine()
        return self._lists.get(instance, ())

    def _mine(self) -> None:
        rows = sorted((self._stamps[instance], instance) for instance in self._ready)
        for index, (stamps, instance) in enumerate(rows):
            for later, other in rows[index + 1 :]:
                if later[0] - stamps[0] > self._lookahead:
                    break
                if len(later) == len(stamps) and _together(stamps, later, self._lookahead):
                    self._lists.setdefault(instance, deque(maxlen=self.LIST)).append(other)
        for instance in self._ready:
            del self._stamps[instance]
        self._ready.clear()


def _together(left: list[int], right: list[int], within: int) -> bool:
    """Whether the stamps of one always follow those of the other within a lookahead."""
    return all(0 < b - a <= within for a, b in zip(left, right, strict=True))


Make = Callable[[Trace, float], Predictor]
PREDICTORS: tuple[tuple[str, Make, tuple[float, ...]], ...] = (
    ("zoned", Ours, CONFIDENCES),
    ("partial matching", PartialMatching, CONFIDENCES),
    ("Mithril", Mithril, LOOKAHEADS),
)


class Score(NamedTuple):
    """What became of a predictor's predictions."""

    setting: float
    predicted: int
    used: int
    late: int
    misses: int

    @property
    def precision(self) -> float:
        return self.used / self.predicted if self.predicted else 0.0

    @property
    def coverage(self) -> float:
        return self.used / self.misses if self.misses else 0.0


def score(trace: Trace, make: Make, setting: float) -> Score:
    """Play the trace once."""
    predictor = make(trace, setting)
    capacity, warm = trace.capacity(SHARE), trace.warm_from(WARMUP)
    held: list[OrderedDict[int, None]] = [OrderedDict() for _ in trace.zone_names]
    opened: list[OrderedDict[int, float]] = [OrderedDict() for _ in trace.zone_names]
    predicted = used = late = misses = 0
    rows = zip(trace.ts, trace.zones, trace.objects, trace.clients, strict=True)
    for number, (ts, zone, instance, client) in enumerate(rows):
        cache, guesses = held[zone], opened[zone]
        while guesses and next(iter(guesses.values())) < ts - OPEN_S:
            guesses.popitem(last=False)
        guessed_s = guesses.pop(instance, None)
        counts = number >= warm
        if instance not in cache:
            misses += counts
            if guessed_s is not None:
                used += counts and ts - guessed_s >= ORIGIN_S
                late += counts and ts - guessed_s < ORIGIN_S
        cache[instance] = None
        cache.move_to_end(instance)
        if len(cache) > capacity:
            cache.popitem(last=False)
        for each in predictor.access(instance, client, ts):
            if each not in cache and each not in guesses:
                guesses[each] = ts
                predicted += counts
    return Score(setting, predicted, used, late, misses)


def main() -> None:
    """Every trace, every predictor, every threshold."""
    paths = [Path(name) for name in sys.argv[1:]] or sorted(DATA.glob("*.csv.gz"))
    for path in paths:
        trace = read([path])
        print(f"{stem_of(path)}: {len(trace):,} accesses, {len(trace.zone_names)} zones")
        for name, make, swept in PREDICTORS:
            scores = [score(trace, make, each) for each in swept]
            precise = [each for each in scores if each.precision >= 0.5]
            best = max(precise or scores, key=lambda each: each.coverage if precise else each.precision)
            most = max(scores, key=lambda each: each.coverage)
            print(
                f"  {name:>16}: coverage {best.coverage:6.2%} at precision {best.precision:.2f}"
                f" ({best.predicted:,} predictions, {best.late:,} late, at {best.setting:g});"
                f" most {most.coverage:6.2%} at {most.precision:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
