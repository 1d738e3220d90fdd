"""The desk of fetches: coalescing, falling back, hedging, timing out; every flight lands once."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from zoned.core.actions import Action, FetchOrigin, FetchPeer
from zoned.core.events import FetchDone, FetchOutcome, Purpose
from zoned.core.flight import Flight, FlightDesk, FlightSettings, Landing, Step, StepKind
from zoned.core.flight.flight import Waiter
from zoned.core.names import InstanceKey, key_hash
from zoned.core.records import Reason, Source

KEY = InstanceKey("catalog", b"42")
HASHED = key_hash(KEY)
ORIGIN = Step(StepKind.ORIGIN, "")
ADDRESSES = {"b": ("10.0.0.2", 7947), "c": ("10.0.0.3", 7947)}


def desk(**changed: float) -> FlightDesk:
    """A desk that can reach b and c."""
    return FlightDesk(FlightSettings(**changed), ADDRESSES.get)  # type: ignore[arg-type]


def start(d: FlightDesk, steps: Sequence[Step], now_s: float = 0.0) -> tuple[Flight, list[Action]]:
    """Start a flight for a client's read."""
    flight, actions = d.start(KEY, HASHED, tuple(steps), Reason.DEMAND, "r", now_s)
    assert flight is not None
    assert d.wait(flight, Waiter(1, b"", False, now_s))
    return flight, actions


def done(action: Action, outcome: FetchOutcome, **more: object) -> FetchDone:
    """The end of the attempt that an action started."""
    assert isinstance(action, FetchPeer | FetchOrigin)
    return FetchDone(fetch=action.fetch, outcome=outcome, **more)  # type: ignore[arg-type]


def test_a_holder_that_has_it_ends_the_flight() -> None:
    d = desk()
    flight, (ask,) = start(d, [Step(StepKind.HOLDER, "b"), ORIGIN])
    assert isinstance(ask, FetchPeer) and ask.purpose is Purpose.COPY and ask.address == ADDRESSES["b"]
    landing, more = d.done(done(ask, FetchOutcome.OK, size=7, latency_s=0.02), 0.02)
    assert landing is not None and not more
    assert (landing.source, landing.node, landing.size) == (Source.PEER, "b", 7)
    assert len(d) == 0 and d.find(KEY) is None and flight.waiters


def test_a_false_positive_falls_to_the_next_holder_and_then_to_the_origin() -> None:
    d = desk()
    _, (first,) = start(d, [Step(StepKind.HOLDER, "b"), Step(StepKind.HOLDER, "c"), ORIGIN])
    landing, (second,) = d.done(done(first, FetchOutcome.NOT_HELD, latency_s=0.08), 0.1)
    assert landing is None and isinstance(second, FetchPeer) and second.node == "c"
    landing, (third,) = d.done(done(second, FetchOutcome.TIMEOUT, latency_s=0.1), 0.2)
    assert landing is None and isinstance(third, FetchOrigin)
    landing, _ = d.done(done(third, FetchOutcome.OK, latency_s=0.2), 0.4)
    assert landing is not None and landing.source is Source.ORIGIN
    assert landing.flight.false_holders == ["b"], "only who said not_held was falsely claimed"
    assert landing.latency_s == pytest.approx(0.38), "the waits of all attempts add up"


def test_the_origins_no_is_final() -> None:
    d = desk()
    _, (ask,) = start(d, [ORIGIN, ORIGIN])
    landing, more = d.done(done(ask, FetchOutcome.NOT_FOUND), 0.1)
    assert landing is not None and landing.outcome is FetchOutcome.NOT_FOUND and not more


def test_a_failing_origin_is_tried_again_and_then_given_up() -> None:
    d = desk()
    _, (first,) = start(d, [ORIGIN, ORIGIN])
    landing, (second,) = d.done(done(first, FetchOutcome.FAILED, detail="500"), 0.1)
    assert landing is None
    landing, _ = d.done(done(second, FetchOutcome.FAILED, detail="500"), 0.2)
    assert landing is not None and landing.outcome is FetchOutcome.FAILED and landing.detail == "500"


def test_an_owner_that_went_to_the_origin_counts_as_home() -> None:
    d = desk()
    _, (ask,) = start(d, [Step(StepKind.OWNER, "b"), ORIGIN])
    landing, _ = d.done(done(ask, FetchOutcome.OK, detail="origin"), 0.1)
    assert landing is not None and landing.source is Source.HOME


