"""Finding the agent, and telling apart what scripts must tell apart."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from zoned.cli.client import Target, find, parse_target, path_of

Run = Callable[..., Result]


def test_targets() -> None:
    assert parse_target("unix:/run/x.sock") == Target(path=Path("/run/x.sock"))
    assert parse_target("10.0.0.1:80") == Target(host="10.0.0.1", port=80)
    assert parse_target("[::1]:80") == Target(host="::1", port=80)
    assert str(Target(host="::1", port=80)) == "[::1]:80"
    for wrong in ("", "host", "host:", ":80", "host:0", "host:x", "unix:"):
        with pytest.raises(ValueError, match="expected HOST:PORT"):
            parse_target(wrong)


def test_the_flag_then_the_variable_then_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoned.cli.client.DEFAULT_SOCKET", Path("/nonexistent"))
    env = {"ZONED_ADDR": "b:2"}
    assert find("a:1", env) == Target(host="a", port=1)
    assert find(None, env) == Target(host="b", port=2)
    assert find(None, {}) == Target(host="127.0.0.1", port=7980)


def test_the_socket_is_preferred_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "zoned.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        monkeypatch.setattr("zoned.cli.client.DEFAULT_SOCKET", path)
        assert find(None, {}) == Target(path=path)


def test_keys_are_sent_byte_for_byte() -> None:
    assert path_of("d", "pricing", b"/a b?\xff/../%2f") == "/v1/d/pricing/%2Fa%20b%3F%FF%2F..%2F%252f"


def test_no_agent_is_4_with_json_where_json_is_read(zoned: Run) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        addr = f"127.0.0.1:{free.getsockname()[1]}"
    result = zoned("members", "--addr", addr, "-o", "json")
    assert result.exit_code == 4
    assert json.loads(result.stdout) == {"error": f"agent at {addr} is not reachable: Connection refused"}
    assert result.stderr.startswith("zoned: agent at")
    result = zoned("members", "--addr", addr, "-o", "table")
    assert result.exit_code == 4 and not result.stdout
    assert zoned("members", "--addr", "unix:/nonexistent/zoned.sock").exit_code == 4


def test_an_agent_that_does_not_answer_is_4(zoned: Run) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        result = zoned("members", "--addr", f"127.0.0.1:{deaf.getsockname()[1]}", "--timeout", "0.1")
    assert result.exit_code == 4
    assert "did not answer in 0.1 s" in result.stderr


def test_a_refusal_is_1_and_says_why(zoned: Run, agent: Any) -> None:
    agent.answers["/v1/members"] = (503, {"error": "starting"})
    result = zoned("members", "--addr", agent.addr)
    assert result.exit_code == 1
    assert "the agent refused: starting (503)" in result.stderr
    agent.answers["/v1/members"] = (200, b"<html>")
    assert "without JSON" in zoned("members", "--addr", agent.addr).stderr


def test_by_unix_socket_and_by_variable(zoned: Run, unix_agent: Any) -> None:
    result = zoned("members", env={"ZONED_ADDR": unix_agent.addr})
    assert result.exit_code == 0
    assert [member["node"] for member in json.loads(result.stdout)["members"]] == ["a1", "b1"]


def test_the_token_goes_along_but_not_to_others(zoned: Run, agent: Any, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    zoned("ring", "diff", "b1", "--addr", agent.addr, "--token-file", str(token))
    sent = [headers.get("Authorization") for _, _, headers, _ in agent.seen]
    assert sent == ["Bearer s3cret", "Bearer s3cret", None]
    assert zoned("members", "--token-file", str(tmp_path / "none")).exit_code == 1
