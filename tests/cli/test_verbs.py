"""What each verb asks, shows and returns."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from click.testing import Result

from zoned.core.snapshot import Disagreement, Snapshot

Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["status"], ["node            a1", "ready           yes", "local=0.001"]),
        (["members"], ["NODE  ZONE  ROLE   STATE  WEIGHT  GOSSIP", "b1    zb    zoned  alive"]),
        (["ring"], ["ring 00ff epoch 3", "a1    za         1  alive          0.5"]),
        (["ring", "show"], ["ring 00ff epoch 3"]),
        (["ring", "locate", "pricing", "/a"], ["shard 7 of ring 00ff", "held by b1"]),
        (
            ["route", "pricing", "/a"],
            ["ZONE  NODE  HTTP", "zb    b1    10.0.0.2:7980  yes    digest", "12.0 ms away"],
        ),
        (["deps"], ["pricing         1000   900"]),
        (["forecast", "pricing"], ["dependency  pricing", "horizons", "0.1=8, 0.5=12, 0.9=17"]),
        (["plan"], ["to fetch", "... and 10 more", "za, zb"]),
        (["queue"], ["pricing", "forecast"]),
        (
            ["ledger"],
            [
                "misses_avoided",
                "by dependency",
                "no other has proved",
                "(all)",
                "as all that have",
            ],
        ),
        (["explain", "pricing", "/a"], ["pricing:/a", "  held: fetched for forecast"]),
    ],
)
def test_reads(words: list[str], shown: list[str], zoned: Run, agent: Any) -> None:
    table = zoned(*words, "-o", "table", "--addr", agent.addr)
    assert table.exit_code == 0, table.output
    for text in shown:
        assert text in table.stdout
    as_json = zoned(*words, env={"ZONED_ADDR": agent.addr})
    assert as_json.exit_code == 0
    assert json.loads(as_json.stdout) == agent.answers[agent.seen[-1][1]][1]


def test_an_agent_that_is_not_ready_is_3(
    zoned: Run, agent: Any, make_snapshot: Callable[..., Snapshot]
) -> None:
    agent.show(make_snapshot(), ready=False)
    assert zoned("status", "--addr", agent.addr).exit_code == 3


def test_waiting_for_warmth(zoned: Run, agent: Any) -> None:
    path = "/v1/status?wait_warm=0.9&timeout=60"
    agent.answers[path] = agent.answers["/v1/status"]
    words = ("status", "--wait-warm", "0.9", "--timeout", "60", "--addr", agent.addr)
    assert zoned(*words).exit_code == 0
    agent.answers[path] = (504, {"error": "not warm in time"})
    assert zoned(*words).exit_code == 5
    agent.answers[path] = (503, {"error": "more than 16 wait already"})
    assert zoned(*words).exit_code == 1


def test_rings_that_differ_are_3(zoned: Run, agent: Any, make_snapshot: Callable[..., Snapshot]) -> None:
    agent.show(make_snapshot(disagreeing=(Disagreement(node="b1", ring_id="0abc", since_wall_s=1e9),)))
    result = zoned("ring", "show", "-o", "table", "--addr", agent.addr)
    assert result.exit_code == 3
    assert "disagreeing:" in result.stdout and "0abc" in result.stdout


def test_a_newcomer_is_shown_with_what_it_has_taken_over(
    zoned: Run, agent: Any, make_snapshot: Callable[..., Snapshot]
) -> None:
    shown = make_snapshot()
    first, *rest = shown.ring.members
    warming = replace(first, flipped_ratio=0.5, warming_since_wall_s=1e9)
    agent.show(replace(shown, ring=replace(shown.ring, members=(warming, *rest))))
    lines = zoned("ring", "-o", "table", "--addr", agent.addr).stdout.splitlines()
    assert lines[1].lower().split()[-2:] == ["flipped_ratio", "warming_since"]
    assert lines[2].split()[3:6] == ["warming", "0.5", "0.5"] and "2001-09-09T01:46:40" in lines[2]


def test_a_route_without_a_zone_that_takes_traffic_is_3(zoned: Run, agent: Any) -> None:
    path = "/v1/route/pricing/%FF%2F"
    told = {**agent.answers["/v1/route/pricing/%2Fa"][1]}
    agent.answers[path] = (200, told)
    words = ("route", "pricing", os.fsdecode(b"\xff/"), "--addr", agent.addr)
    assert zoned(*words).exit_code == 0 and agent.seen[-1][1] == path
    drained = [{**zone, "draining": True} for zone in told["zones"]]
    for zones in (drained, []):
        agent.answers[path] = (200, {**told, "zones": zones})
        assert zoned(*words).exit_code == 3
    agent.answers[path] = (400, {"error": "no"})
    assert zoned(*words).exit_code == 1


def test_ring_diff_asks_the_other(zoned: Run, agent: Any) -> None:
    result = zoned("ring", "diff", "b1", "-o", "table", "--addr", agent.addr)
    assert (result.exit_code, result.stdout) == (0, "same ring 00ff\n")
    assert [path for _, path, _, _ in agent.seen] == ["/v1/ring", "/v1/members", "/v1/ring"]
    assert zoned("ring", "diff", "c1", "--addr", agent.addr).exit_code == 1


def test_ring_diff_of_an_agent_that_cannot_be_asked_says_what_gossip_says(
    zoned: Run, agent: Any, make_snapshot: Callable[..., Snapshot]
) -> None:
    agent.show(make_snapshot(1, (Disagreement(node="b1", ring_id="0abc", since_wall_s=1e9),)))
    result = zoned("ring", "diff", "b1", "--addr", agent.addr)
    assert result.exit_code == 3
    assert json.loads(result.stdout) == {"same": False, "ours": "00ff", "theirs": "0abc", "members": []}


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (["drain"], "drain", {}),
        (["drain", "zb"], "drain", {"zone": "zb"}),
        (["undrain", "zb"], "undrain", {"zone": "zb"}),
        (["pause"], "pause", {}),
        (["resume"], "resume", {}),
        (["join", "h:1"], "join", {"seeds": ["h:1"]}),
        (["leave"], "leave", {}),
        (["forget", "b1"], "forget", {"node": "b1"}),
        (["invalidate", "pricing"], "invalidate", {"dependency": "pricing"}),
        (["invalidate", "pricing", "/a"], "invalidate", {"dependency": "pricing", "key": "/a"}),
    ],
)
def test_acts(words: list[str], path: str, body: dict[str, Any], zoned: Run, agent: Any) -> None:
    agent.answers[f"/v1/{path}"] = (202, {"accepted": True})
    result = zoned(*words, "--addr", agent.addr)
    assert result.exit_code == 0, result.output
    method, asked, headers, sent = agent.seen[-1]
    assert (method, asked, headers["Content-Type"]) == ("POST", f"/v1/{path}", "application/json")
    assert json.loads(sent) == body
    agent.answers[f"/v1/{path}"] = (409, {"error": "no member in zone zb"})
    result = zoned(*words, "--addr", agent.addr)
    assert result.exit_code == 1 and "no member in zone zb" in result.stderr


def test_drain_waits_until_the_traffic_may_move(
    zoned: Run, agent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoned.cli.acts.POLL_S", 0.0)
    agent.answers["/v1/drain"] = (202, {"accepted": True})
    status = agent.answers["/v1/status"][1]
    words = ("drain", "--wait", "--addr", agent.addr, "--timeout", "0.1")
    assert zoned(*words).exit_code == 5
    zones = [{"zone": zone, "agents": 1, "draining": True, "drained": zone == "za"} for zone in ("za", "zb")]
    agent.answers["/v1/status"] = (200, {**status, "zones": zones})
    result = zoned(*words, "-o", "table")
    assert (result.exit_code, result.stdout) == (0, "drained: traffic may move\n")
    assert zoned(*words, "zb").exit_code == 5  # another zone's drain can be waited for here, too
    zones[1]["drained"] = True
    assert zoned(*words, "zb").exit_code == 0


def test_a_dry_run_says_what_would_be_cold(zoned: Run, agent: Any) -> None:
    told = {
        "zone": "zb", "exact": False, "instances": 4000, "cold": 1200, "cold_bytes": 3 << 20,
        "to": [{"node": "a1", "zone": "za", "instances": 1200, "bytes": 3 << 20}],
        "warm_seconds": 2.5, "origin_requests": 310.4,
    }  # fmt: skip
    agent.answers["/v1/drain"] = (200, {"accepted": False, "dry_run": True, "rehearsal": told})
    words = ("drain", "zb", "--dry-run", "--addr", agent.addr)
    shown = zoned(*words, "-o", "table").stdout
    assert json.loads(agent.seen[-1][3]) == {"zone": "zb", "dry_run": True}
    assert "holds about 4,000 instances; about 1,200 of them (3.0 MiB) no other zone holds" in shown
    assert "takes about 2 s" in shown and "about 310 more requests" in shown and "a1    za" in shown
    assert json.loads(zoned(*words, "-o", "json").stdout) == told
    told["to"] = []
    assert "nobody is left to take them" in zoned(*words, "-o", "table").stdout
    told["cold"] = 0
    assert "nothing would be cold" in zoned(*words, "-o", "table").stdout
    assert zoned(*words, "--wait").exit_code == 2


@pytest.mark.parametrize("words", [["pause"], ["leave"], ["forget", "b1"], ["invalidate", "pricing"]])
def test_a_dry_run_does_nothing(words: list[str], zoned: Run, agent: Any) -> None:
    agent.answers[f"/v1/{words[0]}"] = (200, {"accepted": False, "dry_run": True})
    result = zoned(*words, "--dry-run", "-o", "table", "--addr", agent.addr)
    assert json.loads(agent.seen[-1][3])["dry_run"] is True
    assert result.stdout.startswith("would be done: ")


def test_get(zoned: Run, agent: Any) -> None:
    agent.headers = {"Cache-Status": "zoned; hit", "Age": "3", "ETag": '"1"'}
    agent.answers["/v1/d/pricing/%2Fa"] = (200, b"\x00body")
    assert zoned("get", "pricing", "/a", "--addr", agent.addr).stdout_bytes == b"\x00body"
    told = json.loads(zoned("get", "pricing", "/a", "-o", "json", "--addr", agent.addr).stdout)
    assert (told["status"], told["cache_status"], told["body_base64"]) == (200, "zoned; hit", "AGJvZHk=")
    head = zoned("get", "pricing", "/a", "--head", "-o", "table", "--addr", agent.addr).stdout
    assert "cache-status    zoned; hit" in head
    agent.answers["/v1/d/pricing/%2Fa"] = (502, {"error": "failed", "detail": "origin said 500"})
    result = zoned("get", "pricing", "/a", "--addr", agent.addr)
    assert result.exit_code == 1 and "failed: origin said 500 (502)" in result.stderr


def test_top(zoned: Run, agent: Any, make_snapshot: Callable[..., Snapshot]) -> None:
    result = zoned("top", "--once", "--addr", agent.addr)
    assert result.exit_code == 0
    for text in (
        "a1  zone za  ring 00ff epoch 3  ready",
        "1000 requests  hits 90.0% (LRU 80.0%)",
        "b1",
        "pricing",
    ):
        assert text in result.stdout
