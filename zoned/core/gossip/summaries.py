"""Summaries of all agents: ours on its way out, theirs as last heard.

``publish`` is called every turn; a summary goes out at most every ``summary_interval_s``, later if it says
nothing new, and at once if the ring id, the drain state or a newcomer's pending shards changed. No timer is
needed: the next turn comes anyway. The version is made from the wall clock, so it grows over restarts; should
a clock go back, the others' versions show us one of ours from the future and we go beyond it.

What goes out is mostly a patch upon the version before (``patch.py``). Who lacks that version (a packet was
lost, or it is new here) gets the whole summary when versions are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from zoned.core.errors import PeerError
from zoned.core.gossip.channel import SUMMARY, Channel, whole
from zoned.core.gossip.membership import Known
from zoned.core.gossip.patch import apply_patch, encode_patch
from zoned.core.gossip.summary import decode_summary, encode_summary
from zoned.core.gossip.versions import Versions
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import Summary, SummaryHeard
from zoned.core.names import Instant, NodeName

_ITEM_BYTES = 64  # at most what an item takes besides its data, with a name of usual length
_MAX_ITEMS = 4096


class Item(NamedTuple):
    """A summary as it travels: ``data`` is all of it, or what makes it of version ``base`` (if not 0)."""

    node: NodeName
    base: int
    version: int
    data: bytes


class _Heard(NamedTuple):
    version: int
    summary: Summary
    base: int  # the version before it, 0 when it came whole
    data: bytes  # as it came


class Summaries:
    """The newest summary of every zoned agent."""

    def __init__(self, wiring: Wiring, channel: Channel, versions: Versions) -> None:
        self._wiring = wiring
        self._channel = channel
        self._versions = versions
        self._heard: dict[NodeName, _Heard] = {}
        self._view: Mapping[NodeName, Summary] | None = None
        self._latest: Summary | None = None
        self._sent: Summary | None = None
        self._sent_s = 0.0
        self._patch: Item | None = None  # from the version before to the present one
        self._payload = b""
        self._version = 0

    # ---- ours ----

    def publish(self, summary: Summary, now: Instant) -> None:
        """This is what we have to say now."""
        self._latest = summary
        sent, settings = self._sent, self._wiring.settings
        if sent is not None:
            urgent = _urgent(summary) != _urgent(sent)
            passed_s = now.mono_s - self._sent_s
            if not urgent and passed_s < settings.summary_interval_s:
                return
            same = not urgent and replace(summary, made_wall_s=sent.made_wall_s) == sent
            if same and passed_s < settings.summary_refresh_s:
                return
        self._send(now)

    def _send(self, now: Instant) -> None:
        assert self._latest is not None, "nothing was published"
        before, base = self._sent, self._version
        payload = self._encoded(self._latest)
        self._sent, self._sent_s = self._latest, now.mono_s
        if len(payload) > self._wiring.settings.summary_limit_bytes:
            self._wiring.count("summaries_too_large")
            return
        patch = None
        if before is not None and self._payload:
            patch = encode_patch(before, self._latest, len(payload))
        self._payload = payload
        self._version = max(self._version + 1, int(now.wall_s * 1000))
        me = self._wiring.me.node
        self._versions.summary(me, self._version, now.mono_s)
        self._patch = None
        if patch is not None:
            self._patch = Item(me, base, self._version, patch)
            self._wiring.count("patches_sent")
        self._wiring.count("summaries_sent")
        self._channel.push((SUMMARY, me, (self._patch or Item(me, 0, self._version, payload),)))

    def _encoded(self, summary: Summary) -> bytes:
        return encode_summary(summary, self._wiring.settings.room_bytes - 128)

    # ---- theirs ----

    def hear(self, fields: list[Any], now: Instant) -> None:
        """[kind, sender, [[node, base, version, data], ...]]: summaries, the sender's or passed on."""
        items = fields[2]
        if type(items) is not list or len(items) > _MAX_ITEMS:
            raise PeerError("summary")
        for item in items:
            if type(item) is not list or len(item) != 4 or type(item[3]) is not bytes:
                raise PeerError("summary")
            node, base, version, data = item
            self._hear(node, whole(base), whole(version), data, now)

    def _hear(self, node: object, base: int, version: int, data: bytes, now: Instant) -> None:
        known = self._wiring.table.get(node) if type(node) is str else None
        if known is None or not known.is_zoned() or known.node == self._wiring.me.node:
            self._wiring.count("summaries_of_strangers")
            return
        node = known.node
        heard = self._heard.get(node)
        if heard is not None and version <= heard.version:
            self._wiring.count("summaries_old")
            return
        if base == 0:
            summary = decode_summary(data, self._wiring.settings.summary_limit_bytes)
        elif heard is not None and heard.version == base:
            summary = apply_patch(heard.summary, data)
        else:
            self._wiring.count("patches_unusable")
            return
        if summary.node != node:
            raise PeerError("summary", "of another")
        self._heard[node] = _Heard(version, summary, base, data)
        self._versions.summary(node, version, now.mono_s)
        self._view = None
        self._wiring.count("summaries_heard")
        self._wiring.news.append(SummaryHeard(summary))

    # ---- comparing ----

    def version(self, node: NodeName) -> int:
        """The newest version that we have of that agent's summary, 0 for none."""
        if node == self._wiring.me.node:
            return self._version
        heard = self._heard.get(node)
        return heard.version if heard is not None else 0

    def newer(self, node: NodeName, theirs: int, now: Instant) -> Item | None:
        """What somebody lacks who has version ``theirs``; None when that is as new as ours, or newer."""
        mine = self.version(node)
        if node == self._wiring.me.node:
            if theirs > mine and self._latest is not None:
                self._version = theirs
                self._payload = b""  # nobody has what we sent last under that number
                self._send(now)
            if theirs >= mine:
                return None
            if self._patch is not None and self._patch.base == theirs:
                return self._patch
            return Item(node, 0, mine, self._payload)
        if theirs >= mine:
            return None
        heard = self._heard[node]
        if heard.base == theirs or not heard.base:
            return Item(node, heard.base, mine, heard.data)
        return Item(node, 0, mine, self._encoded(heard.summary))

    def tell(self, peer: Known, items: Sequence[Item]) -> None:
        """Send these to one agent, in as few messages as packets and streams allow."""
        limit = self._wiring.settings.room_bytes - _ITEM_BYTES
        most = self._wiring.settings.summary_limit_bytes
        small = [item for item in items if len(item.data) + _ITEM_BYTES < limit]
        self._tell(peer, small, limit)
        self._tell(peer, [item for item in items if len(item.data) + _ITEM_BYTES >= limit], most)

    def _tell(self, peer: Known, items: Sequence[Item], limit: int) -> None:
        batch: list[Item] = []
        size = 0
        for item in items:
            added = len(item.data) + len(item.node) + 32
            if batch and size + added > limit:
                self._channel.tell(peer, (SUMMARY, self._wiring.me.node, batch))
                batch, size = [], 0
            batch.append(item)
            size += added
        if batch:
            self._channel.tell(peer, (SUMMARY, self._wiring.me.node, batch))

    def gone(self, node: NodeName) -> None:
        """The agent is not up any more."""
        if self._heard.pop(node, None) is not None:
            self._view = None

    def view(self) -> Mapping[NodeName, Summary]:
        """The others' summaries by name, sorted; the same object while nothing changed."""
        if self._view is None:
            self._view = MappingProxyType({node: self._heard[node].summary for node in sorted(self._heard)})
        return self._view


def _urgent(summary: Summary) -> tuple[object, ...]:
    """What nobody may learn late."""
    return summary.ring_id, summary.draining, summary.drained, summary.warming
