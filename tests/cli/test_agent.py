"""``zoned agent`` and ``zoned config``: flags become keys, and problems end in 78."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from zoned.config import Config

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_default_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoned.cli.config.DEFAULT_PATH", Path("/nonexistent/zoned.toml"))


def test_flags_reach_the_agent(zoned: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[Config] = []

    def run(config: Config) -> int:
        started.append(config)
        return 7

    monkeypatch.setattr("zoned.cli.agent.run.run", run)
    words = (
        "agent --node a1 --zone za --gossip 127.0.0.2:1 --join x:1 --join y --http 127.0.0.2:2"
        f" --peer 127.0.0.2:3 --socket {tmp_path}/s --data-dir {tmp_path} --log json"
    )
    assert zoned(*words.split()).exit_code == 7
    (config,) = started
    assert (config.agent.node, config.agent.zone, config.agent.log) == ("a1", "za", "json")
    assert (config.agent.data_dir, config.http.socket) == (tmp_path, tmp_path / "s")
    assert config.gossip.join == (("x", 1), ("y", 7946))
    assert (config.gossip.bind, config.http.listen, config.peer.listen) == (
        ("127.0.0.2", 1),
        ("127.0.0.2", 2),
        ("127.0.0.2", 3),
    )


def test_check_starts_nothing(zoned: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoned.cli.agent.run.run", lambda config: pytest.fail("started"))
    result = zoned("agent", "--zone", "za", "--node", "a1", "--check")
    assert (result.exit_code, result.stdout) == (0, "configuration good: node a1 in zone za\n")


def test_all_problems_and_78(zoned: Run, tmp_path: Path) -> None:
    path = tmp_path / "zoned.toml"
    path.write_text('[agent]\nzone = "za"\n[ring]\nreplica = 2\nvnodes = 0\n')
    for words in (["agent", "--log", "loud"], ["agent", "--check", "--log", "loud"]):
        result = zoned(*words, "-c", str(path))
        assert result.exit_code == 78
        assert result.stderr.splitlines() == [
            f'{path}:4: ring.replica: unknown key; did you mean "replicas"?',
            f"{path}:5: ring.vnodes: expected a whole number from 1 to 8192, got 0 (default 512)",
            '--log: agent.log: expected "text" or "json", got "loud" (default "text")',
        ]
    assert zoned("config", "check", "-c", str(path)).exit_code == 78
    assert zoned("agent").exit_code == 78


def test_config_verbs(zoned: Run, tmp_path: Path) -> None:
    path = tmp_path / "zoned.toml"
    path.write_text('[agent]\nzone = "za"\nnode = "a1"\n')
    checked = zoned("config", "check", "-c", str(path))
    assert json.loads(checked.stdout) == {"ok": True, "node": "a1", "zone": "za"}
    shown = zoned(
        "config", "show", "--origin", "-o", "table", "-c", str(path), env={"ZONED_RING__VNODES": "9"}
    )
    assert f"# {path}:2" in shown.stdout and "# env ZONED_RING__VNODES" in shown.stdout
    rows = json.loads(zoned("config", "show", "-c", str(path)).stdout)["config"]
    assert {"key": "agent.zone", "value": '"za"'} in rows
    defaults = zoned("config", "defaults").stdout
    assert "[[dependency]]" in defaults and "replicas = 2" in defaults
