"""How far a promised probability can be trusted, told from what became of all promises, kept or not.

An association says "B follows, 0.6". But only those B that are *not here* are worth fetching, and those are
the doubtful ones: a B that follows reliably is asked for often, so it is here already. And of the 24
successors that an instance remembers, the few that are believed after three sightings are partly luck. So
what counts is the share of such promises that came true, and that can be told without fetching anything: each
promise about an instance that is not here is noted, whether it is acted on or not, and it has come true if
the instance is asked for within as many reads as the store holds copies (as long as a copy would have
waited). Trying costs nothing, so nothing has to be tried.

Promises are told apart by how sure they were, by how much evidence stood behind them and by how soon they
were to come true. In each class the ratio (came true) / (promised) corrects the next promise:

    ratio(class) = (true + K ratio(dependency)) / (promised + K)      ratio(dependency): towards a prior

Both counts are halved when they are large, so that yesterday fades. They outlive a restart; the promises that
were open do not, since the store is empty then, and all of them would come to nothing. Rejected: one
threshold that moves with the precision of what was fetched (it has to fetch to learn, and treats the sure
like the doubtful), and isotonic regression (monotone in one variable; ours has three, and a handful of
samples).
"""

from __future__ import annotations

from typing import NamedTuple

from zoned.core.errors import StateError
from zoned.core.learning.settings import LearningSettings
from zoned.core.names import Dependency, KeyHash
from zoned.core.records import Association

_SUPPORT_CLASSES = (3, 4, 8)  # from so many sightings on
_LEAD_CLASSES_S = (3.0, 30.0, 300.0)
_KINDS = 10 * (len(_SUPPORT_CLASSES) + 1) * (len(_LEAD_CLASSES_S) + 1)
_WHOLE = -1  # instead of a kind: all promises of a dependency
_LIMIT = 1e15  # no count of ours comes near

Row = tuple[Dependency, int, float, float]


class _Class:
    """Promises of one kind: the sum of what was promised, and how many came true."""

    __slots__ = ("promised", "true")

    def __init__(self) -> None:
        self.promised = self.true = 0.0

    def ratio(self, towards: float, weight: float) -> float:
        """(came true) / (promised), as if ``weight`` more had been promised, and ``towards`` of it true."""
        return (self.true + weight * towards) / (self.promised + weight)

    def add(self, promised: float, true: bool, memory: float) -> None:
        """One more was decided."""
        self.promised += promised
        self.true += true
        if self.promised > memory:
            self.promised /= 2.0
            self.true /= 2.0


class _Open(NamedTuple):
    """A promise that is not decided yet."""

    whole: _Class
    part: _Class
    promised: float
    until: int  # on the clock of reads


class Calibration:
    """All classes, and the promises that are open."""

    __slots__ = (
        "_clock",
        "_limit",
        "_memory",
        "_open",
        "_parts",
        "_settings",
        "_weight",
        "_wholes",
        "dropped",
    )

    def __init__(self, settings: LearningSettings) -> None:
        self._settings = settings
        self._weight = settings.calibration_prior
        self._memory = settings.calibration_memory
        self._limit = settings.max_promises
        self._wholes: dict[Dependency, _Class] = {}
        self._parts: dict[tuple[Dependency, int], _Class] = {}
        self._open: dict[KeyHash, _Open] = {}  # oldest first
        self._clock = 0
        self.dropped = 0
        """Promises that were forgotten undecided, for lack of room."""

    def read(self, key_hash: KeyHash) -> None:
        """[hot] An instance was asked for."""
        self._clock += 1
        promise = self._open.pop(key_hash, None) if self._open else None
        if promise is not None:
            self._decide(promise, True)

    def judged(self, promise: Association, within: float) -> Association:
        """The same promise, with the probability that experience gives it. It is noted, and decided by
        whether the instance is asked for in the next ``within`` reads."""
        name, confidence = promise.key[0], promise.confidence
        whole, part = self._classes(name, promise)
        weight = self._weight
        ratio = part.ratio(
            whole.ratio(self._settings.calibration_start, weight), self._settings.calibration_class_prior
        )
        waiting = self._open
        if promise.key_hash not in waiting:
            self._expire()
            if len(waiting) >= self._limit:
                del waiting[next(iter(waiting))]
                self.dropped += 1
            until = self._clock + max(1, int(within))
            waiting[promise.key_hash] = _Open(whole, part, confidence, until)
        return promise._replace(confidence=min(1.0, confidence * ratio))

    def export_state(self) -> list[list[object]]:
        """[dependency, kind of promise (-1: all), promised, came true] of each class."""
        wholes = [[name, _WHOLE, one.promised, one.true] for name, one in self._wholes.items()]
        return wholes + [[name, kind, one.promised, one.true] for (name, kind), one in self._parts.items()]

    def restore_state(self, rows: list[Row]) -> None:
        """Take over classes, as `saved_classes` reads them."""
        limit = self._settings.max_dependencies
        for name, kind, promised, true in rows:
            if kind == _WHOLE and (name in self._wholes or name == "" or len(self._wholes) < limit):
                one = self._wholes[name] = _Class()
            elif kind != _WHOLE and name in self._wholes:
                one = self._parts[name, kind] = _Class()
            else:
                continue
            one.promised, one.true = promised, true

    def _classes(self, name: Dependency, promise: Association) -> tuple[_Class, _Class]:
        wholes, parts = self._wholes, self._parts
        if name not in wholes and len(wholes) >= self._settings.max_dependencies:
            name = ""
        whole = wholes.get(name)
        if whole is None:
            whole = wholes[name] = _Class()
        kind = name, _kind(promise)
        part = parts.get(kind)
        if part is None:
            part = parts[kind] = _Class()
        return whole, part

    def _expire(self) -> None:
        """Promises whose time is over did not come true."""
        waiting, clock = self._open, self._clock
        while waiting:
            oldest = next(iter(waiting))
            if waiting[oldest].until >= clock:
                return
            self._decide(waiting.pop(oldest), False)

    def _decide(self, promise: _Open, true: bool) -> None:
        true = true and promise.until >= self._clock
        promise.whole.add(promise.promised, true, self._memory)
        promise.part.add(promise.promised, true, self._memory)


def saved_classes(obj: object) -> list[Row]:
    """What `Calibration.export_state` gave, checked; `StateError` if it is something else."""
    if not isinstance(obj, list):
        raise StateError("learning: calibration is not a list")
    rows = []
    for row in obj:
        if not isinstance(row, (list, tuple)) or len(row) != 4:
            raise StateError(f"learning: not a class of promises: {str(row)[:80]}")
        name, kind, promised, true = row
        counts = all(isinstance(count, (int, float)) and 0 <= count < _LIMIT for count in (promised, true))
        if not isinstance(name, str) or type(kind) is not int or not _WHOLE <= kind < _KINDS or not counts:
            raise StateError(f"learning: not a class of promises: {str(row)[:80]}")
        rows.append((name, kind, float(promised), float(true)))
    return sorted(rows, key=lambda row: row[1] != _WHOLE)


def _kind(promise: Association) -> int:
    """The class of a promise: by confidence, sightings and lead."""
    sure = min(9, int(promise.confidence * 10.0))
    support = sum([promise.support >= least for least in _SUPPORT_CLASSES])
    soon = sum([promise.lead_s > edge_s for edge_s in _LEAD_CLASSES_S])
    return (sure * (len(_SUPPORT_CLASSES) + 1) + support) * (len(_LEAD_CLASSES_S) + 1) + soon
