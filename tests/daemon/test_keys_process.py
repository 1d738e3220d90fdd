"""Real agents with a key: a rotation through the command line while they run, and a restart in its midst."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.processes import AgentProcess, pool, until
from zoned.daemon.keyring import fingerprint, generate, parse_key

pytestmark = pytest.mark.timeout(120)  # three processes and a rotation, on a machine that may be busy


def zoned(agent: AgentProcess, *verb: str, sent: str = "") -> tuple[int, str]:
    """A verb, as an operator gives it; its exit code and all that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "zoned", *verb, "--addr", f"127.0.0.1:{agent.http}"],
        input=sent,
        capture_output=True,
        text=True,
        env={**os.environ, "ZONED_ADDR": ""},
    )
    return done.returncode, done.stdout + done.stderr


def told(agent: AgentProcess) -> dict[str, list[str]]:
    """Everybody's keys, as an agent has heard of them by gossip."""
    return {member["node"]: member["keys"] for member in agent.json("/v1/members")["members"]}


def everybody_up(agent: AgentProcess) -> bool:
    """Whether an agent sees three alive, each with two keys."""
    members = agent.json("/v1/members")["members"]
    return [(each["state"], len(each["keys"])) for each in members] == 3 * [("alive", 2)]


def test_a_rotation_while_the_pool_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = generate(), generate()
    one, two = fingerprint(parse_key(old)), fingerprint(parse_key(new))
    (tmp_path / "gossip.key").write_text(old + "\n")
    monkeypatch.setenv("ZONED_GOSSIP__KEY_FILE", str(tmp_path / "gossip.key"))
    with pool(tmp_path, 3) as (origin, agents):
        first, second, third = agents
        code, output = zoned(first, "keyring", "install", sent=new)
        assert code == 0, output
        third.stop()  # it says that it restarts, and takes its keyring up again
        until(lambda: first.said("member restarting n3"), "its restart is noticed")
        third.start()
        until(lambda: third.up() and all(everybody_up(agent) for agent in agents), "it is back")
        status, _, answer = second.get("/v1/keyring/use", "POST", {"key": two})
        assert status == 200 and json.loads(answer)["ok"]
        status, _, answer = third.get("/v1/keyring/remove", "POST", {"key": two})
        assert status == 409 and b"is the one that seals" in answer
        assert third.get("/v1/keyring/remove", "POST", {"key": 5})[0] == 400
        code, output = zoned(third, "keyring", "remove", one, "-o", "json")
        assert code == 0 and {tuple(row["keys"]) for row in json.loads(output)["members"]} == {(two,)}, output
        until(lambda: all(told(agent) == {f"n{n}": [two] for n in (1, 2, 3)} for agent in agents), "tags")
        kept = first.data_dir / "keyring.json"
        assert json.loads(kept.read_text()) == [new] and stat.S_IMODE(kept.stat().st_mode) == 0o600
        metrics = first.get("/metrics")[2].decode()
        assert 'zoned_gossip_rejected_total{reason="plain"}' not in metrics


def test_a_bad_key_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gossip.key").write_text(base64.b64encode(b"short").decode())
    monkeypatch.setenv("ZONED_GOSSIP__KEY_FILE", str(tmp_path / "gossip.key"))
    agent = AgentProcess(tmp_path, "n1", "z1", 9).start()
    assert agent.process is not None
    assert agent.process.wait(60) == 1
    agent.stop()
    assert [line for line in agent.lines if "expected base64 of 16, 24 or 32 bytes, got 5" in line]
    assert "Traceback" not in "\n".join(agent.lines)
