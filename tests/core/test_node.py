"""The node as a function: every event, its deadlines, its turn, pairs that tell one another, and restarts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.pool import Pool
from tests.core.solo import DEP, SIZE, Solo, at, key, only, settings_of, some
from zoned.core import events as ev
from zoned.core.actions import Action, Discard, FetchOrigin, Note, Offer
from zoned.core.cache import CacheSettings
from zoned.core.errors import StateError
from zoned.core.events import FetchOutcome
from zoned.core.forecast import ForecastSettings
from zoned.core.members import MemberState
from zoned.core.names import InstanceKey, fingerprint_of, key_hash
from zoned.core.node import Node
from zoned.core.placement import PlacementSettings
from zoned.core.records import Access, DependencyPolicy, FitResult, Load, Reason, Source

K = key(1)

EVENTS: tuple[ev.Event, ...] = (
    ev.Tick(),
    ev.Read(request=1, key=K, client=b"c"),
    ev.PeerRead(request=1, key=K, sender="b1", purpose=ev.Purpose.COPY),
    ev.FetchDone(fetch=99, outcome=FetchOutcome.OK),
    ev.AccessBatch(accesses=(Access(K, key_hash(K), SIZE, True, b"c"),)),
    ev.LocalHits(uses=(ev.LocalUse(K, key_hash(K), 2),), steps=(ev.Step(K, key_hash(K), b"c"),)),
    ev.Timed(source=Source.PEER, mean_s=0.1, count=3),
    ev.StoreLost(keys=(K,)),
    ev.Offered(sender="b1", keys=(K,), sizes=(SIZE,)),
    ev.PacketReceived(data=b"\xff nonsense", sender=("10.0.0.9", 7946)),
    ev.StreamReceived(stream=1, data=b"nonsense", sender=("10.0.0.9", 7946)),
    ev.StreamAnswered(call=7, data=None),
    ev.LoadSampled(load=Load(cpu=0.5)),
    ev.ModelsFitted(job=3, result=FitResult(fitted=(), failures=(), seconds=0.1)),
    ev.Join(seeds=(("10.0.0.9", 7946),)),
    ev.Drain(zone="b"),
    ev.Undrain(zone="b"),
    ev.Pause(paused=True),
    ev.Pause(paused=False),
    ev.Invalidate(dependency=DEP, key=b"\xff\x00%"),
    ev.Invalidate(dependency=DEP, key=None),
    ev.Forget(node="x1"),
    ev.KeysChanged(fingerprints=("0badf00d",)),
    ev.KeyAnswered(request=1),
    ev.AskKeys(request=1, verb=ev.KeyVerb.LIST, key=b"", nodes=("b1",), timeout_s=1.0),
    ev.Stop(kind=ev.StopKind.RESTART),
    ev.Stop(kind=ev.StopKind.LEAVE),
)


# ---- events and time ---------------------------------------------------------------------------------


def test_every_event_has_a_place_in_the_table_and_nothing_else_has() -> None:
    handlers = Solo().node._handlers
    assert set(handlers) == set(get_args(ev.Event)) == {type(event) for event in EVENTS}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_any_event_at_any_time_gives_actions_and_a_deadline_ahead(event: ev.Event) -> None:
    solo = Solo()
    for _ in range(2):  # the second time over what the first has left
        assert all(isinstance(action, get_args(Action)) for action in solo.give(event))
        solo.wait(1.0)
        deadline = solo.node.next_deadline()
        assert deadline is None or deadline > solo.now_s


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.floats(0.0, 40.0)), max_size=40))
def test_whatever_happens_the_node_never_wants_to_be_woken_for_ever(
    story: list[tuple[ev.Event, float]],
) -> None:
    solo = Solo(cache=CacheSettings(max_bytes=None, max_objects=3))
    for event, pause_s in story:
        for fetch in some(FetchOrigin, solo.give(event)):
            solo.end(fetch, FetchOutcome.OK if pause_s < 30 else FetchOutcome.FAILED)
        solo.wait(pause_s)  # asserts that each wake-up moves on
        assert len(solo.node.cache) <= 3


def test_an_idle_node_sleeps_and_a_used_one_turns_at_its_pace() -> None:
    solo = Solo(turn_interval_s=1.0, idle_turn_s=30.0)
    solo.wait(5.0)
    turned_s = solo.node._last_turn_s
    deadline = solo.node._turn_due_s()
    assert deadline == turned_s + 30.0
    solo.now_s = turned_s + 0.5
    solo.have(K)
    assert solo.node._turn_due_s() == turned_s + 1.0


def test_a_turn_that_is_due_happens_with_whatever_event_comes_first() -> None:
    solo = Solo()
    solo.have(K)
    solo.now_s = 1.5
    solo.give(ev.LoadSampled(load=Load()))
    assert solo.node._last_turn_s == 1.5 and solo.node.plan is not None


def test_two_nodes_that_hear_the_same_do_the_same() -> None:
    def story() -> list[list[Action]]:
        solo = Solo()
        return [solo.give(event) for event in EVENTS] + [solo.wait(60.0)]

    assert story() == story()


def test_a_fit_is_asked_for_and_its_answer_taken() -> None:
    forecast = ForecastSettings(worker_enabled=True, min_fit_points=3, job_timeout_s=1e6)
    solo = Solo(forecast=forecast, idle_turn_s=600.0)
    for _ in range(60):
        solo.have(K)
        solo.wait(600.0)
    (fit,) = solo.fits  # one job is out at a time
    solo.give(ev.ModelsFitted(job=fit.job.job, result=None))
    assert solo.node.forecaster.counters["failures"] == 1


# ---- what is said to all -----------------------------------------------------------------------------


def test_pause_and_drain_reach_everybody_and_are_taken_back() -> None:
    pool = Pool("a1", "b1", "c1")
    pool.give("a1", ev.Pause(paused=True))
    pool.give("b1", ev.Drain(zone="c"))
    pool.wait(3.0)
    for name in pool.names:
        assert pool.node(name).facts.paused and pool.node(name).facts.draining() == ("c",)
        plan = pool.node(name).plan
        assert plan is not None and plan.paused and plan.draining == ("c",)
    pool.give("c1", ev.Pause(paused=False))
    pool.give("a1", ev.Undrain(zone="c"))
    pool.wait(3.0)
    assert not any(pool.node(name).facts.paused or pool.node(name).facts.draining() for name in pool.names)


@pytest.mark.parametrize("raw", [b"/plain", b"a:b", b"\xff\x00\xfe", "straße %41".encode()])
def test_an_invalidation_deletes_every_copy_whatever_the_bytes_of_its_key(raw: bytes) -> None:
    pool = Pool("a1", "b1", "c1")
    instance, other = InstanceKey(DEP, raw), InstanceKey(DEP, raw + b"/other")
    for name in pool.names:
        pool.read(name, instance)
        pool.read(name, other)
    pool.give("b1", ev.Invalidate(dependency=DEP, key=raw))
    pool.wait(3.0)
    assert [pool.holds(name, instance) for name in pool.names] == [False] * 3
    assert [pool.holds(name, other) for name in pool.names] == [True] * 3
    assert pool.read("a1", instance).source is Source.ORIGIN


def test_an_invalidation_reaches_an_agent_that_was_cut_off() -> None:
    pool = Pool("a1", "b1")
    pool.read("a1", K)
    pool.read("b1", K)
    pool.cluster.network.cut("a", "b")
    pool.wait(2.0)
    pool.give("a1", ev.Invalidate(dependency=DEP, key=K.key))
    pool.wait(10.0)
    assert pool.holds("b1", K)
    pool.cluster.network.heal()
    pool.wait(40.0)
    assert not pool.holds("b1", K)


def test_a_drained_zone_hands_over_and_says_when_it_is_done() -> None:
    pool = Pool("a1", "b1", "c1")
    for number in range(40):
        pool.read("a1", key(number))
    pool.wait(8.0)
    pool.give("c1", ev.Drain(zone="a"))
    pool.wait(20.0)
    for number in range(40):
        assert pool.holds("b1", key(number)) or pool.holds("c1", key(number))
    assert sum(pool.origin.asked.values()) == 40, "they came from a, not from the origin"
    assert pool.node("b1").swim.summaries()["a1"].drained
    assert pool.node("a1").snapshot(pool.cluster.instant()).drained


def test_a_paused_pool_hands_nothing_over() -> None:
    pool = Pool("a1", "b1")
    for number in range(10):
        pool.read("a1", key(number))
    pool.give("a1", ev.Pause(paused=True))
    pool.wait(3.0)
    pool.give("a1", ev.Drain(zone="a"))
    pool.wait(20.0)
    assert not any(pool.holds("b1", key(number)) for number in range(10))
    assert pool.host("b1").transfers.prefetched == 0


# ---- members and the ring ----------------------------------------------------------------------------


def test_all_compute_one_ring_and_say_so() -> None:
    pool = Pool("a1", "b1", "c1")
    assert len({pool.node(name).agreement.ring.ring_id for name in pool.names}) == 1
    notes = [note for _, note in pool.host("a1").notes if note.event == "ring"]
    assert notes and notes[-1].text.endswith("members 3")


def test_members_that_come_together_share_one_new_ring_but_are_asked_at_once() -> None:
    names = [f"{letter}1" for letter in "abcdefgh"]
    pool = Pool(*names, settle_s=0.5)
    node = pool.node("a1")
    assert len(node.swim.members()) == 8 and node.agreement.epoch <= 2  # itself, and the first who came
    assert all(node.peers.address_of(name) is not None for name in names[1:])
    pool.wait(1.0)
    assert [member.node for member in node.agreement.ring.members] == names and node.agreement.epoch <= 3
    made = [at_s for at_s, note in pool.host("a1").notes if note.event == "ring"]
    assert all(later - sooner >= 1.0 for sooner, later in zip(made, made[1:], strict=False))


def test_down_is_not_out_but_nobody_is_sent_there() -> None:
    pool = Pool("a1", "b1", "c1")
    before = pool.node("a1").agreement.ring.ring_id
    pool.host("c1").crash()
    pool.wait(40.0)
    assert [m.state for m in pool.node("a1").swim.members() if m.node == "c1"] == [MemberState.FAILED]
    assert pool.node("a1").agreement.ring.ring_id == before
    assert pool.node("a1").peers.address_of("c1") is None


def test_who_is_out_for_long_loses_its_place_by_a_fact_and_has_it_back_when_it_returns() -> None:
    names = ("a1", "a2", "b1", "b2", "c1", "c2")
    ring = replace(settings_of("a1").ring, out_after_s=30.0)
    pool = Pool(*names, ring=ring)
    before = pool.node("a1").agreement.ring.ring_id
    pool.host("c2").crash()
    pool.wait(90.0)
    rings = {pool.node(name).agreement.ring.ring_id for name in names[:-1]}
    assert len(rings) == 1 and before not in rings
    pool.host("c2").boot()
    pool.give("c2", ev.Join(seeds=(pool.host("a1").settings.gossip_address,)))
    pool.wait(40.0)
    assert {pool.node(name).agreement.ring.ring_id for name in names} == {before}


def test_who_leaves_loses_its_place_at_once() -> None:
    pool = Pool("a1", "b1", "c1")
    pool.give("c1", ev.Stop(kind=ev.StopKind.LEAVE))
    assert pool.node("c1").leaving
    pool.wait(3.0)
    pool.host("c1").crash()
    pool.wait(3.0)
    assert [m.node for m in pool.node("a1").agreement.ring.members] == ["a1", "b1"]
    assert pool.node("a1").agreement.ring.ring_id == pool.node("b1").agreement.ring.ring_id


def test_copies_of_the_dead_are_not_asked_for() -> None:
    pool = Pool("a1", "b1", "c1")
    pool.read("b1", K)
    pool.wait(3.0)
    assert pool.node("a1").cache.holders(key_hash(K)) == ("b1",)
    pool.host("b1").crash()
    pool.wait(40.0)
    assert pool.node("a1").cache.holders(key_hash(K)) == ()


# ---- restarts ----------------------------------------------------------------------------------------


def lived(**changed: Any) -> Solo:
    """A node that has seen a little of everything."""
    solo = Solo(**changed)
    for round_ in range(6):
        for number in range(10 + round_):
            solo.have(key(number))
        solo.wait(2.0)
    for number in range(3):
        for _ in range(5):
            solo.read(key(number), b"c%d" % number)
            solo.now_s += 0.7
    solo.give(ev.Invalidate(dependency=DEP, key=b"\xff\xfe"))
    solo.give(ev.Drain(zone="b"))
    solo.wait(3.0)
    return solo


def test_state_survives_msgpack_and_a_restored_node_knows_what_it_knew() -> None:
    solo = lived()
    state = msgpack.unpackb(msgpack.packb(solo.node.export_state()))
    again = Solo(state, at_s=solo.now_s)
    assert again.node.facts.draining() == ("b",)
    for source in Source:
        assert again.node.observer.price(source) == solo.node.observer.price(source)
    worth = [one.node.stages.worth.of(key_hash(key(0))) for one in (again, solo)]
    assert worth[0] == pytest.approx(worth[1], rel=0.2), "what its copies are worth"
    again.wait(2.0)
    assert again.node.forecast is not None and again.node.forecast.instances
    assert msgpack.packb(again.node.export_state())


def test_a_restarted_node_fetches_the_hottest_again_first() -> None:
    alone = {"placement": PlacementSettings(enabled=False)}  # a forecast may want the same
    solo = lived(**alone)
    again = Solo(msgpack.unpackb(msgpack.packb(solo.node.export_state())), at_s=solo.now_s, **alone)
    assert again.node.cache.warm_ratio < 0.5
    ahead = some(FetchOrigin, again.wait(10.0))
    assert ahead and all(fetch.prefetch for fetch in ahead)
    assert {fetch.key for fetch in ahead[:3]} == {key(0), key(1), key(2)}
    while ahead:
        ahead = some(FetchOrigin, again.end(ahead.pop())) + ahead
    assert again.node.cache.warm_ratio > 0.9
    entry = again.node.cache.entry(key(0))
    assert entry is not None and entry.reason is Reason.RESTART


def test_after_a_restart_copies_come_from_the_neighbours() -> None:
    pool = Pool("a1", "b1")
    for number in [*range(10)] * 3:
        for name in pool.names:
            pool.read(name, key(number))
    pool.wait(3.0)
    state, asked = pool.node("b1").export_state(), pool.origin.asked.total()
    pool.give("b1", ev.Stop(kind=ev.StopKind.RESTART))
    pool.wait(0.5)
    pool.host("b1").crash()
    pool.wait(5.0)
    pool.host("b1").boot(state)
    pool.give("b1", ev.Join(seeds=(pool.host("a1").settings.gossip_address,)))
    pool.wait(20.0)
    assert all(pool.holds("b1", key(number)) for number in range(10))
    assert pool.origin.asked.total() == asked


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"version": 0},
        {"version": 1},
        {"version": 1, "observe": {}},
        {
            "version": 1,
            **dict.fromkeys(("observe", "graph", "forecast", "facts", "cache", "learning", "gossip")),
        },
    ],
)
def test_a_state_that_is_none_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(StateError):
        Node(settings_of("a1"), at(0.0), state)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_no_damage_to_a_state_escapes_as_anything_but_a_state_error(data: st.DataObject) -> None:
    state = _STATE.copy()
    part = data.draw(st.sampled_from(sorted(set(state) - {"version"})))
    nonsense = st.one_of(st.none(), st.integers(), st.binary(max_size=4), st.lists(st.integers(), max_size=3))
    inner = state[part]
    if isinstance(inner, dict) and inner and data.draw(st.booleans()):
        state[part] = inner | {data.draw(st.sampled_from(sorted(inner))): data.draw(nonsense)}
    else:
        state[part] = data.draw(nonsense)
    try:
        node = Node(_SMALL, at(100.0), state)
    except StateError:
        return
    assert node.snapshot(at(100.0)).node == "a1"  # what was taken up can be shown, too


_SMALL = settings_of("a1", forecast=ForecastSettings(worker_enabled=False, history_hours=72))
_STATE = lived(forecast=_SMALL.forecast).node.export_state()


# ---- the turn ----------------------------------------------------------------------------------------


def test_expired_copies_are_told_to_the_store() -> None:
    solo = Solo(policies=(DependencyPolicy(name=DEP, ttl_s=5.0),))
    solo.have(K)
    assert only(Discard, solo.wait(40.0)).keys == (K,)


def test_an_expired_copy_leaves_the_digest_at_its_time_however_seldom_the_loop_turns() -> None:
    solo = Solo(policies=(DependencyPolicy(name=DEP, ttl_s=50.0),), turn_interval_s=900.0, idle_turn_s=900.0)
    solo.have(K)
    solo.wait(20.0)
    solo.have(key(2))
    assert solo.node.next_deadline() <= 50.0
    assert only(Discard, solo.wait(31.0)).keys == (K,)
    assert list(solo.node.cache.fingerprints()) == [fingerprint_of(key_hash(key(2)))]
    assert only(Discard, solo.wait(20.0)).keys == (key(2),)


def test_a_copy_in_use_is_renewed_before_it_expires() -> None:
    solo = Solo(policies=(DependencyPolicy(name=DEP, ttl_s=100.0),))
    for _ in range(4):
        solo.have(K)
        solo.wait(1.0)
    renewal = some(FetchOrigin, solo.wait(95.0))
    assert [fetch.key for fetch in renewal] == [K] and renewal[0].prefetch


def test_offers_name_the_address_of_whom_they_are_for() -> None:
    pool = Pool("a1", "b1")
    offers: list[Offer] = []
    carry = pool.cluster.offer
    pool.cluster.offer = lambda sender, action: (offers.append(action), carry(sender, action))[1]  # type: ignore[method-assign]
    pool.read("a1", K)
    pool.wait(8.0)
    pool.give("a1", ev.Drain(zone="a"))
    pool.wait(3.0)
    assert offers[0].node == "b1" and offers[0].address == pool.host("b1").settings.peer_address


def test_facts_are_noted_for_the_log() -> None:
    solo = Solo()
    assert only(Note, solo.give(ev.Pause(paused=True))).event == "fact"


def test_a_quiet_node_wakes_for_the_renewal_of_what_was_used() -> None:
    solo = Solo(policies=(DependencyPolicy(name=DEP, ttl_s=100.0),), idle_turn_s=30.0)
    for _ in range(4):
        solo.have(K)
        solo.wait(4.0)
    assert [fetch.key for fetch in some(FetchOrigin, solo.wait(80.0))] == [K]
    assert solo.now_s < 100.0
