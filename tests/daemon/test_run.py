"""The process around an agent, run in this one: how it ends when something in it dies."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.fakes import free_port
from zoned.config import Config, load
from zoned.core import events as ev
from zoned.core.node import Node
from zoned.daemon import agent as agent_module
from zoned.daemon import run as run_module
from zoned.daemon.heartbeat import Heartbeat
from zoned.daemon.run import run


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "zoned.toml"
    path.write_text(
        f"""
[agent]
node = "n1"
zone = "z1"
data_dir = "{tmp_path}/data"
[gossip]
bind = "127.0.0.1:{free_port()}"
[http]
listen = "127.0.0.1:0"
token_file = "{tmp_path}/token"
[peer]
listen = "127.0.0.1:0"
[resp]
listen = "127.0.0.1:0"
"""
    )
    (tmp_path / "token").write_text("s3cret\n")
    return load(path, {}, {})


def test_a_mistake_in_the_core_ends_the_process_with_its_traceback(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Node):
        def handle(self, event: ev.Event, now: Any) -> Any:
            raise AssertionError("our own mistake")

    monkeypatch.setattr(agent_module, "Node", Broken)
    assert run(config) == 1
    told = capsys.readouterr().err
    assert "ERROR zoned: agent died" in told
    assert "AssertionError: our own mistake" in told


def test_the_death_of_any_task_ends_the_process(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def die(self: Heartbeat) -> None:
        raise RuntimeError("no pulse")

    monkeypatch.setattr(Heartbeat, "run", die)
    assert run(config) == 1
    assert "RuntimeError: no pulse" in capsys.readouterr().err


def test_a_token_file_that_cannot_be_read_does_not_open_the_door(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    assert config.http.token_file is not None
    config.http.token_file.write_text("  \n")
    assert run(config) == 1
    config.http.token_file.unlink()
    assert run(config) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "token is empty" in lines[0] and "http.token_file: cannot read" in lines[1]


def test_any_free_port_is_told_to_the_others(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    class Seeing(Node):
        def __init__(self, settings: Any, *args: Any) -> None:
            seen.append(settings)
            super().__init__(settings, *args)

    async def stop_at_once(self: Heartbeat) -> None:
        os.kill(os.getpid(), 15)
        await asyncio.Event().wait()

    monkeypatch.setattr(agent_module, "Node", Seeing)
    monkeypatch.setattr(Heartbeat, "run", stop_at_once)
    assert run(config) == run_module.FAILED - 1
    assert seen[0].peer_address[1] > 0 and seen[0].http_address[1] > 0 and seen[0].resp_address[1] > 0
