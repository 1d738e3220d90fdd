"""Migration in single steps, each of which may fail without losing a copy (make before break).

A copy that is to move goes through three steps, and its step is *derived*, never stored:

                 offer sent                     a safe member's digest claims it
    ONLY_HERE  ------------>  OFFERED  ------------------------------------------>  ELSEWHERE
        ^                        |                                                      |
        +-- no holder in time ---+            the holder died, drained or evicted it    |
        +-------------------------------------------------------------------------------+

Only in ELSEWHERE may it be let go. An offer that is lost, a fetch that fails, a target that dies or
throws the copy away: each leads back to ONLY_HERE, and the offer is made again (to another member each time
by who gives up what it has: full stores differ in what they would keep). Nothing here deletes anything;
copies that are no longer wanted leave by eviction. What is remembered (when was it offered) is
only manners: forgetting it, as in a restart, repeats an offer early. Those offered least often go first, so
that copies which nobody can take do not keep the others from their turn.

Rejected: acknowledgements of each copy (the digests say it anyway, for all reasons that a copy may come
and go), deleting after hand-over (a drain that is called off would find a cold zone), and
waiting longer before each repeat (a lossy link is just where a drain needs its repeats).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from enum import Enum

from zoned.core.names import InstanceKey, KeyHash, NodeName
from zoned.core.placement.settings import PlacementSettings
from zoned.core.records import Entry, HandOver


class Step(Enum):
    """How far the hand-over of one copy is."""

    ONLY_HERE = "only_here"
    OFFERED = "offered"
    ELSEWHERE = "elsewhere"


def step_of(held_elsewhere: bool, offered_s: float | None, now_s: float, reoffer_after_s: float) -> Step:
    """The step, from what the directory says and when it was offered last (mono seconds)."""
    if held_elsewhere:
        return Step.ELSEWHERE
    if offered_s is None or now_s - offered_s >= reoffer_after_s:
        return Step.ONLY_HERE
    return Step.OFFERED


class Offers:
    """When each copy was offered to whom, and which are to be offered now."""

    def __init__(self, settings: PlacementSettings) -> None:
        """Nothing offered yet."""
        self._settings = settings
        # (copy, member) -> (last offered at, how often), the longest untouched first
        self._made: OrderedDict[tuple[KeyHash, NodeName], tuple[float, int]] = OrderedDict()
        self._latest: dict[KeyHash, tuple[NodeName, float, int]] = {}  # to whom, when, how often to anybody
        self.counters: dict[str, int] = {"offered": 0, "offers_forgotten": 0}

    def step(self, key_hash: KeyHash, target: NodeName, held_elsewhere: bool, now_s: float) -> Step:
        """How far the hand-over of that copy to that member is."""
        made_s = self._made.get((key_hash, target), (None, 0))[0]
        return step_of(held_elsewhere, made_s, now_s, self._settings.reoffer_after_s)

    def made(self, key_hash: KeyHash, target: NodeName) -> bool:
        """Whether that copy was offered to that member, as far as we remember."""
        return (key_hash, target) in self._made

    def times(self, key_hash: KeyHash) -> int:
        """How often that copy was offered, to whomever."""
        return self._latest.get(key_hash, ("", 0.0, 0))[2]

    def in_vain(self, key_hash: KeyHash, now_s: float) -> bool:
        """Whether that copy was offered often enough, to whomever, and long enough ago, to give it up."""
        _, offered_s, times = self._latest.get(key_hash, ("", now_s, 0))
        enough = self._settings.drain_offers
        return times > enough or (times == enough and now_s - offered_s >= self._settings.reoffer_after_s)

    def under_way(self, key_hash: KeyHash, now_s: float) -> NodeName:
        """Who has been offered that copy and may be fetching it; "": nobody."""
        target, offered_s, _ = self._latest.get(key_hash, ("", now_s, 0))
        return target if now_s - offered_s < self._settings.reoffer_after_s else ""

    def make(
        self, copies: Iterable[tuple[Entry, NodeName]], now_s: float, going: bool = False
    ) -> tuple[HandOver, ...]:
        """Offers of copies that the member beside them lacks: at most ``max_hand_over_keys`` of those that
        are not on offer, the least often offered first, then as given; one batch or more per member.
        ``going``: we give them up."""
        settings = self._settings
        due = [
            pair for pair in copies if self.step(pair[0].key_hash, pair[1], False, now_s) is Step.ONLY_HERE
        ]
        if self._made:
            due.sort(key=lambda pair: self._made.get((pair[0].key_hash, pair[1]), (0.0, 0))[1])
        batches: dict[NodeName, list[Entry]] = {}
        for entry, target in due[: settings.max_hand_over_keys]:
            batches.setdefault(target, []).append(entry)
            self._remember(entry.key_hash, target, now_s)
        return tuple(
            _hand_over(going, target, entries[start : start + settings.hand_over_batch])
            for target, entries in sorted(batches.items())
            for start in range(0, len(entries), settings.hand_over_batch)
        )

    def forget(self) -> None:
        """The drain is over: a later one starts anew."""
        self._made.clear()
        self._latest.clear()

    def _remember(self, key_hash: KeyHash, target: NodeName, now_s: float) -> None:
        offer = (key_hash, target)
        self._made[offer] = (now_s, self._made.get(offer, (now_s, 0))[1] + 1)
        self._made.move_to_end(offer)
        self._latest[key_hash] = target, now_s, self._latest.get(key_hash, ("", now_s, 0))[2] + 1
        self.counters["offered"] += 1
        if len(self._made) > self._settings.max_offers_remembered:
            (forgotten, whom), _ = self._made.popitem(last=False)
            if self._latest[forgotten][0] == whom:
                del self._latest[forgotten]
            self.counters["offers_forgotten"] += 1


def _hand_over(going: bool, target: NodeName, entries: list[Entry]) -> HandOver:
    keys: tuple[InstanceKey, ...] = tuple(entry.key for entry in entries)
    return HandOver(target, keys, tuple(entry.size for entry in entries), going)
