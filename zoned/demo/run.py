"""The demo from beginning to end: learn, join, live, kill, drain, report.

Every figure of the report is measured in the run: by the clients (failed reads), by the agents (their
ledgers), by the origin (who fetched what, when). A killed agent forgets its ledger, so that is read before.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from zoned.core.names import InstanceKey
from zoned.demo.origin import DemoOrigin
from zoned.demo.play import Play, cut
from zoned.demo.pool import Agent, DemoError, Pool, agents_of, data_dir
from zoned.demo.preload import Delays, Past, preload
from zoned.demo.report import Drained, Killed, report
from zoned.demo.screen import Screen
from zoned.demo.traffic import Traffic
from zoned.journal import JournalError, merge
from zoned.simulation.trace import read

TRACE = Path(__file__).parent / "data" / "retail.csv.gz"
START_S = 12.0
"""From the start of the agents to the start of the day: they start, join and agree in less."""
KILL_AT, DRAIN_AT = 0.2, 0.7
"""Shares of the reads. In the shipped trace: an accident at a quarter to twelve, in the day's rush, and a
drain at half past three, when the rush is over; the next day finds the zone's clients elsewhere."""
CAPACITY = 0.2
"""Of the trace's objects, per zone. Zones are drained where the others have room for their work. With 5 %
each, four zones hold half as many objects as the day asks for: what is fetched again after a drain is then
what is evicted on any day, and tells nothing of drains. With 20 % there is room, and not for all."""
SEEDS = 2
"""Agents whose addresses all others are given. One alone, were it the one killed, would find nobody."""
JOIN_TIMEOUT_S, DETECT_TIMEOUT_S, DRAIN_TIMEOUT_S = 30.0, 60.0, 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """One run of the demo. Delays are put before fetches: from the origin by itself, between zones by a
    transport hook in the agents."""

    seconds: float = 90.0
    seed: int = 1
    trace: Path = TRACE
    ablate: tuple[str, ...] = ()
    serve: bool = False
    origin_delay_ms: float = 40.0
    peer_delay_ms: float = 16.0
    record: Path | None = None
    """Where to put the journals of all agents, as one file for ``zoned replay``."""


async def demo(options: DemoOptions, screen: Screen) -> dict[str, Any]:
    """Run it; returns contract.md's "Demo's JSON"."""
    work: Path | None = Path(tempfile.mkdtemp(prefix="zoned-demo-"))
    try:
        play = cut(read([options.trace]), options.seconds, CAPACITY)
        screen.say(
            f"{options.trace.name}: {len(play.zones)} zones, cache {play.capacity} objects a zone "
            f"({CAPACITY:.0%} of all); "
            f"the last {play.live_s / 3600:.0f} h at {play.rate:.0f}x, "
            f"{play.requests} reads in {play.live_s / play.rate:.0f} s"
        )
        screen.say(
            f"injected latencies: origin {options.origin_delay_ms:g} ms, "
            f"from another zone {options.peer_delay_ms:g} ms"
        )
        past = await _learn(play, options, work, screen)
        agents = agents_of(play.zones, work)
        try:
            async with _running(play, options, agents) as (pool, origin, session, since_s):
                result = await _live(play, past, since_s, pool, origin, session, screen)
                if options.serve:
                    screen.result(result)
                    screen.say("dashboards are up until Ctrl-C: " + "  ".join(result["dashboard"]))
                    await asyncio.Event().wait()
                return result
        finally:
            if options.record is not None:
                screen.say(gather(agents, options.record))
    except DemoError as error:
        kept, work = work, None
        raise DemoError(f"{error}\nthe agents' files and logs are kept in {kept}") from error
    finally:
        screen.close()
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)


def gather(agents: list[Agent], record: Path) -> str:
    """Merge the agents' journals, once the agents have ended; what to say of it."""
    journals = [agent.journal_path for agent in agents if agent.journal_path.exists()]
    try:
        size = merge(journals, record)
    except (OSError, JournalError) as error:
        raise DemoError(f"--record {record}: {error}") from error
    return f"recorded {len(journals)} agents in {record} ({size / 1e6:.1f} MB): zoned replay {record}"


