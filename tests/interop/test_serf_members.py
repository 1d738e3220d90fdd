"""A zoned agent's gossip in one pool with Debian's real ``serf agent``: each sees the other come, go, die.

The gossip stage runs on its real sockets here, without the rest of the agent. Skips where there is no serf,
but not in CI, where its absence is a failure.
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

SERF = shutil.which("serf")
pytestmark = [
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

    def __init__(self, node: str, zone: str, address: Address | None = None, compress: bool = False) -> None:
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
        self.swim = Swim(quick, identity, random.Random(node), now())
        self.io = GossipIO(self.deliver)
        self.notes: list[str] = []
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
    node: str, zone: str, address: Address | None = None, compress: bool = False
) -> AsyncIterator[Gossiper]:
    one = Gossiper(node, zone, address, compress)
    await one.io.start(one.address)
    one.after()
    try:
        yield one
    finally:
        await one.stop()


class SerfAgent:
    """A real serf agent, on a free loopback port."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.address: Address = ("127.0.0.1", free_port())
        self.rpc = f"127.0.0.1:{free_port()}"
        self.lines: list[str] = []

    async def start(self) -> None:
        assert SERF is not None, "CI must install serf"
        bind = f"127.0.0.1:{self.address[1]}"
        self.process = await asyncio.create_subprocess_exec(
            SERF, "agent", f"-node={self.node}", f"-bind={bind}", f"-rpc-addr={self.rpc}",
            "-tag", "zone=stock", "-log-level=debug",
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
async def serf_agent(node: str) -> AsyncIterator[SerfAgent]:
    agent = SerfAgent(node)
    await agent.start()
    try:
        yield agent
    finally:
        await agent.stop()


def join(one: Gossiper, seed: Address) -> None:
    one.swim.join([seed], now())
    one.after()


@pytest.mark.asyncio
async def test_serf_lists_us_with_our_tags_and_we_list_it() -> None:
    async with serf_agent("stock") as serf, gossiper("z-1", "eu-1") as one:
        join(one, serf.address)
        await one.until(lambda: one.state("stock") == "alive")
        row = await serf.lists("z-1", "alive", "zone=eu-1", "role=zoned")
        assert f"127.0.0.1:{one.address[1]}" in row
        assert "weight=2" in row and "peer=127.0.0.1:7947" in row
        stock = next(each for each in one.swim.members() if each.node == "stock")
        assert (stock.zone, stock.role, stock.weight, stock.gossip) == ("stock", "", 0, serf.address)
        assert one.notes.count("member up stock") == 1 and "joined 1 members" in one.notes


@pytest.mark.asyncio
async def test_go_reads_our_lzw() -> None:
    async with serf_agent("stock") as serf, gossiper("z-1", "eu-1", compress=True) as one:
        join(one, serf.address)
        await one.until(lambda: one.state("stock") == "alive")
        await serf.lists("z-1", "alive", "zone=eu-1")
        one.swim.leave(now())
        one.after()
        await serf.lists("z-1", "left")
        assert [line for line in serf.lines if "[WARN]" in line or "[ERR]" in line] == []


@pytest.mark.asyncio
async def test_serf_reaches_us_measures_us_and_has_no_complaints() -> None:
    async with serf_agent("stock") as serf, gossiper("z-1", "eu-1") as one, gossiper("z-2", "eu-2") as two:
        join(one, serf.address)
        join(two, serf.address)
        await one.until(lambda: one.state("stock") == one.state("z-2") == "alive")
        await serf.lists("z-1", "alive")
        await serf.lists("z-2", "alive")
        code, output = await serf.call("reachability")
        assert code == 0 and "Successfully contacted all live nodes" in output, output
        await one.until(lambda: one.swim.rtt_s("stock") is not None)
        async with asyncio.timeout(20):
            while (await serf.call("rtt", "z-1"))[0]:
                pass
        await serf.call("event", "deploy", "v1")
        await one.until(lambda: one.swim.counters.get("events_heard", 0) == 1)
        complaints = [line for line in serf.lines if "[WARN]" in line or "[ERR]" in line]
        assert complaints == []
        odd = {name: n for name, n in one.swim.counters.items() if name.startswith("rejected") and n}
        assert odd == {}


@pytest.mark.asyncio
async def test_our_leave_is_a_leave_to_serf_and_we_may_come_back() -> None:
    async with serf_agent("stock") as serf, gossiper("z-1", "eu-1") as one:
        join(one, serf.address)
        await serf.lists("z-1", "alive")
        one.swim.leave(now())
        one.after()
        await serf.lists("z-1", "left")
        join(one, serf.address)
        await serf.lists("z-1", "alive")


@pytest.mark.asyncio
async def test_our_death_is_a_failure_to_serf_and_a_restart_heals_it() -> None:
    async with serf_agent("stock") as serf, gossiper("z-1", "eu-1") as one, gossiper("z-2", "eu-2") as two:
        join(one, serf.address)
        join(two, serf.address)
        await serf.lists("z-1", "alive")
        await one.until(lambda: one.state("z-2") == "alive")
        await two.stop()
        await serf.lists("z-2", "failed", seconds=40)
        await one.until(lambda: one.state("z-2") == "failed", seconds=40)
        async with gossiper("z-2", "eu-2", two.address) as again:
            join(again, one.address)
            await serf.lists("z-2", "alive")
            await one.until(lambda: one.state("z-2") == "alive")
            assert again.state("stock") == "alive"


@pytest.mark.asyncio
async def test_a_serf_agent_that_dies_or_leaves() -> None:
    async with gossiper("z-1", "eu-1") as one:
        async with serf_agent("dies") as dies, serf_agent("leaves") as leaves:
            join(one, dies.address)
            join(one, leaves.address)
            await one.until(lambda: one.state("dies") == one.state("leaves") == "alive")
            await dies.lists("leaves", "alive")
            await leaves.call("leave")
            await one.until(lambda: one.state("leaves") == "left")
            dies.process.kill()
            await one.until(lambda: one.state("dies") == "failed", seconds=40)
        assert "member left leaves" in one.notes and "member failed dies" in one.notes


@pytest.mark.asyncio
async def test_a_restart_says_so_instead_of_being_found_out() -> None:
    async with serf_agent("stock") as serf, gossiper("z-1", "eu-1") as one:
        join(one, serf.address)
        await serf.lists("z-1", "alive")
        one.swim.back_soon(now())
        one.after()
        await serf.lists("z-1", "failed", seconds=3)


@pytest.mark.asyncio
async def test_force_leave_prune_reaches_us() -> None:
    async with serf_agent("stock") as serf, gossiper("z-1", "eu-1") as one, gossiper("z-2", "eu-2") as two:
        join(one, serf.address)
        join(two, serf.address)
        await one.until(lambda: one.state("z-2") == "alive")
        await serf.lists("z-2", "alive")
        await two.stop()
        await serf.lists("z-2", "failed", seconds=40)
        await one.until(lambda: one.state("z-2") == "failed", seconds=40)
        code, output = await serf.call("force-leave", "-prune", "z-2")
        assert code == 0, output
        await one.until(lambda: one.state("z-2") == "")
