"""The RESP front over a real socket, with the real driver and a small node."""

from __future__ import annotations

from typing import Any

import pytest

from tests.daemon.fakes import until
from tests.daemon.resp_parts import command, resp_front
from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.events import FetchOutcome
from zoned.core.names import InstanceKey
from zoned.daemon.copies import Copy
from zoned.daemon.fronts import resp, resp_connection, resp_reads
from zoned.daemon.fronts.resp_admin import MAX_FAILED_AUTHS
from zoned.daemon.fronts.resp_table import TABLE, WRITES

pytestmark = pytest.mark.asyncio


async def test_reads_go_through_and_the_next_ones_are_hits() -> None:
    async with resp_front() as f:
        c = await f.connect()
        assert await c.ask("GET", "shop:a") == b"alpha"
        assert await c.ask("get", "shop:a") == b"alpha"
        assert await c.ask("GET", "shop:with:colon") == b"c"
        assert await c.ask("GET", b"shop:\r\n") == b"lines"
        assert await c.ask("GET", "shop:empty") == b""
        assert len(f.origin.asked) == 4
        assert (f.front.counts.hits, f.front.counts.misses) == (1, 4)


async def test_what_the_origin_has_not_is_null_and_what_cannot_be_had_is_an_error() -> None:
    async with resp_front() as f:
        c = await f.connect()
        assert await c.ask("GET", "shop:none") is None
        assert await c.ask("GET", "other:a") == "-ERR zoned: unknown dependency 'other'"
        assert await c.ask("GET", "shop") == "-ERR zoned: expected a key dependency:key, got 'shop'"
        assert (await c.ask("GET", "shop:")).startswith("-ERR zoned: expected a key")
        assert (await c.ask("GET", b"shop:" + b"k" * 4097)).startswith("-ERR zoned: a key has at most 4096")

        ended = [FetchOutcome.FAILED]

        def failed(event: ev.FetchDone, now: Any) -> list[act.Action]:
            waiters = f.node.flights.pop(event.fetch)[1]
            return [act.Refuse(request=w, outcome=ended[0], detail="503\r\n+OK") for w in waiters]

        f.node.script[ev.FetchDone] = failed
        for outcome, why in (
            (FetchOutcome.FAILED, "failed"),
            (FetchOutcome.TIMEOUT, "took too long"),
            (FetchOutcome.TOO_LARGE, "answered with more than max_object"),
        ):
            ended[0] = outcome
            said = f"-ERR zoned: origin of 'shop' {why}: 503 +OK"
            assert await c.ask("GET", "shop:b") == said
            assert await c.ask("MGET", "shop:a", "shop:b") == said
        assert f.front.counts.errors == 4 + 6
        assert await c.ask("PING") == "+PONG"


async def test_mget_exists_strlen() -> None:
    async with resp_front() as f:
        c = await f.connect()
        assert await c.ask("MGET", "shop:a", "shop:none", "shop:b", "shop:a") == [
            b"alpha",
            None,
            b"beta",
            b"alpha",
        ]
        assert await c.ask("MGET", "shop:a") == [b"alpha"]
        assert await c.ask("EXISTS", "shop:a", "shop:none", "shop:a") == 2
        assert [await c.ask("STRLEN", f"shop:{key}") for key in ("a", "empty", "none")] == [5, 0, 0]
        assert (await c.ask("MGET", "shop:a", "x:y")) == "-ERR zoned: unknown dependency 'x'"


async def test_an_answer_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resp_reads, "MAX_ANSWER_BYTES", 9)
    async with resp_front() as f:
        c = await f.connect()
        assert await c.ask("MGET", "shop:a", "shop:b") == [b"alpha", b"beta"]
        assert "ask for fewer keys" in await c.ask("MGET", "shop:a", "shop:a")


