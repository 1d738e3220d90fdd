"""What a copy in this zone is worth: the waiting that it saves, here and, if it is the only one, everywhere.

If another zone holds the instance too, a copy here saves its readers here the way to there. If it does not,
each of its readers anywhere would have to go to the origin without it:

    near x own                             another zone holds it
    near x own + far x (own + others)      it is the only one: far is what the origin costs more than a zone

So the last copy of what many zones ask for is kept here, though we hardly ever ask ourselves, and what the
neighbour holds is given up sooner. In the study of real traces this one term is worth up to 20 points of
the latency gap, more than all that is learnt. Who holds what is what the directory believes, late as it is:
an error costs one fetch.

When zones go, the pool's memory is smaller by what they had. What there is no room for any more should be
second copies, which cost their readers a trip to another zone, rather than last ones, which all go to the
origin for, just when it is asked for what died with the others. So for a while last copies are worth more, by
how much was lost. At the margin the two cost about the same waiting, so that hardly any is paid for it.

A *promise* is a rate that something else than the counts knows: what associations or a plan expect to be used
soon has at least that rate until it is used, or the promise has run out.
"""

from __future__ import annotations

from collections.abc import Callable

from zoned.core.eviction.demand import HORIZON, Demand
from zoned.core.names import FINGERPRINT_MASK, Fingerprint, KeyHash

_MAX_PROMISES = 4096
_MAX_SEEN = 16_384
_NOISE = 0.2  # uses: what is told is rounded
_GUARDED_FOR = 2.0  # stores' worth of own requests after others went
_GUARD, _MAX_GUARD = 5.0, 0.5  # so much more is a last copy worth per share of the memory that went; at most
_PROMISED_WITHIN = 0.5  # of a store's worth of own requests; a promise holds twice as long


def _nowhere(key: object) -> object:
    """A zone alone: nobody else holds anything."""
    return ()


class Worth:
    """Prices, promises, and whose copy is the last one. Hot paths read the attributes directly."""

    def __init__(self, demand: Demand) -> None:
        self.demand = demand
        self.near_s = 0.080
        """Seconds that a copy here saves a reader here, if another zone holds one."""
        self.far_s = 0.120
        """Seconds that the origin costs more than another zone."""
        self.elsewhere: Callable[[KeyHash], object] = _nowhere
        """True-ish when another zone holds a copy, as far as we know."""
        self.promised: dict[
            KeyHash, tuple[float, int]
        ] = {}  # rate, until when on the demand's clock; oldest first
        self._seen: dict[Fingerprint, float] = {}  # asked of us since it was told of
        self._guard = 0.0
        self._guarded_until = 0  # on the demand's clock

    def used(self, key: KeyHash) -> None:
        """[hot] Asked for in this zone."""
        if self.promised:
            self.promised.pop(key, None)
        self.demand.used(key & FINGERPRINT_MASK)

    def asked(self, key: KeyHash) -> None:
        """Another zone asks us for it now."""
        fingerprint = key & FINGERPRINT_MASK
        seen = self._seen
        seen[fingerprint] = seen.get(fingerprint, 0.0) + 1.0
        if len(seen) > _MAX_SEEN:
            del seen[next(iter(seen))]
        self.demand.asked(fingerprint)

    def told(self, fingerprint: Fingerprint, uses: float) -> None:
        """Another zone tells of so many uses there: those that it did not ask us for are news."""
        uses -= self._seen.pop(fingerprint, 0.0)
        if uses > _NOISE:
            self.demand.asked(fingerprint, uses)

    def promise(self, key: KeyHash, probability: float) -> None:
        """It will be used soon, that likely."""
        promised, demand = self.promised, self.demand
        clock = demand.clock
        while promised:
            oldest = next(iter(promised))
            if promised[oldest][1] > clock and len(promised) < _MAX_PROMISES:
                break
            del promised[oldest]
        promised.pop(key, None)
        until = clock + max(8, int(2 * _PROMISED_WITHIN * demand.copies))
        promised[key] = probability * HORIZON / _PROMISED_WITHIN, until

    def shrunk(self, share: float) -> None:
        """That share of what other zones held is gone, or is going: last copies are guarded for a while."""
        clock = self.demand.clock
        if clock >= self._guarded_until:
            self._guard = 0.0
        if share > 0.0:
            self._guard = min(_MAX_GUARD, self._guard + _GUARD * share)
            self._guarded_until = clock + int(_GUARDED_FOR * self.demand.copies)

    def prices(self, local_s: float, peer_s: float, origin_s: float) -> None:
        """What a read costs from here, from another zone, from the origin."""
        self.near_s = max(1e-9, peer_s - local_s)
        self.far_s = (1.0 + self._guard) * max(0.0, origin_s - peer_s)

    def of(self, key: KeyHash) -> float:
        """The value of a copy of it here: seconds saved per horizon."""
        demand = self.demand
        row = demand.rows.get(key & FINGERPRINT_MASK)
        rate = demand.own[row]
        promise = self.promised.get(key)
        if promise is not None and promise[0] > rate and promise[1] > demand.clock:
            rate = promise[0]
        value = self.near_s * rate
        return value if self.elsewhere(key) else value + self.far_s * (rate + demand.others[row])
