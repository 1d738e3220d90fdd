"""A real agent's RESP front against redis-server in the same run, by redis-benchmark. It only prints.

    python tests/bench/bench_resp.py [ROUNDS] [KEYS]

1 KiB values, 50 connections, server on one core and load on the other, rounds taking turns; the ratios are of
the medians. ``hits`` are served by the hot lane. Freshness, metrics, accounting and the shadows are on: what
is compared is the whole agent.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import redis

from tests.daemon.fakes import free_port
from tests.daemon.processes import pool, until

CONNECTIONS, REQUESTS = 50, {1: 100_000, 16: 400_000}
DEPENDENCY = '[[dependency]]\nname = "key"\norigin = "http://ORIGIN/{key}"\nttl = "1h"'
SERVER_CORE, LOAD_CORE = sorted(os.sched_getaffinity(0))[:2]


def pinned(pid: int, core: int) -> None:
    """Put all threads of a process on one core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


@contextmanager
def redis_server(folder: Path) -> Iterator[tuple[int, int]]:
    """(port, pid) of a redis-server that saves nothing."""
    binary = shutil.which("redis-server")
    assert binary is not None, "apt install redis-server"
    port = free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until(lambda: answers(port), "redis-server answers")
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        with redis.Redis(port=port) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def load(port: int, pipeline: int, keys: int) -> tuple[float, float]:
    """(requests per second, p99 in ms) of GETs spread evenly over the keys."""
    command = ["redis-benchmark", "-p", str(port), "-t", "get", "-c", str(CONNECTIONS), "-P", str(pipeline)]
    command += ["-r", str(keys), "-n", str(REQUESTS[pipeline]), "--csv"]
    done = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), *command], capture_output=True, text=True, check=True
    )
    fields = [field.strip('"') for field in done.stdout.strip().splitlines()[-1].split(",")]
    assert fields[0] == "GET", done.stdout
    return float(fields[1]), float(fields[6])


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main(rounds: int, keys: int) -> None:
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as two,
        pool(Path(one), 1, DEPENDENCY) as (origin, agents),
        redis_server(Path(two)) as (port, redis_pid),
    ):
        origin.padding = b"x" * 1000
        process = agents[0].process
        assert process is not None
        names = [f"key:{number:012}" for number in range(keys)]
        with redis.Redis(port=agents[0].resp) as client, redis.Redis(port=port) as peer:
            for _ in range(3):
                values = [client.get(name) for name in names]
            for name, value in zip(names, values, strict=True):
                peer.set(name, value)
        servers = {"redis": (port, redis_pid), "zoned": (agents[0].resp, process.pid)}
        for _, pid in servers.values():
            pinned(pid, SERVER_CORE)
        for pipeline in (1, 16):
            compare(servers, pipeline, rounds, keys)


def compare(servers: dict[str, tuple[int, int]], pipeline: int, rounds: int, keys: int) -> None:
    rates: dict[str, list[float]] = {name: [] for name in servers}
    costs: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, (port, pid) in servers.items():
            used = cpu_s(pid)
            rate, p99_ms = load(port, pipeline, keys)
            rates[name].append(rate)
            costs[name].append(1e6 * (cpu_s(pid) - used) / REQUESTS[pipeline])
            told = f"{rate:9.0f} /s  p99 {p99_ms:6.2f} ms  {costs[name][-1]:5.1f} us CPU each"
            print(f"-P {pipeline:<2} {name}: {told}", flush=True)
    rate, cost = (statistics.median(one["zoned"]) / statistics.median(one["redis"]) for one in (rates, costs))
    print(f"-P {pipeline:<2} zoned / redis: {rate:.2f} of the rate, by CPU alone {1 / cost:.2f}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
