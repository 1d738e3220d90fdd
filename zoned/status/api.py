"""The status endpoint: health, metrics, dashboard, the JSON reads and the commands.

It is given what it may use, and that is little: a snapshot, questions, and a way to hand in an event. What
the answers look like is in ``shapes``, what commands take in ``commands``, who may ask in ``access``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from aiohttp import web

from zoned.core.events import Drain, Event
from zoned.core.names import MAX_KEY_BYTES, Dependency, InstanceKey, Zone
from zoned.core.records import Rehearsal
from zoned.core.snapshot import Snapshot, Way
from zoned.status import shapes
from zoned.status.access import AccessRules, error
from zoned.status.commands import BadCommand, Command, Conflict, commands, dry_run
from zoned.status.dashboard import page
from zoned.status.metrics import Metrics

MAX_COMMAND_BYTES = 64 << 10
MAX_WAITERS = 16
MAX_WAIT_S = 3600.0
WARM_POLL_S = 0.25
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Place(Protocol):
    """Where an instance belongs and is (``core.views.Location``)."""

    @property
    def shard(self) -> int: ...  # noqa: D102
    @property
    def ring_id(self) -> str: ...  # noqa: D102
    @property
    def preference_list(self) -> tuple[tuple[str, str], ...]: ...  # noqa: D102
    @property
    def holders(self) -> tuple[str, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """All that this package may touch."""

    snapshot: Callable[[], Snapshot]
    explain: Callable[[InstanceKey], tuple[str, ...]]
    locate: Callable[[InstanceKey], Place]
    route: Callable[[InstanceKey], tuple[Way, ...]]
    """The zones that can serve an instance now, best first."""
    rehearse: Callable[[Zone], Rehearsal]
    submit: Callable[[Event], None]
    checks: Callable[[Snapshot], Mapping[str, bool]]
    """What must hold for this agent, on its own host, to be ready."""
    config: Callable[[], list[dict[str, str]]]
    """The configuration in force, without secrets."""
    dependencies: frozenset[Dependency]
    version: str


def status_app(agent: AgentView, metrics: Metrics, rules: AccessRules, max_body: int) -> web.Application:
    """The application; whoever composes it adds the data routes. ``max_body``: the largest request body."""
    app = web.Application(middlewares=[rules.middleware()], client_max_size=max_body)
    api = _Api(agent, metrics)
    for path, answer in api.reads().items():
        app.router.add_get(path, answer)
    for path, command in commands(agent.dependencies).items():
        app.router.add_post(path, api.commanding(command))
    return app


class _Api:
    def __init__(self, agent: AgentView, metrics: Metrics) -> None:
        self._agent = agent
        self._metrics = metrics
        self._waiters = 0

    def reads(self) -> Mapping[str, Handler]:
        """Every GET by its path."""
        return {
            "/": self.dashboard,
            "/livez": self.livez,
            "/readyz": self.readyz,
            "/startupz": self.startupz,
            "/metrics": self.metrics,
            "/v1/status": self.status,
            "/v1/members": self._shown(shapes.members),
            "/v1/ring": self._shown(shapes.ring),
            "/v1/ring/locate/{instance:(?s:.+)}": self.locate,
            "/v1/dependencies": self._shown(
                lambda s: {"dependencies": [shapes.dependency(d) for d in s.dependencies]}
            ),
            "/v1/forecast/{dependency}": self.forecast,
            "/v1/plan": self._shown(shapes.plan),
            "/v1/queue": self._shown(shapes.queue),
            "/v1/ledger": self._shown(shapes.ledger),
            "/v1/explain/{instance:(?s:.+)}": self.explain,
            "/v1/route/{instance:(?s:.+)}": self.route,
            "/v1/config": self.config,
        }

    def _shown(self, shape: Callable[[Snapshot], shapes.Json]) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            return web.json_response(shape(self._agent.snapshot()))

        return answer

    def _ready(self, snapshot: Snapshot) -> bool:
        return all(self._agent.checks(snapshot).values())

    # ---- health ---------------------------------------------------------------------------------

    async def livez(self, request: web.Request) -> web.Response:
        """Whether the event loop turns: that this is answered is the answer. Never anything that a restart
        could not mend."""
        return _health(request, {"event_loop": True})

    async def readyz(self, request: web.Request) -> web.Response:
        """Whether this agent serves, on its own: never a question about the pool, or one host could not come
        up alone."""
        return _health(request, self._agent.checks(self._agent.snapshot()))

    async def startupz(self, request: web.Request) -> web.Response:
        """Whether the saved state is loaded and the first forecast made."""
        return _health(
            request, {"state_loaded": True, "forecast": self._agent.snapshot().forecast is not None}
        )

    # ---- for people and monitors ----------------------------------------------------------------

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus's text, or OpenMetrics to who asks for it."""
        body, content_type = self._metrics.render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def dashboard(self, request: web.Request) -> web.Response:
        """One page for people."""
        snapshot = self._agent.snapshot()
        text = page(snapshot, self._agent.version, self._ready(snapshot))
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def status(self, request: web.Request) -> web.Response:
        """The agent in one object; with ``?wait_warm=0.9&timeout=60`` as soon as the zone is that warm."""
        wanted = request.query.get("wait_warm")
        warm = True if wanted is None else await self._wait_warm(request, wanted)
        if warm is None:
            return error(503, f"more than {MAX_WAITERS} wait already")
        snapshot = self._agent.snapshot()
        told = shapes.status(snapshot, self._agent.version, self._ready(snapshot))
        return web.json_response(
            told if warm else {**told, "error": "not warm in time"}, status=200 if warm else 504
        )

    async def _wait_warm(self, request: web.Request, wanted: str) -> bool | None:
        """Wait until the zone is warm; False: it was not in time; None: too many wait."""
        try:
            ratio, within_s = float(wanted), float(request.query.get("timeout", "60"))
        except ValueError:
            raise web.HTTPBadRequest(reason="wait_warm and timeout are numbers") from None
        if self._waiters >= MAX_WAITERS:
            return None
        self._waiters += 1
        try:
            async with asyncio.timeout(min(max(within_s, 0.0), MAX_WAIT_S)):
                # Warmth is a state of the core, which tells nobody: it is looked at now and then.
                while self._agent.snapshot().warm_ratio < ratio:  # noqa: ASYNC110
                    await asyncio.sleep(WARM_POLL_S)
        except TimeoutError:
            return False
        finally:
            self._waiters -= 1
        return True

    async def forecast(self, request: web.Request) -> web.Response:
        """What is expected of one dependency."""
        name = request.match_info["dependency"]
        told = shapes.forecast(self._agent.snapshot(), name)
        return error(404, f"no forecast of {name}") if told is None else web.json_response(told)

    async def locate(self, request: web.Request) -> web.Response:
        """Where an instance belongs, and where it is."""
        place = self._agent.locate(_instance(request, "/v1/ring/locate/"))
        told = shapes.location(place.shard, place.ring_id, place.preference_list, place.holders)
        return web.json_response(told)

    async def explain(self, request: web.Request) -> web.Response:
        """Why a copy is, or is not, in this zone."""
        key = _instance(request, "/v1/explain/")
        return web.json_response({**shapes.instance(key), "lines": list(self._agent.explain(key))})

    async def route(self, request: web.Request) -> web.Response:
        """Which zones can serve it now, best first."""
        key = _instance(request, "/v1/route/")
        return web.json_response(shapes.route(key, self._agent.locate(key).ring_id, self._agent.route(key)))

    async def config(self, request: web.Request) -> web.Response:
        """The configuration in force; secrets are not shown."""
        return web.json_response({"config": self._agent.config()})

    # ---- commands -------------------------------------------------------------------------------

    def commanding(self, command: Command) -> Handler:
        """A command as a handler."""

        async def answer(request: web.Request) -> web.Response:
            if request.content_type != "application/json":
                return error(415, "expected application/json")
            try:
                body, dry = dry_run(await _body(request))
                event = command(body, self._agent.snapshot())
            except BadCommand as refusal:
                return error(400, str(refusal))
            except Conflict as refusal:
                return error(409, str(refusal))
            if dry:
                return web.json_response(self._would(event))
            self._agent.submit(event)
            return web.json_response({"accepted": True}, status=202)

        return answer

    def _would(self, event: Event) -> shapes.Json:
        """What a command that makes sense now would do; a drain is rehearsed."""
        told: shapes.Json = {"accepted": False, "dry_run": True}
        if isinstance(event, Drain):
            told["rehearsal"] = shapes.rehearsal(self._agent.rehearse(event.zone))
        return told


