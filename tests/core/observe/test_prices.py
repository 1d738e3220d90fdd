"""Prices: exact while little is known, moving afterwards, sane whatever comes in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import StateError
from zoned.core.observe.prices import SOURCES, Prices, place
from zoned.core.observe.settings import ObserveSettings
from zoned.core.records import Source

SETTINGS = ObserveSettings()


def test_places_are_those_of_the_sources():
    assert [place(source) for source in SOURCES] == [0, 1, 2, 3]
    assert set(SOURCES) == set(Source)


def test_priors_before_anything_was_timed():
    prices = Prices(SETTINGS)
    assert [prices.price(source) for source in SOURCES] == [0.001, 0.08, 0.2, pytest.approx(0.28)]


def test_home_is_peer_and_origin_until_it_was_timed():
    prices = Prices(SETTINGS)
    prices.add(Source.PEER, 0.05, 1)
    assert prices.price(Source.HOME) == pytest.approx(0.25)
    prices.add(Source.HOME, 0.3, 1)
    assert prices.price(Source.HOME) == pytest.approx(0.3)


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, 50)), min_size=1, max_size=15))
def test_the_first_reads_give_the_plain_mean(batches):
    prices = Prices(SETTINGS)
    for mean_s, count in batches:
        prices.add(Source.ORIGIN, mean_s, count)
    total = sum(count for _, count in batches)
    mean = sum(mean_s * count for mean_s, count in batches) / total
    assert prices.price(Source.ORIGIN) == pytest.approx(mean)  # 15 x 50 < price_memory_reads


def test_a_link_that_slows_down_is_followed():
    prices = Prices(ObserveSettings(price_memory_reads=100))
    prices.add(Source.PEER, 0.08, 10_000)
    for _ in range(500):
        prices.add(Source.PEER, 0.16, 1)
    assert prices.price(Source.PEER) == pytest.approx(0.16, rel=0.02)


@pytest.mark.parametrize(("mean_s", "count"), [(-1.0, 1), (math.nan, 1), (math.inf, 1), (0.5, 0), (0.5, -3)])
def test_nonsense_is_ignored(mean_s, count):
    prices = Prices(SETTINGS)
    prices.add(Source.PEER, mean_s, count)
    assert prices.price(Source.PEER) == SETTINGS.prior_peer_s


def test_survives_a_restart():
    prices = Prices(SETTINGS)
    prices.add(Source.PEER, 0.033, 7)
    prices.add(Source.LOCAL, 0.002, 5000)
    after = Prices(SETTINGS)
    after.restore_state(prices.export_state())
    assert [after.price(s) for s in SOURCES] == [prices.price(s) for s in SOURCES]
    assert after.export_state() == prices.export_state()


@pytest.mark.parametrize(
    "obj",
    [None, [], {"moon": [0.1, 1]}, {"peer": None}, {"peer": [0.1]}, {"peer": [-0.1, 1]}, {"peer": ["nan", 1]},
     {"peer": [0.1, 0]}, {"peer": [10**400, 1]}, {3: [0.1, 1]}],
)  # fmt: skip
def test_a_state_that_is_none_is_refused_and_changes_nothing(obj):
    prices = Prices(SETTINGS)
    prices.add(Source.PEER, 0.033, 7)
    with pytest.raises(StateError):
        prices.restore_state(obj)
    assert prices.price(Source.PEER) == 0.033
