"""One agent: its node, and everything around it, made and connected.

Nothing here decides anything. Each part is made once and handed what it needs; ``run.py`` says when they
start and end.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import zoned
from zoned.config import Config, ConfigError, describe
from zoned.core.errors import StateError
from zoned.core.events import Event, Join, KeysChanged, Stop, StopKind
from zoned.core.names import Instant
from zoned.core.node import Node
from zoned.core.settings import NodeSettings
from zoned.core.snapshot import Snapshot
from zoned.core.views import rehearsal
from zoned.core.ways import ways
from zoned.daemon.clock import Clock
from zoned.daemon.driver import Driver
from zoned.daemon.effects import Spawn, World
from zoned.daemon.forecast_worker import ForecastWorker
from zoned.daemon.fronts import HttpFront, KeyFront, RespFront
from zoned.daemon.fronts.http import MAX_BATCH_BYTES
from zoned.daemon.fronts.resp import About
from zoned.daemon.gossip_io import GossipIO
from zoned.daemon.gossip_seal import Seal
from zoned.daemon.heartbeat import Gauges, Heartbeat
from zoned.daemon.joining import Joining
from zoned.daemon.journal_file import JournalFile, RecordedNode
from zoned.daemon.key_exchange import KeyExchange
from zoned.daemon.key_wear import FILE as KEY_USE
from zoned.daemon.key_wear import KeyWear
from zoned.daemon.keyring import Keyring, open_keyring
from zoned.daemon.listener import HttpListener, listen_error
from zoned.daemon.log import Log
from zoned.daemon.origins import HttpOrigin, OriginSettings, origin_session
from zoned.daemon.refusals import Refusals
from zoned.daemon.sockets import Sockets
from zoned.daemon.state import StateFile
from zoned.daemon.stores import MemoryStore
from zoned.daemon.systemd import Notifier
from zoned.daemon.transfer import BeforeCall, PeerClient, transfer_app
from zoned.journal.lives import beginning
from zoned.status import AccessRules, AgentView, Metrics, status_app

MAX_HTTP_CONNECTIONS = 1024
MAX_PEER_CONNECTIONS = 1024
SAVE_EVERY_S = 30.0
SHORTEST_GOODBYE_S, LONGEST_GOODBYE_S = 0.2, 5.0
"""How long gossip may take to tell the others that we go; within that, what gossip itself says counts."""
HAND_OVER_POLL_S = 0.1  # the core tells nobody when all is handed over


def restored(
    settings: NodeSettings, state: StateFile, now: Instant, log: Log
) -> tuple[Node, dict[str, Any] | None]:
    """A node with its saved state, and that; or a fresh one when there is none that can be read back."""
    try:
        loaded = state.load()
        return Node(settings, now, loaded), loaded
    except StateError as error:
        aside = state.set_aside(now.wall_s)
        log.say(
            "warning",
            "state_corrupt",
            f"saved state cannot be read back ({error}); set aside as {aside}, starting afresh",
        )
        return Node(settings, now), None


def read_secret(path: Path | None, setting: str) -> str | None:
    """The token or password in a file that a setting names. Raises ConfigError: a file that cannot be read
    must not open what it was to close."""
    if path is None:
        return None
    try:
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError((f"{setting}: cannot read {path}: {error}",)) from error
    if not secret:
        raise ConfigError((f"{setting}: {path} is empty",))
    return secret


class Agent:
    """The parts, connected. Belongs to one event loop."""

    def __init__(
        self,
        config: Config,
        sockets: Sockets,
        state: StateFile,
        log: Log,
        spawn: Spawn,
        stop: asyncio.Future[StopKind],
        before_call: BeforeCall | None,
    ) -> None:
        """``spawn`` runs tasks whose death ends the process; ``stop`` is set when a command says to leave."""
        token = read_secret(config.http.token_file, "http.token_file")
        password = read_secret(config.resp.password_file, "resp.password_file")
        self._config = config
        self._sockets = sockets
        self._state = state
        self._log = log
        self._spawn = spawn
        self._stop = stop
        self._ended = ""  # how, once we know
        who = config.agent
        self.clock = Clock(who.season_start_s, who.season_rate, who.season_since_s)
        self.notifier = Notifier()
        self._keyring, warning = open_keyring(config.agent.data_dir, config.gossip.key_file)
        if warning:
            log.say("warning", "key_file_ignored", warning)
        seal = _sealing(config, self._keyring)
        settings = _addressed(config, sockets)
        gossip = replace(settings.gossip, seal_bytes=seal.overhead_bytes)
        began = self.clock.now()
        self.node, loaded = restored(replace(settings, gossip=gossip), state, began, log)
        self._journal = self._recording(began, loaded)
        self._session = origin_session()
        limits = {one.policy.name: one.policy.max_object_bytes for one in config.dependencies}
        self._peers = PeerClient(config.agent.node, self.clock, limits, before_call)
        self._worker = ForecastWorker()
        self._gossip = GossipIO(self._gossiped, spawn, seal=seal, refusals=Refusals(log.say))
        self._keys = self._exchange(seal)
        self._gossip.private = self._keys.asked
        used = config.agent.data_dir / KEY_USE
        self._wear = KeyWear(used, self._keyring, seal, self.node.swim.members, log)
        self._store = MemoryStore(config.store.max_bytes, config.store.max_objects)
        world = World(
            gossip=self._gossip,
            store=self._store,
            origins=self._origins(),
            peers=self._peers,
            worker=self._worker,
            keys=self._keys.serf,
            log=log,
        )
        node = self.node if self._journal is None else RecordedNode(self.node, self._journal.recorder)
        self.driver = Driver(node, self.clock, world, spawn)
        self._joining = Joining(config.agent.node, self.snapshot, self.driver.submit, log)
        self._metrics = Metrics(self.snapshot, self.checks, self._counters, zoned.__version__)
        self._names = frozenset(one.policy.name for one in config.dependencies)
        self._http, self._transfer = self._listeners(token)
        about = About(version=zoned.__version__, store=self._store, max_bytes=config.store.max_bytes)
        self._resp = RespFront(self.driver, self.clock, self._names, about, password)

    def _recording(self, began: Instant, state: dict[str, Any] | None) -> JournalFile | None:
        """The journal of this life, if there is to be one."""
        who, node = self._config.agent, self.node
        if who.journal is None:
            return None
        begin = beginning(zoned.__version__, began.wall_s, self.clock.season, node.settings, state)
        return JournalFile(who.journal, who.journal_max_bytes, node, began, begin, self._log)

    def _exchange(self, seal: Seal) -> KeyExchange:
        return KeyExchange(
            self._config.agent.node,
            self._keyring,
            seal,
            self._gossip.ask,
            self.node.swim.members,
            lambda event: self.driver.submit(event),
            self._spawn,
            self._log,
        )

    def _origins(self) -> dict[str, HttpOrigin]:
        return {
            one.policy.name: HttpOrigin(
                OriginSettings(
                    dependency=one.policy.name,
                    template=one.origin,
                    headers=one.headers,
                    timeout_s=one.timeout_s,
                    max_object_bytes=one.policy.max_object_bytes,
                ),
                self._session,
                self.clock,
            )
            for one in self._config.dependencies
        }

    def _listeners(self, token: str | None) -> tuple[HttpListener, HttpListener]:
        config, names = self._config, self._names
        view = AgentView(
            snapshot=self.snapshot,
            explain=lambda key: self.node.explain(key, self.clock.now()),
            locate=self.node.locate,
            route=lambda key: ways(key, self.node.settings.node, self.node.stages, self.node.peers),
            rehearse=lambda zone: rehearsal(self.node.view(), zone),
            submit=self.command,
            checks=self.checks,
            config=lambda: describe(config),
            dependencies=names,
            version=zoned.__version__,
        )
        address = self._sockets.http.getsockname()[:2]
        rules = AccessRules((address,), config.http.allowed_hosts, token)
        app = status_app(view, self._metrics, rules, MAX_BATCH_BYTES)
        HttpFront(self.driver, self.clock, names).add_routes(app)
        KeyFront(self._keys).add_routes(app)
        return (
            HttpListener(app, MAX_HTTP_CONNECTIONS),
            HttpListener(transfer_app(self.driver, self.clock), MAX_PEER_CONNECTIONS),
        )

    # ---- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Serve. When this returns the agent is ready; it need not have joined anybody."""
        await self._start_gossip()
        await self._transfer.start(self._sockets.peer)
        sockets = (self._sockets.http, self._sockets.unix)
        await self._http.start(*(sock for sock in sockets if sock is not None))
        await self._resp.start(self._sockets.resp)
        self.driver.start()
        self.driver.submit(KeysChanged(fingerprints=self._keyring.fingerprints))
        gc.collect()
        gc.freeze()  # what is here now stays: full collections need not walk it
        self._log.say("info", "listening", "listening on " + ", ".join(self._addresses()))
        if self._keyring:
            keys = ", ".join(self._keyring.fingerprints)
            self._log.say("info", "gossip_keys", f"gossip keys {keys}; the first one seals", keys=keys)
        self.notifier.send("READY=1", f"STATUS={self.status_line()}")

    async def _start_gossip(self) -> None:
        try:
            await self._gossip.start(self._config.gossip.bind)
        except OSError as error:
            raise listen_error(self._config.gossip.bind, "gossip.bind", error) from error

    def _addresses(self) -> list[str]:
        config, sockets = self._config, self._sockets
        bound = {
            "gossip": config.gossip.bind,
            "peer": sockets.peer.getsockname()[:2],
            "http": sockets.http.getsockname()[:2],
            "resp": sockets.resp.getsockname()[:2],
        }
        told = [f"{name} {host}:{port}" for name, (host, port) in bound.items()]
        return told if config.http.socket is None else [*told, f"socket {config.http.socket}"]

    def background(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """What runs as long as the agent does, by name."""
        gauges = Gauges(loop_lag=self._metrics.loop_lag, load=self._metrics.load)
        heartbeat = Heartbeat(self.driver, self.clock, self.notifier, gauges, self.status_line)
        tasks = [
            ("driver", self._watch_driver()),
            ("heartbeat", heartbeat.run()),
            ("state", self._keep_saving()),
            ("key wear", self._wear.keep()),
            ("joining", self._joining.keep_joining(self._config.gossip.join)),
        ]
        return tasks if self._journal is None else [*tasks, ("journal", self._journal.keep(self.clock.now))]

    async def _watch_driver(self) -> None:
        await asyncio.shield(self.driver.died)

    async def _keep_saving(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            await self.save()

    async def save(self) -> None:
        """Save the node's state. A disk that refuses is a warning: we go on with what we know."""
        try:
            await self._state.save(self.node.export_state())
        except OSError as error:
            self._log.say("warning", "state_unsaved", f"cannot save state: {error}")

    async def say_goodbye(self, kind: StopKind, hurry: asyncio.Event) -> None:
        """Tell the pool that we go, and give that a moment to get out (none if we are alone). Who leaves for
        good hands over first what only it holds; ``hurry`` ends that, too."""
        self._ended = kind.value
        self.notifier.send("STOPPING=1", f"STATUS=stopping ({kind.value})")
        self._log.say("info", "stopping", f"stopping ({kind.value})", kind=kind.value)
        alone = self._joining.alone()
        self.driver.submit(Stop(kind=kind))
        while self.node.farewell.handing_over:
            if await _within(hurry, HAND_OVER_POLL_S):
                self.driver.submit(Stop(kind=kind))  # said twice: at once
        if not alone:
            done_s = self.node.swim.leave_done_s or 0.0
            await _within(
                hurry, min(max(done_s - self.clock.now().mono_s, SHORTEST_GOODBYE_S), LONGEST_GOODBYE_S)
            )
        await self.save()

    async def close(self) -> None:
        """Stop serving and give everything up."""
        self.driver.close()
        if self._journal is not None:
            await self._journal.flush(self.clock.now(), self._ended)
            self._journal.close()
        await self._http.close()
        await self._resp.close()
        await self._transfer.close()
        await self._gossip.close()
        await self._worker.close()
        await self._peers.close()
        await self._session.close()

    # ---- what the outside may see and do --------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """A frozen view of the node."""
        return self.node.snapshot(self.clock.now())

    def checks(self, snapshot: Snapshot) -> Mapping[str, bool]:
        """What makes this agent ready, all of it local (that it answers says that its sockets are bound)."""
        return {
            "node_running": not self.driver.died.done(),
            "not_leaving": not snapshot.leaving,
            "not_draining": snapshot.zone not in snapshot.draining,
        }

    def command(self, event: Event) -> None:
        """An event from the status endpoint; those that end the agent or name hosts take a turn here
        first."""
        match event:
            case Stop(kind=kind):
                if not self._stop.done():
                    self._stop.set_result(kind)
            case Join(seeds=seeds):
                self._spawn(self._joining.join(seeds), "join by command")
            case _:
                self.driver.submit(event)

    def status_line(self) -> str:
        """One line for ``systemctl status``."""
        view = self.snapshot()
        return f"{len(view.members)} members, ring {view.ring.ring_id}, {view.cache.objects} copies"

    def _gossiped(self, event: Event) -> None:
        self.driver.submit(event)

    def _counters(self) -> dict[str, Mapping[str, float]]:
        return {
            "driver": self.driver.counters(),
            "http": {"refused_connections": self._http.refused},
            "resp": self._resp.counters(),
            "transfer": {"refused_connections": self._transfer.refused},
            "log": self._log.counts,
            "state": {"saved_bytes": self._state.saved_bytes},
            "journal": {} if self._journal is None else self._journal.counters,
            "gossip_io": {**self._gossip.counters, **self._gossip.refusals.counters},
            "serf_keys": self._keys.serf.counters,
            "gossip_key": self._wear.counters(),
            "forecast_worker": {"starts": self._worker.starts, "failures": self._worker.failures},
        }


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Whether it was set in that time."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


def _sealing(config: Config, keyring: Keyring) -> Seal:
    gossip = config.gossip
    return Seal(keyring, gossip.label, gossip.verify_incoming, gossip.verify_outgoing)


def _addressed(config: Config, sockets: Sockets) -> NodeSettings:
    """The node's settings with the ports that were bound, where the configuration said "any" (0)."""
    changes: dict[str, Any] = {}
    for name, sock, listen in (
        ("peer_address", sockets.peer, config.peer.listen),
        ("http_address", sockets.http, config.http.listen),
        ("resp_address", sockets.resp, config.resp.listen),
    ):
        told = getattr(config.node, name)
        if listen[1] == 0 and told is not None:
            changes[name] = (told[0], sock.getsockname()[1])
    return replace(config.node, **changes) if changes else config.node
