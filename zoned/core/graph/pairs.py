"""Pairs of instances, the second of which followed the first: how often, and after how many seconds in all.

Most of what the graph remembers is here: ten and more successors of an instance, most of them seen once. So a
pair is a row of columns, some 30 B, that is found by one fingerprint of both, and those of one antecedent are
a chain of row numbers, the newest first. Rejected: a dictionary of objects by antecedent (120 B a pair, 232
for the first).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence

from zoned.core.fingerprints import NOBODY, Rows, grown
from zoned.core.graph.antecedents import MOST
from zoned.core.names import FINGERPRINT_MASK, Fingerprint, InstanceKey, KeyHash
from zoned.core.promises import Follower

_FIRST_ROOM = 64
_NO_KEY = InstanceKey("", b"")
_SPREAD = 0x9E3779B1  # an odd number: A followed by B is not B followed by A


class Pairs:
    """Rows, columns, and the chains through them. The columns are public to the graph stage."""

    __slots__ = ("_free", "_limit", "keys", "lags_s", "next", "rows", "supports")

    def __init__(self, limit: int) -> None:
        self._limit = limit + 1
        self.rows = Rows(_FIRST_ROOM)
        self.keys: list[InstanceKey] = [_NO_KEY]  # of the second
        self.supports = array("H", [0])
        self.lags_s = array("f", [0.0])
        self.next = array("I", [0])
        self._free = NOBODY  # a chain of rows that are nobody's

    def find(self, antecedent: Fingerprint, hashed: KeyHash) -> int:
        """[hot] The row of that pair, or 0."""
        return self.rows.get(antecedent * _SPREAD + hashed & FINGERPRINT_MASK or 1)

    def seconds(self, antecedent: Fingerprint, rows: Iterable[int]) -> list[Follower]:
        """[hot] What follows that antecedent in these pairs."""
        names, supports, lags_s, keys = self.rows.names, self.supports, self.lags_s, self.keys
        first, mask = antecedent * _SPREAD, FINGERPRINT_MASK
        return [(keys[row], names[row] - first & mask or 1, supports[row], lags_s[row]) for row in rows]

    def leading(self, antecedents: Sequence[Fingerprint], hashed: KeyHash) -> int:
        """[hot] How many of these were ever followed by that one."""
        get, mask = self.rows.get, FINGERPRINT_MASK
        return sum([get(earlier * _SPREAD + hashed & mask or 1) != NOBODY for earlier in antecedents])

    def insert(
        self,
        antecedent: Fingerprint,
        key: InstanceKey,
        hashed: KeyHash,
        support: int,
        lag_s: float,
        head: int,
    ) -> int:
        """The row of a new pair, before ``head`` in its chain."""
        row, fingerprint = self._free, antecedent * _SPREAD + hashed & FINGERPRINT_MASK or 1
        if row:
            self._free = self.next[row]
            self.rows.rename(row, fingerprint)
        else:
            if self.rows.full:
                self.rows.widen(grown(self.rows.end, self._limit))
            row = self.rows.add(fingerprint)
            self.keys.append(key)
            self.supports.append(0)
            self.next.append(0)
            self.lags_s.append(0.0)
        self.keys[row] = key
        self.supports[row] = support if support < MOST else MOST
        self.lags_s[row] = lag_s
        self.next[row] = head
        return row

    def add(self, row: int, support: int, lag_s: float) -> None:
        """[hot] It was seen so often again, after so many seconds in all."""
        self.supports[row] = min(self.supports[row] + support, MOST)
        self.lags_s[row] += lag_s

    def chain(self, head: int) -> Iterator[int]:
        """The rows from there on, the newest first."""
        following = self.next
        while head:
            yield head
            head = following[head]

    def drop(self, head: int, row: int, newer: int = NOBODY) -> int:
        """Take a pair out of its chain, ``newer`` in front of it (looked for, if not said). What the chain
        begins with now."""
        if row == head:
            head = self.next[row]
        else:
            newer = newer or next(one for one in self.chain(head) if self.next[one] == row)
            self.next[newer] = self.next[row]
        self.rows.drop(row)
        self.keys[row] = _NO_KEY
        self.next[row] = self._free
        self._free = row
        return head
