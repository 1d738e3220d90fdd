"""Network coordinates: where a member is, such that distance predicts round-trip time (Vivaldi, as in Serf).

Each ack carries the sender's coordinate; with the measured round trip the receiver moves its own a little, as
if a spring pulled it. After some rounds the distance to any member is known without ever having pinged it:
"nearest holder" needs just that. Eight dimensions and a height (the access link), an adjustment for what
Euclid cannot express, gravity against drift. Constants and order of steps are those of Serf's coordinate
client, since members of both kinds share one space. Ledlie et al., "Network Coordinates in the Wild" (2007).
"""

from __future__ import annotations

import math
import random
from collections import OrderedDict
from typing import NamedTuple

from zoned.core.errors import PeerError
from zoned.core.gossip.wire import pack_old, unpack_map
from zoned.core.names import NodeName

_DIMENSIONS = 8
_ERROR_MAX = 1.5
_CE = 0.25
_CC = 0.25
_WINDOW = 20
_HEIGHT_MIN = 10e-6
_FILTER = 3
_GRAVITY_RHO = 150.0
_ZERO = 1e-6
_MAX_RTT_S = 10.0
_FILTERED_MEMBERS = 4096

Vector = tuple[float, ...]


class Coordinate(NamedTuple):
    """A place in the space; all in seconds."""

    vec: Vector
    error: float
    adjustment: float
    height: float


ORIGIN = Coordinate((0.0,) * _DIMENSIONS, _ERROR_MAX, 0.0, _HEIGHT_MIN)


def raw_distance_s(a: Coordinate, b: Coordinate) -> float:
    """Euclid plus both heights."""
    return math.dist(a.vec, b.vec) + a.height + b.height


def distance_s(a: Coordinate, b: Coordinate) -> float:
    """The predicted round trip."""
    distance = raw_distance_s(a, b)
    adjusted = distance + a.adjustment + b.adjustment
    return adjusted if adjusted > 0.0 else distance


class Vivaldi:
    """This member's own coordinate, moved by each measurement."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._samples = [0.0] * _WINDOW
        self._next = 0
        self._recent: OrderedDict[NodeName, list[float]] = OrderedDict()
        self._packed: bytes | None = None
        self.own = ORIGIN

    def payload(self) -> bytes:
        """Our coordinate as an ack carries it: version 1, then a map."""
        if self._packed is None:
            vec, error, adjustment, height = self.own
            fields = {"Adjustment": adjustment, "Error": error, "Height": height, "Vec": list(vec)}
            self._packed = b"\x01" + pack_old(fields)
        return self._packed

    def measured(self, node: NodeName, theirs: Coordinate, rtt_s: float) -> None:
        """A round trip of ``rtt_s`` to a member whose coordinate is ``theirs``."""
        if not 0.0 < rtt_s <= _MAX_RTT_S:
            return
        rtt_s = self._filtered(node, rtt_s)
        own = self._pulled(theirs, rtt_s)
        self._samples[self._next] = rtt_s - raw_distance_s(own, theirs)
        self._next = (self._next + 1) % _WINDOW
        own = Coordinate(own.vec, own.error, sum(self._samples) / (2.0 * _WINDOW), own.height)
        pull = -1.0 * (distance_s(ORIGIN, own) / _GRAVITY_RHO) ** 2
        own = self._forced(own, pull, ORIGIN)
        valid = all(map(math.isfinite, (*own.vec, own.error, own.adjustment, own.height)))
        self.own = own if valid else ORIGIN
        self._packed = None

    def forget(self, node: NodeName) -> None:
        """Drop the samples of a member that is gone."""
        self._recent.pop(node, None)

    def _filtered(self, node: NodeName, rtt_s: float) -> float:
        samples = self._recent.setdefault(node, [])
        samples.append(rtt_s)
        if len(samples) > _FILTER:
            del samples[0]
        if len(self._recent) > _FILTERED_MEMBERS:
            self._recent.popitem(last=False)
        return sorted(samples)[len(samples) // 2]

    def _pulled(self, theirs: Coordinate, rtt_s: float) -> Coordinate:
        own = self.own
        distance = distance_s(own, theirs)
        rtt_s = max(rtt_s, _ZERO)
        wrongness = abs(distance - rtt_s) / rtt_s
        weight = own.error / max(own.error + theirs.error, _ZERO)
        error = min(_CE * weight * wrongness + own.error * (1.0 - _CE * weight), _ERROR_MAX)
        own = Coordinate(own.vec, error, own.adjustment, own.height)
        return self._forced(own, _CC * weight * (rtt_s - distance), theirs)

    def _forced(self, own: Coordinate, force: float, other: Coordinate) -> Coordinate:
        away = [a - b for a, b in zip(own.vec, other.vec, strict=True)]
        size = math.hypot(*away)
        if size <= _ZERO:  # on the same spot: any direction will do
            away = [self._rng.random() - 0.5 for _ in own.vec]
            scale = math.hypot(*away)
            if scale <= _ZERO:
                return own
            vec = tuple([a + force * d / scale for a, d in zip(own.vec, away, strict=True)])
            return own._replace(vec=vec)
        vec = tuple([a + force * d / size for a, d in zip(own.vec, away, strict=True)])
        height = max((own.height + other.height) * force / size + own.height, _HEIGHT_MIN)
        return Coordinate(vec, own.error, own.adjustment, height)


def parse_payload(payload: bytes) -> Coordinate | None:
    """The coordinate in an ack, None when there is none (relayed acks); PeerError for nonsense."""
    if not payload or payload[0] != 1:
        return None
    fields = unpack_map(payload[1:])
    vec = fields.get(b"Vec")
    if type(vec) is not list or len(vec) != _DIMENSIONS:
        raise PeerError("coordinate")
    numbers = [*vec, fields.get(b"Error"), fields.get(b"Adjustment"), fields.get(b"Height")]
    if not all(isinstance(each, (int, float)) and abs(each) < 1e6 for each in numbers):
        raise PeerError("coordinate")
    values = [float(each) for each in numbers]
    return Coordinate(tuple(values[:_DIMENSIONS]), *values[_DIMENSIONS:])
