"""The RESP front: reads through the agent for whoever speaks the Redis protocol.

``GET shop:prices/42`` with any Redis client, redis-cli or redis-benchmark; RESP2 and RESP3. What there is of
Redis: reading, invalidating (``DEL``) and what clients ask on connecting. Writes are refused with the reason.

This file is the front as a whole: who may connect, which command goes where, and what is watched. The parts:
``resp_parser`` (bytes to commands), ``resp_connection`` (order, limits), ``resp_reads`` (commands on
instances), ``resp_admin`` (all others), ``resp_table`` (what there is), ``resp_replies`` (values to bytes);
and the hot lane: ``resp_ready`` (replies that are ready) and ``resp_uses`` (what the node is told of them).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from zoned.core.names import Dependency
from zoned.daemon.clock import Clock
from zoned.daemon.driver import Driver
from zoned.daemon.fronts import resp_replies as say
from zoned.daemon.fronts.resp_admin import Admin, Sections, process_section, unknown, wrong_count
from zoned.daemon.fronts.resp_connection import IDLE_S, RespConnection
from zoned.daemon.fronts.resp_parser import MAX_BULK_BYTES
from zoned.daemon.fronts.resp_reads import InstanceCommands, Refused
from zoned.daemon.fronts.resp_ready import ReadyReplies
from zoned.daemon.fronts.resp_session import Counts, Session
from zoned.daemon.fronts.resp_table import READ_ONLY, STRANGERS, TABLE, WRITES
from zoned.daemon.fronts.resp_uses import Uses
from zoned.daemon.stores import MemoryStore

MAX_CONNECTIONS = 1024
MAX_READY_BYTES = 64 << 20
"""Room for ready replies, over the store's own; never more than an eighth of it."""
BACKLOG = 512
WATCH_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What INFO and CONFIG GET tell of the agent."""

    version: str
    store: MemoryStore
    max_bytes: int


class RespFront:
    """The listener and everything behind it. Belongs to one event loop."""

    def __init__(
        self,
        driver: Driver,
        clock: Clock,
        dependencies: Collection[Dependency],
        about: About,
        password: str | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self.counts = Counts()
        self.now_s: Callable[[], float] = clock.mono_s
        self._about = about
        self._max_connections = max_connections
        self._born_s = clock.mono_s()
        self._connections: dict[RespConnection, Session] = {}
        self._port = 0
        self._server: asyncio.Server | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._admin = Admin(password, clock, self._sessions, self._sections, self._limits())
        self.ready = ReadyReplies(about.store, min(MAX_READY_BYTES, about.max_bytes // 8))
        self.uses = Uses(driver, self.now_s, self.counts)
        self.timed: Callable[[float], None] = driver.served_locally
        self._instances = InstanceCommands(driver, clock, dependencies, self.counts, self.ready)

    async def start(self, sock: socket.socket) -> None:
        """Serve on this socket, which is closed with the front."""
        loop = asyncio.get_running_loop()
        self._port = sock.getsockname()[1]
        self._server = await loop.create_server(lambda: RespConnection(self), sock=sock, backlog=BACKLOG)
        self._watch = loop.call_later(WATCH_EVERY_S, self._look)
        self.uses.start()

    async def close(self) -> None:
        """Take no more connections, and close those there are."""
        if self._watch is not None:
            self._watch.cancel()
        self.uses.close()
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()

    # ---- connections --------------------------------------------------------------------------------

    def welcome(self, connection: RespConnection, transport: asyncio.Transport) -> Session | None:
        """A session for a new connection; None when there are too many."""
        self.counts.connections += 1
        if len(self._connections) >= self._max_connections:
            self.counts.refused_connections += 1
            return None
        peer, now_s = transport.get_extra_info("peername"), self.now_s()
        address = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else ""
        session = Session(self.counts.connections, address, self._admin.open, now_s, now_s)
        self._connections[connection] = session
        return session

    def farewell(self, connection: RespConnection) -> None:
        """A connection ended."""
        self._connections.pop(connection, None)

    def _look(self) -> None:
        """See which connections have been silent, or have left their answers unread, for too long."""
        now_s = self.now_s()
        for connection in list(self._connections):
            why = connection.overdue(now_s)
            if why is not None:
                setattr(self.counts, why.value, getattr(self.counts, why.value) + 1)
                connection.close(at_once=True)
        self._watch = asyncio.get_running_loop().call_later(WATCH_EVERY_S, self._look)

    # ---- commands -----------------------------------------------------------------------------------

    def perform(self, connection: RespConnection, args: list[bytes]) -> bytes | None:
        """Do one command; its reply, or None when a place has been kept for it."""
        self.counts.commands += 1
        session, name = connection.session, args[0].upper()
        command = TABLE.get(name.decode("latin-1").lower())
        session.last = "unknown" if command is None else command.name
        if command is None:
            return self._unknown(session, name, args)
        if not session.trusted and not command.stranger:
            return self._error("NOAUTH Authentication required.")
        if not command.fits(len(args)):
            return self._error(wrong_count(command))
        on_instances = self._instances.handlers.get(command.name)
        if on_instances is None:
            failed_before = session.failed_auths
            reply = self._admin.handlers[command.name](session, args)
            self.counts.failed_auths += session.failed_auths - failed_before
            return reply
        try:
            return on_instances(connection, args)
        except Refused as refusal:
            return self._error(str(refusal))

    def encoded(self, encode: Callable[[], bytes] | None) -> bytes:
        """The reply that had to wait, now that its turn has come."""
        assert encode is not None
        try:
            return encode()
        except Refused as refusal:
            return self._error(str(refusal))

    def _unknown(self, session: Session, name: bytes, args: list[bytes]) -> bytes:
        if name in STRANGERS:
            session.closing = True
            return self._error("ERR this is not an HTTP server")
        if not session.trusted:
            return self._error("NOAUTH Authentication required.")
        if name in WRITES:
            return self._error(READ_ONLY.format(name=name.decode()))
        return self._error(unknown(args))

    def _error(self, text: str) -> bytes:
        self.counts.errors += 1
        return say.error(text)

    # ---- what is told -------------------------------------------------------------------------------

    def counters(self) -> Mapping[str, float]:
        """For the metrics."""
        told = {**self.counts.metrics(), **self.ready.counters()}
        return {**told, "open_connections": len(self._connections)}

    def _sessions(self) -> Iterable[Session]:
        return self._connections.values()

    def _limits(self) -> dict[str, str]:
        return {
            "save": "",
            "appendonly": "no",
            "databases": "1",
            "maxclients": str(self._max_connections),
            "maxmemory": str(self._about.max_bytes),
            "timeout": str(int(IDLE_S)),
            "proto-max-bulk-len": str(MAX_BULK_BYTES),
        }

    def _sections(self) -> Sections:
        counts, store, about = self.counts, self._about.store, self._about
        return {
            "Server": {
                **process_section(),
                "zoned_version": about.version,
                "tcp_port": self._port,
                "uptime_in_seconds": int(self.now_s() - self._born_s),
            },
            "Clients": {
                "connected_clients": len(self._connections),
                "maxclients": self._max_connections,
            },
            "Memory": {"used_memory": store.used_bytes, "maxmemory": about.max_bytes},
            "Persistence": {"loading": 0},
            "Stats": {
                "total_connections_received": counts.connections,
                "total_commands_processed": counts.commands,
                "rejected_connections": counts.refused_connections,
                "keyspace_hits": counts.hits,
                "keyspace_misses": counts.misses,
                "total_error_replies": counts.errors + counts.protocol_errors,
            },
            "Replication": {"role": "master", "connected_slaves": 0},
            "Keyspace": {"db0": f"keys={len(store)},expires=0,avg_ttl=0"},
        }