def test_members_without_an_address_are_passed_over() -> None:
    d = desk()
    _, (ask,) = start(d, [Step(StepKind.HOLDER, "gone"), ORIGIN])
    assert isinstance(ask, FetchOrigin)


def test_a_slow_attempt_gets_a_hedge_and_the_first_answer_wins() -> None:
    d = desk(hedge_after_s=0.5, peer_timeout_s=2.0)
    _, (slow,) = start(d, [Step(StepKind.HOLDER, "b"), ORIGIN])
    assert d.next_deadline() == 0.5
    landings, (hedge,) = d.expire(0.5)
    assert not landings and isinstance(hedge, FetchOrigin)
    landing, _ = d.done(done(hedge, FetchOutcome.OK), 0.7)
    assert landing is not None and landing.source is Source.ORIGIN
    assert d.done(done(slow, FetchOutcome.OK), 0.8) == (None, []), "the loser is not heard any more"
    assert d.next_deadline() is None


def test_a_deadline_moves_the_flight_on() -> None:
    d = desk(peer_timeout_s=0.3, origin_timeout_s=1.0)
    start(d, [Step(StepKind.HOLDER, "b"), ORIGIN])
    landings, (ask,) = d.expire(0.3)
    assert not landings and isinstance(ask, FetchOrigin)
    landings, actions = d.expire(1.3)
    assert not actions and landings[0].outcome is FetchOutcome.TIMEOUT
    assert d.counters["timeouts"] == 2


def test_limits_refuse_and_count() -> None:
    d = desk(max_flights=1, max_waiters=1)
    flight, _ = start(d, [ORIGIN])
    assert not d.wait(flight, Waiter(2, b"", False, 0.0))
    other = InstanceKey("catalog", b"43")
    assert d.start(other, key_hash(other), (ORIGIN,), Reason.DEMAND, "r", 0.0) == (None, [])
    assert d.counters["refused_waiters"] == d.counters["refused_flights"] == 1


def test_poisoned_flights_are_marked() -> None:
    d = desk()
    flight, _ = start(d, [ORIGIN])
    d.poison(lambda key: key.dependency == "other")
    assert not flight.poisoned
    d.poison(lambda key: key == KEY)
    assert flight.poisoned


def test_timers_of_what_is_over_go_and_the_others_stay() -> None:
    """Without anybody asking for the next deadline: those of all that landed would wait for their time."""
    d = desk(origin_timeout_s=10.0)
    slow = InstanceKey("catalog", b"slow")
    d.start(slow, key_hash(slow), (ORIGIN, ORIGIN), Reason.DEMAND, "r", 0.0)
    for number in range(2000):
        _, (ask,) = start(d, [ORIGIN], now_s=number * 1e-3)
        d.done(done(ask, FetchOutcome.OK), number * 1e-3)
    assert len(d._timers) < 400
    assert d.next_deadline() == 1.0, "the hedge of the one that is under way"


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_every_flight_lands_exactly_once(seed: int) -> None:
    """Random outcomes, lost answers and time: each flight ends, once, and nothing is left behind."""
    rng, d = Random(seed), desk(hedge_after_s=0.2, peer_timeout_s=0.5, origin_timeout_s=1.0)
    kinds = [Step(StepKind.HOLDER, "b"), Step(StepKind.OWNER, "c"), Step(StepKind.HOLDER, "gone")]
    landed: dict[InstanceKey, Landing] = {}
    open_actions: list[Action] = []
    for number in range(20):
        key = InstanceKey("d", b"%d" % number)
        steps = (*rng.sample(kinds, rng.randrange(4)), *[ORIGIN] * rng.randrange(1, 3))
        flight, actions = d.start(key, key_hash(key), steps, Reason.DEMAND, "r", 0.0)
        assert flight is not None
        open_actions += actions
    now_s = 0.0
    for _ in range(400):
        now_s += rng.random() * 0.1
        landings, actions = d.expire(now_s)
        open_actions += actions
        if open_actions and rng.random() < 0.7:
            action = open_actions.pop(rng.randrange(len(open_actions)))
            landing, more = d.done(done(action, rng.choice(list(FetchOutcome))), now_s)
            open_actions += more
            landings += [landing] if landing is not None else []
        for landing in landings:
            assert landing.flight.key not in landed
            landed[landing.flight.key] = landing
    assert len(landed) == 20 and len(d) == 0 and d.next_deadline() is None