async def _learn(play: Play, options: DemoOptions, work: Path, screen: Screen) -> Past:
    directories = {zone: data_dir(work, zone) for zone in play.zones}
    screen.phase(f"learning from {len(play.past)} earlier reads, in virtual time")
    past = await asyncio.to_thread(
        preload,
        play,
        options.seed,
        options.ablate,
        Delays(origin_s=options.origin_delay_ms / 1000, peer_s=options.peer_delay_ms / 1000),
        directories,
        lambda done: screen.progress(done / max(1, len(play.past))),
    )
    screen.say(f"learnt: hit ratio {past.hit_ratio:.3f} in virtual time, plain LRU {past.lru_hit_ratio:.3f}")
    return past


@contextlib.asynccontextmanager
async def _running(
    play: Play, options: DemoOptions, agents: list[Agent]
) -> AsyncIterator[tuple[Pool, DemoOrigin, aiohttp.ClientSession, float]]:
    """The origin and all agents, up; and down again whatever happens. Last: when (Unix time) their season
    clocks reach the live part and run fast from there on."""
    origin = DemoOrigin(options.origin_delay_ms / 1000)
    connector = aiohttp.TCPConnector(limit=256)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        pool = Pool(agents, session, options.peer_delay_ms)
        try:
            await origin.start()
            since_s = time.time() + START_S
            for agent in agents:
                configure(agent, agents[:SEEDS], play, options, origin.port, since_s)
            await asyncio.gather(*[pool.start(agent) for agent in agents])
            yield pool, origin, session, since_s
        finally:
            await pool.stop()
            await origin.stop()


def configure(
    agent: Agent, seeds: list[Agent], play: Play, options: DemoOptions, origin_port: int, since_s: float
) -> None:
    """Write the agent's configuration file. It joins by the ``seeds`` that are not itself."""
    join = ", ".join(f'"127.0.0.1:{seed.gossip_port}"' for seed in seeds if seed is not agent)
    dependencies = sorted({key.dependency for session in play.sessions for key in session.keys})
    lines = [
        "[agent]",
        f'node = "{agent.node}"',
        f'zone = "{agent.zone}"',
        f'data_dir = "{agent.data_dir}"',
        f"seed = {options.seed}",
        f"season_start = {play.live_from_s!r}",
        f"season_since = {since_s!r}",
        f"season_rate = {play.rate!r}",
        f"ablate = [{', '.join(repr(stage) for stage in options.ablate)}]".replace("'", '"'),
        *([] if options.record is None else [f'journal = "{agent.journal_path}"']),
        "[http]",
        f'listen = "127.0.0.1:{agent.http_port}"',
        'socket = ""',
        "[resp]",
        'listen = "127.0.0.1:0"',
        "[peer]",
        f'listen = "127.0.0.1:{agent.peer_port}"',
        "[gossip]",
        f'bind = "127.0.0.1:{agent.gossip_port}"',
        f"join = [{join}]",
        "[store]",
        f"max_objects = {play.capacity}",
        'max_bytes = "64MiB"',
    ]
    for name in dependencies:
        url = f"http://127.0.0.1:{origin_port}/{name}/{{key}}"
        lines += ["[[dependency]]", f'name = "{name}"', f'origin = "{url}"', 'ttl = "30d"']
    agent.directory.mkdir(parents=True, exist_ok=True)
    (agent.directory / "zoned.toml").write_text("\n".join(lines) + "\n")


