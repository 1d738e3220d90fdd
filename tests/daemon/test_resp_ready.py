"""The hot lane: ready replies, and what the node is told of them."""

from __future__ import annotations

import random
from math import inf
from typing import Any

import pytest

from tests.daemon.fakes import until
from tests.daemon.resp_parts import Client, Parts, command, resp_front
from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.names import InstanceKey, Instant, key_hash
from zoned.daemon.copies import Copy
from zoned.daemon.fronts import resp_uses
from zoned.daemon.fronts.resp_ready import ENTRY_BYTES, MAX_BODY_BYTES, ReadyReplies
from zoned.daemon.stores import MemoryStore

A, B = InstanceKey("shop", b"a"), InstanceKey("shop", b"b")


def copy(body: bytes) -> Copy:
    return Copy(body, "", "", 0.0)


def stored(ready: ReadyReplies, store: MemoryStore, key: InstanceKey, body: bytes) -> None:
    one = copy(body)
    store.put(key, one)
    ready.keep(key, one, inf)


def parts(max_bytes: int) -> tuple[ReadyReplies, MemoryStore]:
    store = MemoryStore(1 << 30)
    return ReadyReplies(store, max_bytes), store


def test_an_entry_goes_with_its_copy() -> None:
    ready, store = parts(1 << 20)
    stored(ready, store, A, b"one")
    assert [entry.reply for entry in ready.entries.values()] == [b"$3\r\none\r\n"]
    assert list(ready.entries) == [b"6\r\nshop:a\r\n"]
    store.put(A, copy(b"two"))
    assert not ready.entries, "replaced"
    stored(ready, store, A, b"two")
    store.delete(A)
    assert not ready.entries and ready.used_bytes == 0, "deleted"
    ready.keep(A, copy(b"old"), inf)
    assert not ready.entries, "of a copy that the store has not, nothing is kept"
    stored(ready, store, A, b"x" * (MAX_BODY_BYTES + 1))
    assert not ready.entries, "too large"


def test_room_is_bounded_and_what_is_used_stays_longer() -> None:
    rng = random.Random(1)
    room = 20 * (ENTRY_BYTES + 200)
    ready, store = parts(room)
    for number in range(500):
        stored(ready, store, InstanceKey("shop", b"%d" % number), b"x" * rng.randrange(300))
        assert (
            ready.used_bytes
            == sum(entry.size for entry in ready.entries.values())
            <= 20 * (ENTRY_BYTES + 200)
        )
        first = ready.entries.get(b"6\r\nshop:0\r\n")
        assert first is not None
        first.used = True
    assert len(ready.entries) >= 15 and ready.counts["evicted"] > 400


pytest_async = pytest.mark.asyncio


def fresh(f: Parts, seconds: float = 100.0, armed: bool = False) -> None:
    """The node says that what it serves is fresh for so long."""

    def read(event: ev.Read, now: Instant) -> list[act.Action]:
        if event.key in f.node.held:
            until_s = now.mono_s + seconds
            return [act.Serve(request=event.request, key=event.key, expires_s=until_s, armed=armed)]
        return f.node._read(event)

    f.node.script[ev.Read] = read


async def asked(f: Parts, c: Client, *args: str) -> tuple[Any, int]:
    """The reply, and how many reads the node saw for it."""
    before = len(f.node.of(ev.Read))
    reply = await c.ask(*args)
    return reply, len(f.node.of(ev.Read)) - before


@pytest_async
async def test_the_third_read_does_not_ask_the_node() -> None:
    async with resp_front() as f:
        fresh(f)
        c = await f.connect()
        assert [await asked(f, c, "GET", "shop:a") for _ in range(4)] == [
            (b"alpha", 1), (b"alpha", 1), (b"alpha", 0), (b"alpha", 0),
        ]  # fmt: skip
        assert await asked(f, c, "get", "shop:a") == (b"alpha", 1), "only plain GETs"
        assert await asked(f, c, "GET", "shop:b") == (b"beta", 1), "another is not affected"


@pytest_async
@pytest.mark.parametrize("how", ["expired", "deleted", "replaced", "armed", "asked again", "stale"])
async def test_what_must_not_be_served_again_is_asked_for(how: str) -> None:
    async with resp_front() as f:
        fresh(f, seconds=0.0 if how == "expired" else 100.0, armed=how == "armed")
        c = await f.connect()
        if how == "stale":
            f.node.script[ev.Read] = lambda event, now: [
                act.Serve(request=event.request, key=event.key, stale=True, expires_s=now.mono_s + 9)
            ]
            f.store.put(A, copy(b"alpha"))
        for _ in range(3):
            assert (await c.ask("GET", "shop:a")) == b"alpha"
        match how:
            case "deleted":
                f.node.script[ev.Invalidate] = lambda event, now: [act.Discard(keys=(A,))]
                f.node.held.clear()
                assert await (await f.connect()).ask("DEL", "shop:a") == 1
            case "replaced":
                f.store.put(A, copy(b"newer"))
            case "asked again":
                f.node.script[ev.LocalHits] = lambda event, now: [act.AskAgain(keys=(A,))]
                f.driver.submit(ev.LocalHits(uses=()))
        assert await asked(f, c, "GET", "shop:a") == (b"newer" if how == "replaced" else b"alpha", 1)