def _health(request: web.Request, checks: Mapping[str, bool]) -> web.Response:
    """200 or 503; machines read only that. ``?exclude=name`` leaves checks out, ``?verbose`` is for
    people."""
    excluded = request.query.getall("exclude", [])
    counted = {name: good for name, good in checks.items() if name not in excluded}
    good = all(counted.values())
    if "verbose" in request.query and "application/json" not in request.headers.get("Accept", ""):
        lines = [
            f"[{'+' if value else '-'}]{name} {'ok' if value else 'failed'}"
            for name, value in counted.items()
        ]
        text = "\n".join([*lines, f"{request.path.strip('/')} check {'passed' if good else 'failed'}", ""])
        return web.Response(text=text, status=200 if good else 503)
    return web.json_response({"ok": good, "checks": counted}, status=200 if good else 503)


def _instance(request: web.Request, prefix: str) -> InstanceKey:
    """The instance that a path names, read raw: a key is any bytes."""
    dependency, _, key = request.raw_path.partition("?")[0][len(prefix) :].partition("/")
    raw_key = unquote_to_bytes(key)
    if not dependency or not 0 < len(raw_key) <= MAX_KEY_BYTES:
        raise web.HTTPBadRequest(reason=f"expected a dependency and a key of 1 to {MAX_KEY_BYTES} bytes")
    return InstanceKey(unquote_to_bytes(dependency).decode("utf-8", "replace"), raw_key)


async def _body(request: web.Request) -> Mapping[str, Any]:
    if (request.content_length or 0) > MAX_COMMAND_BYTES:
        raise BadCommand(f"at most {MAX_COMMAND_BYTES} bytes")
    try:
        body = json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError) as wrong:
        raise BadCommand("not JSON") from wrong
    if not isinstance(body, dict):
        raise BadCommand("expected a JSON object")
    return body
