"""Vivaldi: members that measure one another come to predict distances they never measured."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import PeerError
from zoned.core.gossip.coordinates import (
    ORIGIN,
    Coordinate,
    Vivaldi,
    distance_s,
    parse_payload,
    raw_distance_s,
)

floats = st.floats(-10, 10)
coordinates = st.builds(
    Coordinate,
    st.lists(floats, min_size=8, max_size=8).map(tuple),
    st.floats(0, 1.5),
    floats,
    st.floats(0, 1),
)


def test_it_learns_a_map_of_cities() -> None:
    rng = random.Random(3)
    places = [(rng.uniform(0, 0.1), rng.uniform(0, 0.1)) for _ in range(12)]
    nodes = [Vivaldi(random.Random(i)) for i in range(12)]
    pairs = [(a, b) for a in range(12) for b in range(12) if a != b]
    unmeasured = {(a, b) for a, b in pairs if (a + b) % 5 == 0}
    for _ in range(150):
        for a, b in pairs:
            if (a, b) not in unmeasured:
                nodes[a].measured(str(b), nodes[b].own, math.dist(places[a], places[b]) + 0.002)
    errors = [
        abs(distance_s(nodes[a].own, nodes[b].own) - math.dist(places[a], places[b]) - 0.002)
        for a, b in sorted(unmeasured)
    ]
    assert sorted(errors)[len(errors) // 2] < 0.005 and max(errors) < 0.03


def test_serf_s_first_step() -> None:
    """Two members on one spot, 0.2 s apart: force 0.25 x 0.5 x 0.2 in a random direction (client.go)."""
    node = Vivaldi(random.Random(1))
    node.measured("b", ORIGIN, 0.2)
    assert math.hypot(*node.own.vec) == pytest.approx(0.125 * (0.2 - 2e-5), rel=1e-5)  # but for gravity
    assert node.own.error == pytest.approx(min(1.5, 0.125 * 0.9999 + 1.5 * 0.875))
    assert node.own.height == 1e-5
    assert node.own.adjustment == pytest.approx((0.2 - raw_distance_s(node.own, ORIGIN)) / 40, rel=1e-2)


@pytest.mark.parametrize("rtt_s", [-1.0, 0.0, 11.0, math.nan, math.inf])
def test_impossible_measurements_change_nothing(rtt_s: float) -> None:
    node = Vivaldi(random.Random(1))
    node.measured("b", ORIGIN, rtt_s)
    assert node.own == ORIGIN


@given(st.lists(st.tuples(coordinates, st.floats(1e-9, 10)), max_size=30))
def test_it_stays_finite_whatever_others_claim(claims: list[tuple[Coordinate, float]]) -> None:
    node = Vivaldi(random.Random(1))
    for claim, rtt_s in claims:
        node.measured("b", claim, rtt_s)
        own = node.own
        assert all(map(math.isfinite, (*own.vec, own.error, own.adjustment, own.height)))
        assert own.height >= 1e-5


@given(coordinates)
def test_payloads_come_back(where: Coordinate) -> None:
    node = Vivaldi(random.Random(1))
    node.own = where
    assert parse_payload(node.payload()) == where


def test_no_payload_no_coordinate() -> None:
    assert parse_payload(b"") is None and parse_payload(b"\x02whatever") is None


@pytest.mark.parametrize("payload", [b"\x01\x80", b"\x01\x81\xa3Vec\x91\x01", b"\x01\xc1", b"\x01"])
def test_damaged_payloads(payload: bytes) -> None:
    with pytest.raises(PeerError):
        parse_payload(payload)
