"""The users of all zones: sessions of reads, each sent to the agent of its zone.

A zone whose agent does not answer, or whose traffic was moved away, is served by the others in turn, as a
load balancer in front of them would do it. A read that fails there counts as failed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from urllib.parse import quote

import aiohttp

from zoned.core.names import InstanceKey
from zoned.demo.play import Play, Session
from zoned.demo.pool import Agent, Pool

MAX_SESSIONS = 64
READ_TIMEOUT_S = 15.0


class Traffic:
    """Plays the sessions, and counts what their clients saw."""

    def __init__(self, play: Play, pool: Pool, session: aiohttp.ClientSession) -> None:
        self._play = play
        self._pool = pool
        self._session = session
        self._limit = asyncio.Semaphore(MAX_SESSIONS)
        self._moved: set[str] = set()
        self._advanced = asyncio.Condition()
        self._turn = 0
        self._begun = 0
        self.done = 0
        self.failed = 0
        self.failed_over = 0
        self.moved_reads = 0
        self.outcomes: Counter[str] = Counter()
        self.latency_s = 0.0
        self.failures: list[str] = []

    async def run(self) -> None:
        """Play all sessions, at their times."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        async with asyncio.TaskGroup() as group:
            for session in self._play.sessions:
                delay_s = began_s + session.at_s / self._play.rate - loop.time()
                if delay_s > 0:
                    await asyncio.sleep(delay_s)
                await self._limit.acquire()
                self._begun += 1
                group.create_task(self._one(session))

    def move_away(self, zone: str) -> None:
        """From now on, the clients of that zone go to the others."""
        self._moved.add(zone)

    @property
    def to_come(self) -> frozenset[InstanceKey]:
        """The instances that sessions not yet begun will read."""
        return frozenset(key for session in self._play.sessions[self._begun :] for key in session.keys)

    async def reached(self, share: float) -> None:
        """Return when that share of the reads is done."""
        async with self._advanced:
            await self._advanced.wait_for(lambda: self.progress >= share)

    @property
    def progress(self) -> float:
        """Share of the reads that are done."""
        return self.done / max(1, self._play.requests)

    async def _one(self, session: Session) -> None:
        try:
            for key in session.keys:
                await self._read(session, f"v1/d/{key.dependency}/{quote(key.key, safe='/')}")
        finally:
            self._limit.release()

    async def _read(self, session: Session, path: str) -> None:
        agent = self._pool.of_zone(session.zone)
        elsewhere = session.zone in self._moved or not agent.serving
        if elsewhere:
            agent = self._other(session.zone)
            self.moved_reads += session.zone in self._moved
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            outcome = await self._get(agent, path, session.client)
        except aiohttp.ClientConnectionError as error:
            if elsewhere or agent.serving:
                outcome = f"failed {type(error).__name__}"
            else:  # its agent was killed under this read: the client tries the next zone
                self.failed_over += 1
                agent = self._other(session.zone)
                outcome = await self._again(agent, path, session.client)
        except (TimeoutError, aiohttp.ClientError) as error:
            outcome = f"failed {type(error).__name__}"
        self.latency_s += loop.time() - began_s
        self.done += 1
        async with self._advanced:
            self._advanced.notify_all()
        if outcome.startswith("failed"):
            self.failed += 1
            if len(self.failures) < 20:
                self.failures.append(f"{path} through {agent.node}: {outcome}")
        else:
            self.outcomes[outcome] += 1

    async def _again(self, agent: Agent, path: str, client: bytes) -> str:
        try:
            return await self._get(agent, path, client)
        except (TimeoutError, aiohttp.ClientError) as error:
            return f"failed {type(error).__name__}"

    async def _get(self, agent: Agent, path: str, client: bytes) -> str:
        timeout = aiohttp.ClientTimeout(total=READ_TIMEOUT_S)
        headers = {"Zoned-Client": client.decode("latin-1")}
        async with self._session.get(agent.url + path, headers=headers, timeout=timeout) as response:
            await response.read()
            if response.status != 200:
                return f"failed {response.status}"
            return _kind(response.headers.get("Cache-Status", ""))

    def _other(self, zone: str) -> Agent:
        """Another zone's agent, each in its turn."""
        others = [a for a in self._pool.agents if a.serving and a.zone != zone and a.zone not in self._moved]
        self._turn += 1
        return others[self._turn % len(others)]


def _kind(cache_status: str) -> str:
    """``hit``, ``peer`` or ``origin``, of an answer's Cache-Status (RFC 9211)."""
    if "; hit" in cache_status:
        return "hit"
    return "peer" if "detail=peer" in cache_status else "origin"
