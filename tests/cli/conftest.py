"""An agent for the verbs to talk to: canned answers, made by the shapes that the real one uses.

Nothing of the core runs here; what the answers look like is ``zoned.status.shapes``' business, so a change
of shape that would break a verb breaks these tests.
"""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from zoned.cli.main import cli
from zoned.core.members import Member, MemberState
from zoned.core.names import InstanceKey, Instant
from zoned.core.records import (
    ArmScore,
    DependencyForecast,
    Forecast,
    InstanceDemand,
    LedgerLine,
    Plan,
    PlanLine,
    Reason,
    Source,
    Want,
)
from zoned.core.snapshot import (
    CacheView,
    DependencyView,
    Disagreement,
    RingMemberView,
    RingView,
    Snapshot,
    Way,
)
from zoned.status import shapes

WAY = Way(
    zone="zb", node="b1", state=MemberState.ALIVE, http=("10.0.0.2", 7980), rtt_s=0.012, load=0.5, busy=False,
    known_by="digest", draining=False, expected_s=0.013,
    reasons=("holds a copy (its digest)", "12.0 ms away"),
)  # fmt: skip
NOW = Instant(mono_s=100.0, wall_s=1_800_000_000.0, season_s=1_800_000_000.0)
WANT = Want(InstanceKey("pricing", b"/a"), 1, 2048, Reason.FORECAST, 0.25, "")


def member(node: str, zone: str, port: int) -> Member:
    return Member(
        node=node,
        zone=zone,
        role="zoned",
        state=MemberState.ALIVE,
        incarnation=1,
        weight=1,
        gossip=("127.0.0.1", 7946),
        peer=None,
        http=("127.0.0.1", port),
        since_wall_s=NOW.wall_s,
        accuser="",
        rtt_s=0.08,
    )


def ledger_line(dependency: str) -> LedgerLine:
    return LedgerLine(
        dependency=dependency,
        requests=1000,
        hits=900,
        peer_hits=40,
        lru_hit_ratio=0.8,
        latency_s=20.0,
        lru_latency_s=40.0,
        origin_fetches=60,
        lru_origin_fetches=200.0,
        peer_transfers=40,
        prefetched=50,
        prefetch_used=45,
        prefetched_bytes=1 << 20,
        arms=(("lru", 0.0),),
        eviction="s3fifo",
        why="as all that have none of their own",
    )


def snapshot(port: int = 1, disagreeing: tuple[Disagreement, ...] = ()) -> Snapshot:
    views = tuple(
        RingMemberView(node=n, zone=z, weight=1, state=MemberState.ALIVE, owned_ratio=0.5)
        for n, z in (("a1", "za"), ("b1", "zb"))
    )
    demand = DependencyForecast(
        dependency="pricing",
        horizon_s=3600.0,
        mean=12.0,
        quantiles=(8.0, 12.0, 17.0),
        model="median",
        error=0.2,
    )
    instance = InstanceDemand(InstanceKey("pricing", b"/a"), 1, 3.0, 0.9, 2048)
    return Snapshot(
        node="a1",
        zone="za",
        made=NOW,
        started=NOW._replace(mono_s=0.0),
        leaving=False,
        paused=False,
        draining=(),
        drained=False,
        warm_ratio=0.95,
        members=(member("a1", "za", port), member("b1", "zb", port)),
        ring=RingView(ring_id="00ff", epoch=3, members=views, disagreeing=disagreeing),
        plan=Plan(
            made=NOW,
            ring_id="00ff",
            paused=False,
            wants=(WANT,) * 50,
            hand_over=(),
            lines=(PlanLine("pricing", ("za", "zb"), 65536, 2, "ring"),),
            draining=(),
            drained_ratio=None,
        ),
        forecast=Forecast(made=NOW, dependencies=(demand,), instances=(instance,)),
        queue=(WANT,),
        flights=0,
        ledger=(ledger_line(""), ledger_line("pricing")),
        arms=(ArmScore("lru", 10, 0.8, 1.0, True, "no other has proved to be better"),),
        outcomes=(),
        cache=CacheView(
            objects=3,
            used_bytes=6144,
            max_objects=None,
            max_bytes=1 << 28,
            eviction="lru",
            directory={"b1": 2},
        ),
        dependencies=(
            DependencyView(
                dependency="pricing", accesses=1000, hits=900, by_source={Source.LOCAL: 900}, latency_s=20.0
            ),
        ),
        prices_s={Source.LOCAL: 0.001},
        summaries={},
        ages={},
        counters={},
    )


class FakeAgent:
    """Answers by path; ``seen`` has every request as (method, path, headers, body)."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        self.headers: dict[str, str] = {}
        self.addr = ""

    def show(self, shown: Snapshot, *, ready: bool = True) -> None:
        """Answer as an agent with that snapshot does."""
        reads = {
            "status": shapes.status(shown, "0.1.0", ready),
            "members": {"members": [shapes.member(one) for one in shown.members]},
            "ring": shapes.ring(shown),
            "dependencies": {"dependencies": [shapes.dependency(one) for one in shown.dependencies]},
            "forecast/pricing": shapes.forecast(shown, "pricing"),
            "plan": shapes.plan(shown),
            "queue": shapes.queue(shown),
            "ledger": shapes.ledger(shown),
            "ring/locate/pricing/%2Fa": shapes.location(7, "00ff", [("a1", "za"), ("b1", "zb")], ["b1"]),
            "route/pricing/%2Fa": shapes.route(WANT.key, "00ff", [WAY]),
            "explain/pricing/%2Fa": {**shapes.instance(WANT.key), "lines": ["held: fetched for forecast"]},
        }
        self.answers |= {f"/v1/{path}": (200, value) for path, value in reads.items()}

    def handler(self) -> type[BaseHTTPRequestHandler]:
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                agent.seen.append((self.command, self.path, dict(self.headers), body))
                status, value = agent.answers.get(self.path, (404, {"error": "no such route"}))
                sent = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                for name, content in agent.headers.items():
                    self.send_header(name, content)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(sent)

            do_GET = do_POST = do_HEAD = answer

            def log_message(self, format: str, *args: object) -> None:
                """Be quiet."""

            def address_string(self) -> str:
                return "test"

        return Handler


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    block_on_close = True

    def get_request(self) -> tuple[socket.socket, Any]:
        request, _ = super().get_request()
        return request, ("local", 0)


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """An agent on a free TCP port of loopback."""
    fake = FakeAgent()
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), fake.handler())
    fake.addr = f"127.0.0.1:{server.server_address[1]}"
    fake.show(snapshot(server.server_address[1]))
    with serving(server):
        yield fake


@pytest.fixture
def unix_agent(tmp_path: Path) -> Iterator[FakeAgent]:
    """The same on a Unix socket."""
    fake = FakeAgent()
    path = tmp_path / "zoned.sock"
    server = _UnixServer(str(path), fake.handler())
    fake.addr = f"unix:{path}"
    fake.show(snapshot())
    with serving(server):
        yield fake


@pytest.fixture
def make_snapshot() -> Callable[..., Snapshot]:
    """Snapshots to show."""
    return snapshot


@pytest.fixture
def zoned(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command line in this process."""
    for name in ("ZONED_ADDR", "ZONED_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str, env: dict[str, str] | None = None) -> Result:
        return CliRunner().invoke(cli, list(words), env=env)

    return run
