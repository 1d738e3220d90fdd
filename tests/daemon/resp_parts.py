"""A RESP front on a real socket, with the real driver and a small node, and a client of few words."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.daemon.fakes import FakeGossip, FakeKeys, FakeNode, FakeOrigin, FakePeers
from zoned.daemon.clock import Clock
from zoned.daemon.driver import Driver
from zoned.daemon.effects import World
from zoned.daemon.fronts import RespFront
from zoned.daemon.fronts.resp import About
from zoned.daemon.listener import bind_tcp
from zoned.daemon.log import Log
from zoned.daemon.stores import MemoryStore

BODIES = {b"a": b"alpha", b"b": b"beta", b"empty": b"", b"with:colon": b"c", b"\r\n": b"lines"}


def command(*args: bytes | str) -> bytes:
    """One command as clients send it."""
    raw = [one.encode() if isinstance(one, str) else one for one in args]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in raw)


class Client:
    """Sends bytes, reads replies as Python values; errors are strings that begin with ``-``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *args: bytes | str) -> None:
        self.writer.write(command(*args))

    async def ask(self, *args: bytes | str) -> Any:
        self.send(*args)
        return await self.reply()

    async def reply(self) -> Any:
        line = (await self.reader.readuntil(b"\r\n"))[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            if rest == b"-1":
                return None
            return (await self.reader.readexactly(int(rest) + 2))[:-2]
        if kind in b"*%":
            count = int(rest) * (2 if kind == b"%" else 1)
            values = [await self.reply() for _ in range(count)]
            return values if kind == b"*" else dict(zip(values[::2], values[1::2], strict=True))
        if kind == b":":
            return int(rest)
        return None if kind == b"_" else line.decode()

    async def closed(self) -> bool:
        return await self.reader.read() == b""


@dataclass
class Parts:
    node: FakeNode
    origin: FakeOrigin
    driver: Driver
    store: MemoryStore
    front: RespFront
    port: int
    clients: list[Client]

    async def connect(self, **kwargs: Any) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, **kwargs))
        self.clients.append(client)
        return client


@asynccontextmanager
async def resp_front(max_bytes: int = 10_000_000, **kwargs: Any) -> AsyncIterator[Parts]:
    """The front; ``max_bytes`` is what it believes of the store; ``kwargs`` are RespFront's."""
    clock, node, store = Clock(), FakeNode(), MemoryStore(10_000_000)
    origin = FakeOrigin(clock, dict(BODIES))
    world = World(
        gossip=FakeGossip(),
        store=store,
        origins={"shop": origin},
        peers=FakePeers(),
        worker=None,
        keys=FakeKeys(),
        log=Log(io.StringIO()),
    )
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(15):
        driver = Driver(node, clock, world, lambda work, name: tasks.create_task(work))  # type: ignore[arg-type]
        about = About(version="1.2.3", store=store, max_bytes=max_bytes)
        front = RespFront(driver, clock, ["shop"], about, **kwargs)
        sock = bind_tcp(("127.0.0.1", 0), "resp.listen")
        parts = Parts(node, origin, driver, store, front, sock.getsockname()[1], [])
        await front.start(sock)
        yield parts
        for client in parts.clients:
            client.writer.close()
        await front.close()
        driver.close()