async def test_ttl_is_what_is_left_of_the_copy() -> None:
    async with resp_front() as f:
        c = await f.connect()
        now_s = f.front.now_s()
        for expires_s, left in ((now_s + 100.2, 100), (float("inf"), -1), (now_s - 5, 0)):
            f.node.script[ev.Read] = lambda event, now, e=expires_s: [  # type: ignore[misc]
                act.Serve(request=event.request, key=event.key, expires_s=e)
            ]
            f.store.put(InstanceKey("shop", b"a"), Copy(b"x", "", "", 0.0))
            assert await c.ask("TTL", "shop:a") == left
        del f.node.script[ev.Read]
        assert await c.ask("TTL", "shop:none") == -2


async def test_del_invalidates_each_once() -> None:
    async with resp_front() as f:
        c = await f.connect()
        assert await c.ask("DEL", "shop:a", "shop:b", "shop:a") == 2
        assert await c.ask("UNLINK", "shop:z") == 1
        told = [(one.dependency, one.key) for one in f.node.of(ev.Invalidate)]
        assert told == [("shop", b"a"), ("shop", b"b"), ("shop", b"z")]
        assert (await c.ask("DEL", "shop:a", "x:y")).startswith("-ERR zoned: unknown dependency")
        assert len(f.node.of(ev.Invalidate)) == 3


async def test_pipelined_answers_keep_their_order_whatever_comes_first() -> None:
    async with resp_front() as f:
        c = await f.connect()
        assert await c.ask("GET", "shop:a") == b"alpha"
        f.origin.gate.clear()
        c.writer.write(
            command("GET", "shop:b")
            + command("GET", "shop:a")
            + command("PING")
            + command("MGET", "shop:a", "shop:none")
        )
        await until(lambda: len(f.origin.asked) == 3)
        f.origin.gate.set()
        assert [await c.reply() for _ in range(4)] == [b"beta", b"alpha", "+PONG", [b"alpha", None]]


async def test_more_than_may_wait_at_once_is_still_answered() -> None:
    async with resp_front() as f:
        c = await f.connect()
        f.origin.gate.clear()
        count = 3 * resp_connection.MAX_UNANSWERED
        f.origin.bodies.update({b"%d" % n: b"body %d" % n for n in range(count)})
        c.writer.write(b"".join(command("GET", f"shop:{n}") for n in range(count)))
        await until(lambda: len(f.origin.asked) == resp_connection.MAX_UNANSWERED)
        f.origin.gate.set()
        assert [await c.reply() for _ in range(count)] == [b"body %d" % n for n in range(count)]


async def test_writes_and_unknown_commands_are_told_apart() -> None:
    async with resp_front() as f:
        c = await f.connect()
        for name in sorted(WRITES):
            assert (await c.ask(name, "shop:a", "1")).startswith(
                f"-ERR zoned is read-through: {name.decode()} "
            )
        assert (
            await c.ask("foo", "bar", "x")
            == "-ERR unknown command 'foo', with args beginning with: 'bar' 'x'"
        )
        assert await c.ask("GET") == "-ERR wrong number of arguments for 'get' command"
        assert await c.ask("get", "a", "b") == "-ERR wrong number of arguments for 'get' command"
        assert await c.ask("MGET") == "-ERR wrong number of arguments for 'mget' command"


