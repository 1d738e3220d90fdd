"""S3-FIFO beyond the twins: who is on probation after a switch, ghosts of what was removed, large items."""

from __future__ import annotations

from zoned.core.eviction import S3Fifo, make


def test_a_return_from_the_ghosts_goes_to_the_main_queue() -> None:
    policy: S3Fifo[str] = S3Fifo(10, None)
    for key in "abcdefghijk":
        policy.put(key, 1)
    assert "a" not in policy
    assert policy.put("a", 1) == ["b"]
    assert list(policy.order())[-2:] != ["k", "a"], "a is in the main queue, behind which k waits"
    for key in "lmnopqrst":
        policy.put(key, 1)
    assert "a" in policy


def test_what_expires_after_it_proved_itself_comes_back_to_the_main_queue() -> None:
    policy: S3Fifo[str] = S3Fifo(10, None)
    policy.put("hot", 1)
    policy.hit("hot")
    assert policy.remove("hot")
    policy.put("hot", 1)
    for number in range(30):
        policy.put(f"once {number}", 1)
    assert "hot" in policy


def test_what_expires_unused_starts_on_probation_again() -> None:
    policy: S3Fifo[str] = S3Fifo(10, None)
    policy.put("cold", 1)
    assert policy.remove("cold")
    policy.put("cold", 1)
    for number in range(30):
        policy.put(f"once {number}", 1)
    assert "cold" not in policy


def test_a_newcomer_larger_than_the_small_queue_stays_until_the_next_one() -> None:
    policy: S3Fifo[str] = S3Fifo(None, 100)
    for number in range(20):
        policy.put(f"main {number}", 5)
        policy.hit(f"main {number}")
    assert policy.put("large", 50) != ["large"]
    assert "large" in policy
    assert policy.used_bytes <= 100


def test_larger_than_the_store_is_not_taken_and_pushes_nobody_out() -> None:
    policy: S3Fifo[str] = S3Fifo(None, 100)
    policy.put("a", 60)
    assert policy.put("whale", 101) == ["whale"]
    assert "whale" not in policy and "a" in policy and policy.used_bytes == 60


def test_adopted_elders_are_protected_and_the_youngest_on_probation() -> None:
    policy = make("s3fifo", 20, None)
    policy.adopt((number, 1) for number in range(20))
    gone = [key for number in range(100, 103) for key in policy.put(number, 1)]
    assert gone == [18, 19, 100]
