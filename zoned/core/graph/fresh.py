"""What was counted here since the other zones were told: the part of the evidence that is ours alone.

Kept apart from the tables of associations, because what other zones told is added there too, and must not be
told back: of occurrences a column beside the others (``Antecedents.untold``), of pairs what has come since.
Of what is well known only a sample is told: most that happens happens to a few, of which the others have
seen enough themselves. Which occurrences are in it is drawn by their names and times, so that what follows
one of them is known to belong to it without keeping a list.
Bounded: by what the table remembers, and pairs by ``share_limit`` antecedents, beyond which the one waiting
the longest is dropped.
"""

from __future__ import annotations

import numpy as np

from zoned.core.graph.antecedents import MOST, Antecedents
from zoned.core.graph.settings import GraphSettings
from zoned.core.members import Follower, Sighting
from zoned.core.names import Fingerprint, InstanceKey

_MOST_KEY_BYTES = 256  # longer keys are not worth a packet
_SPREAD = 0x9E3779B1  # an odd number whose multiples are all over the place

Followers = dict[InstanceKey, tuple[int, float]]  # support, lags in all


class Fresh:
    """Occurrences and pairs that nobody was told of yet."""

    __slots__ = ("_followed", "_settings", "_told_s", "dropped")

    def __init__(self, settings: GraphSettings) -> None:
        self._settings = settings
        self._followed: dict[Fingerprint, Followers] = {}  # by antecedent, the longest waiting first
        self._told_s = 0.0
        self.dropped = 0

    def occurred(self, table: Antecedents, row: int, at_ms: int) -> None:
        """[hot] One more occurrence, at that time."""
        if not self._is_told(table, row, at_ms):
            return
        untold = table.untold[row]
        if not untold:
            if len(table.keys[row].key) > _MOST_KEY_BYTES or not self._settings.share_rows:
                return
            self._followed.pop(table.rows.names[row], None)  # it was dropped in between
        table.untold[row] = min(untold + 1, MOST)

    def followed(self, table: Antecedents, row: int, since_ms: int, key: InstanceKey, lag_s: float) -> None:
        """[hot] The occurrence of that time was followed by that, so much later."""
        if not table.untold[row] or len(key.key) > _MOST_KEY_BYTES:
            return
        if not self._is_told(table, row, since_ms):
            return
        name = table.rows.names[row]
        followers = self._followed.get(name)
        if followers is None:
            followers = self._followed[name] = {}
            if len(self._followed) > self._settings.share_limit:
                del self._followed[next(iter(self._followed))]
                self.dropped += 1
        support, lags_s = followers.get(key, (0, 0.0))
        if support or len(followers) < self._settings.share_followers:
            followers[key] = support + 1, lags_s + lag_s

    def _is_told(self, table: Antecedents, row: int, at_ms: int) -> bool:
        """[hot] Whether the occurrence of that time is one of those that are told."""
        one_in = table.counts[row] // self._settings.share_known
        return one_in < 2 or ((table.rows.names[row] ^ at_ms) * _SPREAD >> 16 & 0xFFFF) % one_in == 0

    def take(self, now_s: float, table: Antecedents) -> tuple[Sighting, ...]:
        """What to tell now, the most seen first; empty until ``share_interval_s`` went by. An instance that
        nothing is known to follow, here or from others, is not worth telling yet. Rejected: to wait until
        more has followed what occurred last (no fewer packets, and semicomplete_web .2-.3 ms slower)."""
        settings = self._settings
        if not len(table) or now_s < self._told_s + settings.share_interval_s:
            return ()
        self._told_s = now_s
        untold = np.frombuffer(table.untold, dtype=np.uint16)
        rows = np.flatnonzero((untold > 0) & (np.frombuffer(table.lengths, dtype=np.uint16) > 0))
        followed = [row for name in self._followed if table.untold[row := table.rows.get(name)]]
        worth = sorted(dict.fromkeys(rows.tolist() + followed), key=lambda row: (-table.untold[row], row))
        return tuple([self._sighting(table, row) for row in worth[: settings.share_rows]])

    def _sighting(self, table: Antecedents, row: int) -> Sighting:
        times, table.untold[row] = table.untold[row], 0
        followers = self._followed.pop(table.rows.names[row], {})
        told = tuple([Follower(key, *sums) for key, sums in followers.items()])
        return Sighting(table.keys[row], times, told)
