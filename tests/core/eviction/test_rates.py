"""The weights of counts: what generated the events is found again, and nothing is ever negative."""

from __future__ import annotations

import numpy as np
import pytest

from zoned.core.eviction.rates import Rates

PRIOR = np.array([0.2, 0.2, 0.2])


def taught(true: list[float], batches: int, seed: int = 1) -> Rates:
    """Counts at random, waiting times from the hazard that the true weights give, at most one horizon."""
    rng = np.random.default_rng(seed)
    rates = Rates(PRIOR)
    for _ in range(batches):
        counts = rng.exponential(3.0, size=(1000, 3))
        waits = rng.exponential(1.0 / np.maximum(counts @ np.array(true), 1e-9))
        rates.learn(counts, np.clip(waits, 1e-3, 1.0), (waits < 1.0).astype(float))
    return rates


@pytest.mark.parametrize("true", [[0.5, 0.1, 0.0], [0.0, 0.0, 0.8], [0.05, 0.6, 0.2]])
def test_the_weights_that_made_the_events_are_found(true: list[float]) -> None:
    assert taught(true, 30).weights == pytest.approx(true, abs=0.05)


def test_with_little_evidence_the_prior_stands() -> None:
    rates = Rates(PRIOR)
    rates.learn(np.ones((3, 3)), np.ones(3), np.zeros(3))
    assert rates.weights == pytest.approx(PRIOR, rel=0.05)


def test_weights_are_never_negative_even_where_the_best_fit_is() -> None:
    rng = np.random.default_rng(2)
    rates = Rates(PRIOR)
    for _ in range(20):
        counts = rng.exponential(3.0, size=(1000, 3))
        hazard = np.maximum(counts[:, 0] - 0.5 * counts[:, 1], 0.01)
        waits = rng.exponential(1.0 / hazard)
        rates.learn(counts, np.clip(waits, 1e-3, 1.0), (waits < 1.0).astype(float))
    assert (rates.weights >= 0.0).all()
    assert rates.weights[1] == 0.0 < rates.weights[0]
