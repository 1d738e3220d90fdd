"""Copies between agents, over real sockets: the same bytes, version and freshness on both sides."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgpack
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.daemon.fakes import free_port, http_server
from zoned.core.actions import FetchPeer, Offer
from zoned.core.events import FetchOutcome, Offered, Purpose
from zoned.core.names import Address, InstanceKey
from zoned.daemon.clock import Clock
from zoned.daemon.copies import Copy
from zoned.daemon.listener import HttpListener, bind_tcp
from zoned.daemon.paths import NotAnInstance, instance_of, path_of
from zoned.daemon.ports import PeerReply
from zoned.daemon.transfer import PeerClient, transfer_app

CLOCK = Clock()
KEY = InstanceKey("shop", b"a b/\xff?%2e%2e/..")


@dataclass
class Port:
    """A driver that answers with what the test says."""

    reply: PeerReply
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    offered: list[Offered] = field(default_factory=list)

    async def peer_read(self, key: InstanceKey, sender: str, purpose: Purpose, ring_id: str) -> PeerReply:
        self.asked.append((key, sender, purpose, ring_id))
        return self.reply

    def submit(self, event: Offered) -> None:
        self.offered.append(event)


def held(body: bytes = b"bytes", **changes: Any) -> PeerReply:
    copy = Copy(body, '"v7"', "text/x", CLOCK.now().mono_s - 30.0)
    return PeerReply(
        **({"outcome": FetchOutcome.OK, "copy": copy, "ring_id": "r2", "ttl_s": 12.25} | changes)
    )


@asynccontextmanager
async def serving(reply: PeerReply) -> AsyncIterator[tuple[Port, Address]]:
    port = Port(reply)
    listener = HttpListener(transfer_app(port, CLOCK), 100)
    sock = bind_tcp(("127.0.0.1", 0), "peer.listen")
    address = sock.getsockname()
    await listener.start(sock)
    try:
        yield port, address
    finally:
        await listener.close()


@asynccontextmanager
async def asking(**changes: Any) -> AsyncIterator[PeerClient]:
    client = PeerClient("me", CLOCK, {"shop": 1000}, **changes)
    try:
        yield client
    finally:
        await client.close()


def order(address: Address, **changes: Any) -> FetchPeer:
    whole: dict[str, Any] = {
        "fetch": 1, "key": KEY, "node": "z2", "address": address, "purpose": Purpose.COPY, "ring_id": "r1",
        "timeout_s": 5.0,
    }  # fmt: skip
    return FetchPeer(**(whole | changes))


@pytest.mark.asyncio
async def test_a_copy_arrives_whole_with_all_that_goes_with_it() -> None:
    async with serving(held()) as (port, address), asking() as client:
        fetched = await client.fetch(order(address, purpose=Purpose.PREFETCH))
    assert fetched.outcome is FetchOutcome.OK
    assert fetched.copy is not None
    assert (fetched.copy.body, fetched.copy.version, fetched.copy.content_type) == (
        b"bytes",
        '"v7"',
        "text/x",
    )
    assert (fetched.ttl_s, fetched.detail) == (12.25, "")
    assert CLOCK.now().mono_s - fetched.copy.born_s == pytest.approx(30.0, abs=1.5)
    assert port.asked == [(KEY, "me", Purpose.PREFETCH, "r1")]


@pytest.mark.asyncio
async def test_a_copy_that_does_not_expire_and_one_from_the_origin() -> None:
    async with serving(held(ttl_s=None, detail="origin")) as (_, address), asking() as client:
        fetched = await client.fetch(order(address, purpose=Purpose.OWNER))
    assert (fetched.ttl_s, fetched.detail) == (None, "origin")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "outcome",
    [
        FetchOutcome.NOT_HELD,
        FetchOutcome.NOT_FOUND,
        FetchOutcome.FAILED,
        FetchOutcome.TIMEOUT,
        FetchOutcome.TOO_LARGE,
    ],
)
async def test_every_other_outcome_arrives_as_itself(outcome: FetchOutcome) -> None:
    async with serving(PeerReply(outcome=outcome, ring_id="r2")) as (_, address), asking() as client:
        fetched = await client.fetch(order(address))
    assert (fetched.outcome, fetched.copy) == (outcome, None)


@pytest.mark.asyncio
async def test_a_copy_over_the_limit_is_left_unread() -> None:
    async with serving(held(b"x" * 1001)) as (_, address), asking() as client:
        assert (await client.fetch(order(address))).outcome is FetchOutcome.TOO_LARGE
    async with serving(held(b"x" * 1000)) as (_, address), asking() as client:
        assert (await client.fetch(order(address))).outcome is FetchOutcome.OK


@pytest.mark.asyncio
async def test_a_dead_a_silent_and_a_strange_peer() -> None:
    async with asking() as client:
        dead = await client.fetch(order(("127.0.0.1", free_port())))
        assert dead.outcome is FetchOutcome.FAILED
        with socket.create_server(("127.0.0.1", 0)) as silent:
            late = await client.fetch(order(silent.getsockname(), timeout_s=0.05))
            assert late.outcome is FetchOutcome.TIMEOUT

        async def strange(request: web.Request) -> web.Response:
            return web.Response(body=b"x", headers={"Zoned-Ttl": "nan"})

        async with http_server(strange) as url:
            fetched = await client.fetch(order(("127.0.0.1", int(url.rsplit(":", 1)[1]))))
            assert fetched.outcome is FetchOutcome.FAILED


@pytest.mark.asyncio
async def test_the_distance_hook_is_within_latency_and_deadline() -> None:
    called: list[tuple[str, Purpose]] = []
    never = asyncio.Event()

    async def before(node: str, purpose: Purpose) -> None:
        called.append((node, purpose))
        if node == "far":
            await never.wait()

    async with serving(held()) as (_, address), asking(before_call=before) as client:
        assert (await client.fetch(order(address))).outcome is FetchOutcome.OK
        far = await client.fetch(order(address, node="far", timeout_s=0.05))
        assert far.outcome is FetchOutcome.TIMEOUT
    assert called == [("z2", Purpose.COPY), ("far", Purpose.COPY)]


@pytest.mark.asyncio
async def test_an_offer_arrives() -> None:
    keys = (KEY, InstanceKey("shop", b"b"))
    async with serving(held()) as (port, address), asking() as client:
        for going in (False, True):
            told = Offer(node="z2", address=address, keys=keys, sizes=(5, 6), going=going)
            assert await client.offer(told)
            assert port.offered.pop() == Offered(sender="me", keys=keys, sizes=(5, 6), going=going)
        assert not await client.offer(Offer(node="z", address=("127.0.0.1", free_port()), keys=(), sizes=()))


NONSENSE = [
    b"",
    b"\xc1",
    msgpack.packb(7),
    msgpack.packb({}),
    msgpack.packb({"keys": 1}),
    msgpack.packb({"keys": [], "going": 1}),
    msgpack.packb({"keys": [1]}),
    msgpack.packb({"keys": [["d", b"k"]]}),
    msgpack.packb({"keys": [["d", "text", 1]]}),
    msgpack.packb({"keys": [["d", b"k", True]]}),
    msgpack.packb({"keys": [["d", b"k", -1]]}),
    msgpack.packb({"keys": [["d", b"", 1]]}),
    msgpack.packb({"keys": [["d", b"k" * 5000, 1]]}),
    msgpack.packb({"keys": [["d", b"k", 1]] * 5000}),
    b"x" * (2 << 20),
]


@pytest.mark.asyncio
async def test_nonsense_is_refused_and_reaches_nobody() -> None:
    async with serving(held()) as (port, address), aiohttp.ClientSession() as session:
        base = f"http://{address[0]}:{address[1]}"
        async with session.post(base + "/p/offer", data=msgpack.packb({"keys": []})) as response:
            assert response.status == 400  # it does not say who it is
        async with session.get(base + "/p/shop/a") as response:
            assert response.status == 400
        session.headers["Zoned-From"] = "z2"
        for body in NONSENSE:
            async with session.post(base + "/p/offer", data=io.BytesIO(body)) as response:
                assert response.status in (400, 413), body[:40]
        for path in ("/p/shop", "/p/shop/", "/p//key", "/p/shop/" + "k" * 4097, "/p/%ff/k", "/p/shop/a?b"):
            async with session.get(base + path) as response:
                assert response.status in (400, 404), path
        async with session.get(base + "/p/shop/a", headers={"Zoned-Purpose": "theft"}) as response:
            assert response.status == 400
        assert port.offered == [] and port.asked == []


@given(
    st.text(min_size=1, max_size=20).filter(lambda d: "/" not in d and d.isprintable()),
    st.binary(min_size=1, max_size=80),
)
def test_paths_are_read_back(dependency: str, key: bytes) -> None:
    instance = InstanceKey(dependency, key)
    assert instance_of(path_of(instance, "/p/"), "/p/") == instance


def test_a_path_is_read_raw() -> None:
    assert instance_of("/v1/d/shop//v1//x", "/v1/d/") == InstanceKey("shop", b"/v1//x")
    assert instance_of("/v1/d/shop/a%2Fb", "/v1/d/") == InstanceKey("shop", b"a/b")
    for path in ("/v1/d/", "/v1/d/shop", "/v1/d/shop/", "/v1/d//x", "/v1/d/shop/x?y=1"):
        with pytest.raises(NotAnInstance):
            instance_of(path, "/v1/d/")


@pytest.mark.asyncio
async def test_any_key_survives_the_way_between_two_agents() -> None:
    keys = [
        b"..",
        b"../..",
        b"a/./b",
        b"%2F",
        b"\x00\n\r",
        bytes(range(1, 256)),
        b"//",
        b"#frag",
        "é☃".encode(),
    ]
    async with serving(held()) as (port, address), asking() as client:
        for key in keys:
            fetched = await client.fetch(order(address, key=InstanceKey("shop", key)))
            assert fetched.outcome is FetchOutcome.OK, key
        assert [asked[0].key for asked in port.asked] == keys
