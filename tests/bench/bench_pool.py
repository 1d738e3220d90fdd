"""Pools of real agents, Serf's and ours in turn, by one clock: what a user of a membership layer feels.

    python tests/bench/bench_pool.py [--sizes 3,10,30] [--kills 10] [--rest 30] [--mass 60]

For each size: kill -9 until every survivor has said so, one more join until all know, what an agent sends,
uses and holds at rest, and wrong verdicts while two members are frozen for 4 s. ``--mass N`` starts N agents
at once instead. It only prints; ratios are ours over Serf's medians. Each pool lives in a network namespace
of its own (all on 127.0.x.y: no loss, no latency), which needs root, ``ip``, and ``serf`` on the path. Times
are taken when an agent's log line reaches us.

Say what else the machine did: python agents that start compete for its cores with whoever is being timed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
TICK = os.sysconf("SC_CLK_TCK")
PATIENCE_S = 120.0


@dataclass(frozen=True, kw_only=True)
class System:
    """How an agent of some system is started, and what its log lines mean (group 1: the member)."""

    name: str
    command: tuple[str, ...]
    join: tuple[str, ...]
    up: re.Pattern[str]
    down: re.Pattern[str]
    joined: re.Pattern[str]


SERF = System(
    name="serf",
    command=(
        "serf",
        "agent",
        "-node={name}",
        "-bind={ip}:7946",
        "-rpc-addr={ip}:7373",
        "-tag",
        "zone={zone}",
    ),
    join=("-join={seed}:7946",),
    up=re.compile(r"serf: EventMemberJoin: (\S+) "),
    down=re.compile(r"serf: EventMember(?:Failed|Leave)(?: \(forced\))?: (\S+) "),
    joined=re.compile(r"agent: joined: "),
)
ZONED = System(
    name="zoned",
    command=(sys.executable, "-m", "zoned", "agent", "--node", "{name}", "--zone", "{zone}", "--gossip",
             "{ip}:7946", "--http", "{ip}:7980", "--peer", "{ip}:7947", "--resp", "{ip}:7982",
             "--socket", "{work}/{name}.sock", "--data-dir", "{work}/{name}"),
    join=("--join", "{seed}:7946"),
    up=re.compile(r"member up (\S+)"),
    down=re.compile(r"member (?:failed|left) (\S+)"),
    joined=re.compile(r"joined \d+ members"),
)  # fmt: skip


@dataclass
class Agent:
    """One process, and what its log has said so far: the others' names, and when."""

    system: System
    index: int
    space: str
    work: str
    up: dict[str, float] = field(default_factory=dict)
    down: dict[str, float] = field(default_factory=dict)
    accused: list[str] = field(default_factory=list)
    joined_s: float = 0.0
    said: str = ""
    ended: bool = False  # by us
    process: asyncio.subprocess.Process | None = None

    def __post_init__(self) -> None:
        self.name, self.ip = f"n{self.index:03d}", f"127.0.{1 + self.index // 200}.{1 + self.index % 200}"

    async def start(self, seed: Agent | None) -> None:
        words = self.system.command + (self.system.join if seed else ())
        told = {"name": self.name, "ip": self.ip, "zone": f"z{self.index % 3}", "work": self.work}
        command = [word.format(seed=seed.ip if seed else "", **told) for word in words]
        self.up, self.down, self.joined_s, self.ended = {}, {}, 0.0, False
        self.process = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", self.space, *command),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "ZONED_AGENT__INSECURE": "true"},
        )
        self.reading = asyncio.create_task(self._read(self.process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            now_s, text = time.monotonic(), line.decode(errors="replace")
            self.said = text.strip()
            if found := self.system.up.search(text):
                self.up[found[1]] = now_s
                self.down.pop(found[1], None)
            elif found := self.system.down.search(text):
                self.down[found[1]] = now_s
                self.up.pop(found[1], None)
                self.accused.append(found[1])
            elif self.system.joined.search(text):
                self.joined_s = self.joined_s or now_s

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.ended |= number in (signal.SIGKILL, signal.SIGINT)
        self.process.send_signal(number)

    def died(self) -> bool:
        """It ended, and not because we told it to."""
        return self.process is not None and self.process.returncode is not None and not self.ended

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._pid()}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss_mb(self) -> float:
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self._pid()}/status").read_text())[1]) / 1024

    def _pid(self) -> int:
        assert self.process is not None
        return self.process.pid


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout


