"""Cache digests on the move: our holdings going out, the others' coming in, gaps repaired.

The happy way is one small packet per flush. Everything else is repair:

    flush n+1 arrives, we are at n         apply
    flush n+5 arrives, we are at n         PULL from its agent; it answers with n+1 .. or, if it kept no
                                           such old ones, with HEAD
    HEAD, or a new epoch beyond flush 1    take a snapshot from the agent itself, by stream, in pieces

Only the agent itself gives snapshots (one that cannot be reached has nothing to fetch either); its recent
flushes can also come from third parties, by the vectors of ``reconcile.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zoned.core.errors import PeerError
from zoned.core.gossip.channel import DELTA, HEAD, PIECE, PULL, Channel, encode_body, whole
from zoned.core.gossip.holdings import Flush, HoldingsLog, OwnHoldings, unpack_fingerprints
from zoned.core.gossip.membership import Known
from zoned.core.gossip.messages import User
from zoned.core.gossip.snapshots import Snapshots
from zoned.core.gossip.stream import encode_stream
from zoned.core.gossip.timers import Timer
from zoned.core.gossip.versions import Versions
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import HoldingsHeard
from zoned.core.names import Fingerprint, Instant, NodeName

_PULL_PAUSE_S = 0.2
_MAX_FLUSHES = 4096
_GIVEN_PIECES = 4
"""Flushes given at once are about as long as so many pieces of a snapshot: all in one message could be more
than a stream may carry. The rest is given at the next comparison."""


class Digests:
    """Who holds what, by versions."""

    def __init__(self, wiring: Wiring, channel: Channel, versions: Versions, now: Instant) -> None:
        settings = wiring.settings
        self._wiring = wiring
        self._channel = channel
        self._versions = versions
        self.own = OwnHoldings(max(1, int(now.wall_s * 1000)), settings.holdings_log, settings.snapshot_chunk)
        self._heard: dict[NodeName, HoldingsLog] = {}
        self._snapshots = Snapshots(wiring, channel, versions, self._heard)
        self._pulled_s: dict[NodeName, float] = {}
        self._timer: Timer | None = None

    # ---- ours ----

    def note(self, held: Iterable[Fingerprint], dropped: Iterable[Fingerprint], now: Instant) -> None:
        """Our cache changed."""
        settings = self._wiring.settings
        if not settings.digests:
            return
        own = self.own
        own.note(held, dropped)
        if own.pending >= settings.holdings_flush_count:
            self._flush(now)
        elif own.pending and self._timer is None:
            self._timer = self._wiring.timers.at(now.mono_s + settings.holdings_flush_s, self._flush)

    def _flush(self, now: Instant) -> None:
        self._wiring.timers.cancel(self._timer)
        self._timer = None
        flush = self.own.flush()
        if self.own.pending:  # a great many: one stream each, and not all at once
            soon_s = now.mono_s + self._wiring.settings.holdings_flush_s
            self._timer = self._wiring.timers.at(soon_s, self._flush)
        if flush is None:
            return
        self._wiring.count("flushes_sent")
        me, log = self._wiring.me.node, self.own.log
        self._versions.holdings(me, log.epoch, log.version, now.mono_s)
        self._channel.push((DELTA, me, me, log.epoch, log.version, (flush.held, flush.dropped)))

    # ---- theirs ----

    def delta(self, fields: list[Any], now: Instant) -> None:
        """[kind, sender, node, epoch, first version, [held, dropped, held, ...]]: some flushes."""
        node, epoch, first, arrays = fields[2], whole(fields[3]), whole(fields[4]), fields[5]
        if not self._is_other(node):
            return
        if type(arrays) is not list or len(arrays) % 2 or len(arrays) > 2 * _MAX_FLUSHES:
            raise PeerError("delta")
        log = self._heard.get(node)
        if log is None:
            log = self._heard[node] = HoldingsLog(0, 0, self._wiring.settings.relay_log)
        if epoch < log.epoch:
            self._wiring.count("flushes_old")
            return
        before = log.epoch, log.version
        if epoch > log.epoch and first == 1:
            log.restart(epoch, 0)
        if epoch > log.epoch or first > log.version + 1:
            self._wiring.count("flush_gaps")
            self._pull(node, log, now)
            return
        try:
            for at in range(2 * (log.version + 1 - first), len(arrays), 2):
                self._apply(node, log, arrays[at], arrays[at + 1])
        finally:
            if (log.epoch, log.version) != before:
                self._versions.holdings(node, log.epoch, log.version, now.mono_s)

    def _apply(self, node: NodeName, log: HoldingsLog, held: object, dropped: object) -> None:
        if type(held) is not bytes or type(dropped) is not bytes:
            raise PeerError("delta")
        news = HoldingsHeard(node, unpack_fingerprints(held), unpack_fingerprints(dropped), log.version == 0)
        log.append(Flush(held, dropped))
        self._wiring.count("flushes_heard")
        self._wiring.news.append(news)

    def head(self, fields: list[Any], now: Instant) -> None:
        """[kind, sender, node, epoch, version]: so far is its log; what we lack is not in it any more."""
        node, epoch, version = fields[2], whole(fields[3]), whole(fields[4])
        log = self._heard.get(node) if type(node) is str else None
        if self._is_other(node) and (log is None or (epoch, version) > (log.epoch, log.version)):
            self._snapshots.take(node)

    def pull(self, fields: list[Any], now: Instant) -> None:
        """[kind, sender, epoch, version]: somebody lacks flushes of ours."""
        peer = self._wiring.table.get(fields[1])
        if peer is not None and peer.is_zoned():
            self._give(peer, self._wiring.me.node, self.own.log, whole(fields[2]), whole(fields[3]))

    def _pull(self, node: NodeName, log: HoldingsLog, now: Instant) -> None:
        """Ask the agent itself for what we lack, not too often."""
        peer = self._wiring.table.get(node)
        if peer is None or self._snapshots.taking(node):
            return
        if now.mono_s - self._pulled_s.get(node, float("-inf")) < _PULL_PAUSE_S:
            return
        self._pulled_s[node] = now.mono_s
        if log.version == 0:
            self._snapshots.take(node)
        else:
            self._channel.tell(peer, (PULL, self._wiring.me.node, log.epoch, log.version))

    def _give(self, peer: Known, node: NodeName, log: HoldingsLog, epoch: int, version: int) -> bool:
        """Send the flushes that ``peer`` lacks; only for our own log: or say how far it is."""
        if epoch != log.epoch:
            version = 0
        flushes = log.since(version)
        me = self._wiring.me.node
        if flushes is None:
            if node == me:
                self._channel.tell(peer, (HEAD, me, me, log.epoch, log.version))
            return False
        arrays: list[bytes] = []
        room = _GIVEN_PIECES * 4 * self._wiring.settings.snapshot_chunk
        for flush in flushes:
            if room < 0:
                break
            arrays += flush
            room -= len(flush.held) + len(flush.dropped)
        if arrays:
            self._channel.tell(peer, (DELTA, me, node, log.epoch, version + 1, arrays))
        return True

    # ---- comparing ----

    def entry(self, node: NodeName) -> tuple[int, int, int]:
        """(epoch, version, first version kept) of that agent's log here; an empty log has no epoch yet, so
        that those who never heard of it agree with its owner."""
        log = self.own.log if node == self._wiring.me.node else self._heard.get(node)
        return (log.epoch, log.version, log.first) if log is not None and log.version else (0, 0, 1)

    def compare(self, peer: Known, node: NodeName, theirs: tuple[int, int, int], now: Instant) -> bool:
        """Give ``peer`` what it lacks of that log; True if it can give us what we lack."""
        epoch, version, first = theirs
        if node == self._wiring.me.node:
            log = self.own.log
            if (epoch, version) > (log.epoch, log.version):
                self.own.rise(epoch)
                self._versions.holdings(node, log.epoch, log.version, now.mono_s)
                self._channel.push((HEAD, node, node, log.epoch, log.version))
            elif log.version:
                self._give(peer, node, log, epoch, version)
            elif version:  # it remembers what we held before we restarted
                self._channel.tell(peer, (HEAD, node, node, log.epoch, 0))
            return False
        heard = self._heard.get(node)
        mine = (heard.epoch, heard.version) if heard is not None else (0, 0)
        if (epoch, version) < mine and heard is not None:
            self._give(peer, node, heard, epoch, version)
            return False
        if (epoch, version) == mine or not version:
            return False
        have = mine[1] if mine[0] == epoch else 0
        if first <= have + 1:
            return True
        if have and heard is not None:
            self._pull(node, heard, now)  # who passes news on keeps less of it than its agent
        else:
            self._snapshots.take(node)
        return False

    # ---- snapshots ----

    def piece(self, fields: list[Any]) -> bytes:
        """[kind, sender, version, index]: the stream answer with that piece of our snapshot."""
        version, pieces, content = self.own.piece(whole(fields[2]), whole(fields[3]))
        log = self.own.log
        answer = (PIECE, self._wiring.me.node, log.epoch, version, fields[3], pieces, content)
        self._wiring.count("snapshot_pieces_sent")
        return encode_stream(User(encode_body(answer)))

    def gone(self, node: NodeName) -> None:
        """The agent is not up any more: should it come back, we start from a snapshot."""
        self._heard.pop(node, None)
        self._snapshots.gone(node)
        self._pulled_s.pop(node, None)

    def _is_other(self, node: object) -> bool:
        """Whether that is another zoned agent that is up."""
        known = self._wiring.table.get(node) if type(node) is str else None
        if known is None or not known.is_zoned() or node == self._wiring.me.node:
            self._wiring.count("flushes_of_strangers")
            return False
        return True
