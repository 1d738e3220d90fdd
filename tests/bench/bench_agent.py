"""A real agent: local HTTP hits against bare aiohttp in the same run, and what an idle pool costs. It only
prints.

    python tests/bench/bench_agent.py [SECONDS_IDLE]

The peer is an aiohttp application that answers the same 1 KiB without looking at anything: what is between
the two is our look-up, accounting and headers. CPU per hit is the server's own (from /proc), so it also holds
on a busy machine; requests per second do not.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.daemon.fakes import free_port
from tests.daemon.processes import pool, until

REQUESTS, CONNECTIONS, ROUNDS = 20_000, 50, 3
BARE = """
import sys, uvloop, asyncio
from aiohttp import web
async def hello(request):
    return web.Response(body=b"x" * 1024)
async def main():
    app = web.Application()
    app.router.add_get("/v1/d/{x:.*}", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    print("up", flush=True)
    await asyncio.Event().wait()
uvloop.run(main())
"""


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def rss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:")) / 1024


async def connection(port: int, count: int, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        started = perf_counter()
        writer.write(b"GET /v1/d/shop/hot HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = head.lower().split(b"content-length: ", 1)[1].split(b"\r", 1)[0]
        await reader.readexactly(int(length))
        latencies.append(perf_counter() - started)
    writer.close()


async def load(port: int, pid: int) -> str:
    latencies: list[float] = []
    used, started = cpu_s(pid), perf_counter()
    each = REQUESTS // CONNECTIONS
    await asyncio.gather(*(connection(port, each, latencies) for _ in range(CONNECTIONS)))
    took, used = perf_counter() - started, cpu_s(pid) - used
    latencies.sort()
    p50, p99 = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
    return (
        f"{REQUESTS / took:7.0f} /s  {1e6 * used / REQUESTS:5.0f} us CPU a hit"
        f"  p50 {1000 * p50:5.2f} ms  p99 {1000 * p99:5.2f} ms"
    )


def hits(folder: Path) -> None:
    port = free_port()
    bare = subprocess.Popen([sys.executable, "-c", BARE, str(port)], stdout=subprocess.PIPE, text=True)
    assert bare.stdout is not None
    bare.stdout.readline()
    try:
        with pool(folder, 1) as (_, agents):
            agents[0].get("/v1/d/shop/hot")
            assert agents[0].process is not None
            for _ in range(ROUNDS):
                print("bare aiohttp ", asyncio.run(load(port, bare.pid)))
                print("zoned        ", asyncio.run(load(agents[0].http, agents[0].process.pid)))
    finally:
        bare.kill()
        bare.wait()


def idle(folder: Path, seconds: float) -> None:
    with pool(folder, 3) as (_, agents):
        pids = [agent.process.pid for agent in agents if agent.process is not None]
        until(lambda: all(agent.json("/v1/status")["uptime_seconds"] > 5 for agent in agents))
        before = [cpu_s(pid) for pid in pids]
        threading.Event().wait(seconds)
        used = [100 * (cpu_s(pid) - then) / seconds for pid, then in zip(pids, before, strict=True)]
        for cpu, pid in zip(used, pids, strict=True):
            print(f"idle in a pool of 3: {cpu:.2f} % of a core, {rss_mib(pid):.0f} MiB resident")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as three:
        hits(Path(one))
        idle(Path(three), float(sys.argv[1]) if len(sys.argv) > 1 else 30.0)
