"""Keys for a whole pool, over real gossip ports: each step, each refusal, and that nobody is ever cut off."""

from __future__ import annotations

import asyncio
import io
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from zoned.core.actions import KeyReplies, KeyReply, KeyRequest
from zoned.core.events import AskKeys, Event, KeyAnswered, KeysChanged, KeyVerb
from zoned.core.members import Member, MemberState
from zoned.daemon.gossip_io import GossipIO
from zoned.daemon.gossip_seal import Seal
from zoned.daemon.key_exchange import KeyExchange
from zoned.daemon.keyring import (
    MAX_KEYS,
    KeyRefused,
    Keyring,
    fingerprint,
    generate,
    key_text,
    parse_key,
    read_keyring,
)
from zoned.daemon.log import Log
from zoned.daemon.refusals import Refusals
from zoned.daemon.serf_keys import MAX_REQUESTS

OLD, NEW = b"o" * 32, b"n" * 16
OLD_PRINT, NEW_PRINT = fingerprint(OLD), fingerprint(NEW)
NEW_TEXT = "bm5ubm5ubm5ubm5ubm5ubg=="


class One:
    """The daemon's part of one agent: its keyring, its port, and the members that it knows of."""

    def __init__(
        self, node: str, folder: Path, pool: list[One], keys: tuple[bytes, ...], **seal: bool
    ) -> None:
        self.node, self.pool, self.told = node, pool, list[tuple[str, ...]]()
        self.path = folder / f"{node}.json"
        self.keyring = Keyring(keys, self.path)
        self.log = io.StringIO()
        self.state, self.role = MemberState.ALIVE, "zoned"
        sealing = Seal(self.keyring, "", seal.get("incoming", True), seal.get("outgoing", True))
        log = Log(self.log, journal=False)
        self.io = GossipIO(lambda event: None, seal=sealing, refusals=Refusals(log.say))
        self.stock: dict[str, Keyring] = {}  # Serf's agents in the pool, behind the core
        self.deaf = False
        self.answers: list[KeyAnswered] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.exchange = KeyExchange(
            node, self.keyring, sealing, self.io.ask, self.members, self.submit, self.spawn, log
        )
        self.io.private = self.exchange.asked

    def spawn(self, work: Any, name: str) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    def submit(self, event: Event) -> None:
        """As the node would take it; Serf's agents answer as theirs do."""
        if isinstance(event, KeysChanged):
            self.told.append(event.fingerprints)
        elif isinstance(event, KeyAnswered):
            self.answers.append(event)
        elif isinstance(event, AskKeys):
            heard = () if self.deaf else event.nodes
            replies = [serf_answer(node, self.stock[node], event) for node in heard]
            self.exchange.serf.replied(KeyReplies(request=event.request, replies=tuple(replies)))

    def members(self) -> tuple[Member, ...]:
        return tuple(one.member() for one in self.pool)

    def member(self) -> Member:
        return Member(
            node=self.node,
            zone="z",
            role=self.role,
            state=self.state,
            incarnation=1,
            weight=1,
            gossip=self.io.address,
            peer=None,
            http=None,
            since_wall_s=0.0,
            accuser="",
            rtt_s=None,
            keys=self.keyring.fingerprints,
        )


def serf_answer(node: str, ring: Keyring, order: AskKeys) -> KeyReply:
    """What a Serf agent with that keyring answers; it has no rules but that the primary stays."""
    try:
        if order.verb is KeyVerb.INSTALL:
            ring.install(order.key)
        elif order.verb is not KeyVerb.LIST:
            change = ring.use if order.verb is KeyVerb.USE else ring.remove
            change(fingerprint(order.key))
    except KeyRefused as refusal:
        return KeyReply(node=node, error=str(refusal))
    return KeyReply(node=node, error="", keys=tuple(map(key_text, ring.keys)))


@asynccontextmanager
async def pool_of(
    folder: Path, count: int, keys: tuple[bytes, ...] = (OLD,), **seal: bool
) -> AsyncIterator[list[One]]:
    pool: list[One] = []
    async with AsyncExitStack() as stack:
        for number in range(1, count + 1):
            one = One(f"n{number}", folder, pool, keys, **seal)
            await one.io.start(("127.0.0.1", 0))
            stack.push_async_callback(one.io.close)
            pool.append(one)
        yield pool


def keys_of(report: dict[str, Any]) -> dict[str, list[str]]:
    return {row["node"]: row["keys"] for row in report["members"]}


def errors_of(report: dict[str, Any]) -> dict[str, str]:
    return {row["node"]: row["error"] for row in report["members"] if row["error"]}


