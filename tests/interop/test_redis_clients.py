"""What the world speaks the Redis protocol with, against a real agent: redis-cli, redis-benchmark, redis-py.

The first two skip where they are not installed, but not in CI, where their absence is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
import redis

from tests.daemon.processes import AgentProcess, Origin, pool

CLI, BENCHMARK = shutil.which("redis-cli"), shutil.which("redis-benchmark")
needs_redis_tools = pytest.mark.skipif(
    (CLI is None or BENCHMARK is None) and os.environ.get("CI") != "true",
    reason="no redis-cli, redis-benchmark (Debian: apt install redis-server)",
)
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Origin, AgentProcess]]:
    folder = tmp_path_factory.mktemp("resp")
    (folder / "password").write_text("s3cret\n")
    extra = '[[dependency]]\nname = "key"\norigin = "http://ORIGIN/{key}"\nttl = "1h"'
    with pool(folder, 1, extra, password_file=folder / "password") as (origin, agents):
        yield origin, agents[0]


def cli(agent: AgentProcess, *args: str, sent: str | None = None) -> str:
    assert CLI is not None, "CI must install redis-server"
    command = [CLI, "-p", str(agent.resp), "--no-auth-warning", "-a", "s3cret", *args]
    done = subprocess.run(command, input=sent, capture_output=True, text=True, timeout=20, check=True)
    assert not done.stderr, done.stderr
    return done.stdout.rstrip("\n")


@needs_redis_tools
def test_redis_cli(served: tuple[Origin, AgentProcess]) -> None:
    origin, agent = served
    for flags in ((), ("-2",), ("-3",)):
        assert cli(agent, *flags, "GET", "shop:cli") == "body of /cli"
    assert origin.asked["/cli"] == 1
    assert cli(agent, "TTL", "shop:cli") == "600" or 590 < int(cli(agent, "TTL", "shop:cli")) < 600
    assert cli(agent, "DEL", "shop:cli") == "1"
    assert cli(agent, "GET", "shop:cli") == "body of /cli" and origin.asked["/cli"] == 2
    assert cli(agent, "SET", "shop:cli", "x").startswith("ERR zoned is read-through")
    # Interactive: it asks COMMAND DOCS for its help, and shows a prompt for each line.
    assert cli(agent, sent="STRLEN shop:cli\nPING\nGET nope:x\n").split("\n")[:2] == ["12", "PONG"]
    assert "zoned_version:" in cli(agent, "INFO")


@needs_redis_tools
def test_redis_benchmark(served: tuple[Origin, AgentProcess]) -> None:
    origin, agent = served
    assert BENCHMARK is not None, "CI must install redis-server"
    for options in (("-P", "1"), ("-P", "16", "-r", "100")):
        command = [
            BENCHMARK,
            "-p",
            str(agent.resp),
            "-a",
            "s3cret",
            "-t",
            "get",
            "-c",
            "10",
            "-n",
            "2000",
            "--csv",
        ]
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=40, check=True)
        assert '"GET"' in done.stdout and "ERR" not in done.stdout + done.stderr, done.stdout + done.stderr
    assert cli(agent, "GET", "key:000000000000") == "body of /000000000000"
    assert origin.asked["/000000000000"] == 1, "all but the first were served from the store"


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py(served: tuple[Origin, AgentProcess], protocol: int) -> None:
    _, agent = served
    with redis.Redis(
        port=agent.resp, password="s3cret", protocol=protocol, client_name="test", socket_timeout=10
    ) as client:
        assert client.ping() and client.client_getname() in (b"test", "test")
        assert client.get("shop:py") == b"body of /py"
        assert client.mget("shop:py", "shop:py2") == [b"body of /py", b"body of /py2"]
        assert client.exists("shop:py", "shop:py2") == 2 and client.strlen("shop:py") == 11
        assert 500 < client.ttl("shop:py") <= 600
        assert client.delete("shop:py", "shop:py2") == 2
        with client.pipeline(transaction=False) as pipeline:
            for number in range(50):
                pipeline.get(f"shop:{number % 10}")
            assert pipeline.execute() == [b"body of /%d" % (number % 10) for number in range(50)]
        assert client.info()["zoned_version"] and client.config_get("save") == {"save": ""}
        assert client.command_count() > 10 and "get" in client.command()
        assert any(one["name"] == "test" for one in client.client_list())
        for write in (lambda: client.set("shop:py", "x"), lambda: client.expire("shop:py", 5)):
            with pytest.raises(redis.ResponseError, match="zoned is read-through"):
                write()
        with pytest.raises(redis.ResponseError, match="unknown dependency 'nope'"):
            client.get("nope:x")
        with pytest.raises(redis.ResponseError, match="unknown command"):
            client.execute_command("NOPE")
    stranger = redis.Redis(port=agent.resp, password="wrong", protocol=protocol)
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
