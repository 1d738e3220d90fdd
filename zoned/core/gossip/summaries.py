"""Summaries of all agents: ours on its way out, theirs as last heard.

``publish`` is called every turn; a summary goes out at most every ``summary_interval_s``, later if it says
nothing new, and at once if the ring id or the drain state changed. No timer is needed: the next turn comes
anyway. The version is made from the wall clock, so it grows over restarts; should a clock go back, the
others' vectors show us a version of ours from the future and we go beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from zoned.core.errors import PeerError
from zoned.core.gossip.channel import SUMMARY, Channel, whole
from zoned.core.gossip.membership import Known
from zoned.core.gossip.summary import decode_summary, encode_summary
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import Summary, SummaryHeard
from zoned.core.names import Instant, NodeName


class _Heard(NamedTuple):
    version: int
    payload: bytes
    summary: Summary


class Summaries:
    """The newest summary of every zoned agent."""

    def __init__(self, wiring: Wiring, channel: Channel) -> None:
        self._wiring = wiring
        self._channel = channel
        self._heard: dict[NodeName, _Heard] = {}
        self._view: Mapping[NodeName, Summary] | None = None
        self._latest: Summary | None = None
        self._sent: Summary | None = None
        self._sent_s = 0.0
        self._payload = b""
        self._version = 0

    def publish(self, summary: Summary, now: Instant) -> None:
        """This is what we have to say now."""
        self._latest = summary
        sent, settings = self._sent, self._wiring.settings
        if sent is not None:
            urgent = (summary.ring_id, summary.draining, summary.drained) != (
                sent.ring_id,
                sent.draining,
                sent.drained,
            )
            passed_s = now.mono_s - self._sent_s
            if not urgent and passed_s < settings.summary_interval_s:
                return
            same = not urgent and replace(summary, made_wall_s=sent.made_wall_s) == sent
            if same and passed_s < settings.summary_refresh_s:
                return
        self._send(now)

    def _send(self, now: Instant) -> None:
        assert self._latest is not None, "nothing was published"
        payload = encode_summary(self._latest, self._wiring.settings.room_bytes - 128)
        self._sent, self._sent_s = self._latest, now.mono_s
        if len(payload) > self._wiring.settings.summary_limit_bytes:
            self._wiring.count("summaries_too_large")
            return
        self._payload = payload
        self._version = max(self._version + 1, int(now.wall_s * 1000))
        self._wiring.count("summaries_sent")
        me = self._wiring.me.node
        self._channel.push((SUMMARY, me, me, self._version, payload))

    def hear(self, fields: list[Any], now: Instant) -> None:
        """[kind, sender, node, version, payload]: somebody's summary, from itself or passed on."""
        node, version, payload = fields[2:5]
        known = self._wiring.table.get(node) if type(node) is str else None
        if known is None or not known.is_zoned() or node == self._wiring.me.node:
            self._wiring.count("summaries_of_strangers")
            return
        heard = self._heard.get(node)
        if heard is not None and whole(version) <= heard.version:
            self._wiring.count("summaries_old")
            return
        if type(payload) is not bytes:
            raise PeerError("summary")
        summary = decode_summary(payload, self._wiring.settings.summary_limit_bytes)
        if summary.node != node:
            raise PeerError("summary", "of another")
        self._heard[node] = _Heard(whole(version), payload, summary)
        self._view = None
        self._wiring.count("summaries_heard")
        self._wiring.news.append(SummaryHeard(summary))

    def version(self, node: NodeName) -> int:
        """The newest version that we have of that agent's summary, 0 for none."""
        if node == self._wiring.me.node:
            return self._version
        heard = self._heard.get(node)
        return heard.version if heard is not None else 0

    def compare(self, peer: Known, node: NodeName, theirs: int, now: Instant) -> bool:
        """Tell ``peer``, who has version ``theirs``, if we have a newer one; True if it has."""
        mine = self.version(node)
        if node == self._wiring.me.node:
            if theirs > mine and self._latest is not None:
                self._version = theirs
                self._send(now)
            elif theirs < mine:
                self._channel.tell(peer, (SUMMARY, node, node, mine, self._payload))
            return False
        if theirs < mine:
            payload = self._heard[node].payload
            self._channel.tell(peer, (SUMMARY, self._wiring.me.node, node, mine, payload))
        return theirs > mine

    def gone(self, node: NodeName) -> None:
        """The agent is not up any more."""
        if self._heard.pop(node, None) is not None:
            self._view = None

    def view(self) -> Mapping[NodeName, Summary]:
        """The others' summaries by name, sorted; the same object while nothing changed."""
        if self._view is None:
            self._view = MappingProxyType({node: self._heard[node].summary for node in sorted(self._heard)})
        return self._view