async def test_what_clients_ask_on_connecting() -> None:
    async with resp_front() as f:
        c = await f.connect()
        assert await c.ask("PING", "x") == b"x" and await c.ask("ECHO", "y") == b"y"
        assert await c.ask("SELECT", "0") == "+OK"
        assert await c.ask("SELECT", "1") == "-ERR DB index is out of range"
        assert await c.ask("CLIENT", "GETNAME") is None
        assert await c.ask("CLIENT", "SETNAME", "web") == "+OK" and await c.ask("CLIENT", "GETNAME") == b"web"
        assert (await c.ask("CLIENT", "SETNAME", "a b")).startswith("-ERR Client names cannot contain")
        assert await c.ask("CLIENT", "SETINFO", "LIB-NAME", "me") == "+OK"
        assert await c.ask("CLIENT", "SETINFO", "lib-ver", "1.0") == "+OK"
        assert (await c.ask("CLIENT", "SETINFO", "x", "1")).startswith("-ERR Unrecognized option")
        listed = (await c.ask("CLIENT", "LIST")).decode()
        assert (
            f"id={await c.ask('CLIENT', 'ID')} " in listed
            and "name=web" in listed
            and "lib-name=me" in listed
        )
        assert (await c.ask("CLIENT", "INFO")).decode().startswith("id=1 addr=127.0.0.1:")
        assert "unknown subcommand" in await c.ask("CLIENT", "TRACKING", "ON")
        assert await c.ask("COMMAND", "COUNT") == len(TABLE) == len(await c.ask("COMMAND"))
        assert await c.ask("COMMAND", "INFO", "get", "nope") == [
            [b"get", 2, [b"readonly", b"fast"], 1, 1, 1, [b"@string"], [], [], []],
            None,
        ]
        assert (await c.ask("COMMAND", "DOCS", "ttl"))[0] == b"ttl"
        assert await c.ask("CONFIG", "GET", "save") == [b"save", b""]
        assert await c.ask("CONFIG", "GET", "max*", "appendonly") == [
            b"appendonly", b"no", b"maxclients", b"1024", b"maxmemory", b"10000000",
        ]  # fmt: skip
        assert (await c.ask("CONFIG", "SET", "save", "1")).startswith("-ERR zoned is configured by its file")
        info = (await c.ask("INFO")).decode()
        assert (
            "# Server\r\n" in info and "zoned_version:1.2.3\r\n" in info and "connected_clients:1\r\n" in info
        )
        stats = (await c.ask("INFO", "STATS")).decode()
        assert "keyspace_hits:0\r\n" in stats and "# Server" not in stats


async def test_hello_chooses_the_version() -> None:
    async with resp_front() as f:
        c = await f.connect()
        told = await c.ask("HELLO", "3", "SETNAME", "web")
        assert told[b"proto"] == 3 and told[b"server"] == b"zoned" and told[b"modules"] == []
        c.send("GET", "shop:none")
        assert await c.reader.readexactly(3) == b"_\r\n"
        assert await c.ask("CLIENT", "GETNAME") == b"web"
        assert await c.ask("CONFIG", "GET", "save") == {b"save": b""}
        assert isinstance(await c.ask("HELLO", "2"), list)
        c.send("GET", "shop:none")
        assert await c.reader.readexactly(5) == b"$-1\r\n"
        assert await c.ask("HELLO", "4") == "-NOPROTO unsupported protocol version"
        assert (await c.ask("HELLO", "3", "FOO")).startswith("-ERR Syntax error in HELLO")


async def test_the_password() -> None:
    async with resp_front(password="s3cret") as f:
        c = await f.connect()
        for args in (("GET", "shop:a"), ("PING",), ("SET", "a", "b"), ("NOPE",)):
            assert await c.ask(*args) == "-NOAUTH Authentication required."
        assert (await c.ask("HELLO", "3")).startswith("-NOAUTH HELLO must be called")
        assert (await c.ask("AUTH", "wrong")).startswith("-WRONGPASS")
        assert (await c.ask("AUTH", "other", "s3cret")).startswith("-WRONGPASS")
        assert await c.ask("AUTH", "s3cret") == "+OK" and await c.ask("GET", "shop:a") == b"alpha"
        assert await c.ask("ECHO", "x" * 2000) == b"x" * 2000
        assert (await (await f.connect()).ask("HELLO", "3", "AUTH", "default", "s3cret"))[b"proto"] == 3
        guesser = await f.connect()
        for _ in range(MAX_FAILED_AUTHS):
            assert (await guesser.ask("AUTH", "default", "guess")).startswith("-WRONGPASS")
        assert await guesser.closed()
        assert f.front.counts.failed_auths == 2 + MAX_FAILED_AUTHS
        assert not f.origin.asked[1:]


async def test_without_a_password_auth_says_so() -> None:
    async with resp_front() as f:
        c = await f.connect()
        assert "without any password configured" in await c.ask("AUTH", "x")
        assert await c.ask("AUTH", "default", "any") == "+OK"
        assert await c.ask("QUIT") == "+OK" and await c.closed()


