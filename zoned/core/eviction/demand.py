"""Who asks for what, here and elsewhere: decayed counts of instances, and the rates that follow from them.

Time is counted in this zone's own requests: a cache turns over by requests, not by seconds, and a quiet night
should forget nothing. Each instance has three counts of its uses here and three of its uses elsewhere, with
memories of half a store's worth of requests, 4 and 32 of them. Counts decay without being touched: what is
stored is the sum of e^(t / tau), so a use adds today's e^(t / tau) and the decay is one factor per memory for
all instances alike; when that grows large, all sums are divided by it.

``own`` and ``others`` are the expected uses of each instance here and elsewhere, per horizon of ten stores'
worth of requests: counts times the weights that ``rates`` learns. They are computed for all rows at once
every now and then, and between two such moments a use adds what it is worth, so reading a rate is reading a
number. Learning needs to know what followed: now and then the counts of an instance are set aside, until it
is used here or elsewhere, or the horizon is over.

Bounded by ``max_rows``; when it is full the quarter with the least demand is forgotten. About 60 B a row:
what is set aside is cut to the upper half of a float, which is right to half a percent, as good as a lesson
can be. It outlives a restart: a store that comes back empty and does not know what was in demand lets go just
what it should keep, which on the demo's day cost a fifth of the local hits. Rejected: a count-min sketch with
ageing (TinyLFU): it counts, but cannot say what is left of which memory.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Mapping
from math import exp
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from zoned.core.errors import StateError
from zoned.core.eviction.rates import Floats, Rates
from zoned.core.fingerprints import NOBODY, Rows, grown
from zoned.core.names import Fingerprint

SCALES = (0.5, 4.0, 32.0)
"""Memories of the counts, in stores' worth of own requests."""
HORIZON = 10.0  # in stores' worth
_SIZE = 2 * len(SCALES)
_HUGE = 1e12  # sums are divided by their growth when it is larger
_FIRST_ROWS = 256
_FIRST_BATCH, _BATCH, _FIRST_SOLUTIONS = 200, 2000, 10
_SET_ASIDE = 0.5, 0.25  # share of the uses whose counts are set aside to learn from: at first, and later
_OWN_PRIOR = (0.7 / 3,) * 3 + (0.02,) * 3  # use here follows use here ...
_OTHERS_PRIOR = (0.1,) * 3 + (0.7 / 3,) * 3
_NOTHING = -1  # no use followed
_NEVER = 0  # in ``_since``; a clock that is 0 there is taken for one earlier
_CLOCK_MASK = 0xFFFFFFFF  # ages are differences of the clock's low half
_UPPER = (
    1 if sys.byteorder == "little" else 0
)  # which half of a float has its sign, exponent and first digits

Counts: TypeAlias = npt.NDArray[np.float32]
Halves: TypeAlias = npt.NDArray[np.uint16]


