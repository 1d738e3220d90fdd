"""The guard before prefetching: stops what makes readers wait, and only that, and only while it does."""

from __future__ import annotations

import random

from zoned.core.learning.guard import LossGuard
from zoned.core.learning.ledger import Ledger
from zoned.core.learning.settings import LearningSettings
from zoned.core.records import Source

SETTINGS = LearningSettings()
PRICES = {Source.LOCAL: 0.001, Source.PEER: 0.08, Source.ORIGIN: 0.2, Source.HOME: 0.28}


class World:
    """One dependency's reads: with what probability we hit, and LRU would have."""

    def __init__(self, seed: int = 0) -> None:
        self.ledger, self.guard, self.rng = Ledger(SETTINGS), LossGuard(SETTINGS), random.Random(seed)

    def batches(
        self, count: int, hit: float, lru_hit: float, name: str = "d", scale: float = 1.0
    ) -> list[bool]:
        """Whether the dependency is stopped after each batch. ``scale``: LRU is known from a sample."""
        stopped = []
        line = self.ledger.line(name)
        for _ in range(count):
            for _ in range(SETTINGS.loss_accesses):
                luck = self.rng.random()  # both caches see the same request
                line.requests += 1
                line.served(Source.LOCAL if luck < hit else Source.ORIGIN)
                if luck >= lru_hit and self.rng.random() * scale < 1.0:
                    line.lru_misses += scale
            stopped.append(name in self.guard.review(self.ledger, PRICES.__getitem__))
        return stopped


def test_a_loss_stops_prefetching_soon():
    stopped = World().batches(10, hit=0.50, lru_hit=0.55)
    assert not any(stopped[:3]) and all(stopped[5:])


def test_a_gain_never_stops_it():
    assert not any(World().batches(100, hit=0.55, lru_hit=0.50))


def test_being_equal_never_stops_it():
    assert not any(World().batches(100, hit=0.5, lru_hit=0.5))


def test_a_loss_within_what_is_allowed_does_not():
    assert not any(World().batches(60, hit=0.500, lru_hit=0.502))  # 0.4 % of the latency


def test_it_starts_again_when_the_loss_is_over():
    world = World()
    assert world.batches(10, hit=0.50, lru_hit=0.60)[-1]
    assert not world.batches(60, hit=0.5, lru_hit=0.5)[-1]  # as LRU, without prefetching
    assert world.guard.stops == 1


def test_the_noise_of_a_sample_is_no_loss():
    stops = [any(World(seed).batches(60, hit=0.5, lru_hit=0.5, scale=8.0)) for seed in range(20)]
    assert sum(stops) <= 2


def test_each_dependency_by_itself():
    world = World()
    for _ in range(10):
        world.batches(1, 0.9, 0.5, "good")
        world.batches(1, 0.5, 0.9, "bad")
    assert world.guard.review(world.ledger, PRICES.__getitem__) == ("bad",)


def test_a_folded_line_is_forgotten():
    world = World()
    world.batches(10, 0.5, 0.9, "bad")
    del world.ledger.lines["bad"]
    assert world.guard.review(world.ledger, PRICES.__getitem__) == ()
    assert not world.guard._accounts
