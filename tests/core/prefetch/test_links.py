"""Buckets of bytes by link: against the naive sum, and what there is of them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.prefetch.links import MAX_LINKS, Link, Links, link_to

B, C, ORIGIN = ("node-b", ""), ("node-c", ""), ("", "d")


def make(limited: bool = True) -> tuple[Links, Counter[str]]:
    counters: Counter[str] = Counter()
    return Links(100.0, 1000.0, limited, counters), counters


def test_a_link_is_a_member_or_the_origin_of_a_dependency() -> None:
    assert link_to("node-b", "d") == B and link_to("", "d") == ORIGIN
    assert link_to("d", "x") != link_to("", "d"), "a member may be called what a dependency is"


def test_one_that_has_run_out_closes_until_time_has_paid() -> None:
    links, counters = make()
    links.spend(B, 900, 0.0)
    assert not links.closed(0.0)
    links.spend(B, 300, 0.0)
    links.spend(B, 100, 0.0)
    assert links.closed(0.0) == {B: pytest.approx(3.01)}
    assert counters == {"link_exhausted": 1}, "once, however often it is charged while it is closed"
    assert links.closed(3.0) and not links.closed(3.02)
    links.spend(C, 2000, 4.0)
    links.spend(C, -2000, 4.0)
    assert not links.closed(4.0), "what did not come is given back"


def test_unlimited_nothing_is_kept() -> None:
    links, counters = make(limited=False)
    links.spend(B, 1e12, 0.0)
    assert not links.closed(0.0) and not counters


def test_bounded_and_what_was_charged_last_is_kept() -> None:
    links, counters = make()
    links.spend(("first", ""), 5000, 0.0)
    links.spend(B, 5000, 0.0)
    for number in range(MAX_LINKS - 2):
        links.spend((f"n{number}", ""), 1, 0.0)
    links.spend(B, 1, 0.0)
    links.spend(C, 5000, 0.0)
    assert counters["link_forgotten"] == 1
    assert set(links.closed(0.0)) == {B, C}


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from([B, C, ORIGIN]), st.floats(0.0, 8.0), st.floats(1.0, 900.0)), max_size=60
    )
)
def test_over_any_time_no_link_takes_more_than_its_rate_and_burst(
    steps: list[tuple[Link, float, float]],
) -> None:
    links, _ = make()
    now_s, took, last = 0.0, Counter[Link](), {}
    for link, passed_s, size in steps:
        now_s += passed_s
        if link not in links.closed(now_s):
            links.spend(link, size, now_s)
            took[link] += size
            last[link] = size
    for link, size in took.items():
        assert size - last[link] <= 1000.0 + 100.0 * now_s + 1e-3