class Demand:
    """The table, by the instances' fingerprints. Row 0 belongs to nobody and is always zero."""

    def __init__(self, copies: int, max_rows: int, chance: Callable[[], float]) -> None:
        """``copies``: how many the store holds; ``chance``: uniform in 0..1."""
        self._chance = chance
        self._max_rows = max(_FIRST_ROWS, max_rows)
        self.rows = Rows(1)
        """Where an instance's columns are. Rows are renumbered when some are forgotten."""
        self.own = self.others = array("f")  # expected uses here and elsewhere, per horizon, by row
        self._since = array("I")  # low half of the clock when a row's counts were set aside
        self._counts = array("f")
        self._table: Counts = np.zeros((0, _SIZE), dtype=np.float32)  # the same memory
        self._upper: Halves = np.zeros((0, _SIZE), dtype=np.uint16)  # the upper halves of it
        self._aside: Halves = self._upper
        self._clock = 0
        self._rates = (Rates(np.array(_OWN_PRIOR)), Rates(np.array(_OTHERS_PRIOR)))
        self._solutions = 0
        self._share = _SET_ASIDE[0]
        self.forgotten = 0
        """Instances forgotten for lack of room."""
        self._cursor = 0
        self._allocate(_FIRST_ROWS)
        self._ripe = self._aged = 0  # how many are ripe; how many of these are as of when they were set aside
        self._ripe_counts: Halves = np.zeros((_BATCH, _SIZE), dtype=np.uint16)
        # Written to number by number, which takes a vector three times as long; and the same as vectors.
        self._ripe_time = array("d", bytes(16 * _BATCH))  # when set aside, for how long it was watched
        self._ripe_event = array("b", bytes(_BATCH))  # 0: used here, 1: elsewhere
        self._ripe_times = np.frombuffer(self._ripe_time, dtype=np.float64).reshape(_BATCH, 2)
        self._ripe_events = np.frombuffer(self._ripe_event, dtype=np.int8)
        self._base = [0.0] * len(SCALES)
        self._growth = [1.0] * len(SCALES)
        self.settle(copies)

    @property
    def clock(self) -> int:
        """Own requests so far."""
        return self._clock

    @property
    def copies(self) -> int:
        """How many copies the memories are made for."""
        return self._copies

    def settle(self, copies: int) -> None:
        """The store holds so many copies: the memories follow."""
        self._rebase()
        self._copies = max(1, copies)
        self._tau = [scale * self._copies for scale in SCALES]
        self._horizon = HORIZON * self._copies
        self._step = [exp(1.0 / tau) for tau in self._tau]
        self._unit = np.array([self._horizon / tau for tau in self._tau] * 2)
        self._refresh_every = max(4, self._copies // 16)
        # Half a round apart, for ever: a reader waits for one of the two, never for both.
        self._expire_every = self._refresh_every * max(1, int(self._horizon / 16) // self._refresh_every)
        self._refresh_due = self._upkeep_due = self._clock
        self._expire_due = self._clock + self._refresh_every // 2
        self._weigh()

    # ---- what happens ---------------------------------------------------------------------------

    def used(self, key: Fingerprint) -> None:
        """[hot] Asked for in this zone."""
        clock = self._clock = self._clock + 1
        growth, step = self._growth, self._step
        first = growth[0] = growth[0] * step[0]
        second = growth[1] = growth[1] * step[1]
        third = growth[2] = growth[2] * step[2]
        if first > _HUGE:  # the shortest memory grows the fastest
            self._rebase()
            first, second, third = growth
        row = self.rows.get(key)
        if not row:
            row = self._row(key)
        elif self._since[row]:
            self._ripen(row, 0)
        counts, at = self._counts, row * _SIZE
        counts[at] += first
        counts[at + 1] += second
        counts[at + 2] += third
        worth = self._worth_own
        self.own[row] += worth[0]
        self.others[row] += worth[1]
        if self._chance() < self._share:
            self._set_aside(row)
            row = self._cursor = self._cursor + 1 if self._cursor + 1 < self.rows.end else 1
            if not self._since[row]:
                self._set_aside(row)  # what is used is not all that is held: the quiet ones teach, too
        if clock >= self._upkeep_due:
            self._upkeep()

    def asked(self, key: Fingerprint, times: float = 1.0) -> None:
        """Asked for in another zone."""
        row = self.rows.get(key)
        if not row:
            row = self._row(key)
        elif self._since[row]:
            self._ripen(row, 1)
        counts, at = self._counts, row * _SIZE + len(SCALES)
        first, second, third = self._growth
        counts[at] += times * first
        counts[at + 1] += times * second
        counts[at + 2] += times * third
        worth = self._worth_others
        self.own[row] += times * worth[0]
        self.others[row] += times * worth[1]
        if self._chance() < self._share:
            self._set_aside(row)

    # ---- learning -------------------------------------------------------------------------------

    def _set_aside(self, row: int) -> None:
        self._aside[row] = self._upper[row]
        self._since[row] = self._clock & _CLOCK_MASK or _CLOCK_MASK

    def _ripen(self, row: int, event: int) -> None:
        """What followed is known: a use here (0), or elsewhere (1)."""
        place, clock = self._ripe, self._clock
        watched = clock - self._since[row] & _CLOCK_MASK
        self._ripe_counts[place] = self._aside[row]
        self._ripe_time[2 * place] = clock - watched
        self._ripe_time[2 * place + 1] = watched or 0.5
        self._ripe_event[place] = event
        self._since[row] = _NEVER
        self._ripe = place + 1
        if self._ripe == _BATCH:
            self._learn()

    def _expire(self) -> None:
        """Nothing followed within the horizon: that teaches, too."""
        since = self._since_when[: self.rows.end]
        watched = np.uint32(self._clock & _CLOCK_MASK) - since  # modulo 2^32
        over = np.flatnonzero((since != _NEVER) & (watched >= self._horizon))
        for start in range(0, len(over), _BATCH // 2):
            rows = over[start : start + _BATCH // 2]
            if self._ripe + len(rows) >= _BATCH:
                self._learn()
            places = slice(self._ripe, self._ripe + len(rows))
            self._ripe_counts[places] = self._aside[rows]
            self._ripe_times[places, 0] = self._clock - watched[rows].astype(np.float64)
            self._ripe_times[places, 1] = self._horizon
            self._ripe_events[places] = _NOTHING
            self._ripe += len(rows)
        since[over] = _NEVER

    def _age(self) -> None:
        """Take the counts that ripened as of when they were set aside. Before each change of the growth: what
        waits longer to be learnt from would be divided by it until nothing is left of the short memory."""
        ripe = slice(self._aged, self._ripe)
        self._aged = self._ripe
        when = self._ripe_times[ripe, 0]
        decay = [np.exp((base - when) / tau) for base, tau in zip(self._base, self._tau, strict=True)]
        counts = _whole(self._ripe_counts[ripe]) * np.stack(decay * 2, axis=1)
        self._ripe_counts[ripe] = _halves(counts.astype(np.float32))

    def _learn(self) -> None:
        self._age()
        ripe = slice(0, self._ripe)
        self._ripe = self._aged = 0
        watched = self._ripe_times[ripe, 1] / self._horizon
        counts = _whole(self._ripe_counts[ripe]) * self._unit
        for target, rates in enumerate(self._rates):
            rates.learn(counts, watched, (self._ripe_events[ripe] == target).astype(np.float64))
        self._solutions += 1
        if self._solutions == _FIRST_SOLUTIONS:
            self._share = _SET_ASIDE[1]
        self._weigh()

    def _weigh(self) -> None:
        """What one use is worth to the two rates, under the weights as they are now."""
        parts = np.stack([rates.weights * self._unit for rates in self._rates])  # (target, count)
        half = len(SCALES)
        self._worth_own: list[float] = parts[:, :half].sum(axis=1).tolist()
        self._worth_others: list[float] = parts[:, half:].sum(axis=1).tolist()
        self._mix: Floats = parts
        self._refresh()

    # ---- upkeep ---------------------------------------------------------------------------------

    def _upkeep(self) -> None:
        if self._clock >= self._expire_due:
            self._expire_due = self._clock + self._expire_every
            self._expire()
        if self._clock >= self._refresh_due:
            self._refresh_due = self._clock + self._refresh_every
            if self._ripe >= (_FIRST_BATCH if self._solutions < _FIRST_SOLUTIONS else _BATCH):
                self._learn()
            else:
                self._refresh()
        self._upkeep_due = min(self._expire_due, self._refresh_due)

    def _refresh(self) -> None:
        """Both rates of all rows, one after the other: in one product of matrices they take twice as long."""
        size = self.rows.end
        table = self._table[:size]
        own, others = (self._mix / np.array(self._growth * 2, dtype=np.float32)).astype(np.float32)
        np.dot(table, own, out=self._own[:size])
        np.dot(table, others, out=self._others[:size])

    def _rebase(self) -> None:
        """Take the growth out of all sums."""
        if self._ripe > self._aged:
            self._age()
        growth = np.array(self._growth * 2, dtype=np.float32)
        self._table /= growth
        self._aside[:] = _halves(_whole(self._aside) / growth)
        self._base = [float(self._clock)] * len(SCALES)
        self._growth[:] = [1.0] * len(SCALES)

    # ---- over a restart -------------------------------------------------------------------------

    def export_state(self, most: int) -> dict[str, Any]:
        """What was learnt, and the counts as of now: of at most so many instances, those in most demand."""
        rows = np.arange(1, self.rows.end)
        if len(rows) > most:
            rows = (
                np.sort(rows[np.argpartition(-_mass(self._table[rows]), most)[:most]]) if most else rows[:0]
            )
        names = np.frombuffer(self.rows.names, dtype=np.uint32)[rows].astype("<u4")
        counts = self._table[rows] / np.array(self._growth * 2, dtype=np.float32)
        return {
            "copies": self._copies,
            "solutions": self._solutions,
            "rates": [rates.export_state() for rates in self._rates],
            "names": names.tobytes(),
            "counts": counts.astype("<f4").tobytes(),
        }

    def restore_state(self, obj: object, resize: bool) -> None:
        """Take over what ``export_state`` gave, into an empty table; ``resize``: the memories, too.
        StateError if that is not what it is."""
        assert not self.rows, "restore into a table that is in use"
        copies, solutions, rates, names, counts = _checked(obj)
        for mine, told in zip(self._rates, rates, strict=True):
            mine.restore_state(told)
        if resize:
            self.settle(copies)
        self._solutions = solutions
        if solutions >= _FIRST_SOLUTIONS:
            self._share = _SET_ASIDE[1]
        for name, row in zip(names[: self._max_rows - 1], counts, strict=False):
            place = self._row(name)  # which may move the table
            self._table[place] = row
        self._weigh()

    # ---- rows -----------------------------------------------------------------------------------

    def _row(self, key: Fingerprint) -> int:
        rows = self.rows
        if rows.end >= self._max_rows:
            self._forget()
        elif rows.full:
            self._allocate(grown(rows.end, self._max_rows))
        return rows.add(key)

    def _forget(self) -> None:
        """A quarter of the rows goes: those of the least demand in the longest memory."""
        size = self.rows.end
        mass = _mass(self._table[:size])
        mass[NOBODY] = np.inf
        going = size // 4
        kept = np.sort(np.argpartition(mass, going)[going:])[1:]  # in their order, nobody's is the first
        left = len(kept) + 1
        for column in (self._table, self._aside, self._since_when, self._own, self._others):
            column[1:left] = column[kept]
            column[left:size] = 0
        self.rows.keep(kept)
        self.forgotten += going

    def _allocate(self, size: int) -> None:
        """Room for so many rows; what is there stays."""
        before = self.rows.end
        self.rows.widen(size)
        counts, own, others = (array("f", bytes(4 * width * size)) for width in (_SIZE, 1, 1))
        since = array("I", bytes(4 * size))
        table = np.frombuffer(counts, dtype=np.float32).reshape(size, _SIZE)
        aside: Halves = np.zeros((size, _SIZE), dtype=np.uint16)
        if before <= len(self._since):
            table[:before], aside[:before] = self._table[:before], self._aside[:before]
            own[:before], others[:before] = self.own[:before], self.others[:before]
            since[:before] = self._since[:before]
        self._counts, self._table, self._aside, self._since = counts, table, aside, since
        self._upper = np.frombuffer(counts, dtype=np.uint16).reshape(size, 2 * _SIZE)[:, _UPPER::2]
        self.own, self.others = own, others
        # The same memory as vectors: a vector is made in a microsecond, and each tenth read needs three.
        self._own, self._others = (np.frombuffer(one, dtype=np.float32) for one in (own, others))
        self._since_when = np.frombuffer(since, dtype=np.uint32)


def _whole(halves: Halves) -> Counts:
    """The floats of which these are the upper halves, give or take a 256th: in the middle of what was cut."""
    return (halves.astype(np.uint32) << np.uint32(16) | np.uint32(0x8000)).view(np.float32)


def _halves(counts: Counts) -> Halves:
    """Their upper halves."""
    return (counts.view(np.uint32) >> np.uint32(16)).astype(np.uint16)


def _mass(counts: Counts) -> Counts:
    """The demand in the longest memory, here and elsewhere."""
    return counts[:, len(SCALES) - 1] + counts[:, -1]


def _checked(obj: object) -> tuple[int, int, list[Any], list[Fingerprint], Counts]:
    """The parts of an exported state: copies, solutions, rates, names and their counts."""
    if not isinstance(obj, Mapping):
        raise StateError("demand: state is not a map")
    copies, solutions, rates = obj.get("copies"), obj.get("solutions"), obj.get("rates")
    names, counts = obj.get("names"), obj.get("counts")
    if type(copies) is not int or not 1 <= copies < 1 << 40 or type(solutions) is not int or solutions < 0:
        raise StateError(f"demand: {copies!r} copies, {solutions!r} solutions")
    if not isinstance(rates, list) or len(rates) != 2:
        raise StateError("demand: rates of two targets expected")
    if type(names) is not bytes or type(counts) is not bytes or len(counts) != len(names) * _SIZE:
        raise StateError("demand: names and counts do not fit")
    if len(names) % 4:
        raise StateError("demand: torn names")
    fingerprints = np.frombuffer(names, dtype="<u4").tolist()
    table = np.frombuffer(counts, dtype="<f4").reshape(-1, _SIZE)
    if len(set(fingerprints)) != len(fingerprints) or not ((table >= 0.0) & (table < _HUGE)).all():
        raise StateError("demand: no decayed counts")
    return copies, solutions, rates, fingerprints, table