@pytest_async
async def test_before_the_password_nothing_is_ready() -> None:
    async with resp_front(password="s3cret") as f:
        fresh(f)
        c = await f.connect()
        await c.ask("AUTH", "s3cret")
        for _ in range(3):
            assert await c.ask("GET", "shop:a") == b"alpha"
        stranger = await f.connect()
        assert await stranger.ask("GET", "shop:a") == "-NOAUTH Authentication required."


@pytest_async
async def test_both_lanes_give_the_same_answers_in_the_same_order() -> None:
    """Random pipelines, cut anywhere, with and without ready replies: byte for byte the same."""
    rng = random.Random(7)
    async with resp_front() as quick, resp_front(max_bytes=0) as slow:
        clients = []
        for f in (quick, slow):
            fresh(f)
            c = await f.connect()
            for key in ("a", "b", "empty", "\r\n"):
                for _ in range(3):
                    await c.ask("GET", f"shop:{key}")
            clients.append(c)
        names = [b"shop:a", b"shop:b", b"shop:empty", b"shop:\r\n", b"shop:none", b"nope:a", b"shop:$1\r\na"]
        for _ in range(150):
            words = [b"GET", b"GET", b"GET", b"get", b"PING"]
            calls = [
                command(rng.choice(words), *[rng.choice(names)][: rng.choice([1, 1, 1, 0])])
                for _ in range(rng.randrange(1, 12))
            ]
            sent = b"".join(calls) + command("ECHO", "end")
            cut = rng.randrange(len(sent))
            got = []
            for c in clients:
                c.writer.write(sent[:cut])
                await c.writer.drain()
                c.writer.write(sent[cut:])
                got.append(await c.reader.readuntil(b"$3\r\nend\r\n"))
            assert got[0] == got[1], sent
        assert quick.front.counters()["ready_replies"] == 4 and slow.front.counters()["ready_replies"] == 0


@pytest_async
async def test_the_node_is_told_of_every_hit() -> None:
    async with resp_front() as f:
        fresh(f)
        quiet, busy = await f.connect(), await f.connect()
        for _ in range(2):
            await quiet.ask("GET", "shop:a")
            await quiet.ask("GET", "shop:b")
        assert await quiet.ask("GET", "shop:a") == b"alpha" and await quiet.ask("GET", "shop:b") == b"beta"
        count = 5 * resp_uses.MAX_STEPS_OF_ONE
        busy.writer.write(command("GET", "shop:a") * count)
        for _ in range(count):
            assert await busy.reply() == b"alpha"

        def told() -> dict[InstanceKey, int]:
            sums: dict[InstanceKey, int] = {}
            for event in f.node.of(ev.LocalHits):
                for use in event.uses:
                    assert use.key_hash == key_hash(use.key)
                    sums[use.key] = sums.get(use.key, 0) + use.times
            return sums

        await until(lambda: told() == {A: count + 1, B: 1})
        steps = [step for event in f.node.of(ev.LocalHits) for step in event.steps]
        assert [(step.key, step.client) for step in steps] == [(A, b"resp:1"), (B, b"resp:1")]
        assert f.front.counts.quick == count + 2 and f.front.counts.hits == count + 4
        assert f.front.counts.commands == count + 6
        f.driver.report_latency()
        assert 0 < f.node.of(ev.Timed)[0].mean_s < 1


@pytest_async
async def test_what_waits_to_be_told_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resp_uses, "MAX_UNTOLD", 1)
    async with resp_front() as f:
        fresh(f)
        c = await f.connect()
        for key in ("a", "b", "a", "b"):
            await c.ask("GET", f"shop:{key}")
        c.writer.write(command("GET", "shop:a") + command("GET", "shop:b") * 2)
        assert [await c.reply() for _ in range(3)] == [b"alpha", b"beta", b"beta"]
        await until(lambda: f.front.counts.quick == 3)
        assert f.front.counts.forgotten_uses == 2, "of an instance more than may wait"
        assert sum(use.times for event in f.node.of(ev.LocalHits) for use in event.uses) == 1
