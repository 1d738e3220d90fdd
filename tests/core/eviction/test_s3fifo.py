"""S3-FIFO beyond the twins: who is on probation after a switch, ghosts of what was removed, large items."""

from __future__ import annotations

from tests.core.eviction.keyed import Keyed

HOT, COLD, LARGE, WHALE = range(500, 504)


def test_a_return_from_the_ghosts_goes_to_the_main_queue() -> None:
    policy = Keyed("s3fifo", 10, None)
    for key in b"abcdefghijk":
        policy.put(key, 1)
    a, b, k = b"abk"
    assert a not in policy
    assert policy.put(a, 1) == [b]
    assert list(policy.order())[-2:] != [k, a], "a is in the main queue, behind which k waits"
    for key in b"lmnopqrst":
        policy.put(key, 1)
    assert a in policy


def test_what_expires_after_it_proved_itself_comes_back_to_the_main_queue() -> None:
    policy = Keyed("s3fifo", 10, None)
    policy.put(HOT, 1)
    policy.hit(HOT)
    assert policy.remove(HOT)
    policy.put(HOT, 1)
    for number in range(30):
        policy.put(1000 + number, 1)
    assert HOT in policy


def test_what_expires_unused_starts_on_probation_again() -> None:
    policy = Keyed("s3fifo", 10, None)
    policy.put(COLD, 1)
    assert policy.remove(COLD)
    policy.put(COLD, 1)
    for number in range(30):
        policy.put(1000 + number, 1)
    assert COLD not in policy


def test_a_newcomer_larger_than_the_small_queue_stays_until_the_next_one() -> None:
    policy = Keyed("s3fifo", None, 100)
    for number in range(20):
        policy.put(number, 5)
        policy.hit(number)
    assert policy.put(LARGE, 50) != [LARGE]
    assert LARGE in policy
    assert policy.used_bytes <= 100


def test_larger_than_the_store_is_not_taken_and_pushes_nobody_out() -> None:
    policy = Keyed("s3fifo", None, 100)
    policy.put(1, 60)
    assert policy.put(WHALE, 101) == [WHALE]
    assert WHALE not in policy and 1 in policy and policy.used_bytes == 60


def test_adopted_elders_are_protected_and_the_youngest_on_probation() -> None:
    policy = Keyed("s3fifo", 20, None)
    policy.adopt((number, 1) for number in range(20))
    gone = [key for number in range(100, 103) for key in policy.put(number, 1)]
    assert gone == [18, 19, 100]
