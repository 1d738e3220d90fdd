"""Which instance follows which: bounded counts of ordered pairs.

The intuition: a page is followed by its parts, an invoice by its lines. For each antecedent A we count how
often it occurred and, of its successors B, how often one came within the trail of the same client. The
share is the confidence with which B is fetched when A is next used. Lag sums give how soon it is needed.

Memory is bounded three ways: antecedents by least recent use, successors per antecedent by giving up one
that was seen only once, and counts by halving, which also lets old habits fade. Dictionaries go by the
64-bit key hash; the key itself is kept beside it, since a prediction has to name it.

Rejected: contexts of several accesses (prediction by partial matching) and Mithril's mining of time stamps in
batches: `tests/bench/bench_associations.py` plays them beside this. The one predicts what comes too
soon to be fetched and loses its contexts where a client's requests interleave, the other knows no clients.
Papers: Padmanabhan and Mogul 1996 (dependency graph); Yang et al., Mithril, SoCC 2017.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable

from zoned.core.errors import StateError
from zoned.core.graph.settings import GraphSettings
from zoned.core.names import MAX_KEY_BYTES, InstanceKey, KeyHash, key_hash
from zoned.core.records import Association


class Successor:
    """One instance that followed: how often, and after how many seconds in all."""

    __slots__ = ("key", "lag_s", "support")

    def __init__(self, key: InstanceKey, support: int, lag_s: float) -> None:
        self.key = key
        self.support = support
        self.lag_s = lag_s


_NONE: dict[KeyHash, Successor] = {}  # of all antecedents that nothing follows, which are most; stays empty


class Antecedent:
    """One instance that is followed: how often it occurred, and by what."""

    __slots__ = ("count", "key", "successors")

    def __init__(self, key: InstanceKey, count: int) -> None:
        self.key = key
        self.count = count
        self.successors = _NONE

    def add(self, hashed: KeyHash, successor: Successor) -> None:
        """Something new follows."""
        if self.successors is _NONE:
            self.successors = {}
        self.successors[hashed] = successor


class Associations:
    """The table of pairs. Its order is that of last use, so that the oldest can go."""

    __slots__ = ("_leading", "_settings", "_table", "antecedents_dropped", "successors_dropped")

    def __init__(self, settings: GraphSettings) -> None:
        self._settings = settings
        self._table: OrderedDict[KeyHash, Antecedent] = OrderedDict()
        self._leading: dict[KeyHash, None] = {}  # those of them that have successors
        self.antecedents_dropped = 0
        self.successors_dropped = 0

    def __len__(self) -> int:
        return len(self._table)

    def occurred(self, key: InstanceKey, hashed: KeyHash) -> None:
        """[hot] One more occurrence of an antecedent."""
        entry = self._table.get(hashed)
        if entry is None:
            self._insert(hashed, Antecedent(key, 1))
            return
        self._table.move_to_end(hashed)
        entry.count += 1
        if entry.count >= self._settings.max_count:
            self._halve(hashed, entry)

    def followed(self, antecedent: KeyHash, key: InstanceKey, hashed: KeyHash, lag_s: float) -> None:
        """[hot] ``key`` came ``lag_s`` after an occurrence of that antecedent."""
        entry = self._table.get(antecedent)
        if entry is None:
            return  # dropped in between
        successor = entry.successors.get(hashed)
        if successor is not None:
            successor.support += 1
            successor.lag_s += lag_s
        elif len(entry.successors) < self._settings.max_successors or self._make_room(entry):
            entry.add(hashed, Successor(key, 1, lag_s))
            self._leading[antecedent] = None

    def merge(
        self, key: InstanceKey, count: int, followers: Iterable[tuple[InstanceKey, int, float]]
    ) -> None:
        """Another zone saw so many occurrences of an antecedent, and these followers of it."""
        hashed = key_hash(key)
        entry = self._table.get(hashed)
        if entry is None:
            entry = Antecedent(key, 0)
            self._insert(hashed, entry)
        entry.count += count
        for follower, support, lag_s in followers:
            follower_hash = key_hash(follower)
            one = entry.successors.get(follower_hash)
            if one is not None:
                one.support += support
                one.lag_s += lag_s
            elif len(entry.successors) < self._settings.max_successors or self._make_room(entry):
                entry.add(follower_hash, Successor(follower, support, lag_s))
                self._leading[hashed] = None
        while entry.count >= self._settings.max_count:
            self._halve(hashed, entry)

    @property
    def leading(self) -> Collection[KeyHash]:
        """Of which instances anything is known to have followed them."""
        return self._leading

    def after(self, hashed: KeyHash) -> tuple[Association, ...]:
        """[hot] What is believed to follow, the most probable first."""
        entry = self._table.get(hashed)
        settings = self._settings
        if entry is None or not entry.successors or entry.count < settings.min_antecedent:
            return ()
        count = entry.count
        need = max(settings.min_support, settings.min_confidence * count)
        found = [
            Association(
                one.key, follower, min(1.0, one.support / count), one.lag_s / one.support, one.support
            )
            for follower, one in entry.successors.items()
            if one.support >= need
        ]
        if len(found) > 1:
            found.sort(key=_most_probable)
        return tuple(found[: settings.max_predictions])

    def export_state(self) -> list[list[object]]:
        """The most supported pairs, as [dependency, key, count, [[dependency, key, support, lag_s], ...]]."""
        ranked = sorted(
            (
                (one.support, hashed, follower)
                for hashed, entry in self._table.items()
                for follower, one in entry.successors.items()
                if one.support >= self._settings.min_support
            ),
            reverse=True,
        )
        kept: dict[KeyHash, list[object]] = {}
        for _, hashed, follower in ranked[: self._settings.max_saved_pairs]:
            one = self._table[hashed].successors[follower]
            kept.setdefault(hashed, []).append([one.key.dependency, one.key.key, one.support, one.lag_s])
        # In the order of last use, so that a restored table forgets in the same order.
        return [
            [entry.key.dependency, entry.key.key, entry.count, kept[hashed]]
            for hashed, entry in self._table.items()
            if hashed in kept
        ]

    def restore_state(self, obj: object) -> None:
        """Take over what `export_state` gave. `StateError` if that is not what it is."""
        if not isinstance(obj, list):
            raise StateError("graph: associations are not a list")
        table: OrderedDict[KeyHash, Antecedent] = OrderedDict()
        for row in obj[-self._settings.max_antecedents :]:
            try:
                dependency, raw, count, followers = row
                entry = Antecedent(_key(dependency, raw), _count(count))
                for follower in followers[: self._settings.max_successors]:
                    one = Successor(_key(follower[0], follower[1]), _count(follower[2]), float(follower[3]))
                    if not 0.0 <= one.lag_s < float("inf"):
                        raise ValueError(f"lag of {one.lag_s} s")
                    entry.add(key_hash(one.key), one)
                table[key_hash(entry.key)] = entry
            except (ValueError, TypeError, LookupError, OverflowError) as error:
                raise StateError(f"graph: not an association: {error}") from error
        self._table = table
        self._leading = {hashed: None for hashed, entry in table.items() if entry.successors}

    def _insert(self, hashed: KeyHash, entry: Antecedent) -> None:
        self._table[hashed] = entry
        if len(self._table) > self._settings.max_antecedents:
            self._leading.pop(self._table.popitem(last=False)[0], None)
            self.antecedents_dropped += 1

    def _halve(self, hashed: KeyHash, entry: Antecedent) -> None:
        _halve(entry)
        if not entry.successors:
            entry.successors = _NONE
            self._leading.pop(hashed, None)

    def _make_room(self, entry: Antecedent) -> bool:
        """Give up the oldest successor that was seen only once. Where there is none, the newcomer is it."""
        self.successors_dropped += 1
        for follower, one in entry.successors.items():
            if one.support <= 1:
                del entry.successors[follower]
                return True
        return False


def _halve(entry: Antecedent) -> None:
    entry.count >>= 1
    for follower, one in list(entry.successors.items()):
        if one.support < 2:
            del entry.successors[follower]
            continue
        one.lag_s *= (one.support >> 1) / one.support
        one.support >>= 1


def _most_probable(association: Association) -> tuple[float, InstanceKey]:
    return (-association.confidence, association.key)


def _key(dependency: object, raw: object) -> InstanceKey:
    if not isinstance(dependency, str) or not isinstance(raw, bytes) or len(raw) > MAX_KEY_BYTES:
        raise ValueError(f"not a key: {dependency!r}")
    return InstanceKey(dependency, raw)


def _count(value: object) -> int:
    if not isinstance(value, int) or not 1 <= value < 1 << 32:
        raise ValueError(f"not a count: {value!r}")
    return value