@pytest.mark.asyncio
async def test_a_rotation_step_by_step(tmp_path: Path) -> None:
    async with pool_of(tmp_path, 4) as pool:
        asked = [pool[2].exchange, pool[0].exchange, pool[3].exchange]  # any agent may be asked
        report = await asked[0].install(NEW_TEXT)
        assert report["ok"] and report["key"] == NEW_PRINT and report["sealed"]
        assert set(map(tuple, keys_of(report).values())) == {(OLD_PRINT, NEW_PRINT)}
        assert (await asked[1].use(NEW_PRINT))["ok"]
        assert keys_of(await asked[2].listing()) == {f"n{n}": [NEW_PRINT, OLD_PRINT] for n in (1, 2, 3, 4)}
        report = await asked[2].remove(OLD_PRINT)
        assert report["ok"] and errors_of(report) == {}
        for one in pool:
            assert one.keyring.keys == (NEW,) == read_keyring(one.path)
            assert one.told[-1] == (NEW_PRINT,)
            assert one.io.refusals.counters == {}
            assert NEW_TEXT not in one.log.getvalue() and NEW_PRINT in one.log.getvalue()


@pytest.mark.asyncio
async def test_each_step_waits_for_those_who_lack_the_one_before(tmp_path: Path) -> None:
    async with pool_of(tmp_path, 3) as pool:
        one, two, three = pool
        with pytest.raises(KeyRefused, match=f"there is no key {NEW_PRINT} here: install it first"):
            await one.exchange.use(NEW_PRINT)
        three.state = MemberState.FAILED
        report = await one.exchange.install(NEW_TEXT)
        assert not report["ok"] and "not reachable" in errors_of(report)["n3"]
        with pytest.raises(KeyRefused, match=r"n3 \(failed\)$"):
            await one.exchange.use(NEW_PRINT)
        three.state = MemberState.LEFT  # who left for good is not waited for
        assert (await one.exchange.use(NEW_PRINT))["ok"]
        with pytest.raises(KeyRefused, match="is the one that seals"):
            await two.exchange.remove(NEW_PRINT)
        three.state = MemberState.FAILED  # failed, and what it had was the old key
        with pytest.raises(KeyRefused, match=rf"not everybody seals with key {NEW_PRINT}: n3 \(failed\)"):
            await two.exchange.remove(OLD_PRINT)
        assert one.keyring.keys == two.keyring.keys == (NEW, OLD)
        await two.exchange.remove(OLD_PRINT, force=True)
        assert one.keyring.keys == two.keyring.keys == (NEW,) and three.keyring.keys == (OLD,)
        with pytest.raises(KeyRefused, match="nobody has a key cafe"):
            await two.exchange.remove("cafe")


@pytest.mark.asyncio
async def test_serf_s_agents_have_rows_like_everybody_else(tmp_path: Path) -> None:
    async with pool_of(tmp_path, 3) as pool:
        one, two, stock = pool
        stock.role = "web"
        one.stock = two.stock = {"n3": Keyring([OLD])}
        report = await one.exchange.install(NEW_TEXT)
        assert report["ok"] and keys_of(report)["n3"] == [OLD_PRINT, NEW_PRINT]
        assert (await two.exchange.use(NEW_PRINT))["ok"]
        assert one.stock["n3"].keys == (NEW, OLD)
        report = await one.exchange.remove(OLD_PRINT)
        assert report["ok"] and keys_of(report) == {f"n{n}": [NEW_PRINT] for n in (1, 2, 3)}
        one.stock["n3"].install(OLD)  # somebody gave it back: only Serf has it, and it can still be removed
        assert (await two.exchange.remove(OLD_PRINT))["ok"] and one.stock["n3"].keys == (NEW,)


@pytest.mark.asyncio
async def test_a_serf_agent_left_behind_stops_the_rotation(tmp_path: Path) -> None:
    async with pool_of(tmp_path, 2) as pool:
        one, stock = pool
        stock.role, one.stock = "web", {"n2": Keyring([OLD])}
        one.deaf = True
        report = await one.exchange.install(NEW_TEXT)
        assert errors_of(report) == {"n2": "no answer"}
        one.deaf = False
        with pytest.raises(KeyRefused, match=rf"not everybody has key {NEW_PRINT}: n2 \(alive\)"):
            await one.exchange.use(NEW_PRINT)
        await one.exchange.install(NEW_TEXT)
        await one.exchange.use(NEW_PRINT)
        one.stock["n2"].use(OLD_PRINT)
        with pytest.raises(KeyRefused, match=rf"not everybody seals with key {NEW_PRINT}: n2 \(alive\)"):
            await one.exchange.remove(OLD_PRINT)
        report = await one.exchange.remove(OLD_PRINT, force=True)
        assert errors_of(report) == {"n2": f"key {OLD_PRINT} is the one that seals: use another first"}
        stock.state = MemberState.FAILED
        assert "not reachable" in errors_of(await one.exchange.listing())["n2"]


