"""Which policy each dependency goes by: the mix is found, proved, played, and left again."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgpack
import pytest

from tests.core.learning.two_dependencies import RECENT, SCAN, reads
from zoned.core.errors import StateError
from zoned.core.eviction import Demand, Worth
from zoned.core.learning import LearningSettings, Tuner
from zoned.core.learning.mixing import Mixture
from zoned.core.names import InstanceKey, Instant, key_hash
from zoned.core.records import Advice, Forecast, Source

NOW = Instant(0.0, 0.0, 0.0)
EMPTY = Forecast(made=NOW, dependencies=(), instances=())
PRICES = {Source.LOCAL: 0.001, Source.PEER: 0.08, Source.ORIGIN: 0.2, Source.HOME: 0.28}
COPIES = 200


class Zone:
    """A tuner that is fed reads, one a second, and asked once in 50."""

    def __init__(self, **options: object) -> None:
        self.worth = Worth(Demand(COPIES, 4096, random.Random(1).random))
        settings = LearningSettings(**{"proof_s": 600.0, "proof_accesses": 500, **options})  # type: ignore[arg-type]
        self.tuner = Tuner(settings, COPIES, None, random.Random(1), self.worth)
        self.mixing = self.tuner._mixing
        self.now = NOW
        self.count = 0

    def read(
        self, accesses: list[tuple[str, int]], until: Callable[[Zone], bool] = lambda zone: False
    ) -> int:
        """How many were read until something was so; -1: it never was."""
        for place, (name, number) in enumerate(accesses):
            self.count += 1
            self.now = Instant(float(self.count), float(self.count), float(self.count))
            key = InstanceKey(name, b"%d" % number)
            self.worth.used(key_hash(key))
            self.tuner.access(key, key_hash(key), 1, self.now)
            self.tuner.served(name, Source.ORIGIN)
            if self.count % 50 == 0:
                self.advice()
                if until(self):
                    return place
        return -1

    def advice(self) -> Advice:
        return self.tuner.review((), PRICES.__getitem__, EMPTY, self.now)

    def cost(self, arm: int | None = None) -> float:
        """Misses so far in the shadow of an arm, or of the mix."""
        assert self.mixing._mix is not None
        return self.mixing._mix.shadow.misses if arm is None else self.tuner._shadow.arms[arm].misses


def played(zone: Zone) -> bool:
    return zone.mixing.played


@pytest.fixture(scope="module")
def mixed() -> Zone:
    """It plays a mix, and went on for 6,000 reads."""
    zone, accesses = Zone(), reads(20_000, 2)
    start = zone.read(accesses, until=played)
    assert 0 <= start < 12_000
    before = [zone.cost(), *[zone.cost(arm) for arm in range(4)]]
    mix = zone.mixing._mix
    assert mix is not None
    zone.read(accesses[start + 1 : start + 6001], until=lambda one: one.mixing._mix is not mix)
    after = [mix.shadow.misses, *[zone.cost(arm) for arm in range(4)]]
    zone.grown = [now - then for now, then in zip(after, before, strict=True)]  # type: ignore[attr-defined]
    return zone


def test_a_mix_is_found_and_played_that_does_better_than_any_one_arm(mixed: Zone) -> None:
    best, *single = mixed.grown  # type: ignore[attr-defined]
    assert best < 0.93 * min(single), (best, single)
    advice = mixed.advice()
    chosen = {name: advice.evictions.get(name, advice.eviction) for name in (SCAN, RECENT)}
    assert chosen[RECENT] == "lru" != chosen[SCAN]
    assert mixed.tuner.counters["mix_changes"] == 1 and mixed.tuner.counters["arm_trials_won"] >= 1


def test_the_ledger_can_say_who_goes_by_what_and_why(mixed: Zone) -> None:
    plays = mixed.mixing.plays
    own = next(iter(plays.own))
    assert mixed.tuner.why(own).startswith("with it the whole store was measured to be better")
    assert mixed.tuner.why("").startswith("as all that have none of their own")
    shown = {arm.arm: arm.why for arm in mixed.tuner.arms() if arm.played}
    assert shown == {plays.rest: f"for all but {own}", plays.own[own]: f"for {own}"}


def test_a_restart_goes_on_with_the_mix(mixed: Zone) -> None:
    state = msgpack.unpackb(msgpack.packb(mixed.tuner.export_state()))
    after = Zone()
    after.tuner.restore_state(state, NOW)
    assert after.tuner.export_state() == mixed.tuner.export_state()
    before, now = mixed.advice(), after.advice()
    assert (now.eviction, now.evictions) == (before.eviction, before.evictions) and now.evictions
    older = Zone()
    del state["mix"]
    older.tuner.restore_state(state, NOW)
    assert older.advice().evictions == {}


@pytest.mark.parametrize("key", ["rest", "own", "played", "advantage", "edge", "hours"])
@pytest.mark.parametrize("value", [None, 3, "x", [1.0], {"d": 3}, {4: "lru"}, {"passed": -1}])
def test_a_malformed_mix_is_refused_and_changes_nothing(mixed: Zone, key: str, value: object) -> None:
    state, after = mixed.tuner.export_state(), Zone()
    if key == "rest" and value == "x":
        return  # an arm that is none any more: see below
    state["mix"] = {**state["mix"], key: value}  # type: ignore[dict-item]
    before = after.tuner.export_state()
    with pytest.raises(StateError):
        after.tuner.restore_state(state, NOW)
    assert after.tuner.export_state() == before


def test_a_mix_with_arms_that_are_none_any_more_is_forgotten(mixed: Zone) -> None:
    after = Zone(arms=("lru", "sieve"))
    after.tuner.restore_state(mixed.tuner.export_state(), NOW)
    assert after.mixing.plays == Mixture("lru") and after.tuner.export_state()["mix"] is None


def test_a_mix_that_turns_bad_is_left_within_the_hour() -> None:
    """All that was scanned is now read again and again in a round that LRU holds and nobody else does."""
    zone = Zone()
    assert zone.read(reads(20_000, 2), until=played) >= 0
    lru_then, then = zone.tuner._shadow.arms[0].misses, zone.cost()
    mix = zone.mixing._mix
    rng, left = random.Random(5), None
    for fresh in range(60):
        turned = [(SCAN, 90_000 + fresh * 100 + rng.randrange(150)) for _ in range(200)]
        if zone.read(turned, until=lambda one: not one.mixing.played) >= 0:
            left = fresh
            break
    assert left is not None and mix is not None
    assert mix.shadow.misses - then <= (zone.tuner._shadow.arms[0].misses - lru_then) + 60


def test_while_all_is_new_the_mix_waits_and_comes_back() -> None:
    zone, usual = Zone(), reads(20_000, 2)
    start = zone.read(usual, until=played) + 1
    zone.read(usual[start : start + 500])
    mix, before = zone.mixing._mix, zone.mixing.plays
    assert zone.mixing.played and before.own
    zone.read([(SCAN, 500_000 + number) for number in range(100)])
    assert zone.mixing.plays == Mixture("lru") and zone.mixing.played and zone.mixing.alarms == 1
    assert "new" in zone.tuner.why(SCAN)
    assert zone.read(usual[start + 500 :], until=lambda one: one.mixing.plays == before) >= 0
    assert zone.mixing._mix is mix and zone.mixing.alarms_right == 0


def test_a_mix_whose_alarm_was_right_has_to_be_found_again() -> None:
    zone = Zone(max_loss=0.5)  # or it would be left for what it loses in that hour
    usual, rng = reads(20_000, 2), random.Random(3)
    start = zone.read(usual, until=played) + 1
    zone.read(usual[start : start + 500])
    zone.read([(SCAN, 500_000 + number) for number in range(150)])
    assert zone.mixing.alarms == 1
    for _ in range(100):
        zone.read([(SCAN, 500_000 + rng.randrange(150))])
        zone.advice()  # once a read: fifty of them look like one piece of bad luck
    assert zone.mixing._mix is None and zone.mixing.alarms_right == 1
    shadow = zone.tuner._shadow
    held = [sum([slot in arm.cache for arm in shadow._playing]) for slot in range(len(shadow._holders))]
    assert list(shadow._holders) == held


def test_one_dependency_alone_is_never_on_trial_and_costs_no_shadow() -> None:
    zone = Zone()
    zone.read([(SCAN, number) for _, number in reads(4000, 1)])
    assert zone.tuner.counters["arm_trials"] == 0 and len(zone.tuner._shadow._playing) == 4


def test_a_dependency_with_hardly_any_reads_has_no_trials_of_its_own() -> None:
    zone = Zone(trial_share=0.05, trial_batches=12)
    rng = random.Random(2)
    accesses = [
        (name, number) if rng.random() > 0.02 else ("quiet", number) for name, number in reads(6000, 1)
    ]
    seen: set[str] = set()
    zone.read(accesses, until=lambda one: bool(seen.add(one.mixing._name)))
    assert seen == {"", SCAN, RECENT}


def test_trials_that_are_over_leave_nothing_behind() -> None:
    zone = Zone(trial_batches=12)
    zone.read(reads(8000, 3))
    shadow = zone.tuner._shadow
    assert zone.tuner.counters["arm_trials"] > 5
    assert len(shadow._playing) <= 6
    held = [sum([slot in arm.cache for arm in shadow._playing]) for slot in range(len(shadow._holders))]
    assert list(shadow._holders) == held


def test_a_mixture_names_only_who_goes_by_another_arm_than_the_rest() -> None:
    one = Mixture("lru").but("a", "sieve").but("b", "value")
    assert one.own == {"a": "sieve", "b": "value"} and one.arm("c") == "lru"
    assert one.but("a", "lru").own == {"b": "value"}
    assert one.told("lru") == "for all but a, b"
