"""The status endpoint over real sockets: shapes, health, commands, and who is let in."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.status.snapshots import ledger_line, member, snapshot
from zoned.core import events as ev
from zoned.core.members import MemberState, Summary
from zoned.core.names import InstanceKey
from zoned.core.records import Load, Receiver, Rehearsal
from zoned.core.snapshot import Snapshot, Way
from zoned.daemon.listener import HttpListener, bind_tcp, bind_unix
from zoned.status import AccessRules, AgentView, Metrics, shapes, status_app

pytestmark = pytest.mark.asyncio


WAY = Way(
    zone="z1", node="n1", state=MemberState.ALIVE, http=("::1", 7980), rtt_s=0.0, load=0.25, busy=False,
    known_by="store", draining=False, expected_s=0.001, reasons=("holds a copy (our store)",),
)  # fmt: skip


@dataclass
class Place:
    shard: int = 513
    ring_id: str = "00ff"
    preference_list: tuple[tuple[str, str], ...] = (("n1", "z1"), ("n2", "z2"))
    holders: tuple[str, ...] = ("n2",)


@dataclass
class Status:
    """A running endpoint and what reached the agent behind it."""

    session: aiohttp.ClientSession
    url: str
    unix: Path
    shown: Snapshot = field(default_factory=snapshot)
    checks: dict[str, bool] = field(default_factory=lambda: {"node_running": True})
    events: list[ev.Event] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)

    async def ask(self, path: str, method: str = "GET", **kwargs: Any) -> tuple[int, Any, bytes]:
        async with self.session.request(method, URL(self.url + path, encoded=True), **kwargs) as response:
            return response.status, response.headers, await response.read()

    async def json(self, path: str) -> Any:
        status, headers, body = await self.ask(path)
        assert status == 200, body
        assert headers["Cache-Control"] == "no-store"
        return json.loads(body)

    async def command(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json"} | headers
        status, _, answer = await self.ask(path, "POST", data=sent, headers=given)
        return status, json.loads(answer)


@asynccontextmanager
async def serving(tmp_path: Path, **rules: Any) -> AsyncIterator[Status]:
    sock, unix = bind_tcp(("127.0.0.1", 0), "http.listen"), bind_unix(tmp_path / "s.sock", "http.socket")
    address = sock.getsockname()
    async with aiohttp.ClientSession() as session:
        status = Status(session, f"http://127.0.0.1:{address[1]}", tmp_path / "s.sock")

        def explain(key: InstanceKey) -> tuple[str, ...]:
            status.asked.append(key)
            return ("no copy in zone z1", "held by n2")

        def locate(key: InstanceKey) -> Place:
            status.asked.append(key)
            return Place()

        def route(key: InstanceKey) -> tuple[Way, ...]:
            status.asked.append(key)
            other = replace(WAY, zone="z2", node="n2", rtt_s=None, load=None, known_by="", draining=True)
            return (WAY, other)

        def rehearse(zone: str) -> Rehearsal:
            status.asked.append(zone)
            to = (Receiver("n2", "z2", 30, 3 << 20),)
            return Rehearsal(
                zone=zone, exact=True, instances=100, cold=30, cold_bytes=3 << 20, to=to, warm_s=1.25,
                origin_requests=12.5,
            )  # fmt: skip

        agent = AgentView(
            snapshot=lambda: status.shown,
            explain=explain,
            locate=locate,
            route=route,
            rehearse=rehearse,
            submit=status.events.append,
            checks=lambda view: status.checks,
            config=lambda: [{"key": "agent.node", "value": '"n1"', "origin": "default"}],
            dependencies=frozenset({"shop"}),
            version="0.1.0",
        )
        metrics = Metrics(agent.snapshot, agent.checks, dict, "0.1.0")
        app = status_app(agent, metrics, AccessRules((address,), **rules), 1 << 20)
        listener = HttpListener(app, 100)
        await listener.start(sock, unix)
        try:
            yield status
        finally:
            await listener.close()


async def test_the_shapes_that_the_contract_names(tmp_path: Path) -> None:
    async with serving(tmp_path) as s:
        ring = await s.json("/v1/ring")
        assert set(ring) >= {"ring_id", "epoch", "members", "disagreeing"}
        assert set(ring["members"][0]) >= {"node", "zone", "weight", "state", "owned_ratio"}
        assert [member["state"] for member in ring["members"]] == ["alive", "warming", "failed"]
        newcomer = ring["members"][1]
        assert newcomer["flipped_ratio"] == 0.25
        assert newcomer["warming_since"] == shapes.time_text(1_795_003_650.0)
        assert ring["members"][0]["flipped_ratio"] == 1.0 and ring["members"][0]["warming_since"] is None
        assert ring["disagreeing"][0]["node"] == "n2"
        where = await s.json("/v1/ring/locate/shop/a")
        assert where == {
            "shard": 513,
            "ring_id": "00ff",
            "preference_list": [{"node": "n1", "zone": "z1"}, {"node": "n2", "zone": "z2"}],
            "holders": ["n2"],
        }
        way = await s.json("/v1/route/shop/a%2F%FF%00")
        assert s.asked[-1] == InstanceKey("shop", b"a/\xff\x00")
        assert (way["dependency"], way["key"], way["ring_id"]) == ("shop", "a/\\xff\x00", "00ff")
        assert way["zones"][0] == {
            "zone": "z1", "node": "n1", "state": "alive", "http": "[::1]:7980", "rtt_seconds": 0.0,
            "load": 0.25, "busy": False, "holds": True, "known_by": "store", "draining": False,
            "expected_seconds": 0.001, "reasons": ["holds a copy (our store)"],
        }  # fmt: skip
        assert [way["zones"][1][name] for name in ("rtt_seconds", "load", "known_by", "draining")] == [
            None, None, None, True,
        ]  # fmt: skip
        keys = {
            "requests", "hit_ratio", "lru_hit_ratio", "mean_latency_ms", "lru_mean_latency_ms",
            "misses_avoided", "origin_fetches", "lru_origin_fetches", "peer_transfers", "prefetched",
            "prefetch_used", "prefetched_bytes",
        }  # fmt: skip
        ledger = await s.json("/v1/ledger")
        assert set(ledger) >= keys
        assert set(ledger["dependencies"][0]) >= keys | {"dependency"}
        assert (ledger["requests"], ledger["hit_ratio"], ledger["lru_hit_ratio"]) == (1000, 0.8, 0.7)
        assert (ledger["mean_latency_ms"], ledger["lru_mean_latency_ms"]) == (50.0, 90.0)
        assert ledger["misses_avoided"] == 100.0
        assert ledger["fabric_hit_ratio"] == 0.875
        assert ledger["dependencies"][0]["arms_saved_s"] == {"lru": 0.0, "sieve": 12.5}
        line = ledger["dependencies"][0]
        assert (line["eviction"], line["eviction_why"]) == ("sieve", "it is better there")
        assert [(arm["arm"], arm["why"]) for arm in ledger["arms"]] == [
            ("lru", ""),
            ("sieve", "it is better"),
        ]


async def test_the_other_reads(tmp_path: Path) -> None:
    async with serving(tmp_path) as s:
        status = await s.json("/v1/status")
        assert (status["node"], status["zone"], status["ready"], status["ring_agreed"]) == (
            "n1",
            "z1",
            True,
            False,
        )
        assert status["members"] == {"alive": 2, "failed": 1}
        assert status["now"] == "2026-11-18T12:08:20.000Z"
        assert status["directory"] == {
            "asked": 40, "asked_in_vain": 4, "false_ratio": 0.1, "late": 2, "collision": 1, "unknown": 0,
        }  # fmt: skip
        assert status["uptime_seconds"] == 3700.0
        members = (await s.json("/v1/members"))["members"]
        assert [m["state"] for m in members] == ["alive", "alive", "failed"]
        assert members[1]["rtt_seconds"] == 0.08 and members[1]["gossip"] == "127.0.0.1:7946"
        assert (members[1]["summary_age_seconds"], members[1]["holdings_age_seconds"]) == (1.5, 0.25)
        assert members[0]["summary_age_seconds"] is None
        dependencies = (await s.json("/v1/dependencies"))["dependencies"]
        assert dependencies[0]["by_source"] == {"local": 800, "peer": 80, "origin": 120, "home": 0}
        forecast = await s.json("/v1/forecast/shop")
        assert [h["horizon_seconds"] for h in forecast["horizons"]] == [3600.0, 86400.0]
        assert forecast["horizons"][0]["quantiles"] == {"0.1": 90.0, "0.5": 118.0, "0.9": 160.0}
        assert forecast["instances"][0]["key"] == '<script>alert("1")</script>\\xff'
        assert (await s.ask("/v1/forecast/nobody"))[0] == 404
        plan = await s.json("/v1/plan")
        assert plan["wants"][0]["reason"] == "forecast" and plan["lines"][0]["zones"] == ["z1", "z2"]
        assert plan["hand_over"] == [{"node": "n2", "objects": 1, "bytes": 2048}]
        queue = await s.json("/v1/queue")
        assert (queue["length"], queue["flights"], queue["queue"][0]["source"]) == (1, 2, "n2")
        assert (await s.json("/v1/config"))["config"][0]["key"] == "agent.node"
        s.shown = snapshot(plan=None, forecast=None, ledger=(), queue=())
        assert (await s.json("/v1/plan"))["made"] is None
        assert (await s.json("/v1/ledger"))["dependencies"] == []
        assert (await s.json("/v1/status"))["requests"] == 0
        assert (await s.ask("/v1/forecast/shop"))[0] == 404


async def test_questions_about_an_instance_take_any_key(tmp_path: Path) -> None:
    async with serving(tmp_path) as s:
        answer = await s.json("/v1/explain/shop/a%2Fb//%FF%0A%3F")
        assert answer["lines"] == ["no copy in zone z1", "held by n2"]
        await s.json("/v1/ring/locate/shop/%2e%2e")
        assert s.asked == [InstanceKey("shop", b"a/b//\xff\n?"), InstanceKey("shop", b"..")]
        for path in ("/v1/explain/shop", "/v1/explain/shop/", "/v1/ring/locate/shop/" + "k" * 4097):
            assert (await s.ask(path))[0] in (400, 404), path


async def test_health(tmp_path: Path) -> None:
    async with serving(tmp_path) as s:
        for path in ("/livez", "/readyz", "/startupz"):
            assert (await s.ask(path))[0] == 200
            assert (await s.ask(path, "HEAD"))[::2] == (200, b"")
        s.checks = {"node_running": True, "not_draining": False}
        s.shown = snapshot(forecast=None)
        assert (await s.ask("/livez"))[0] == 200
        assert (await s.ask("/startupz"))[0] == 503
        status, _, body = await s.ask("/readyz")
        assert (status, json.loads(body)["checks"]) == (503, s.checks)
        assert (await s.ask("/readyz?exclude=not_draining"))[0] == 200
        text = (await s.ask("/readyz?verbose", headers={"Accept": "text/plain"}))[2].decode()
        assert text == "[+]node_running ok\n[-]not_draining failed\nreadyz check failed\n"


async def test_waiting_until_the_zone_is_warm(tmp_path: Path) -> None:
    async with serving(tmp_path) as s:
        waiting = asyncio.create_task(s.ask("/v1/status?wait_warm=0.9&timeout=15"))
        for _ in range(3):
            await s.ask("/livez")
        assert not waiting.done()
        s.shown = snapshot(warm_ratio=0.95)
        status, _, body = await waiting
        assert (status, json.loads(body)["warm_ratio"]) == (200, 0.95)
        status, _, body = await s.ask("/v1/status?wait_warm=0.99&timeout=0.01")
        assert (status, json.loads(body)["error"]) == (504, "not warm in time")
        assert (await s.ask("/v1/status?wait_warm=very"))[0] == 400


COMMANDS: list[tuple[str, Any, ev.Event]] = [
    ("drain", {"zone": "z2"}, ev.Drain(zone="z2")),
    ("drain", {}, ev.Drain(zone="z1")),
    ("undrain", {"zone": "z2"}, ev.Undrain(zone="z2")),
    ("pause", {}, ev.Pause(paused=True)),
    ("resume", {}, ev.Pause(paused=False)),
    (
        "join",
        {"seeds": ["127.0.0.1:7946", "[::1]:1", "host.example:2"]},
        ev.Join(seeds=(("127.0.0.1", 7946), ("::1", 1), ("host.example", 2))),
    ),
    ("leave", {}, ev.Stop(kind=ev.StopKind.LEAVE)),
    ("forget", {"node": "n3"}, ev.Forget(node="n3")),
    ("invalidate", {"dependency": "shop"}, ev.Invalidate(dependency="shop", key=None)),
    ("invalidate", {"dependency": "shop", "key": "é"}, ev.Invalidate(dependency="shop", key="é".encode())),
    (
        "invalidate",
        {"dependency": "shop", "key": "\udcff"},
        ev.Invalidate(dependency="shop", key=b"\xff"),
    ),
]


async def test_a_command_is_one_event(tmp_path: Path) -> None:
    async with serving(tmp_path) as s:
        for name, body, event in COMMANDS:
            assert await s.command(f"/v1/{name}", body) == (202, {"accepted": True})
            assert s.events[-1] == event
        assert len(s.events) == len(COMMANDS)


REFUSED: list[tuple[str, Any, int, str]] = [
    ("drain", {"zone": "nowhere"}, 409, "no member in zone nowhere"),
    ("drain", {"zone": 7}, 400, 'expected "zone": text'),
    ("drain", {"zon": "z1"}, 400, 'unknown key "zon"; expected zone'),
    ("drain", b"{", 400, "not JSON"),
    ("drain", [1], 400, "expected a JSON object"),
    ("pause", {"why": 1}, 400, 'unknown key "why"; expected none'),
    ("join", {}, 400, 'expected "seeds": a list of 1 to 64 HOST:PORT'),
    ("join", {"seeds": ["nohost"]}, 400, "expected HOST:PORT, got 'nohost'"),
    ("join", {"seeds": ["h:99999"]}, 400, "expected HOST:PORT, got 'h:99999'"),
    ("forget", {"node": "n9"}, 409, "no member n9"),
    ("forget", {"node": "n2"}, 409, "n2 is alive: only failed and left members are forgotten"),
    ("invalidate", {"dependency": "nobody"}, 409, "unknown dependency nobody"),
    ("invalidate", {"key": "k"}, 400, 'expected "dependency": text'),
    ("invalidate", {"dependency": "shop", "key": "k" * 5000}, 400, "a key has at most 4096 bytes"),
]


async def test_a_command_without_sense_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with serving(tmp_path) as s:
        for name, body, status, said in REFUSED:
            assert await s.command(f"/v1/{name}", body) == (status, {"error": said})
        assert (await s.command("/v1/pause", b"x" * 70_000))[0] == 400
        assert (await s.ask("/v1/pause"))[0] == 405
        assert (await s.ask("/v1/nothing"))[0] == 404
        assert s.events == []


async def test_a_dry_run_is_checked_and_not_done(tmp_path: Path) -> None:
    async with serving(tmp_path) as s:
        for name, body, _ in COMMANDS:
            status, told = await s.command(f"/v1/{name}", {**body, "dry_run": True})
            assert (status, told["dry_run"], told["accepted"]) == (200, True, False), name
        assert s.events == []
        told = (await s.command("/v1/drain", {"zone": "z2", "dry_run": True}))[1]["rehearsal"]
        assert s.asked[-1] == "z2"
        assert told == {
            "zone": "z2", "exact": True, "instances": 100, "cold": 30, "cold_bytes": 3 << 20,
            "to": [{"node": "n2", "zone": "z2", "instances": 30, "bytes": 3 << 20}],
            "warm_seconds": 1.25, "origin_requests": 12.5,
        }  # fmt: skip
        refused = {"zone": "nowhere", "dry_run": True}
        assert await s.command("/v1/drain", refused) == (409, {"error": "no member in zone nowhere"})
        assert (await s.command("/v1/drain", {"dry_run": 1}))[0] == 400


async def test_a_zone_is_drained_when_all_of_its_agents_are(tmp_path: Path) -> None:
    async with serving(tmp_path) as s:
        base = snapshot()
        two = Summary(
            node="n2", zone="z2", made_wall_s=0.0, ring_id="", load=Load(), capacity_bytes=0,
            capacity_objects=0, used_ratio=0.0, hit_ratio=0.0, demand=(), hot=(), draining=True, drained=True,
        )  # fmt: skip
        members = (member("n1", "z1"), member("n2", "z2"), member("n3", "z2"))
        s.shown = replace(base, members=members, draining=("z2",), summaries={"n2": two}, drained=False)
        drained = {one["zone"]: one["drained"] for one in (await s.json("/v1/status"))["zones"]}
        assert drained == {"z1": False, "z2": False}  # n3 has not said so
        s.shown = replace(s.shown, summaries={"n2": two, "n3": replace(two, node="n3")})
        zones = (await s.json("/v1/status"))["zones"]
        assert zones[1] == {"zone": "z2", "agents": 2, "draining": True, "drained": True}
        s.shown = replace(s.shown, members=members[:1])
        assert [one["zone"] for one in (await s.json("/v1/status"))["zones"]] == ["z1"]


async def test_a_page_from_elsewhere_is_kept_out(tmp_path: Path) -> None:
    async with serving(tmp_path, allowed_hosts=("zone1.example",)) as s:
        port = s.url.rsplit(":", 1)[1]
        for host, status in (
            ("localhost", 200),
            (f"localhost:{port}", 200),
            (f"127.0.0.1:{port}", 200),
            ("zone1.example:80", 200),
            ("ZONE1.example", 200),
            ("evil.example", 421),
            (f"evil.example:{port}", 421),
            ("127.0.0.1.evil.example", 421),
            ("10.0.0.1", 421),
            ("", 421),
        ):
            assert (await s.ask("/v1/status", headers={"Host": host}))[0] == status, host
        assert (await s.command("/v1/pause", {}, Origin="https://evil.example"))[0] == 403
        assert (await s.command("/v1/pause", {}, Origin="null"))[0] == 403
        assert (await s.command("/v1/pause", {}, **{"Content-Type": "text/plain"}))[0] == 415
        assert s.events == []
        assert (await s.command("/v1/pause", {}, Origin=f"http://localhost:{port}"))[0] == 202
        _, headers, _ = await s.ask("/v1/status", headers={"Origin": "https://evil.example"})
        assert not any(name.lower().startswith("access-control") for name in headers)


async def test_with_a_token_only_the_socket_commands_without_it(tmp_path: Path) -> None:
    async with serving(tmp_path, token="s3cret") as s:
        assert (await s.command("/v1/pause", {}))[0] == 401
        assert (await s.command("/v1/pause", {}, Authorization="Bearer wrong"))[0] == 401
        assert s.events == []
        assert (await s.command("/v1/pause", {}, Authorization="Bearer s3cret"))[0] == 202
        assert (await s.ask("/v1/status"))[0] == 200
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(s.unix))) as session,
            session.post("http://any.name/v1/resume", json={}) as response,
        ):
            assert response.status == 202
        assert len(s.events) == 2


async def test_a_wildcard_bind_takes_addresses_and_no_names() -> None:
    rules = AccessRules((("0.0.0.0", 7980),))
    assert rules.host_is_good("10.1.2.3:7980") and rules.host_is_good("[::1]:7980")
    assert not rules.host_is_good("rebound.example") and not rules.host_is_good("[broken")


async def test_the_page_shows_all_and_runs_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as s:
        s.shown = snapshot(
            paused=True,
            draining=("z1",),
            ledger=(ledger_line(""), ledger_line("shop"), ledger_line("quiet", requests=0)),
            members=(*s.shown.members, member("<i>x</i>", "z&", MemberState.SUSPECT)),
        )
        status, headers, body = await s.ask("/")
        page = body.decode()
        assert status == 200 and headers["Content-Type"].startswith("text/html")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        for shown in (
            "n1",
            "n3",
            "Rings differ",
            "warming, 25.0\u00a0% taken over",
            "paused",
            "z1 draining",
            "sieve",
            "AutoETS",
            "forecast",
        ):
            assert shown in page, shown
        assert "&lt;script&gt;" in page and "&lt;i&gt;x&lt;/i&gt;" in page
        for active in ("<script", "<i>x", "http://", "https://", "src=", "@import", "url("):
            assert active not in page, active
        empty = {
            f.name: ()
            for f in dataclasses.fields(Snapshot)
            if f.name in ("ledger", "queue", "arms", "outcomes", "dependencies")
        }
        s.shown = snapshot(plan=None, forecast=None, **empty)
        assert (await s.ask("/"))[0] == 200
