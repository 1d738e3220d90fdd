"""Whom a miss asks, in which order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zoned.core.flight import RouteQuery, StepKind, plan_route

NEAR = {"b": 0.01, "c": 0.02, "d": 0.03, "e": 0.04}


def route(
    reachable: str = "bcde", max_holders: int = 3, busy: str = "", **changed: object
) -> list[tuple[str, str]]:
    """The steps of a query, as (kind, node)."""
    query = RouteQuery(
        me="a",
        holders=(),
        zone_owner="",
        fabric_owner="",
        former_owner="",
        asker="",
        prefetch=False,
        preferred="",
    )._replace(**changed)
    steps = plan_route(
        query, lambda node: node in reachable, lambda node: (node in busy, NEAR[node]), max_holders, 2
    )
    return [(step.kind.value, step.node) for step in steps]


def test_nobody_holds_it_so_the_origin_is_asked() -> None:
    assert route() == [("origin", ""), ("origin", "")]


def test_holders_nearest_first_and_not_too_many() -> None:
    assert route(holders=("d", "b", "e", "c"))[:-2] == [("holder", "b"), ("holder", "c"), ("holder", "d")]


def test_the_busy_come_after_the_others_and_still_before_the_origin() -> None:
    assert route(holders=("b", "c", "d"), busy="b")[:-2] == [
        ("holder", "c"),
        ("holder", "d"),
        ("holder", "b"),
    ]
    assert route(holders=("b",), busy="b")[:-2] == [("holder", "b")]


def test_the_former_owner_is_asked_where_nobody_is_known_to_hold_it() -> None:
    assert route(former_owner="b")[:-2] == [("holder", "b")]
    assert route(former_owner="b", prefetch=True) == [("prefetch", "b"), ("origin", "")]
    assert route(former_owner="b", holders=("c",))[:-2] == [("holder", "c")]
    assert route(former_owner="b", holders=("d",), reachable="bc")[:-2] == [("holder", "b")]
    assert route(former_owner="b", fabric_owner="c")[:-2] == [("owner", "c")], "the owner asks it for us"
    assert route(former_owner="b", zone_owner="c")[:-2] == [("owner", "c")]
    assert route(former_owner="b", fabric_owner="c", asker="d")[:-2] == [("holder", "b")], "as here"
    assert route(former_owner="b", asker="b") == route(former_owner="a") == [("origin", ""), ("origin", "")]


def test_the_zones_own_agent_comes_before_other_zones() -> None:
    assert route(holders=("b",), zone_owner="c")[:-2] == [("owner", "c"), ("holder", "b")]


def test_the_fabrics_owner_comes_after_holders() -> None:
    assert route(holders=("c",), fabric_owner="b")[:-2] == [("holder", "c"), ("owner", "b")]
    assert route(fabric_owner="a") == [("origin", ""), ("origin", "")], "never ourselves"


def test_a_forwarded_read_is_not_forwarded_again() -> None:
    steps = route(holders=("b", "c"), zone_owner="d", fabric_owner="e", asker="b")
    assert steps[:-2] == [("holder", "c")], "nor sent back to whoever asked"


def test_a_prefetch_asks_holders_gently_and_the_origin_once() -> None:
    steps = route(holders=("b",), zone_owner="d", fabric_owner="e", prefetch=True, preferred="c")
    assert steps == [("prefetch", "c"), ("prefetch", "b"), ("origin", "")]


def test_the_unreachable_are_not_asked() -> None:
    assert route(reachable="c", holders=("b", "c"), fabric_owner="d")[:-2] == [("holder", "c")]


NODES = st.sampled_from(["", *"abcde"])


@given(st.sets(st.sampled_from("abcde")), NODES, NODES, st.booleans())
def test_nobody_is_asked_twice_and_the_origin_is_last(
    holders: set[str], zone_owner: str, fabric_owner: str, prefetch: bool
) -> None:
    steps = route(
        holders=tuple(sorted(holders)), zone_owner=zone_owner, fabric_owner=fabric_owner, prefetch=prefetch
    )
    asked = [node for kind, node in steps if kind != "origin"]
    assert len(set(asked)) == len(asked) and "a" not in asked
    assert [kind for kind, _ in steps].index("origin") == len(asked)
    assert StepKind.OWNER.value not in {kind for kind, _ in steps} or not prefetch
