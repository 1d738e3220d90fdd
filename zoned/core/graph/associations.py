"""Which instance follows which: bounded counts of ordered pairs.

The intuition: a page is followed by its parts, an invoice by its lines. For each antecedent A we count how
often it occurred and, of its successors B, how often one came within the trail of the same client. The
share is the confidence with which B is fetched when A is next used. Lag sums give how soon it is needed.

Memory is bounded three ways: antecedents by least recent use, successors per antecedent by giving up one that
was seen only once, and counts by halving, which also lets old habits fade. Both are tables of columns
(`antecedents.py`, `pairs.py`) that go by 32-bit fingerprints: two instances with one fingerprint, one in
250,000 newcomers to a full table, would be predicted for one another, which costs a fetch.

Rejected: contexts of several accesses (prediction by partial matching) and Mithril's mining of time stamps in
batches: `tests/bench/bench_associations.py` plays them beside this. The one predicts what comes too
soon to be fetched and loses its contexts where a client's requests interleave, the other knows no clients.
Papers: Padmanabhan and Mogul 1996 (dependency graph); Yang et al., Mithril, SoCC 2017.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from zoned.core.errors import StateError
from zoned.core.fingerprints import NOBODY
from zoned.core.graph.antecedents import MOST, Antecedents
from zoned.core.graph.pairs import Pairs
from zoned.core.graph.settings import GraphSettings
from zoned.core.members import Follower
from zoned.core.names import MAX_KEY_BYTES, Fingerprint, InstanceKey, KeyHash, key_hash
from zoned.core.promises import NO_PACE_S, NOTHING, Following


class Associations:
    """The tables of antecedents and of pairs."""

    __slots__ = ("_most", "_pairs", "_settings", "antecedents", "antecedents_dropped", "successors_dropped")

    def __init__(self, settings: GraphSettings) -> None:
        self._settings = settings
        self._most = min(settings.max_count, MOST)
        self._empty()
        self.antecedents_dropped = 0
        self.successors_dropped = 0

    def _empty(self) -> None:
        settings = self._settings
        self.antecedents = Antecedents(settings.max_antecedents)
        self._pairs = Pairs(settings.max_antecedents * settings.max_successors)

    def __len__(self) -> int:
        return len(self.antecedents)

    def occurred(self, key: InstanceKey, hashed: KeyHash) -> int:
        """[hot] One more occurrence of an antecedent. Its row."""
        table = self.antecedents
        row = table.find(hashed)
        if row:
            table.use(row)
        else:
            row = self._insert(key, hashed)
        count = table.counts[row] = table.counts[row] + 1
        if count >= self._most:
            self._halve(row)
        return row

    def followed(self, antecedent: Fingerprint, key: InstanceKey, hashed: KeyHash, lag_s: float) -> int:
        """[hot] ``key`` came ``lag_s`` after an occurrence of that antecedent. Its row; 0: it was dropped."""
        row = self.antecedents.rows.get(antecedent)
        if row:
            pair = self._pairs.find(antecedent, hashed)
            if pair:
                self._pairs.add(pair, 1, lag_s)
            else:
                self._begin(row, key, hashed, 1, lag_s)
        return row

    def merge(
        self, key: InstanceKey, count: int, followers: Iterable[tuple[InstanceKey, int, float]]
    ) -> None:
        """Another zone saw so many occurrences of an antecedent, and these followers of it."""
        table, hashed = self.antecedents, key_hash(key)
        row = table.find(hashed) or self._insert(key, hashed)
        table.counts[row] = min(table.counts[row] + count, MOST)
        name, find, add = table.rows.names[row], self._pairs.find, self._pairs.add
        for follower, support, lag_s in followers:
            follower_hash = key_hash(follower)
            pair = find(name, follower_hash)
            if pair:
                add(pair, support, lag_s)
            else:
                self._begin(row, follower, follower_hash, support, lag_s)
        while table.counts[row] >= self._most:
            self._halve(row)

    def after(
        self, hashed: KeyHash, trail: Iterable[Fingerprint] = (), pace_s: float = NO_PACE_S
    ) -> Following:
        """[hot] What is believed to follow for a client with that trail and pace, the most probable first."""
        table, settings = self.antecedents, self._settings
        row = table.find(hashed)
        pair, count = table.heads[row], table.counts[row]
        if not pair or count < settings.min_antecedent:
            return NOTHING
        need = max(settings.min_support, settings.min_confidence * count)
        pairs, found = self._pairs, []
        supports, older, keys = pairs.supports, pairs.next, pairs.keys
        while pair:
            support = supports[pair]
            if support >= need:
                found.append((-support if support < count else -count, keys[pair], pair))
            pair = older[pair]
        if not found:
            return NOTHING
        found.sort()
        best = [pair for _, _, pair in found[: settings.max_predictions]]
        return Following(pairs.seconds(table.rows.names[row], best), count, pace_s, list(trail))

    def leading(self, antecedents: Sequence[Fingerprint], hashed: KeyHash) -> int:
        """[hot] How many of these were ever followed by that one."""
        return self._pairs.leading(antecedents, hashed)

    def export_state(self) -> list[list[object]]:
        """The most supported pairs, as [dependency, key, count, [[dependency, key, support, lag_s], ...]], in
        the order of the antecedents' last use, so that a restored table forgets in the same order."""
        table, pairs = self.antecedents, self._pairs
        order, row = [], table.oldest
        while row:
            order.append(row)
            row = table.newer[row]
        ranked = sorted(
            (
                (pairs.supports[pair], table.keys[row], pairs.keys[pair], row, pair)
                for row in order
                for pair in pairs.chain(table.heads[row])
                if pairs.supports[pair] >= self._settings.min_support
            ),
            reverse=True,
        )
        kept: dict[int, list[object]] = {}
        for support, _, key, row, pair in ranked[: self._settings.max_saved_pairs]:
            kept.setdefault(row, []).append([key.dependency, key.key, support, pairs.lags_s[pair]])
        return [[*table.keys[row], table.counts[row], kept[row]] for row in order if row in kept]

    def restore_state(self, obj: object) -> None:
        """Take over what `export_state` gave. `StateError` if that is not what it is."""
        if not isinstance(obj, list):
            raise StateError("graph: associations are not a list")
        saved: list[tuple[InstanceKey, int, list[Follower]]] = []
        for row in obj[-self._settings.max_antecedents :]:
            try:
                dependency, raw, count, followers = row
                told = followers[: self._settings.max_successors]
                saved.append((_key(dependency, raw), _count(count), [_follower(*one) for one in told]))
            except (ValueError, TypeError, LookupError, OverflowError) as error:
                raise StateError(f"graph: not an association: {error}") from error
        self._empty()
        for entry in saved:
            self.merge(*entry)

    def _insert(self, key: InstanceKey, hashed: KeyHash) -> int:
        table = self.antecedents
        if table.full:
            oldest = table.oldest
            for pair in list(self._pairs.chain(table.heads[oldest])):
                self._end(oldest, pair)
            self.antecedents_dropped += 1
        return table.insert(key, hashed)

    def _begin(self, row: int, key: InstanceKey, hashed: KeyHash, support: int, lag_s: float) -> None:
        """Something new follows. Where there is no room, the newcomer is what is given up."""
        table = self.antecedents
        lengths, heads = table.lengths, table.heads
        if lengths[row] >= self._settings.max_successors and not self._make_room(row):
            return
        heads[row] = self._pairs.insert(table.rows.names[row], key, hashed, support, lag_s, heads[row])
        lengths[row] += 1

    def _end(self, row: int, pair: int, newer: int = NOBODY) -> None:
        table = self.antecedents
        table.heads[row] = self._pairs.drop(table.heads[row], pair, newer)
        table.lengths[row] -= 1

    def _make_room(self, row: int) -> bool:
        """Give up the oldest successor that was seen only once."""
        self.successors_dropped += 1
        oldest, supports, older = NOBODY, self._pairs.supports, self._pairs.next
        pair, before = self.antecedents.heads[row], NOBODY
        while pair:
            if supports[pair] <= 1:
                oldest, newer = pair, before
            before, pair = pair, older[pair]
        if oldest:
            self._end(row, oldest, newer)
        return oldest != NOBODY

    def _halve(self, row: int) -> None:
        table, pairs = self.antecedents, self._pairs
        table.counts[row] >>= 1
        for pair in list(pairs.chain(table.heads[row])):
            support = pairs.supports[pair]
            if support < 2:
                self._end(row, pair)
                continue
            pairs.lags_s[pair] *= (support >> 1) / support
            pairs.supports[pair] = support >> 1


def _key(dependency: object, raw: object) -> InstanceKey:
    if not isinstance(dependency, str) or not isinstance(raw, bytes) or len(raw) > MAX_KEY_BYTES:
        raise ValueError(f"not a key: {dependency!r}")
    dependency.encode()  # or it cannot be hashed: a ValueError
    return InstanceKey(dependency, raw)


def _count(value: object) -> int:
    if not isinstance(value, int) or not 1 <= value < 1 << 32:
        raise ValueError(f"not a count: {value!r}")
    return value


def _follower(dependency: object, raw: object, support: object, lag_s: float) -> Follower:
    lag_s = float(lag_s)
    if not 0.0 <= lag_s < float("inf"):
        raise ValueError(f"lag of {lag_s} s")
    return Follower(_key(dependency, raw), _count(support), lag_s)
