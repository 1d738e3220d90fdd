"""A dependency whose policy is ``lru`` is a plain cache: nothing of it is ever fetched ahead."""

from __future__ import annotations

import pytest

from tests.core.solo import DEP, Solo, key, some
from zoned.core import events as ev
from zoned.core.actions import FetchOrigin
from zoned.core.learning import LearningSettings
from zoned.core.records import DependencyPolicy

PAGE, PART = key(1), key(2)
OTHER = key(3, "other")


def solo(policy: str, learning: bool = True, ttl_s: float | None = None) -> Solo:
    return Solo(
        policies=(DependencyPolicy(name=DEP, policy=policy, ttl_s=ttl_s), DependencyPolicy(name="other")),
        learning=LearningSettings(enabled=learning),
    )


@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize(("policy", "ahead"), [("auto", True), ("lru", False)])
def test_what_follows_is_fetched_ahead_only_where_the_policy_allows(
    policy: str, ahead: bool, learning: bool
) -> None:
    one = solo(policy, learning)
    fetched = 0
    for visitor in range(40):
        client = b"c%d" % visitor
        for instance in (PAGE, PART):
            fetches = some(FetchOrigin, one.read(instance, client))
            fetched += sum(fetch.key == PART for fetch in fetches) if instance == PAGE else 0
            for fetch in fetches:
                one.end(fetch)
            one.wait(2.0)
        for instance in (PAGE, PART):
            one.give(ev.Invalidate(dependency=DEP, key=instance.key))
        one.wait(30.0)
    assert (fetched > 0) == ahead
    assert (one.node.prefetcher.counters["ordered_association"] > 0) == ahead


@pytest.mark.parametrize(("policy", "ahead"), [("auto", True), ("lru", False)])
def test_copies_in_use_are_refreshed_only_where_the_policy_allows(policy: str, ahead: bool) -> None:
    one = solo(policy, ttl_s=60.0)
    one.have(PAGE)
    for _ in range(55):
        one.read(PAGE)
        one.wait(1.0)
    assert (one.node.prefetcher.counters["ordered_refresh"] > 0) == ahead


def test_nothing_of_it_is_fetched_again_after_a_restart() -> None:
    before = solo("lru")
    for instance in (PAGE, OTHER):
        for _ in range(5):
            before.have(instance)
    again = Solo(
        before.node.export_state(),
        at_s=before.now_s + 10.0,
        policies=(DependencyPolicy(name=DEP, policy="lru"), DependencyPolicy(name="other")),
    )
    fetched = {fetch.key for fetch in some(FetchOrigin, again.wait(60.0))}
    assert fetched == {OTHER}
