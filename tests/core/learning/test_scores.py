"""Discounted sums against the formulas written out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import StateError
from zoned.core.learning.scores import Discounted

values = st.lists(st.floats(-10, 10), min_size=2, max_size=40)


@given(values, st.floats(0.5, 0.999))
def test_equals_the_weighted_formulas(series, decay):
    score = Discounted(decay)
    for value in series:
        score.add(value)
    weights = [decay ** (len(series) - 1 - index) for index in range(len(series))]
    mean = sum(w * v for w, v in zip(weights, series, strict=True)) / sum(weights)
    spread = sum(w * (v - mean) ** 2 for w, v in zip(weights, series, strict=True)) / sum(weights)
    count = sum(weights) ** 2 / sum(w * w for w in weights)
    assert score.mean == pytest.approx(mean, abs=1e-9)
    assert score.total == pytest.approx(mean * sum(weights), abs=1e-8)
    widened = 2.0 * (1.0 + 5.0 / (4.0 * (count - 1.0)))
    expected = mean - widened * math.sqrt(spread / (count - 1.0))
    assert score.lower(2.0) == pytest.approx(expected, abs=1e-4)


def test_one_value_has_no_spread():
    score = Discounted(0.9)
    assert score.mean == 0.0 and score.lower(2.0) == -math.inf
    score.add(5.0)
    assert score.mean == 5.0 and score.lower(2.0) == -math.inf


@given(values)
def test_survives_a_restart(series):
    score = Discounted(0.9)
    for value in series:
        score.add(value)
    after = Discounted.restored(score.export_state(), 0.9)
    for one in (score, after):
        one.add(1.0)
    assert (after.mean, after.lower(1.0), after.values) == (score.mean, score.lower(1.0), score.values)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=10,
)


@given(anything | st.lists(st.floats() | st.integers(), min_size=5, max_size=5))
def test_nonsense_is_refused_or_harmless(obj):
    try:
        score = Discounted.restored(obj, 0.9)
    except StateError:
        return
    score.lower(2.0)
    score.add(1.0)
    score.add(2.0)
    assert math.isfinite(score.mean) and not math.isnan(score.lower(2.0))
