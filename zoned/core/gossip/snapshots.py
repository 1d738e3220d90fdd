"""Snapshots of other agents' holdings: taken from the agent itself, by stream, in pieces.

A few at a time: a newcomer to a large pool wants one of everybody, and each is hundreds of kilobytes. The
others wait in line. A snapshot may change its version between two pieces when its owner's log has run far
ahead; then it starts again, a few times.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from zoned.core.errors import PeerError
from zoned.core.gossip.channel import PIECE, Channel, decode_body, whole
from zoned.core.gossip.holdings import HoldingsLog, unpack_fingerprints
from zoned.core.gossip.messages import User
from zoned.core.gossip.stream import decode_stream
from zoned.core.gossip.versions import Versions
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import HoldingsHeard
from zoned.core.names import Instant, NodeName

_RESTARTS = 3


class _Taking:
    """A snapshot on its way."""

    __slots__ = ("epoch", "parts", "restarts", "version")

    def __init__(self) -> None:
        self.epoch = 0
        self.version = 0
        self.parts: list[bytes] = []
        self.restarts = 0


class Snapshots:
    """Those on their way, and those that wait."""

    def __init__(
        self, wiring: Wiring, channel: Channel, versions: Versions, logs: dict[NodeName, HoldingsLog]
    ) -> None:
        """``logs``: of the other agents; a snapshot that is complete restarts its agent's."""
        self._wiring = wiring
        self._channel = channel
        self._versions = versions
        self._logs = logs
        self._taking: dict[NodeName, _Taking] = {}
        self._queued: dict[NodeName, None] = {}  # bounded by the members

    def taking(self, node: NodeName) -> bool:
        """Whether one of that agent is on its way, or will be."""
        return node in self._taking or node in self._queued

    def take(self, node: NodeName) -> None:
        """Begin a snapshot, or queue up: a newcomer to a large pool takes one of everybody."""
        if node in self._taking:
            return
        if len(self._taking) >= self._wiring.settings.snapshot_calls:
            self._queued[node] = None
            return
        self._queued.pop(node, None)
        self._ask(node, _Taking())

    def _next(self) -> None:
        while self._queued and len(self._taking) < self._wiring.settings.snapshot_calls:
            self.take(next(iter(self._queued)))

    def _ask(self, node: NodeName, taking: _Taking) -> None:
        peer = self._wiring.table.get(node)
        self._taking.pop(node, None)
        if peer is None or not peer.is_zoned():
            return
        request = (PIECE, self._wiring.me.node, taking.version, len(taking.parts))
        if self._channel.ask(peer, request, partial(self._piece_came, node, taking)):
            self._taking[node] = taking

    def _piece_came(self, node: NodeName, taking: _Taking, data: bytes | None, now: Instant) -> None:
        if self._taking.get(node) is taking:  # else the agent went away meanwhile
            del self._taking[node]
            if data is None:
                self._wiring.count("snapshots_failed")
            else:
                self._read(node, taking, data, now)
        self._next()

    def _read(self, node: NodeName, taking: _Taking, data: bytes, now: Instant) -> None:
        try:
            answer = decode_stream(data)
            if not isinstance(answer, User):
                raise PeerError("snapshot")
            fields = decode_body(answer.body)
            if fields[0] != PIECE or fields[1] != node or len(fields) != 7 or type(fields[6]) is not bytes:
                raise PeerError("snapshot")
            self._place(node, taking, fields, now)
        except PeerError as error:
            self._wiring.reject(error.reason)

    def _place(self, node: NodeName, taking: _Taking, fields: list[Any], now: Instant) -> None:
        epoch, version, index, pieces = (whole(each) for each in fields[2:6])
        if taking.version and (epoch, version) != (taking.epoch, taking.version):
            taking.restarts += 1
            if taking.restarts > _RESTARTS:
                raise PeerError("snapshot_changes")
            taking.parts, taking.version = [], 0
            self._ask(node, taking)
            return
        if index != len(taking.parts):
            raise PeerError("snapshot")
        taking.epoch, taking.version = epoch, version
        taking.parts.append(fields[6])
        if sum(map(len, taking.parts)) > 4 * self._wiring.settings.holdings_limit:
            raise PeerError("snapshot_limit")
        if len(taking.parts) < pieces:
            self._ask(node, taking)
            return
        log = self._logs.setdefault(node, HoldingsLog(0, 0, self._wiring.settings.relay_log))
        if (epoch, version) > (log.epoch, log.version):
            held = unpack_fingerprints(b"".join(taking.parts))
            log.restart(epoch, version)
            self._versions.holdings(node, epoch, version, now.mono_s)
            self._wiring.count("snapshots_taken")
            self._wiring.news.append(HoldingsHeard(node, held, (), True))

    def gone(self, node: NodeName) -> None:
        """The agent is not up any more."""
        self._taking.pop(node, None)
        self._queued.pop(node, None)
