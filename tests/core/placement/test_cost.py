from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.placement.scenery import SIZE, Cache, forecast_of, hashed, key, price
from zoned.core.placement import PlacementSettings
from zoned.core.placement.cost import Prices, marginal_values, worth_their_room
from zoned.core.records import Reason, Source, Want

SETTINGS = PlacementSettings()
PRICES = Prices(price, SETTINGS)


def want(value: float) -> Want:
    return Want(key(1), hashed(1), SIZE, Reason.FORECAST, value, "")


def test_what_a_copy_saves() -> None:
    assert PRICES.from_origin_s == pytest.approx(0.199)
    assert PRICES.from_peer_s == pytest.approx(0.079)
    assert PRICES.between_s == pytest.approx(0.12)


def test_prices_out_of_order_save_nothing_rather_than_less() -> None:
    odd = Prices(lambda source: {Source.LOCAL: 0.3, Source.PEER: 0.5}.get(source, 0.1), SETTINGS)
    assert (odd.from_origin_s, odd.from_peer_s, odd.between_s) == (0.0, 0.0, 0.0)


def test_small_instances_count_as_a_transfer() -> None:
    assert PRICES.mib(1) == PRICES.mib(1024) == 1024 / (1 << 20)
    assert PRICES.mib(1 << 20) == 1.0


def test_a_store_with_room_has_no_margin() -> None:
    assert marginal_values(Cache(free=0.5), {}, PRICES, SETTINGS) is None


def test_the_margin_is_what_goes_next() -> None:
    forecast = forecast_of({1: 0.9, 2: 0.4})
    own = {item.key_hash: item for item in forecast.instances}
    cache = Cache([key(1), key(2), key(3)], free=0.0)
    cache.claims[hashed(1)] = ("n1",)
    values = marginal_values(cache, own, PRICES, SETTINGS)
    mib = SIZE / (1 << 20)
    # 3 is not listed: half of the least that is.
    assert values == pytest.approx([0.9 * 0.079 / mib, 0.4 * 0.199 / mib, 0.2 * 0.199 / mib])


def test_a_full_store_takes_only_what_is_worth_more_with_a_margin() -> None:
    settings = PlacementSettings(displacement_margin=1.5)
    assert worth_their_room([want(3.0), want(1.0)], None, settings) == [want(3.0), want(1.0)]
    assert worth_their_room([want(3.0), want(1.4)], [1.0, 1.0], settings) == [want(3.0)]
    assert worth_their_room([want(3.0)], [], settings) == []
    # One precious copy at the end of the queue is averaged with the rest.
    assert len(worth_their_room([want(8.0)] * 4, [1.0, 9.0, 1.0, 1.0], settings)) == 4


@given(st.lists(st.floats(0.01, 100.0)), st.lists(st.floats(0.0, 100.0), min_size=1))
def test_what_comes_in_is_worth_more_than_what_goes(values: list[float], marginal: list[float]) -> None:
    wants = [want(value) for value in sorted(values, reverse=True)]
    taken = worth_their_room(wants, marginal, SETTINGS)
    assert taken == wants[: len(taken)]
    gone = [marginal[min(index, len(marginal) - 1)] for index in range(len(taken))]
    assert not taken or sum(one.value for one in taken) > sum(gone)