@pytest.mark.asyncio
async def test_what_serf_s_queries_ask_of_us(tmp_path: Path) -> None:
    async with pool_of(tmp_path, 1) as (one,):

        async def asked(verb: KeyVerb, key: bytes = b"") -> KeyAnswered:
            one.exchange.serf.requested(KeyRequest(request=7, verb=verb, key=key, asker="stock"))
            await one.tasks.pop()
            return one.answers.pop()

        assert (await asked(KeyVerb.INSTALL, NEW)).error == ""
        assert read_keyring(one.path) == (OLD, NEW) and one.told[-1] == (OLD_PRINT, NEW_PRINT)
        assert stat.S_IMODE(one.path.stat().st_mode) == 0o600
        assert (await asked(KeyVerb.LIST)).keys == (key_text(OLD), NEW_TEXT)
        assert "is the one that seals" in (await asked(KeyVerb.REMOVE, OLD)).error
        assert "there is no key" in (await asked(KeyVerb.USE, b"x" * 32)).error
        assert "16, 24 or 32 bytes, got 3" in (await asked(KeyVerb.INSTALL, b"bad")).error
        assert (await asked(KeyVerb.USE, NEW)).error == "" and one.keyring.keys == (NEW, OLD)
        assert (await asked(KeyVerb.REMOVE, OLD)).error == "" and read_keyring(one.path) == (NEW,)
        assert NEW_TEXT not in one.log.getvalue() and "keyring use for stock" in one.log.getvalue()
        for number in range(MAX_REQUESTS + 1):
            one.exchange.serf.requested(KeyRequest(request=number, verb=KeyVerb.LIST, key=b"", asker="stock"))
        assert [(each.request, each.error) for each in one.answers] == [
            (MAX_REQUESTS, "busy with other changes of keys")
        ]
        await asyncio.gather(*one.tasks)
        assert "key" not in repr(one.answers[-1]) and one.exchange.serf.counters["refused_requests"] == 1


@pytest.mark.asyncio
async def test_a_stranger_is_reported_and_stays_one(tmp_path: Path) -> None:
    async with pool_of(tmp_path, 2) as pool:
        other = One("n3", tmp_path, pool, (b"x" * 32,))
        await other.io.start(("127.0.0.1", 0))
        pool.append(other)
        try:
            report = await pool[0].exchange.install(NEW_TEXT)
        finally:
            await other.io.close()
        assert errors_of(report) == {"n3": "no answer"} and other.keyring.keys == (b"x" * 32,)
        assert "refused: it is encrypted with a key that is not in our keyring" in other.log.getvalue()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("incoming", "outgoing", "keys"), [(True, True, ()), (False, True, (OLD,)), (True, False, (OLD,))]
)
async def test_keys_are_not_told_in_the_clear(
    tmp_path: Path, incoming: bool, outgoing: bool, keys: tuple[bytes, ...]
) -> None:
    async with pool_of(tmp_path, 2, keys, incoming=incoming, outgoing=outgoing) as pool:
        for step in (
            pool[0].exchange.install(NEW_TEXT),
            pool[0].exchange.use("x"),
            pool[0].exchange.remove("x"),
        ):
            with pytest.raises(KeyRefused, match="gossip is not encrypted both ways"):
                await step
        assert {one.keyring.keys for one in pool} == {keys}


@pytest.mark.asyncio
async def test_a_key_told_in_the_clear_is_not_taken(tmp_path: Path) -> None:
    async with pool_of(tmp_path, 1, incoming=False, outgoing=False) as pool:
        clear = One("n2", tmp_path, pool, ())
        await clear.io.start(("127.0.0.1", 0))
        pool.append(clear)
        try:
            _, row = await clear.exchange._round(KeyVerb.INSTALL, NEW_TEXT)
            assert row.error == "keys are told on sealed streams only" and pool[0].keyring.keys == (OLD,)
            _, row = await pool[0].exchange._round(KeyVerb.INSTALL, NEW_TEXT)
            assert row.error == "keys are told on sealed streams only" and clear.keyring.keys == ()
        finally:
            await clear.io.close()


@pytest.mark.asyncio
async def test_what_is_no_key_and_one_too_many(tmp_path: Path) -> None:
    async with pool_of(tmp_path, 2) as pool:
        with pytest.raises(KeyRefused, match="expected base64 of 16, 24 or 32 bytes"):
            await pool[0].exchange.install("bm8=")
        for _ in range(MAX_KEYS - 1):
            assert (await pool[0].exchange.install(generate()))["ok"]
        with pytest.raises(KeyRefused, match="remove one"):
            await pool[0].exchange.install(generate())
        assert len(pool[1].keyring.keys) == MAX_KEYS


@pytest.mark.asyncio
async def test_a_disk_that_refuses_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with pool_of(tmp_path, 2) as pool:
        pool[1].keyring._path = tmp_path / "gone" / "keyring.json"
        report = await pool[0].exchange.install(NEW_TEXT)
        assert errors_of(report) == {"n2": "cannot write the keyring: No such file or directory"}
        assert pool[1].keyring.keys == (OLD,)
        assert parse_key(NEW_TEXT) == NEW
