"""How the verbs talk to an agent: plain HTTP over a Unix socket or TCP, by the standard library.

An HTTP library would cost more to import than the whole verb takes. What a script must be able to tell
apart is told apart here: no agent there (exit 4), the agent says no (exit 1), time is up (exit 5).
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

DEFAULT_SOCKET = Path("/run/zoned/zoned.sock")
DEFAULT_TCP = ("127.0.0.1", 7980)
GRACE_S = 5.0
MAX_ANSWER_BYTES = 256 << 20

FAILED, UNHEALTHY, UNREACHABLE, TIMED_OUT, BAD_CONFIG = 1, 3, 4, 5, 78


class AgentError(Exception):
    """The verb cannot go on; ``exit_code`` says why in the way scripts read."""

    def __init__(self, text: str, exit_code: int = FAILED) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Target:
    """Where an agent is: ``path`` for a Unix socket, else host and port."""

    path: Path | None = None
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; AgentError where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise AgentError(f"the agent answered {self.status} without JSON: {self.body[:200]!r}") from None


def parse_target(text: str) -> Target:
    """``unix:PATH``, ``HOST:PORT`` or ``[V6]:PORT``; ValueError for anything else."""
    if text.startswith("unix:") and len(text) > 5:
        return Target(path=Path(text.removeprefix("unix:")))
    host, separator, port = text.removeprefix("http://").rstrip("/").rpartition(":")
    if not separator or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f'expected HOST:PORT or unix:PATH, got "{text}"')
    return Target(host=host.strip("[]"), port=int(port))


def find(addr: str | None, env: Mapping[str, str]) -> Target:
    """``--addr``, else ``ZONED_ADDR``, else the socket where there is one, else 127.0.0.1:7980."""
    chosen = addr or env.get("ZONED_ADDR")
    if chosen:
        return parse_target(chosen)
    if DEFAULT_SOCKET.is_socket() and os.access(DEFAULT_SOCKET, os.W_OK):
        return Target(path=DEFAULT_SOCKET)
    return Target(host=DEFAULT_TCP[0], port=DEFAULT_TCP[1])


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def path_of(*parts: str | bytes) -> str:
    """``("ring", "locate", dep, key)`` -> ``/v1/ring/locate/dep/key``, percent-encoded."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


class Agent:
    """One agent, asked by HTTP. A connection per request: verbs ask once or twice."""

    def __init__(self, target: Target, timeout_s: float = 10.0, token: str = "") -> None:
        self.target = target
        self._timeout_s = timeout_s
        self._token = token

    def get(self, *parts: str | bytes, **query: object) -> Any:
        """JSON of ``/v1/PARTS``; AgentError when the agent is not there or says no."""
        return self._checked(self.request("GET", _with(path_of(*parts), query))).json()

    def post(self, *parts: str | bytes, body: Mapping[str, object] | None = None) -> Any:
        """Send a command; JSON of the answer."""
        sent = json.dumps(body or {}).encode()
        return self._checked(self.request("POST", path_of(*parts), sent)).json()

    def request(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """One request as it is, whatever its status."""
        headers = {"Connection": "close", "Accept": "*/*"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = self._connection()
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            content = response.read(MAX_ANSWER_BYTES)
        except TimeoutError:
            raise AgentError(
                f"agent at {self.target} did not answer in {self._timeout_s:g} s", UNREACHABLE
            ) from None
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise AgentError(f"agent at {self.target} is not reachable: {why}", UNREACHABLE) from None
        finally:
            connection.close()
        return Answer(
            response.status, {name.lower(): value for name, value in response.getheaders()}, content
        )

    def elsewhere(self, target: Target) -> Agent:
        """The same way of asking, another agent. The token is ours and stays here."""
        return Agent(target, self._timeout_s)

    def patient(self) -> Agent:
        """The same agent, asked so that it can say itself that the time is up."""
        return Agent(self.target, self._timeout_s + GRACE_S, self._token)

    def _connection(self) -> http.client.HTTPConnection:
        if self.target.path is not None:
            return _UnixConnection(self.target.path, self._timeout_s)
        return http.client.HTTPConnection(self.target.host, self.target.port, timeout=self._timeout_s)

    def _checked(self, answer: Answer) -> Answer:
        if answer.status >= 400:
            raise AgentError(f"the agent refused: {reason_of(answer)}")
        return answer


def _with(path: str, query: Mapping[str, object]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def reason_of(answer: Answer) -> str:
    """What the agent gave as reason: ``{"error": …}``, or text, or just the status."""
    try:
        said = json.loads(answer.body)
    except ValueError:
        said = answer.body.decode("utf-8", "replace").strip().partition("\n")[0]
    if isinstance(said, dict):
        said = ": ".join(str(said[name]) for name in ("error", "detail") if said.get(name)) or said
    return f"{said} ({answer.status})" if said else f"status {answer.status}"
