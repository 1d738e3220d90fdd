"""What changed from one summary of an agent to its next, as bytes.

Of fifty dependencies and a hundred hot instances few change in five seconds, and at rest only the load does:
a patch of 90 bytes instead of a summary of several thousand. Whoever lacks the summary that it starts from
cannot use it and takes the whole one when versions are compared.

A patch lists what is new or gone; the order of a summary is not sent but follows from its content (demand by
name, hot instances by uses, then key). A summary in another order has no patch: ``encode_patch`` tries its
own result and says so.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import msgpack

from zoned.core.errors import PeerError
from zoned.core.gossip import bounded
from zoned.core.gossip.summary import hot_rows, number, whole_number
from zoned.core.members import DependencyDemand, HotInstance, Summary
from zoned.core.names import Dependency, InstanceKey
from zoned.core.records import Load

_MAX_NAMES = 4096
_HOT_BYTES, _GONE_BYTES = 14, 4  # of a row at least, besides the key
_packer = msgpack.Packer(use_bin_type=True, autoreset=True)


def encode_patch(old: Summary, new: Summary, most: int = sys.maxsize) -> bytes | None:
    """How ``new`` differs from ``old``; None where a patch cannot say it, or would be of ``most`` bytes or
    more: where half of the hot instances are others, the compressed summary is shorter."""
    names: dict[Dependency, int] = {}
    demand, no_demand = _changes({d.dependency: d for d in old.demand}, {d.dependency: d for d in new.demand})
    hot, not_hot = _changes({h.key: h for h in old.hot}, {h.key: h for h in new.hot})
    least = sum([_HOT_BYTES + len(h.key.key) for h in hot])
    if least + sum([_GONE_BYTES + len(key.key) for key in not_hot]) >= most:
        return None  # before it is packed, and unpacked for a try

    def at(name: Dependency) -> int:
        return names.setdefault(name, len(names))

    rows = (
        [(at(d.dependency), *d.hour, d.day) for d in demand],
        [at(name) for name in no_demand],
        [(at(h.key.dependency), h.key.key, h.uses, h.size) for h in hot],
        [(at(key.dependency), key.key) for key in not_hot],
    )
    load, room = new.load, _room(new)
    data: bytes = _packer.pack(
        (
            new.made_wall_s,
            None if new.ring_id == old.ring_id else new.ring_id,
            None if load == old.load else (load.cpu, load.memory, load.network, load.loop_lag_s),
            None if room == _room(old) else room,
            new.draining | new.drained << 1,
            list(names),
            *rows,
        )
    )
    return data if len(data) < most and apply_patch(old, data) == new else None


def apply_patch(old: Summary, data: bytes) -> Summary:
    """The summary that ``data`` makes of ``old``; PeerError for nonsense."""
    bounded.check(data)
    try:
        fields = msgpack.unpackb(data, raw=False, use_list=False, strict_map_key=True)
        return _patched(old, fields)
    except (ValueError, TypeError, OverflowError, IndexError, msgpack.UnpackException) as error:
        raise PeerError("patch", type(error).__name__) from error


def _patched(old: Summary, fields: Any) -> Summary:
    made, ring_id, load, room, flags, names, demand, no_demand, hot, not_hot = fields
    for name in names:
        if type(name) is not str or len(name) > 256:
            raise PeerError("patch", "name")
    if len(names) > _MAX_NAMES or type(ring_id) not in (str, type(None)) or len(ring_id or "") > 256:
        raise PeerError("patch", "ring")
    new = replace(
        old,
        made_wall_s=number(made),
        draining=whole_number(flags) & 1 == 1,
        drained=flags & 2 == 2,
        demand=_demand(old, names, demand, no_demand),
        hot=_hot(old, names, hot, not_hot),
    )
    if ring_id is not None:
        new = replace(new, ring_id=ring_id)
    if load is not None:
        cpu, memory, network, lag = (number(each) for each in load)
        new = replace(new, load=Load(cpu=cpu, memory=memory, network=network, loop_lag_s=lag))
    if room is not None:
        new = replace(
            new,
            capacity_bytes=whole_number(room[0]),
            capacity_objects=whole_number(room[1]),
            used_ratio=number(room[2]),
            hit_ratio=number(room[3]),
        )
    return new


def _demand(old: Summary, names: Any, rows: Any, gone: Any) -> tuple[DependencyDemand, ...]:
    if not rows and not gone:
        return old.demand
    kept = {each.dependency: each for each in old.demand}
    for place in gone:
        kept.pop(names[whole_number(place)], None)
    for place, low, mid, high, day in rows:
        name = names[whole_number(place)]
        kept[name] = DependencyDemand(name, (number(low), number(mid), number(high)), number(day))
    if len(kept) > _MAX_NAMES:
        raise PeerError("patch", "limit")
    return tuple(kept[name] for name in sorted(kept))


def _hot(old: Summary, names: Any, rows: Any, gone: Any) -> tuple[HotInstance, ...]:
    if not rows and not gone:
        return old.hot
    kept = {each.key: each for each in old.hot}
    for place, key in gone:
        kept.pop(InstanceKey(names[whole_number(place)], key), None)
    for each in hot_rows(rows, names):
        kept[each.key] = each
    if len(kept) > _MAX_NAMES:
        raise PeerError("patch", "limit")
    return tuple(sorted(kept.values(), key=lambda each: (-each.uses, each.key)))


def _room(summary: Summary) -> tuple[int, int, float, float]:
    return summary.capacity_bytes, summary.capacity_objects, summary.used_ratio, summary.hit_ratio


def _changes(old: dict[Any, Any], new: dict[Any, Any]) -> tuple[list[Any], list[Any]]:
    """(rows that are new or other than they were, keys that are gone)."""
    return [row for key, row in new.items() if old.get(key) != row], [key for key in old if key not in new]