async def test_protocol_errors_are_said_and_close() -> None:
    async with resp_front() as f:
        c = await f.connect()
        c.writer.write(command("PING") + b"*1\r\n:1\r\n" + command("PING"))
        assert await c.reply() == "+PONG"
        assert await c.reply() == "-ERR Protocol error: expected '$', got ':'"
        assert await c.closed() and f.front.counts.protocol_errors == 1
        browser = await f.connect()
        browser.writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nGET shop:a\r\n")
        assert await browser.reply() == "-ERR this is not an HTTP server"
        assert await browser.closed() and not f.origin.asked


async def test_who_ends_after_asking_is_still_answered() -> None:
    async with resp_front() as f:
        c = await f.connect()
        f.origin.gate.clear()
        c.send("GET", "shop:a")
        c.writer.write_eof()
        await until(lambda: f.origin.asked)
        f.origin.gate.set()
        assert await c.reply() == b"alpha" and await c.closed()
        assert await _all_gone(f)


async def test_answers_to_who_is_gone_are_dropped() -> None:
    async with resp_front() as f:
        c = await f.connect()
        f.origin.gate.clear()
        c.send("GET", "shop:a")
        await until(lambda: f.origin.asked)
        c.writer.transport.abort()
        await until(lambda: any(one._ended for one in f.front._connections))
        f.origin.gate.set()
        assert await _all_gone(f)
        assert await (await f.connect()).ask("GET", "shop:a") == b"alpha"


async def test_too_many_connections_are_told_so() -> None:
    async with resp_front(max_connections=2) as f:
        clients = [await f.connect() for _ in range(3)]
        assert await clients[2].reply() == "-ERR max number of clients reached" and await clients[2].closed()
        assert await clients[0].ask("PING") == "+PONG"
        assert f.front.counters()["refused_connections"] == 1 and f.front.counters()["open_connections"] == 2


async def test_a_client_that_does_not_read_is_paused_and_then_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resp, "WATCH_EVERY_S", 0.05)
    async with resp_front() as f:
        f.origin.bodies[b"large"] = b"x" * 200_000
        c = await f.connect(limit=1000)
        assert await (await f.connect()).ask("GET", "shop:large") == b"x" * 200_000
        asked = 2000
        c.writer.write(command("GET", "shop:large") * asked)
        await until(lambda: any(one._choked_s is not None for one in f.front._connections))
        done = f.front.counts.hits
        assert done < asked / 2, "a paused connection must not go on"
        monkeypatch.setattr(resp_connection, "UNREAD_S", 0.0)
        assert await until(lambda: f.front.counts.closed_unread) is None
        assert await (await f.connect()).ask("PING") == "+PONG"


async def test_a_slow_reader_gets_everything() -> None:
    async with resp_front() as f:
        f.origin.bodies[b"large"] = b"x" * 200_000
        c = await f.connect(limit=1000)
        assert await (await f.connect()).ask("GET", "shop:large") == b"x" * 200_000
        c.writer.write(command("GET", "shop:large") * 100)
        await until(lambda: any(one._choked_s is not None for one in f.front._connections))
        assert [len(await c.reply()) for _ in range(100)] == [200_000] * 100


async def test_silent_connections_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resp, "WATCH_EVERY_S", 0.05)
    async with resp_front() as f:
        silent, halting, idle = [await f.connect() for _ in range(3)]
        assert await halting.ask("PING") == await idle.ask("PING") == "+PONG"
        halting.writer.write(b"*2\r\n$3\r\nGE")
        await until(lambda: any(one._partial_s is not None for one in f.front._connections))
        monkeypatch.setattr(resp_connection, "FIRST_COMMAND_S", 0.0)
        monkeypatch.setattr(resp_connection, "WHOLE_COMMAND_S", 0.0)
        assert await silent.closed() and await halting.closed()
        assert f.front.counts.closed_silent == 2 and await idle.ask("PING") == "+PONG"
        monkeypatch.setattr(resp_connection, "IDLE_S", 0.0)
        assert await idle.closed() and f.front.counts.closed_idle == 1


async def _all_gone(f: Any) -> bool:
    await until(lambda: not f.front._connections)
    return True
