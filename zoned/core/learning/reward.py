"""What a choice is worth: the waiting that it saves, minus a price for what has to be moved for it.

The operator says how much waiting the move of a MiB has to save (``prefetch.transfer_price``). Times the mean
size of what is moved that is seconds, so it adds to what each miss takes: an arm with more misses moves more,
even where another zone is near. A guess that comes true moves what would have been moved anyway; one that
does not has moved it for nothing. So with probability p it is worth

    p * saved - (1 - p) * moved

which is a gain from p = moved / (saved + moved) on.
"""

from __future__ import annotations

from typing import NamedTuple

_MIB = float(1 << 20)


class Toll(NamedTuple):
    """Seconds that one answer takes, by where it comes from, with what it moves priced in."""

    hit_s: float
    peer_s: float
    origin_s: float

    @property
    def miss_s(self) -> float:
        """What a miss costs more than a hit."""
        return max(0.0, self.origin_s - self.hit_s)

    @property
    def part(self) -> float:
        """The part of a miss that a holder near by spares, 0..1."""
        return min(1.0, max(0.0, (self.origin_s - self.peer_s) / max(1e-9, self.origin_s - self.hit_s)))


def moved_s(size: float, price_s_per_mib: float) -> float:
    """What moving that many bytes has to save."""
    return price_s_per_mib * size / _MIB


def least_probability(saved_s: float, moved: float) -> float:
    """From which probability on a guess is a gain, 0..1."""
    return moved / (saved_s + moved) if saved_s + moved > 0.0 else 0.0
