"""The HTTP front over a real socket, with the real driver and a small node."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.daemon.fakes import FakeGossip, FakeKeys, FakeNode, FakeOrigin, FakePeers
from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.events import FetchOutcome
from zoned.core.names import InstanceKey, key_hash
from zoned.core.records import Access, Source
from zoned.daemon.clock import Clock
from zoned.daemon.driver import Driver
from zoned.daemon.effects import World
from zoned.daemon.fronts import HttpFront
from zoned.daemon.fronts.http import MAX_BATCH_BYTES
from zoned.daemon.listener import HttpListener, bind_tcp
from zoned.daemon.log import Log
from zoned.daemon.stores import MemoryStore

pytestmark = pytest.mark.asyncio


@dataclass
class Front:
    node: FakeNode
    origin: FakeOrigin
    driver: Driver
    store: MemoryStore
    session: aiohttp.ClientSession
    url: str

    async def get(self, path: str, method: str = "GET", **kwargs: Any) -> tuple[int, Any, bytes]:
        async with self.session.request(method, self.url + path, **kwargs) as response:
            return response.status, response.headers, await response.read()

    async def post(self, lines: list[Any], content_type: str = "application/x-ndjson") -> tuple[int, Any]:
        body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()
        headers = {"Content-Type": content_type}
        status, _, answer = await self.get("/v1/accesses", "POST", data=io.BytesIO(body), headers=headers)
        return status, json.loads(answer)


@asynccontextmanager
async def front() -> AsyncIterator[Front]:
    clock, node, store = Clock(), FakeNode(), MemoryStore(10_000)
    origin = FakeOrigin(clock, {b"a": b"alpha", b"a/b c": b"deep", b"empty": b""})
    world = World(
        gossip=FakeGossip(),
        store=store,
        origins={"shop": origin},
        peers=FakePeers(),
        worker=None,
        keys=FakeKeys(),
        log=Log(io.StringIO()),
    )
    async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession() as session:
        driver = Driver(node, clock, world, lambda work, name: tasks.create_task(work))  # type: ignore[arg-type]
        app = web.Application(client_max_size=MAX_BATCH_BYTES)
        HttpFront(driver, clock, ["shop"]).add_routes(app)
        listener, sock = HttpListener(app, 100), bind_tcp(("127.0.0.1", 0), "http.listen")
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        await listener.start(sock)
        yield Front(node, origin, driver, store, session, url)
        await listener.close()
        driver.close()


async def test_a_miss_then_a_hit() -> None:
    async with front() as f:
        status, headers, body = await f.get("/v1/d/shop/a")
        assert (status, body, headers["Cache-Status"]) == (200, b"alpha", "zoned; fwd=miss; detail=origin")
        assert (headers["ETag"], headers["Content-Type"]) == ('"v1"', "text/plain")
        status, headers, body = await f.get("/v1/d/shop/a")
        assert (status, body, headers["Cache-Status"]) == (200, b"alpha", "zoned; hit")
        assert int(headers["Age"]) >= 0
        assert headers["Content-Security-Policy"] == "sandbox"
        assert (await f.get("/v1/d/shop/a%2Fb%20c"))[2] == b"deep"
        assert (await f.get("/v1/d/shop/empty"))[::2] == (200, b"")
        f.driver.report_latency()
        timed = f.node.of(ev.Timed)
        assert len(timed) == 1 and timed[0].count == 1 and timed[0].source is Source.LOCAL
        assert 0 < timed[0].mean_s < 1


async def test_head_tells_the_same_without_the_bytes() -> None:
    async with front() as f:
        status, headers, body = await f.get("/v1/d/shop/a", "HEAD")
        assert (status, body, headers["Content-Length"]) == (200, b"", "5")


async def test_a_client_that_has_the_version_gets_304() -> None:
    async with front() as f:
        for tag in ('"v1"', 'W/"v1"', '"x", "v1"', "*"):
            status, headers, body = await f.get("/v1/d/shop/a", headers={"If-None-Match": tag})
            assert (status, body, headers["ETag"]) == (304, b"", '"v1"')
        assert (await f.get("/v1/d/shop/a", headers={"If-None-Match": '"v2"'}))[0] == 200


async def test_where_it_came_from_is_said() -> None:
    async with front() as f:
        sources = [
            (Source.PEER, "z2-a", "zoned; fwd=miss; detail=peer:z2-a"),
            (Source.HOME, "z3-a", "zoned; fwd=miss; detail=home:z3-a"),
            (Source.ORIGIN, "", "zoned; fwd=miss; detail=origin"),
        ]
        for source, node, said in sources:

            def done(event: ev.FetchDone, now: Any, source: Source = source, node: str = node) -> Any:
                waiters = f.node.flights.pop(event.fetch)[1]
                return [
                    act.ServeFetched(request=w, fetch=event.fetch, source=source, node=node) for w in waiters
                ]

            f.node.script[ev.FetchDone] = done
            assert (await f.get("/v1/d/shop/a"))[1]["Cache-Status"] == said
        f.node.script.clear()
        await f.get("/v1/d/shop/a")
        f.node.script[ev.Read] = lambda e, now: [act.Serve(request=e.request, key=e.key, stale=True)]
        assert (await f.get("/v1/d/shop/a"))[1]["Cache-Status"] == "zoned; hit; detail=stale"


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (FetchOutcome.NOT_FOUND, 404),
        (FetchOutcome.FAILED, 502),
        (FetchOutcome.TOO_LARGE, 502),
        (FetchOutcome.TIMEOUT, 504),
    ],
)
async def test_what_goes_wrong_is_json_that_names_the_dependency(outcome: FetchOutcome, status: int) -> None:
    async with front() as f:
        f.node.script[ev.Read] = lambda e, now: [act.Refuse(request=e.request, outcome=outcome, detail="why")]
        got, _, body = await f.get("/v1/d/shop/a")
        assert got == status
        assert json.loads(body) == {
            "error": outcome.value.replace("_", " "),
            "dependency": "shop",
            "detail": "why",
        }


async def test_paths_that_name_nothing_cost_nothing() -> None:
    async with front() as f:
        for path, status in (
            ("/v1/d/nobody/x", 404),
            ("/v1/d/shop/", 400),
            ("/v1/d/shop", 400),
            ("/v1/d/", 400),
            ("/v1/d/shop/a?b=1", 400),
            ("/v1/d/shop/" + "k" * 4097, 400),
        ):
            assert (await f.get(path))[0] == status, path
        assert f.node.seen == []


async def test_whose_read_it_is() -> None:
    async with front() as f:
        await f.get("/v1/d/shop/a", headers={"Zoned-Client": "user-7" + "x" * 100})
        await f.get("/v1/d/shop/a")
        clients = [read.client for read in f.node.of(ev.Read)]
        assert clients == [b"user-7" + b"x" * 58, b"127.0.0.1"]


TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({"X-Request-Id": "r-1"}, "r-1"),
        ({"X-Request-Id": "r-1", "Zoned-Client": "user-7"}, "user-7"),
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, TRACE),
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-Id": "r-1"}, "r-1"),
        ({"traceparent": "00-short-b7ad6b7169203331-01"}, "127.0.0.1"),
        ({"traceparent": TRACE}, "127.0.0.1"),
    ],
)
async def test_a_request_names_its_reads_where_no_client_does(headers: dict[str, str], client: str) -> None:
    async with front() as f:
        await f.get("/v1/d/shop/a", headers=headers)
        assert [read.client for read in f.node.of(ev.Read)] == [client.encode()]


async def test_reported_accesses_reach_the_node() -> None:
    async with front() as f:
        status, answer = await f.post(
            [
                {"ts": 1.5, "dep": "shop", "key": "é", "size": 9, "hit": True, "latency_ms": 2, "req": "r1"},
                "",
                {"dep": "shop", "key": "k"},
            ]
        )
        assert (status, answer) == (202, {"accepted": 2, "rejected": 0, "errors": []})
        first, second = InstanceKey("shop", "é".encode()), InstanceKey("shop", b"k")
        assert f.node.of(ev.AccessBatch) == [
            ev.AccessBatch(
                accesses=(
                    Access(first, key_hash(first), 9, True, b"r1"),
                    Access(second, key_hash(second), 0, False, b""),
                )
            )
        ]


WRONG_LINES = [
    "not json",
    "[1]",
    "[" * 5000,
    {"key": "k"},
    {"dep": "shop"},
    {"dep": "nobody", "key": "k"},
    {"dep": ["shop"], "key": "k"},
    {"dep": "shop", "key": 7},
    {"dep": "shop", "key": ""},
    {"dep": "shop", "key": "k" * 4097},
    {"dep": "shop", "key": "\ud800"},
    {"dep": "shop", "key": "k", "size": -1},
    {"dep": "shop", "key": "k", "size": 1.5},
    {"dep": "shop", "key": "k", "size": True},
    {"dep": "shop", "key": "k", "hit": 1},
    {"dep": "shop", "key": "k", "req": {}},
]


async def test_lines_without_sense_are_counted_and_the_others_taken() -> None:
    async with front() as f:
        status, answer = await f.post([*WRONG_LINES, {"dep": "shop", "key": "good"}])
        assert (status, answer["accepted"], answer["rejected"]) == (202, 1, len(WRONG_LINES))
        assert answer["errors"][0].startswith("line 1: ") and len(answer["errors"]) == 10
        status, answer = await f.post(WRONG_LINES)
        assert (status, answer["accepted"]) == (400, 0)


async def test_batches_have_limits() -> None:
    async with front() as f:
        line = {"dep": "shop", "key": "k"}
        assert (await f.post([line] * 10_001))[0] == 413
        assert (await f.post(["x" * (MAX_BATCH_BYTES + 1)]))[0] == 413
        assert (await f.post([line], "text/plain"))[0] == 415
        assert f.node.seen == []
