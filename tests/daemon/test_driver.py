"""The driver: steps in order, one timer, bytes held for exactly one step, every wait with an end."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest

from tests.daemon.fakes import FakeGossip, FakeKeys, FakeNode, FakeOrigin, FakePeers, until
from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.events import FetchOutcome, Purpose
from zoned.core.names import InstanceKey
from zoned.core.records import FitJob, FitResult, Source
from zoned.daemon.clock import Clock
from zoned.daemon.driver import Driver
from zoned.daemon.effects import World
from zoned.daemon.log import Log
from zoned.daemon.stores import MemoryStore

pytestmark = pytest.mark.asyncio
KEY = InstanceKey("shop", b"a")


class Worker:
    async def fit(self, job: FitJob) -> FitResult | None:
        return FitResult(fitted=(), failures=(), seconds=0.0)


class Rig:
    """A driver among fakes."""

    def __init__(
        self, read_timeout_s: float = 5.0, max_bytes: int = 1000, gossip: FakeGossip | None = None
    ) -> None:
        self.clock = Clock()
        self.node = FakeNode()
        self.gossip, self.peers = gossip or FakeGossip(), FakePeers()
        self.origin = FakeOrigin(self.clock, {b"a": b"alpha", b"b": b"beta"})
        self.store = MemoryStore(max_bytes)
        self.tasks: set[asyncio.Task[None]] = set()
        self.log = io.StringIO()
        world = World(
            gossip=self.gossip,
            store=self.store,
            origins={"shop": self.origin},
            peers=self.peers,
            worker=Worker(),
            keys=FakeKeys(),
            log=Log(self.log),
        )
        self.driver = Driver(self.node, self.clock, world, self.spawn, read_timeout_s)  # type: ignore[arg-type]

    def spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def test_a_miss_is_fetched_once_kept_and_then_served_without_waiting() -> None:
    rig = Rig()
    rig.origin.gate.clear()
    reads = [asyncio.create_task(rig.driver.read(KEY, b"u")) for _ in range(20)]
    await until(lambda: len(rig.node.of(ev.Read)) == 20)
    rig.origin.gate.set()
    replies = await asyncio.gather(*reads)
    assert {reply.copy.body for reply in replies if reply.copy} == {b"alpha"}
    assert len(rig.origin.asked) == 1
    hit = rig.driver.read(KEY, b"u")
    with pytest.raises(StopIteration) as done:
        hit.send(None)  # finished at its first step: nothing was awaited
    assert done.value.value.copy is rig.store.get(KEY)
    assert done.value.value.source is Source.LOCAL


async def test_the_bytes_of_a_fetch_are_gone_after_its_step() -> None:
    rig = Rig()
    await rig.driver.read(KEY, b"")
    assert rig.driver._effects._bodies == {}
    assert rig.store.used_bytes == 5


async def test_a_refusal_and_an_unknown_dependency_are_answers() -> None:
    rig = Rig()
    reply = await rig.driver.read(InstanceKey("shop", b"nope"), b"")
    assert (reply.outcome, reply.copy, reply.detail) == (FetchOutcome.NOT_FOUND, None, "origin says 404")
    reply = await rig.driver.read(InstanceKey("nobody", b"x"), b"")
    assert reply.detail == "unknown dependency"


async def test_a_read_that_nobody_answers_times_out_and_its_late_answer_is_dropped() -> None:
    rig = Rig(read_timeout_s=0.01)
    rig.node.script[ev.Read] = lambda event, now: []
    reply = await rig.driver.read(KEY, b"")
    assert reply.outcome is FetchOutcome.TIMEOUT
    request = rig.node.of(ev.Read)[0].request
    late = act.Refuse(request=request, outcome=FetchOutcome.FAILED, detail="")
    rig.node.script[ev.Tick] = lambda event, now: [late]
    rig.driver.submit(ev.Tick())
    assert rig.driver.counters()["late_answers"] == 1
    assert rig.driver.counters()["timed_out_reads"] == 1
    assert rig.driver.counters()["waiting_reads"] == 0


async def test_events_that_actions_cause_wait_for_the_step_to_end() -> None:
    order: list[str] = []

    class Echo(FakeGossip):
        def perform(self, action: Any) -> None:
            rig.driver.submit(ev.Forget(node="inner"))
            order.append("performed")

    rig = Rig(gossip=Echo())
    packet = act.SendPacket(address=("127.0.0.1", 1), data=b"x")
    rig.node.script[ev.Join] = lambda event, now: [packet, packet]
    rig.node.script[ev.Forget] = lambda event, now: order.append("inner") or []
    rig.driver.submit(ev.Join(seeds=()))
    assert order == ["performed", "performed", "inner", "inner"]


async def test_a_lost_copy_is_told_and_read_again() -> None:
    rig = Rig()
    rig.node.held.add(KEY)  # the index believes in a copy that the store does not have
    reply = await rig.driver.read(KEY, b"who")
    assert reply.copy is not None and reply.copy.body == b"alpha"
    assert rig.node.of(ev.StoreLost) == [ev.StoreLost(keys=(KEY,))]
    assert [read.client for read in rig.node.of(ev.Read)] == [b"who", b"who"]
    assert rig.driver.counters()["lost_copies"] == 1


async def test_a_peer_is_answered_from_the_store_or_told_that_there_is_nothing() -> None:
    rig = Rig()
    reply = await rig.driver.peer_read(KEY, "z2", Purpose.COPY, "r1")
    assert (reply.outcome, reply.copy) == (FetchOutcome.NOT_HELD, None)
    await rig.driver.read(KEY, b"")
    reply = await rig.driver.peer_read(KEY, "z2", Purpose.COPY, "r1")
    assert reply.copy is rig.store.get(KEY)
    assert (reply.ttl_s, reply.ring_id) == (9.5, "r1")
    rig.store.delete(KEY)
    reply = await rig.driver.peer_read(KEY, "z2", Purpose.COPY, "r1")
    assert (reply.outcome, reply.copy) == (FetchOutcome.NOT_HELD, None)


async def test_fetching_again_what_is_held_is_conditional() -> None:
    rig = Rig()
    await rig.driver.read(KEY, b"")
    before = rig.store.get(KEY)
    assert before is not None
    rig.node.held.discard(KEY)  # expired, but still in the store
    reply = await rig.driver.read(KEY, b"")
    assert [version for _, version, _ in rig.origin.asked] == ["", '"v1"']
    assert reply.copy is not None and reply.copy.body is before.body
    assert reply.copy.born_s >= before.born_s
    assert rig.node.of(ev.FetchDone)[-1].size == 5
    assert rig.driver.counters()["not_modified"] == 1


async def test_a_copy_that_goes_while_the_origin_is_asked_is_still_good_for_a_304() -> None:
    rig = Rig()
    await rig.driver.read(KEY, b"")
    rig.node.held.discard(KEY)
    rig.origin.gate.clear()
    read = asyncio.create_task(rig.driver.read(KEY, b""))
    await until(lambda: len(rig.origin.asked) == 2)
    rig.store.delete(KEY)
    rig.origin.gate.set()
    reply = await read
    assert reply.copy is not None and reply.copy.body == b"alpha"


async def test_the_timer_fires_at_the_deadline_and_the_node_sees_no_time_before_it() -> None:
    rig = Rig()

    def tick(event: ev.Tick, now: Any) -> list[act.Action]:
        assert rig.node.deadline_s is not None and now.mono_s >= rig.node.deadline_s
        rig.node.deadline_s = now.mono_s + 0.0105 if len(rig.node.of(ev.Tick)) < 20 else None
        return []

    rig.node.script[ev.Tick] = tick
    rig.node.deadline_s = rig.clock.now().mono_s + 0.0007
    rig.driver.submit(ev.Join(seeds=()))
    await until(lambda: rig.node.deadline_s is None)
    times = [now.mono_s for now in rig.node.times]
    assert times == sorted(times)
    assert len(rig.node.of(ev.Tick)) == 20  # one a deadline: it never span


async def test_a_deadline_that_moves_nearer_is_met_and_one_that_moves_away_is_not_ticked_early() -> None:
    rig = Rig()
    start_s = rig.clock.now().mono_s
    rig.node.deadline_s = start_s + 5.0
    rig.driver.submit(ev.Join(seeds=()))
    rig.node.deadline_s = start_s + 0.02
    rig.driver.submit(ev.Join(seeds=()))
    rig.node.deadline_s = start_s + 0.06
    rig.driver.submit(ev.Join(seeds=()))

    def tick(event: ev.Tick, now: Any) -> list[act.Action]:
        rig.node.deadline_s = None
        return []

    rig.node.script[ev.Tick] = tick
    await until(lambda: rig.node.of(ev.Tick))
    assert 0.059 <= rig.node.times[-1].mono_s - start_s < 2.0


async def test_a_mistake_of_the_core_ends_the_driver_and_frees_who_waits() -> None:
    rig = Rig()
    rig.node.script[ev.Read] = lambda event, now: []
    waiting = asyncio.create_task(rig.driver.read(KEY, b""))
    await until(lambda: rig.node.of(ev.Read))

    def broken(event: ev.Tick, now: Any) -> list[act.Action]:
        raise AssertionError("our own mistake")

    rig.node.script[ev.Tick] = broken
    with pytest.raises(AssertionError):
        rig.driver.submit(ev.Tick())
    assert isinstance(rig.driver.died.exception(), AssertionError)
    assert (await waiting).detail == "agent is stopping"
    seen = len(rig.node.seen)
    rig.driver.submit(ev.Tick())
    assert (await rig.driver.read(KEY, b"")).outcome is FetchOutcome.FAILED
    assert len(rig.node.seen) == seen  # no event for a node that is half way through one


async def test_a_store_over_its_limit_is_our_mistake() -> None:
    rig = Rig(max_bytes=4)
    read = asyncio.create_task(rig.driver.read(KEY, b""))
    await until(rig.driver.died.done)
    assert isinstance(rig.driver.died.exception(), AssertionError)
    await read
    assert all(isinstance(task.exception(), AssertionError) for task in rig.tasks if task.done())


async def test_offers_fits_notes_and_latencies() -> None:
    rig = Rig()
    offer = act.Offer(node="z2", address=("127.0.0.1", 1), keys=(KEY,), sizes=(5,))
    job = FitJob(job=7, series=(), steps=1, budget_s=1.0)
    note = act.Note(level="info", event="member_up", text="member up z2")
    rig.node.script[ev.Join] = lambda event, now: [offer, act.Fit(job=job), note]
    rig.driver.submit(ev.Join(seeds=()))
    await until(lambda: not rig.tasks)
    assert rig.peers.orders == [offer]
    assert rig.node.of(ev.ModelsFitted)[0].job == 7
    assert rig.log.getvalue().endswith(" INFO member up z2\n")
    rig.driver.report_latency()
    assert rig.node.of(ev.Timed) == []  # nothing served, nothing said
    rig.driver.served_locally(0.001)
    rig.driver.served_locally(0.003)
    rig.driver.report_latency()
    assert rig.node.of(ev.Timed) == [ev.Timed(source=Source.LOCAL, mean_s=0.002, count=2)]
