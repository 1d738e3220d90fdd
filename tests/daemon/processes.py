"""Real agents as processes, and an origin that counts, for the few tests that need the whole thing."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.daemon.fakes import free_port

COMMAND = (sys.executable, "-c", "from zoned.cli.main import main; main()", "agent", "-c")


class Origin:
    """Counts requests per path. Answers after ``delay_s``, so that reads meet in flight."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.delay_s = 0.0
        self.padding = b""
        self.headers = {"Cache-Control": "max-age=600", "Content-Type": "text/plain"}
        self._closing = threading.Event()
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                origin.asked[self.path] += 1
                origin._closing.wait(origin.delay_s)
                body = f"body of {self.path}".encode() + origin.padding
                self.send_response(200)
                for name, value in origin.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class AgentProcess:
    """One ``zoned agent``; its log is read line by line as it comes."""

    def __init__(
        self,
        folder: Path,
        node: str,
        zone: str,
        origin: int,
        join: str = "",
        extra: str = "",
        password_file: Path | None = None,
    ) -> None:
        password = f'password_file = "{password_file}"' if password_file else ""
        self.node, self.zone = node, zone
        self.gossip, self.http, self.peer, self.resp = (free_port() for _ in range(4))
        self.data_dir = folder / node
        self.lines: list[str] = []
        self._path = folder / f"{node}.toml"
        self._path.write_text(
            f"""
[agent]
node = "{node}"
zone = "{zone}"
data_dir = "{self.data_dir}"
[gossip]
bind = "127.0.0.1:{self.gossip}"
join = [{join}]
profile = "local"
[http]
listen = "127.0.0.1:{self.http}"
socket = "{folder / node}.sock"
[peer]
listen = "127.0.0.1:{self.peer}"
[resp]
listen = "127.0.0.1:{self.resp}"
{password}
[[dependency]]
name = "shop"
origin = "http://127.0.0.1:{origin}/{{key}}"
coalesce = "zone"
[[dependency]]
name = "big"
origin = "http://127.0.0.1:{origin}/big/{{key}}"
coalesce = "fabric"
{extra}
"""
        )
        self.process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> AgentProcess:
        self.lines.clear()
        self.process = subprocess.Popen(
            [*COMMAND, str(self._path)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,))
        self._reader.start()
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.lines.append(line.rstrip("\n"))

    def said(self, pattern: str) -> bool:
        return any(re.search(pattern, line) for line in self.lines)

    def get(self, path: str, method: str = "GET", body: Any = None) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=30)
        try:
            sent = None if body is None else json.dumps(body)
            headers = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, path, sent, headers)
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def json(self, path: str) -> Any:
        return json.loads(self.get(path)[2])

    def up(self) -> bool:
        assert self.process is not None and self.process.poll() is None, "\n".join(self.lines)
        return self.said("listening on")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None and self._reader is not None
        if self.process.poll() is None:
            os.kill(self.process.pid, how)
        code = self.process.wait(30)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        self.process = None
        return code


def until(condition: Callable[[], object], what: str = "condition", within_s: float = 30.0) -> None:
    """Look again and again until it holds; fail when it does not in time."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, f"in vain: {what}"
        threading.Event().wait(0.02)


@contextmanager
def pool(
    folder: Path, zones: int, extra: str = "", password_file: Path | None = None
) -> Iterator[tuple[Origin, list[AgentProcess]]]:
    """So many agents, one a zone, that all know one another and agree on the ring."""
    origin = Origin()
    agents: list[AgentProcess] = []
    try:
        for number in range(1, zones + 1):
            join = f'"127.0.0.1:{agents[0].gossip}"' if agents else ""
            told = extra.replace("ORIGIN", f"127.0.0.1:{origin.port}")
            node, zone = f"n{number}", f"z{number}"
            agents.append(AgentProcess(folder, node, zone, origin.port, join, told, password_file).start())
        until(lambda: all(agent.up() for agent in agents), "all are up")
        until(lambda: agreed(agents), "the rings agree")
        yield origin, agents
    finally:
        for agent in agents:
            if agent.process is not None:
                agent.stop(signal.SIGKILL)
        origin.close()


def agreed(agents: list[AgentProcess]) -> bool:
    """Whether every agent has the same ring of all of them."""
    rings = [agent.json("/v1/ring") for agent in agents]
    return len({ring["ring_id"] for ring in rings}) == 1 and len(rings[0]["members"]) == len(agents)


def settled(agents: list[AgentProcess]) -> bool:
    """Whether, besides, none of them still takes shards over: until then agents may differ on who serves."""
    return agreed(agents) and all(
        member["state"] != "warming" for agent in agents for member in agent.json("/v1/ring")["members"]
    )
