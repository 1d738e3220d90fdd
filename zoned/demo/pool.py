"""The demo's pool: agent processes on loopback, started, asked, killed and stopped.

Each agent gets a configuration file, a data directory, free ports and a log file of its own. Whatever
happens, ``stop`` ends every process that was started, by its pid.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
_PORTS = 17_000, 31_000


class DemoError(Exception):
    """The demo cannot go on; the text says why and where to look."""


@dataclass(slots=True)
class Agent:
    """One agent process."""

    zone: str
    node: str
    directory: Path
    gossip_port: int
    http_port: int
    peer_port: int
    process: asyncio.subprocess.Process | None = None
    ready: bool = False

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://127.0.0.1:{self.http_port}/"

    @property
    def data_dir(self) -> Path:
        """Where its state is."""
        return data_dir(self.directory.parent, self.zone)

    @property
    def journal_path(self) -> Path:
        """Where it records its day, if it is told to."""
        return self.directory / "journal.zj"

    @property
    def log_path(self) -> Path:
        """What it said."""
        return self.directory / "log"

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.returncode is None

    @property
    def serving(self) -> bool:
        """Whether a load balancer would send it reads."""
        return self.ready and self.alive


def free_ports(count: int, rng: random.Random) -> list[int]:
    """Loopback ports that nobody uses now, for TCP and UDP alike.

    Below the range from which systems take ports for outgoing connections: agents start many of those, and
    one must not take the port that the next agent was promised.
    """
    ports: list[int] = []
    for port in rng.sample(range(*_PORTS), len(range(*_PORTS))):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise DemoError(f"no {count} free ports on 127.0.0.1 between {_PORTS[0]} and {_PORTS[1]}")


def agents_of(zones: tuple[str, ...], work: Path) -> list[Agent]:
    """One agent a zone, not started yet."""
    ports = iter(free_ports(3 * len(zones), random.Random(os.getpid())))
    return [
        Agent(
            zone=zone,
            node=f"{zone}-1",
            directory=work / zone,
            gossip_port=next(ports),
            http_port=next(ports),
            peer_port=next(ports),
        )
        for zone in zones
    ]


def data_dir(work: Path, zone: str) -> Path:
    """Where the agent of that zone finds, and keeps, its state."""
    return work / zone / "data"


class Pool:
    """All agents of one demo."""

    def __init__(self, agents: list[Agent], session: aiohttp.ClientSession, peer_delay_ms: float) -> None:
        self.agents = agents
        self._session = session
        self._peer_delay_ms = peer_delay_ms

    def of_zone(self, zone: str) -> Agent:
        """That zone's agent."""
        return next(agent for agent in self.agents if agent.zone == zone)

    @property
    def alive(self) -> list[Agent]:
        """The agents whose processes run."""
        return [agent for agent in self.agents if agent.alive]

    async def start(self, agent: Agent) -> None:
        """Start one agent and wait until it is ready to serve."""
        with agent.log_path.open("ab") as log:
            agent.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "zoned.demo.agent",
                str(agent.directory / "zoned.toml"),
                str(self._peer_delay_ms),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

        async def ready() -> bool:
            if not agent.alive:
                raise DemoError(
                    f"agent {agent.node} ended at start; its log: {agent.log_path}\n{_tail(agent)}"
                )
            return await self.status_code(agent, "readyz") == 200

        await self.until(
            ready, START_TIMEOUT_S, f"agent {agent.node} is not ready; its log: {agent.log_path}"
        )
        agent.ready = True

    async def until(self, condition: Callable[[], Awaitable[bool]], timeout_s: float, failure: str) -> float:
        """Wait for a condition, asking ten times a second; the seconds it took, or DemoError."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while not await condition():
            if loop.time() - began_s > timeout_s:
                raise DemoError(f"{failure} (waited {timeout_s:.0f} s)")
            await asyncio.sleep(0.1)
        return loop.time() - began_s

    async def get(self, agent: Agent, path: str) -> Any:
        """An agent's JSON."""
        async with self._session.get(agent.url + path) as response:
            if response.status != 200:
                raise DemoError(f"{agent.url}{path} says {response.status}: {(await response.text())[:200]}")
            return await response.json()

    async def post(self, agent: Agent, path: str, body: dict[str, Any]) -> None:
        """Have an agent do something."""
        async with self._session.post(agent.url + path, json=body) as response:
            if response.status not in (200, 202):
                raise DemoError(f"{agent.url}{path} says {response.status}: {(await response.text())[:200]}")

    async def status_code(self, agent: Agent, path: str) -> int:
        """An agent's HTTP status for a path; 0 when it does not answer."""
        try:
            async with self._session.get(agent.url + path) as response:
                return response.status
        except (TimeoutError, aiohttp.ClientError, OSError):
            return 0

    async def agreed(self, members: int) -> bool:
        """Whether all agents alive have one ring of that many members."""
        rings = [await self.get(agent, "v1/ring") for agent in self.alive]
        return len({ring["ring_id"] for ring in rings}) == 1 and all(
            len(r["members"]) == members for r in rings
        )

    async def all_see(self, agent: Agent, state: str) -> bool:
        """Whether all other agents that run hold that one for ``state``."""
        for other in self.alive:
            if other is agent:
                continue
            states = {m["node"]: m["state"] for m in (await self.get(other, "v1/members"))["members"]}
            if states.get(agent.node) != state:
                return False
        return True

    async def kill(self, agent: Agent) -> None:
        """kill -9."""
        assert agent.process is not None
        agent.ready = False
        agent.process.kill()
        await agent.process.wait()

    async def stop(self) -> None:
        """End all agents, gently and then not."""
        running = [agent.process for agent in self.agents if agent.process is not None and agent.alive]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in running:
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                process.kill()
                await process.wait()


def _tail(agent: Agent) -> str:
    return "\n".join(agent.log_path.read_text(errors="replace").splitlines()[-5:])
