"""A summary as bytes: what one agent tells the others about its zone, once every few seconds.

msgpack in the new dialect (only zoned agents read it), dependencies named once and then by number, since the
hottest instances share a few; zlib when it would not fit into a packet. Floats stay 64 bits: 32 would save a
fifth and make every value on the other side a different one. Version byte first, so that a later layout
can be told apart; an unknown one is dropped and counted, never guessed at.
"""

from __future__ import annotations

import math
import zlib
from collections import OrderedDict
from typing import Any

import msgpack

from zoned.core.errors import PeerError
from zoned.core.gossip import bounded
from zoned.core.gossip.wire import checked_name
from zoned.core.members import DependencyDemand, HotInstance, Summary
from zoned.core.names import GROUPS, MAX_KEY_BYTES, InstanceKey
from zoned.core.records import Load

_LAYOUT = 1
_PLAIN, _DEFLATED = 0, 1
_MAX_HOT = 4096
_MAX_DEPENDENCIES = 4096
_REMEMBERED_BYTES = 512 << 10
_ALL_GROUPS = (1 << GROUPS) - 1
_packer = msgpack.Packer(use_bin_type=True, autoreset=True)


class Remembered:
    """Summaries read lately, by their bytes: the same come from several peers, and in a simulation every
    node reads them. Bounded by bytes and not by number: as objects they take up to forty times as much, and
    a few dozen of the largest allowed would be more than all the rest of an agent."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[bytes, tuple[int, Summary]] = OrderedDict()
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, data: bytes, limit: int) -> Summary | None:
        """The summary of these bytes, if it unpacks to no more than ``limit``."""
        size, summary = self._kept.get(data, (0, None))
        if summary is None or size > limit:
            return None
        self._kept.move_to_end(data)
        return summary

    def keep(self, data: bytes, size: int, summary: Summary) -> None:
        """Remember it, which unpacked to ``size`` bytes, and forget what was not asked for longest."""
        before = self._kept.pop(data, None)
        if before is not None:
            self.held_bytes -= len(data) + before[0]
        self._kept[data] = size, summary
        self.held_bytes += len(data) + size
        while self.held_bytes > self._limit_bytes:
            dropped, (its_size, _) = self._kept.popitem(last=False)
            self.held_bytes -= len(dropped) + its_size


_remembered = Remembered(_REMEMBERED_BYTES)


def encode_summary(summary: Summary, packet_bytes: int) -> bytes:
    """``summary`` as bytes, compressed if it is longer than a packet."""
    numbers: dict[str, int] = {}
    for demand in summary.demand:
        numbers.setdefault(demand.dependency, len(numbers))
    for hot in summary.hot:
        numbers.setdefault(hot.key.dependency, len(numbers))
    load = summary.load
    body: bytes = _packer.pack(
        (
            summary.node,
            summary.zone,
            summary.made_wall_s,
            summary.ring_id,
            (load.cpu, load.memory, load.network, load.loop_lag_s),
            (summary.capacity_bytes, summary.capacity_objects, summary.used_ratio, summary.hit_ratio),
            (summary.draining, summary.drained, summary.warming, summary.warming_since_wall_s),
            list(numbers),
            [(numbers[each.dependency], *each.hour, each.day) for each in summary.demand],
            [(numbers[each.key.dependency], each.key.key, each.uses, each.size) for each in summary.hot],
        )
    )
    if len(body) > packet_bytes:
        return bytes((_LAYOUT, _DEFLATED)) + zlib.compress(body, 1)
    return bytes((_LAYOUT, _PLAIN)) + body


def decode_summary(data: bytes, limit: int) -> Summary:
    """The summary in ``data``; PeerError when it is damaged or unpacks to more than ``limit`` bytes."""
    known = _remembered.find(data, limit)
    if known is not None:
        return known
    if len(data) < 2 or data[0] != _LAYOUT or data[1] > _DEFLATED:
        raise PeerError("summary_layout")
    try:
        body = _inflated(data[2:], limit) if data[1] == _DEFLATED else data[2:]
        bounded.check(body)
        summary = _built(msgpack.unpackb(body, raw=False, use_list=False, strict_map_key=True))
    except (ValueError, TypeError, OverflowError, IndexError, zlib.error, msgpack.UnpackException) as error:
        raise PeerError("summary", type(error).__name__) from error
    _remembered.keep(data, len(body), summary)
    return summary


def _inflated(data: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj()
    body = inflater.decompress(data, limit)
    if inflater.unconsumed_tail or not inflater.eof:
        raise PeerError("summary_limit")
    return body


def _built(fields: Any) -> Summary:
    node, zone, made, ring_id, load, capacity, drain, names, demand, hot = fields
    if len(names) > _MAX_DEPENDENCIES or len(demand) > _MAX_DEPENDENCIES or len(hot) > _MAX_HOT:
        raise PeerError("summary_limit")
    for each in (node, zone, ring_id, *names):
        if type(each) is not str or len(each) > 256:
            raise PeerError("summary", "name")
    cpu, memory, network, lag = load
    capacity_bytes, capacity_objects, used, hit = capacity
    warming, since = drain[2:4] if len(drain) >= 4 else (0, 0.0)  # agents from before that leave it out
    return Summary(
        node=checked_name(node),
        zone=zone,
        made_wall_s=number(made),
        ring_id=ring_id,
        load=Load(cpu=number(cpu), memory=number(memory), network=number(network), loop_lag_s=number(lag)),
        capacity_bytes=whole_number(capacity_bytes),
        capacity_objects=whole_number(capacity_objects),
        used_ratio=number(used),
        hit_ratio=number(hit),
        demand=tuple(
            [
                DependencyDemand(names[whole_number(at)], (number(a), number(b), number(c)), number(day))
                for at, a, b, c, day in demand
            ]
        ),
        hot=hot_rows(hot, names),
        draining=drain[0] is True,
        drained=drain[1] is True,
        warming=whole_number(warming) & _ALL_GROUPS,
        warming_since_wall_s=number(since),
    )


def hot_rows(found: Any, names: tuple[str, ...]) -> tuple[HotInstance, ...]:
    """Hot instances from the wire. The longest part by far, so its checks stand in line."""
    hot = []
    for at, key, count, size in found:
        if type(key) is not bytes or len(key) > MAX_KEY_BYTES:
            raise PeerError("summary", "key")
        if type(at) is not int or at < 0 or type(size) is not int or size < 0:
            raise PeerError("summary", "number")
        if type(count) is not float or not 0.0 <= count < math.inf:
            count = float(whole_number(count))
        hot.append(HotInstance(InstanceKey(names[at], key), count, size))
    return tuple(hot)


def number(value: object) -> float:
    """A finite number, or a whole one >= 0; PeerError for anything else."""
    if type(value) is float and math.isfinite(value):
        return value
    return float(whole_number(value))


def whole_number(value: object) -> int:
    """A whole number >= 0; PeerError for anything else."""
    if type(value) is not int or value < 0:
        raise PeerError("summary", "number")
    return value
