"""How decayed counts become a rate: two weighted least-squares fits that know no negative weights, online.

A copy's demand lately is a handful of numbers: how often it was asked for here, and elsewhere, each with
several memories. What comes next is taken as linear in them: rate = sum of weight x count. The weights are
learnt, because they are what differs between traces: on one only the long memory counts, on another the last
minute, on a third what others asked for says more than what we did.

What is learnt from is a moment's counts of one instance and what followed: nothing for ``exposure``
requests, or a use at its end. With a constant hazard that is one exponential waiting time, whose rate
estimate is event / exposure, the more certain the longer the exposure. Weights start at a prior (all
memories alike), stay near it while there is little evidence, and forget. Negative weights are forbidden:
they fit noise and make values below nothing. Solved by coordinate descent: six unknowns, 20 rounds.

Rejected: fixed weights (4 to 7 points of the latency gap on every trace), and gradient-boosted trees as in
LRB (Song et al., NSDI 2020): better where sizes and gaps matter, a hundred times the cost per access.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from zoned.core.errors import StateError

Floats = npt.NDArray[np.float64]

_RIDGE = 200.0  # so many samples of weight one stand behind the prior
_FORGET = 0.98  # what the evidence is worth a solution later
_ROUNDS = 20
_ABSURD = 1e30  # no sum of evidence is that large
_MOST = 1e4  # a rate above it is an artefact of a tiny exposure


class Rates:
    """One target: weights over the counts, fitted to what followed."""

    __slots__ = ("_matrix", "_prior", "_vector", "weights")

    def __init__(self, prior: Floats) -> None:
        self._prior = prior
        self.weights = prior.copy()
        """What each count adds to the rate."""
        size = len(prior)
        self._matrix = np.zeros((size, size))
        self._vector = np.zeros(size)

    def learn(self, counts: Floats, exposure: Floats, events: Floats) -> None:
        """A batch: (n, size) counts, how long each was watched (in horizons) and whether a use ended it."""
        target = np.minimum(events / exposure, _MOST)
        weight = exposure / (counts @ self.weights + 0.5)  # the variance of a rate grows with the rate
        weighted = counts * weight[:, None]
        self._matrix += weighted.T @ counts
        self._vector += weighted.T @ target
        self._solve()
        self._matrix *= _FORGET
        self._vector *= _FORGET

    def export_state(self) -> list[list[float]]:
        """What was learnt, and from what: weights, vector, rows of the matrix."""
        return [self.weights.tolist(), self._vector.tolist(), *self._matrix.tolist()]

    def restore_state(self, obj: Any) -> None:
        """Take over what ``export_state`` gave. StateError, and no change, if that is not what it is."""
        size = len(self._prior)
        try:
            told = np.array(obj, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise StateError(f"demand: rates: {error}") from error
        if told.shape != (size + 2, size) or not (np.abs(told) < _ABSURD).all() or (told[0] < 0.0).any():
            raise StateError(f"demand: not the rates of {size} counts")
        self.weights, self._vector, self._matrix = told[0], told[1], told[2:]

    def _solve(self) -> None:
        """Coordinate descent on the ridge problem, each weight kept at zero or above."""
        rows = self._matrix.tolist()
        wanted = (self._vector + _RIDGE * self._prior).tolist()
        weights = self.weights.tolist()
        for _ in range(_ROUNDS):
            for i, row in enumerate(rows):
                left = wanted[i] + row[i] * weights[i]
                for entry, weight in zip(row, weights, strict=True):
                    left -= entry * weight
                weights[i] = max(0.0, left / (row[i] + _RIDGE))
        self.weights = np.array(weights)
