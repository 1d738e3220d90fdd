"""What follows what, told to the other zones: evidence, not conclusions.

A page's parts are the same in every zone, but a zone alone must see each pair a few times before it may
believe it, and by then the day is half over. So agents tell what they have counted since they told last: so
many occurrences of an instance, so many of each that followed. Whoever hears it adds it to its own counts,
as if its own clients had done that. Nothing is repaired: evidence that got lost is missing, and there will
be more. What was heard is not passed on, so nothing is counted twice.

The sender picks what to tell and how often (``GraphSettings.share_*``); here rows are packed into packets.
Rejected: telling finished associations (three zones with one sighting each would never tell).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from zoned.core.errors import PeerError
from zoned.core.gossip.channel import PAIRS, Channel
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import Follower, PairsHeard, Sighting
from zoned.core.names import MAX_KEY_BYTES, InstanceKey

_MOST_ROWS, _MOST_FOLLOWERS, _MOST_COUNT = 256, 64, 1 << 20
_MOST_LAG_MS = 10**9
_ROW_BYTES = 17  # what a row or follower takes besides its key, at most
_HEAD_BYTES = 16  # ... and a packet besides its rows and our name

_Row: TypeAlias = tuple[str, bytes, int, list[tuple[str, bytes, int, int]]]


class Pairs:
    """Our evidence on its way out, theirs on its way in."""

    def __init__(self, wiring: Wiring, channel: Channel) -> None:
        self._wiring = wiring
        self._channel = channel

    def paired(self, sightings: Iterable[Sighting]) -> None:
        """Tell these, in as few packets as they fit into."""
        room = self._wiring.settings.room_bytes - _HEAD_BYTES - len(self._wiring.me.node.encode())
        rows: list[_Row] = []
        size = 0
        for sighting in sightings:
            row, length = _told(sighting)
            if rows and size + length > room:
                self._tell(rows)
                rows, size = [], 0
            rows.append(row)
            size += length
        if rows:
            self._tell(rows)

    def _tell(self, rows: list[_Row]) -> None:
        self._wiring.count("pairs_sent", len(rows))
        self._channel.push((PAIRS, self._wiring.me.node, rows))

    def hear(self, fields: list[Any]) -> None:
        """[kind, sender, rows]: what was seen there."""
        rows = fields[2]
        if type(rows) is not list or len(rows) > _MOST_ROWS:
            raise PeerError("pairs_limit")
        try:
            sightings = tuple([_sighting(*row) for row in rows])
        except (TypeError, ValueError) as error:
            raise PeerError("pairs", type(error).__name__) from error
        self._wiring.count("pairs_heard", len(rows))
        self._wiring.news.append(PairsHeard(fields[1], sightings))


def _told(sighting: Sighting) -> tuple[_Row, int]:
    """[dependency, key, times, followers: [dependency, "" for the same; key; support; lag in ms]] as it is
    packed, and how many bytes that takes at most."""
    (dependency, raw), times, followers = sighting
    length, told = _ROW_BYTES + len(dependency.encode()) + len(raw), []
    for (name, key), support, lag_s in followers:
        if name == dependency:
            name = ""
        told.append((name, key, support, round(1e3 * lag_s)))
        length += _ROW_BYTES + len(name.encode()) + len(key)
    return (dependency, raw, times, told), length


def _sighting(dependency: Any, key: Any, count: Any, followers: Any) -> Sighting:
    if type(followers) is not list or len(followers) > _MOST_FOLLOWERS:
        raise PeerError("pairs_limit")
    known = []
    for name, raw, support, lag_ms in followers:
        instance = _key(dependency if name == "" else name, raw, support)
        known.append(Follower(instance, support, _lag_s(lag_ms)))
    return Sighting(_key(dependency, key, count), count, tuple(known))


def _key(dependency: Any, key: Any, count: Any) -> InstanceKey:
    """The instance that something was counted of; PeerError unless it is one, and that a count."""
    if type(dependency) is not str or len(dependency) > 256:
        raise PeerError("pairs", "name")
    if type(key) is not bytes or not 0 < len(key) <= MAX_KEY_BYTES:
        raise PeerError("pairs", "key")
    if type(count) is not int or not 0 <= count <= _MOST_COUNT:
        raise PeerError("pairs", "count")
    return InstanceKey(dependency, key)


def _lag_s(ms: Any) -> float:
    if type(ms) is not int or not 0 <= ms <= _MOST_LAG_MS:
        raise PeerError("pairs", "lag")
    return ms / 1e3
