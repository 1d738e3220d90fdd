"""Why a member that claimed a copy had none: its digest was late, or two instances share a fingerprint.

At the moment of the answer nobody can tell. Later we can: a digest that was late catches up, and drops the
claim within a few seconds; a claim that still stands after that is true, only of another instance (32-bit
fingerprints: one in four billion for each copy). So each false claim waits for what its member says next.

*late*: the claim was gone when the answer came, or was dropped after it. *collision*: it still stood after
``wait_s``. *unknown*: the member went away first, or too many waited.
"""

from __future__ import annotations

from zoned.core.members import HoldingsHeard
from zoned.core.names import Fingerprint, NodeName

_MAX_WAITING = 1024
CAUSES = ("late", "collision", "unknown")


class FalseClaims:
    """Those that wait to be told apart, and how many there were of each."""

    def __init__(self, wait_s: float, counters: dict[str, int]) -> None:
        self._wait_s = wait_s
        self._waiting: dict[tuple[NodeName, Fingerprint], float] = {}  # since when, the oldest first
        self._counters = counters  # of the whole stage
        counters.update({"false_" + cause: 0 for cause in CAUSES})

    def met(self, node: NodeName, fingerprint: Fingerprint, claimed: bool, now_s: float) -> None:
        """That member had no copy; ``claimed``: its digest still says that it has."""
        self.judge(now_s)
        if not claimed:
            self._count("late")
        elif (node, fingerprint) not in self._waiting:
            self._waiting[node, fingerprint] = now_s
            if len(self._waiting) > _MAX_WAITING:
                del self._waiting[next(iter(self._waiting))]
                self._count("unknown")

    def heard(self, news: HoldingsHeard) -> None:
        """The member's digest caught up."""
        if not self._waiting:
            return
        if news.reset:
            held = dict.fromkeys(news.held)
            for fingerprint in self._of(news.node):
                self._settle(news.node, fingerprint, "collision" if fingerprint in held else "late")
            return
        for fingerprint in news.dropped:
            if (news.node, fingerprint) in self._waiting:
                self._settle(news.node, fingerprint, "late")

    def gone(self, node: NodeName) -> None:
        """The member says nothing any more."""
        for fingerprint in self._of(node):
            self._settle(node, fingerprint, "unknown")

    def judge(self, now_s: float) -> None:
        """What stood for so long was not late."""
        while self._waiting:
            oldest = next(iter(self._waiting))
            if now_s - self._waiting[oldest] < self._wait_s:
                return
            self._settle(*oldest, "collision")

    def _of(self, node: NodeName) -> list[Fingerprint]:
        return [fingerprint for who, fingerprint in self._waiting if who == node]

    def _settle(self, node: NodeName, fingerprint: Fingerprint, cause: str) -> None:
        del self._waiting[node, fingerprint]
        self._count(cause)

    def _count(self, cause: str) -> None:
        self._counters["false_" + cause] += 1
