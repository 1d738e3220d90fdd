"""Whom the copies obey: what is followed, what is nothing new, and what a switch leaves as it was."""

from __future__ import annotations

import pytest

from tests.core.cache.test_controller import admit, look, name
from zoned.core.cache import CacheController, CacheSettings
from zoned.core.eviction import Books, Hosting
from zoned.core.names import key_hash


def cache(**options: object) -> CacheController:
    made = CacheController(CacheSettings(max_bytes=None, max_objects=30, **options), {})  # type: ignore[arg-type]
    for number in range(24):
        admit(made, number)
    return made


def names(one: CacheController) -> list[int]:
    return [int(entry.key.key) for entry in one.entries()]


def test_dependencies_change_policies_and_their_copies_keep_their_order() -> None:
    one = cache()
    before, switches = names(one), one.counters["switches"]
    one.advise("lru", {"a": "sieve"})
    assert (
        isinstance(one._held.policy, Books) and one.choice.of("a") == "sieve" and one.choice.of("b") == "lru"
    )
    one.advise("lru", {"a": "sieve", "b": "s3fifo"})
    assert one.counters["switches"] == switches + 2
    after = names(one)
    assert sorted(after) == sorted(before)
    for rest in range(3):
        assert [n for n in after if n % 3 == rest] == [n for n in before if n % 3 == rest]
    one.advise("lru")
    assert isinstance(one._held.policy, Hosting) and sorted(names(one)) == sorted(before)
    assert (one.eviction, one.choice.evictions) == ("lru", {})


def test_what_is_no_change_switches_nothing() -> None:
    one = cache()
    policy = one._held.policy
    one.advise("lru", {"a": "lru"})
    assert one._held.policy is policy, "all agree: there is one policy, and no books"
    one.advise("lru", {"a": "sieve"})
    books = one._held.policy
    one.advise("lru", {"a": "sieve", "b": "lru"})
    assert one._held.policy is books and one.counters["switches"] == 1


def test_an_operators_word_is_followed_instead() -> None:
    one = cache(eviction="s3fifo")
    one.advise("lru", {"a": "sieve"})
    assert (one.eviction, one.choice.of("a"), one.counters["switches"]) == ("s3fifo", "s3fifo", 0)


def test_a_policy_that_is_none_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError, match="moon"):
        cache().advise("lru", {"a": "moon"})


def test_a_use_after_a_switch_reaches_the_book_that_holds_the_copy() -> None:
    one = cache()
    one.advise("lru", {"a": "sieve"})
    first = next(number for number in names(one) if number % 3 == 1)
    look(one, first)
    assert [number for number in names(one) if number % 3 == 1][-1] == first
    one.advise("lru", {"a": "lru"})
    look(one, names(one)[0])
    assert names(one)[0] != first


def test_back_to_lru_what_it_would_not_hold_goes_first() -> None:
    one = cache()
    one.advise("sieve")
    recent = [7, 3, 99, 12]  # 99 is not here
    before = [n for n in names(one) if n not in recent]
    one.advise("lru", {}, [key_hash(name(n)) for n in recent])
    assert names(one) == [*before, 7, 3, 12]
