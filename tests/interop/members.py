"""The two kinds of member that the interop tests bring together: a real ``serf agent``, and our gossip stage
on its real sockets, without the rest of the agent.

The tests skip where there is no serf, but not in CI, where its absence is a failure.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from zoned.core.actions import Note
from zoned.core.events import Event, PacketReceived, StreamAnswered, StreamReceived
from zoned.core.gossip import GossipSettings, Identity, Swim
from zoned.core.names import Address, Instant
from zoned.daemon.gossip_io import GossipIO
from zoned.daemon.gossip_seal import Seal
from zoned.daemon.keyring import Keyring
from zoned.daemon.refusals import Refusals

SERF = shutil.which("serf")
needs_serf = [
    pytest.mark.skipif(
        SERF is None and os.environ.get("CI") != "true", reason="no serf binary (Debian: apt install serf)"
    ),
    pytest.mark.timeout(90),
]


def now() -> Instant:
    wall = time.time()
    return Instant(time.monotonic(), wall, wall)


def free_port() -> int:
    """A loopback port free for both TCP and UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Gossiper:
    """The gossip stage of one agent on real sockets."""

    def __init__(
        self,
        node: str,
        zone: str,
        address: Address | None = None,
        compress: bool = False,
        seal: Seal | None = None,
    ) -> None:
        seal = seal or Seal(Keyring())
        self.address: Address = address or ("127.0.0.1", free_port())
        identity = Identity(
            node=node,
            zone=zone,
            weight=2,
            gossip=self.address,
            peer=("127.0.0.1", 7947),
            http=("127.0.0.1", 7980),
        )
        quick = replace(GossipSettings.profile("local"), probe_timeout_s=0.5, compress_packets=compress)
        quick = replace(quick, seal_bytes=seal.overhead_bytes)
        self.swim = Swim(quick, identity, random.Random(node), now())
        self.notes: list[str] = []
        self.io = GossipIO(self.deliver, seal=seal, refusals=Refusals(self.refused))
        self.moved = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None

    def deliver(self, event: Event) -> None:
        if isinstance(event, PacketReceived):
            self.swim.packet(event.data, event.sender, now())
        elif isinstance(event, StreamReceived):
            self.swim.stream(event.stream, event.data, event.sender, now())
        elif isinstance(event, StreamAnswered):
            self.swim.answered(event.call, event.data, now())
        self.after()

    def refused(self, level: str, event: str, text: str) -> None:
        self.notes.append(text)
        self.moved.set()

    def after(self) -> None:
        for action in self.swim.take_actions():
            if isinstance(action, Note):
                self.notes.append(action.text)
            else:
                self.io.perform(action)  # type: ignore[arg-type]
        self.swim.take_news()
        self.moved.set()
        if self._alarm is not None:
            self._alarm.cancel()
        deadline_s = self.swim.next_deadline()
        if deadline_s is not None:
            wait_s = max(0.0, deadline_s - time.monotonic())
            self._alarm = asyncio.get_running_loop().call_later(wait_s, self.tick)

    def tick(self) -> None:
        self.swim.tick(now())
        self.after()

    async def until(self, holds: Callable[[], bool], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                self.moved.clear()
                await self.moved.wait()

    def state(self, node: str) -> str:
        return next((each.state.value for each in self.swim.members() if each.node == node), "")

    async def stop(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        await self.io.close()


@asynccontextmanager
async def gossiper(
    node: str,
    zone: str,
    address: Address | None = None,
    compress: bool = False,
    seal: Seal | None = None,
) -> AsyncIterator[Gossiper]:
    one = Gossiper(node, zone, address, compress, seal)
    await one.io.start(one.address)
    one.after()
    try:
        yield one
    finally:
        await one.stop()


class SerfAgent:
    """A real serf agent, on a free loopback port."""

    def __init__(self, node: str, *arguments: str) -> None:
        self.node = node
        self.arguments = arguments
        self.address: Address = ("127.0.0.1", free_port())
        self.rpc = f"127.0.0.1:{free_port()}"
        self.lines: list[str] = []

    async def start(self) -> None:
        assert SERF is not None, "CI must install serf"
        bind = f"127.0.0.1:{self.address[1]}"
        self.process = await asyncio.create_subprocess_exec(
            SERF, "agent", f"-node={self.node}", f"-bind={bind}", f"-rpc-addr={self.rpc}",
            "-tag", "zone=stock", "-log-level=debug", *self.arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        self._reader = asyncio.create_task(self._read())
        await self.until(lambda: any("agent: Serf agent starting" in line for line in self.lines))
        while (await self.call("members"))[0]:
            pass

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode("utf-8", "replace").rstrip())

    async def until(self, holds: Callable[[], bool], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                await self.call("info")

    async def call(self, verb: str, *arguments: str) -> tuple[int, str]:
        assert SERF is not None
        process = await asyncio.create_subprocess_exec(
            SERF, verb, f"-rpc-addr={self.rpc}", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode("utf-8", "replace")

    async def row(self, node: str) -> str:
        """That member's line of ``serf members``."""
        _, output = await self.call("members")
        return next((line for line in output.splitlines() if line.split()[:1] == [node]), "")

    async def lists(self, node: str, *words: str, seconds: float = 20.0) -> str:
        """Wait until that line has all these words."""
        async with asyncio.timeout(seconds):
            while True:
                row = await self.row(node)
                if all(word in row for word in words):
                    return row

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reader


@asynccontextmanager
async def serf_agent(node: str, *arguments: str) -> AsyncIterator[SerfAgent]:
    agent = SerfAgent(node, *arguments)
    await agent.start()
    try:
        yield agent
    finally:
        await agent.stop()


def join(one: Gossiper, seed: Address) -> None:
    one.swim.join([seed], now())
    one.after()