class Pool:
    """N agents in a network namespace; the last one is left for joining."""

    def __init__(self, system: System, size: int) -> None:
        self.space = f"zbench{os.getpid()}"
        self._work = tempfile.TemporaryDirectory(prefix="zbench")
        self.agents = [Agent(system, index, self.space, self._work.name) for index in range(size)]

    async def __aenter__(self) -> Pool:
        ip("netns", "add", self.space)
        ip("-n", self.space, "link", "set", "lo", "up")
        return self

    async def __aexit__(self, *_: object) -> None:
        for agent in self.agents:
            if agent.process is not None and agent.process.returncode is None:
                agent.process.kill()
                await agent.process.wait()
        ip("netns", "del", self.space)
        self._work.cleanup()

    async def begin(self, agents: list[Agent]) -> float:
        """All at once against the first; seconds from the last one's "joined" line until all know all."""
        await agents[0].start(None)
        await asyncio.sleep(2.0)  # Serf's -join gives up where nobody listens yet
        for agent in agents[1:]:
            await agent.start(agents[0])
        if not await self.until(lambda: self.whole(agents) and all(agent.joined_s for agent in agents[1:])):
            return PATIENCE_S
        return max(at_s for agent in agents for at_s in agent.up.values()) - max(a.joined_s for a in agents)

    @staticmethod
    def whole(agents: list[Agent]) -> bool:
        names = {agent.name for agent in agents}
        return all(names <= agent.up.keys() | {agent.name} for agent in agents)

    async def until(self, condition: Callable[[], bool]) -> bool:
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            if died := next((agent for agent in self.agents if agent.died()), None):
                sys.exit(f"bench_pool: {died.system.name} {died.name} ended; it last said: {died.said}")
            if time.monotonic() > deadline_s:
                return False
            await asyncio.sleep(0.01)
        return True

    async def gone(self, name: str, others: list[Agent]) -> float:
        """When the last of them said that this member is down."""
        await self.until(lambda: all(name in agent.down for agent in others))
        return max(agent.down.get(name, time.monotonic()) for agent in others)

    async def joining(self, times: int) -> list[float]:
        """From the newcomer's own "joined" line until it and all others know of each other."""
        took, newcomer = [], self.agents[-1]
        for again in range(times):
            await newcomer.start(self.agents[0])
            await self.until(lambda: self.whole(self.agents) and newcomer.joined_s > 0)
            known = [agent.up.get(newcomer.name, 0.0) for agent in self.agents[:-1]] + list(
                newcomer.up.values()
            )
            took.append(max(0.0, max(known) - newcomer.joined_s))
            await asyncio.sleep(2.0)
            if again < times - 1:
                newcomer.signal(signal.SIGINT)
                await self.gone(newcomer.name, self.agents[:-1])
                assert newcomer.process is not None
                await newcomer.process.wait()
        return took

    async def rest(self, seconds: float) -> tuple[float, float, float]:
        """(bytes/s sent, % of a core, MB resident) of one agent."""
        await asyncio.sleep(10.0)
        sent, cpu_s, began_s = self._sent(), sum(agent.cpu_s() for agent in self.agents), time.monotonic()
        await asyncio.sleep(seconds)
        took_s = (time.monotonic() - began_s) * len(self.agents)
        cpu = (sum(agent.cpu_s() for agent in self.agents) - cpu_s) / took_s * 100
        return (self._sent() - sent) / took_s, cpu, statistics.median(agent.rss_mb() for agent in self.agents)

    def _sent(self) -> int:
        shown = ip("netns", "exec", self.space, "cat", "/proc/net/dev")
        return int(shown.split("lo:")[1].split()[8])

    async def kills(self, times: int) -> list[float]:
        """From kill -9 of a random member until all survivors have said so."""
        took = []
        for _ in range(times):
            victim = random.choice(self.agents[1:])
            others = [agent for agent in self.agents if agent is not victim]
            began_s = time.monotonic()
            victim.signal(signal.SIGKILL)
            took.append(await self.gone(victim.name, others) - began_s)
            await asyncio.sleep(1.0)
            await victim.start(self.agents[0])
            await self.until(lambda: self.whole(self.agents))
            await asyncio.sleep(2.0 + random.random())
        return took

    async def freezing(self, rounds: int, seconds: float = 4.0) -> int:
        """Wrong verdicts while two members at a time are frozen for that long."""
        for agent in self.agents:
            agent.accused.clear()
        for _ in range(rounds):
            frozen = random.sample(self.agents[1:], 2)
            for agent in frozen:
                agent.signal(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            for agent in frozen:
                agent.signal(signal.SIGCONT)
            await asyncio.sleep(8.0)
        return sum(len(agent.accused) for agent in self.agents)


async def figures(system: System, size: int, options: argparse.Namespace) -> dict[str, list[float]]:
    """Everything about one system at one size: name of the metric -> samples."""
    async with Pool(system, size) as pool:
        await pool.begin(pool.agents[:-1])
        await asyncio.sleep(4.0)
        found = {"one more join, s": await pool.joining(options.joins)}
        sent, cpu, rss = await pool.rest(options.rest)
        found |= {"sent at rest, B/s": [sent], "CPU at rest, %": [cpu], "resident, MB": [rss]}
        found["kill -9 to all, s"] = await pool.kills(options.kills)
        if size >= 10 and options.frozen:
            found["wrong verdicts, 2 frozen"] = [float(await pool.freezing(options.frozen))]
    return found


async def mass(system: System, size: int, options: argparse.Namespace) -> dict[str, list[float]]:
    """Mass starts, each in a pool of its own."""
    took = []
    for _ in range(options.starts):
        async with Pool(system, size) as pool:
            took.append(await pool.begin(pool.agents))
    return {"mass start, last joined to full mesh, s": took}


def show(size: int, theirs: dict[str, list[float]], ours: dict[str, list[float]]) -> None:
    for metric, samples in ours.items():
        peer, own = statistics.median(theirs[metric]), statistics.median(samples)
        ratio = f"{own / peer:.2f}" if peer else "-"
        worst = f"{max(theirs[metric]):.2f} / {max(samples):.2f}"
        print(
            f"{size:>3}  {metric:<42}{peer:>9.2f}{own:>9.2f}{ratio:>8}{len(samples):>4}  {worst}", flush=True
        )


async def main() -> None:
    parser = argparse.ArgumentParser(description="Pools of serf and zoned in turn.")
    parser.add_argument("--sizes", default="3,10,30")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--joins", type=int, default=3)
    parser.add_argument("--rest", type=float, default=30.0)
    parser.add_argument("--frozen", type=int, default=5, help="rounds with two members frozen, from 10 on")
    parser.add_argument("--mass", type=int, default=0, help="only mass starts, of so many agents")
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args()
    lacking = [tool for tool in ("ip", "serf") if shutil.which(tool) is None]
    if lacking:
        sys.exit(f"bench_pool: {' and '.join(lacking)} not found: apt-get install iproute2 serf")
    if os.geteuid() != 0:
        sys.exit("bench_pool: only root may make network namespaces: run it as root")
    print(f"{'n':>3}  {'metric':<42}{'serf':>9}{'zoned':>9}{'ratio':>8}{'of':>4}  worst of each")
    for size in [options.mass] if options.mass else map(int, options.sizes.split(",")):
        run = mass if options.mass else figures
        theirs = await run(SERF, size, options)
        show(size, theirs, await run(ZONED, size, options))


if __name__ == "__main__":
    asyncio.run(main())
