"""The odds that a promise comes true, as a weighted sum of what is known of it; the weights are learnt.

A logistic regression, updated promise by promise together with its covariance (an extended Kalman filter), so
that ten promises already count and later ones change less. What was learnt slowly fades towards the prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, isfinite, log, sqrt
from operator import mul
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from zoned.core.errors import StateError

Floats: TypeAlias = npt.NDArray[np.float64]
Prior: TypeAlias = tuple[tuple[float, float], ...]
"""(weight at the start, how unsure we are of it: its variance) of each thing that is known."""

SURE = 0.98
"""Nothing is taken for surer, nor for less sure than what is left of it."""
_ABSURD = 1e3  # no weight is that large
_LEAST_DOUBT = 0.02  # variance of an outcome: what is surprising must be able to teach


class Odds:
    """The weights, and what is not known of them."""

    __slots__ = ("_doubts", "_keep", "_pull", "covariance", "rates", "weights")

    def __init__(self, prior: Prior, memory: float) -> None:
        """``memory``: after so many promises what was learnt has faded to 1/e (in variance)."""
        weights: Floats = np.array([weight for weight, _ in prior])
        variances: Floats = np.diag([variance for _, variance in prior])
        self._keep = keep = 1.0 - 0.5 / memory
        self._pull: Floats = (1.0 - keep) * weights  # what one promise's forgetting gives back of them,
        self._doubts: Floats = (1.0 - keep * keep) * variances  # and adds to what is not known
        self.put(weights, variances)

    def put(self, weights: Floats, covariance: Floats) -> None:
        """Go on with these, which are ours from now on."""
        self.weights, self.covariance = weights, covariance
        self.rates: list[float] = weights.tolist()  # the same for reading, faster

    def export_state(self) -> list[list[float]]:
        """[weights, covariance row by row]."""
        return [self.weights.tolist(), self.covariance.ravel().tolist()]

    def of(self, known: Sequence[float]) -> float:
        """[hot] The probability of a promise of which that much is known."""
        return probability_of(self.log_odds(known))

    def log_odds(self, known: Sequence[float]) -> float:
        """[hot] The same as log odds."""
        total: float = sum(map(mul, self.rates, known))
        return total

    def doubt(self, known: Sequence[float]) -> float:
        """The standard deviation of those."""
        value = np.array(known)
        return sqrt(value @ self.covariance @ value)

    def learn(self, known: Sequence[float], true: bool) -> None:
        """A promise was decided."""
        value, keep, weights, covariance = np.array(known), self._keep, self.weights, self.covariance
        weights *= keep
        weights += self._pull
        covariance *= keep * keep
        covariance += self._doubts
        probability = probability_of(weights.dot(value))
        doubt = max(_LEAST_DOUBT, probability * (1.0 - probability))
        gain = covariance.dot(value)
        spread = 1.0 + doubt * float(gain.dot(value))
        weights += gain * ((true - probability) / spread)
        known_now = gain * sqrt(doubt / spread)
        covariance -= known_now[:, None] * known_now  # which stays symmetric, to the last digit
        self.rates = weights.tolist()


def log_odds_of(probability: float) -> float:
    """The log odds of that probability; nothing is taken for surer than 0.98."""
    probability = min(SURE, max(1.0 - SURE, probability))
    return log(probability / (1.0 - probability))


def probability_of(log_odds: float) -> float:
    """The probability with these log odds."""
    return 1.0 / (1.0 + exp(-max(-30.0, min(30.0, log_odds))))


def saved_weights(weights: object, covariance: object, size: int) -> tuple[Floats, Floats]:
    """What `Odds` of ``size`` weights were exported as (the covariance row by row), checked: `StateError`."""
    means, spread = _numbers(weights, size), _numbers(covariance, size * size).reshape(size, size)
    if not np.array_equal(spread, spread.T) or (np.linalg.eigvalsh(spread) < 0.0).any():
        raise StateError("learning: an impossible covariance of weights")
    return means, spread


def _numbers(obj: object, size: int) -> Floats:
    if not isinstance(obj, (list, tuple)) or len(obj) != size:
        raise StateError(f"learning: not {size} weights: {str(obj)[:80]}")
    if not all(isinstance(one, (int, float)) and isfinite(one) and abs(one) < _ABSURD for one in obj):
        raise StateError(f"learning: impossible weights: {str(obj)[:80]}")
    return np.array(obj, dtype=np.float64)
