"""The odds of promises: against a batch regression, and what may never happen to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.learning.odds import Odds, Prior

PRIOR: Prior = ((-0.3, 0.3), (0.8, 0.05), (-3.0, 0.3), (0.4, 0.1))


def test_at_first_they_are_the_priors() -> None:
    one = Odds(PRIOR, memory=50.0)
    assert one.of([1.0, 0.0, 0.0, 0.0]) == pytest.approx(1 / (1 + np.exp(0.3)))
    assert one.of([1.0, 1e9, 0.0, 0.0]) < 1.0 and one.of([1.0, -1e9, 0.0, 0.0]) > 0.0


def test_what_was_learnt_fades_towards_the_prior() -> None:
    one = Odds(PRIOR, memory=50.0)
    for _ in range(30):
        one.learn([1.0, 0.4, 1.0, 0.0], True)
    assert one.weights[2] > PRIOR[2][0] + 1.0
    for number in range(500):
        one.learn([1.0, 0.0, 0.0, 0.0], number % 2 == 0)
    assert one.weights[2] == pytest.approx(PRIOR[2][0], abs=0.1)


@given(
    st.lists(st.tuples(st.floats(-4.0, 4.0), st.booleans(), st.floats(-1.0, 4.0), st.booleans()), max_size=60)
)
def test_whatever_comes_it_stays_a_probability_and_a_covariance(
    lives: list[tuple[float, bool, float, bool]],
) -> None:
    one = Odds(PRIOR, memory=100.0)
    for first, second, third, true in lives:
        known = [1.0, first, float(second), third]
        one.learn(known, true)
        assert 0.0 < one.of(known) < 1.0
    assert np.isfinite(one.weights).all()
    assert (np.linalg.eigvalsh(one.covariance) > 0.0).all()
    assert (np.diag(one.covariance) <= 0.3 + 1e-9).all(), "never less sure than at the start"


def test_it_is_a_bayesian_logistic_regression_as_far_as_a_batch_tells() -> None:
    """The naive twin: Newton's method on all promises at once, from the same prior."""
    rng, one = np.random.default_rng(1), Odds(PRIOR, memory=1e9)
    prior, variances = one.weights.copy(), np.diag(one.covariance).copy()
    rows = np.column_stack([np.ones(400), rng.normal(size=(400, 3))])
    truth = prior + rng.normal(size=len(prior)) * np.sqrt(variances)
    came = rng.random(len(rows)) < 1.0 / (1.0 + np.exp(-rows @ truth))
    for row, true in zip(rows, came, strict=True):
        one.learn(row.tolist(), bool(true))
    batch = prior.copy()
    for _ in range(20):
        chance = 1.0 / (1.0 + np.exp(-rows @ batch))
        slope = rows.T @ (came - chance) - (batch - prior) / variances
        curve = (rows * (chance * (1 - chance))[:, None]).T @ rows + np.diag(1.0 / variances)
        batch += np.linalg.solve(curve, slope)
    assert np.abs(rows @ one.weights - rows @ batch).mean() < 0.15
