"""What was counted here since the other zones were told: the part of the evidence that is ours alone.

Kept apart from the table of associations, because what other zones told is added there too, and must not be
told back. Bounded: beyond ``share_limit`` instances the one waiting the longest is dropped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from zoned.core.graph.settings import GraphSettings
from zoned.core.members import Follower, Sighting
from zoned.core.names import InstanceKey, KeyHash

_MOST_KEY_BYTES = 256  # longer keys are not worth a packet


class _Seen:
    __slots__ = ("count", "followers", "key", "number")

    def __init__(self, key: InstanceKey, number: int) -> None:
        self.key = key
        self.number = number  # in the order of first sight
        self.count = 0
        self.followers: dict[InstanceKey, tuple[int, float]] = {}  # support, lags in all


class Fresh:
    """Occurrences and pairs that nobody was told of yet."""

    __slots__ = ("_followed", "_met", "_seen", "_settings", "_told_s", "dropped")

    def __init__(self, settings: GraphSettings) -> None:
        self._settings = settings
        self._seen: OrderedDict[KeyHash, _Seen] = OrderedDict()
        self._followed: dict[KeyHash, None] = {}  # those of them that something followed
        self._met = 0
        self._told_s = 0.0
        self.dropped = 0

    def occurred(self, key: InstanceKey, hashed: KeyHash) -> None:
        """[hot] One more occurrence."""
        seen = self._seen.get(hashed)
        if seen is None:
            if len(key.key) > _MOST_KEY_BYTES or not self._settings.share_rows:
                return
            self._met += 1
            seen = self._seen[hashed] = _Seen(key, self._met)
            if len(self._seen) > self._settings.share_limit:
                self._followed.pop(self._seen.popitem(last=False)[0], None)
                self.dropped += 1
        seen.count += 1

    def followed(self, antecedent: KeyHash, key: InstanceKey, lag_s: float) -> None:
        """[hot] It was followed by that."""
        seen = self._seen.get(antecedent)
        if seen is None or len(key.key) > _MOST_KEY_BYTES:
            return
        support, lags_s = seen.followers.get(key, (0, 0.0))
        if support or len(seen.followers) < self._settings.share_followers:
            seen.followers[key] = support + 1, lags_s + lag_s
            self._followed[antecedent] = None

    def take(self, now_s: float, known: Collection[KeyHash]) -> tuple[Sighting, ...]:
        """What to tell now, the most seen first; empty until ``share_interval_s`` went by. An instance that
        is not among the ``known``, which something follows, and that nothing followed, is not worth telling
        yet. Walks through the fewer of the two: thousands wait here where nothing has structure."""
        settings = self._settings
        if not self._seen or now_s < self._told_s + settings.share_interval_s:
            return ()
        self._told_s = now_s
        seen, followed = self._seen, self._followed
        few, many = (known, seen) if len(known) < len(seen) else (seen, known)
        worth = [*followed, *(hashed for hashed in few if hashed in many and hashed not in followed)]
        worth.sort(key=lambda hashed: (-seen[hashed].count, seen[hashed].number))
        taken = [seen.pop(hashed) for hashed in worth[: settings.share_rows]]
        for hashed in worth[: settings.share_rows]:
            followed.pop(hashed, None)
        return tuple(
            [
                Sighting(
                    one.key, one.count, tuple([Follower(key, *sums) for key, sums in one.followers.items()])
                )
                for one in taken
            ]
        )