async def _live(
    play: Play,
    past: Past,
    since_s: float,
    pool: Pool,
    origin: DemoOrigin,
    session: aiohttp.ClientSession,
    screen: Screen,
) -> dict[str, Any]:
    """The live day, and what is done to the pool in it."""
    screen.phase("joining")
    size = len(pool.agents)
    joined_s = await pool.until(
        lambda: pool.agreed(size), JOIN_TIMEOUT_S, f"the {size} agents do not agree on a ring"
    )
    screen.say(f"all {size} agents agree on one ring after {joined_s:.1f} s")
    screen.phase("traffic")
    await asyncio.sleep(max(0.0, since_s - time.time()))  # the day begins when the season clocks say so
    traffic = Traffic(play, pool, session)
    playing = asyncio.create_task(traffic.run(), name="traffic")
    watching = asyncio.create_task(screen.watch(pool, traffic), name="screen")
    try:
        victim, leaver = _victims(play)
        killed = await _kill(pool.of_zone(victim), pool, traffic, playing, screen) if size > 2 else None
        drained = (
            await _drain(pool.of_zone(leaver), pool, origin, traffic, playing, screen) if size > 1 else None
        )
        await playing
        screen.phase("end")
        agreed = await pool.agreed(size)
        if drained is not None:
            drained.count(origin)
            await pool.post(pool.of_zone(leaver), "v1/undrain", {"zone": leaver})
        return await report(pool, agreed, traffic, past, killed, drained)
    finally:
        for task in (watching, playing):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _victims(play: Play) -> tuple[str, str]:
    """The zone to be killed and the zone to be drained: the second and the first by the reads to come."""
    reads = dict.fromkeys(play.zones, 0)
    for one in play.sessions[int(len(play.sessions) * DRAIN_AT) :]:
        reads[one.zone] += len(one.keys)
    ranked = sorted(play.zones, key=lambda zone: (-reads[zone], zone))
    return ranked[1 if len(ranked) > 1 else 0], ranked[0]


async def _reach(share: float, traffic: Traffic, playing: asyncio.Task[None]) -> None:
    """Wait until that share of the reads is done."""
    reached = asyncio.create_task(traffic.reached(share))
    await asyncio.wait((reached, playing), return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()


async def _kill(
    agent: Agent, pool: Pool, traffic: Traffic, playing: asyncio.Task[None], screen: Screen
) -> Killed:
    """kill -9 of one agent, until all others know; then it is started again."""
    await _reach(KILL_AT, traffic, playing)
    ledger = await pool.get(agent, "v1/ledger")
    screen.phase(f"kill -9 of {agent.node}")
    await pool.kill(agent)
    gone = f"nobody noticed that {agent.node} is dead"
    detected_s = await pool.until(lambda: pool.all_see(agent, "failed"), DETECT_TIMEOUT_S, gone)
    screen.say(
        f"{agent.node} is held failed by all others after {detected_s:.1f} s; failed reads: {traffic.failed}"
    )
    screen.phase("traffic")
    began_s = time.monotonic()
    await pool.start(agent)
    await pool.until(lambda: pool.all_see(agent, "alive"), JOIN_TIMEOUT_S, f"{agent.node} does not come back")
    screen.say(
        f"{agent.node} is alive for all others {time.monotonic() - began_s:.1f} s after it was started again"
    )
    return Killed(node=agent.node, detected_s=detected_s, ledger=ledger)


async def _drain(
    agent: Agent,
    pool: Pool,
    origin: DemoOrigin,
    traffic: Traffic,
    playing: asyncio.Task[None],
    screen: Screen,
) -> Drained:
    """Drain one zone; when it says that the others are warm, its clients go to them."""
    await _reach(DRAIN_AT, traffic, playing)
    screen.phase(f"drain of zone {agent.zone}")
    held = await _held(pool, traffic.to_come)
    await pool.post(agent, "v1/drain", {"zone": agent.zone})

    async def drained() -> bool:
        return bool((await pool.get(agent, "v1/status"))["drained"])

    waited_s = await pool.until(drained, DRAIN_TIMEOUT_S, f"zone {agent.zone} does not get drained")
    traffic.move_away(agent.zone)
    screen.say(f"zone {agent.zone} is drained after {waited_s:.1f} s: its clients move to the others")
    screen.phase("traffic")
    return Drained(zone=agent.zone, waited_s=waited_s, held=held, since_s=time.monotonic())


async def _held(pool: Pool, keys: frozenset[InstanceKey]) -> frozenset[InstanceKey]:
    """Which of these the fabric holds: each agent says it of itself."""
    limit = asyncio.Semaphore(16)

    async def ask(agent: Agent, key: InstanceKey) -> bool:
        async with limit:
            path = f"v1/ring/locate/{key.dependency}/{quote(key.key, safe='/')}"
            return agent.node in (await pool.get(agent, path))["holders"]

    wanted = sorted(keys)
    answers = await asyncio.gather(*[ask(agent, key) for agent in pool.alive for key in wanted])
    return frozenset(wanted[i % len(wanted)] for i, holds in enumerate(answers) if holds)


__all__ = ["DemoError", "DemoOptions", "demo"]
