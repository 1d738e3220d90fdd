"""Bytes per second that may be fetched ahead over one link: from one other agent, or from one origin.

What a zone can take in altogether says little about the thinnest way into it: a drain or a warm start wants
thousands of copies from one zone at once, over the link that this zone's own misses go by. So each link has
a token bucket of its own beside the common one. A link that has run out closes until time has paid for it;
what would come by it waits, and what comes by others goes on.

A link without a bucket has not been used for so long that it would be full. Nothing looks at a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from zoned.core.names import Dependency, NodeName
from zoned.core.prefetch.tokens import TokenBucket

Link: TypeAlias = tuple[NodeName, Dependency]
"""(the member that gives, "") or ("", the dependency whose origin gives)."""

MAX_LINKS = 4096


def link_to(source: NodeName, dependency: Dependency) -> Link:
    """The link that an instance of ``dependency`` comes by; ``source`` "" is the origin."""
    return (source, "") if source else ("", dependency)


class Links:
    """A bucket of bytes for each link that is in use; none at all where a link may take what all may."""

    __slots__ = ("_buckets", "_burst", "_counters", "_open_s", "_rate_s", "limited")

    def __init__(self, rate_s: float, burst: float, limited: bool, counters: dict[str, int]) -> None:
        """``rate_s``: bytes per second; ``burst``: bytes that may come by a link that has been quiet.
        ``counters``: ``link_exhausted`` counts how often a link ran out, ``link_forgotten`` the buckets that
        were given up because there were too many: these links start anew with a full one."""
        self.limited = limited
        self._counters = counters
        self._rate_s = rate_s
        self._burst = burst
        self._buckets: dict[Link, TokenBucket] = {}  # the one that was charged last at the end
        self._open_s: dict[Link, float] = {}  # those that have run out, and when they open again

    def spend(self, link: Link, size: float, now_s: float) -> None:
        """So many bytes come by that link (negative: they did not come after all)."""
        if not self.limited:
            return
        bucket = self._buckets.pop(link, None)
        if bucket is None:
            if len(self._buckets) >= MAX_LINKS:
                oldest = next(iter(self._buckets))
                del self._buckets[oldest]
                self._open_s.pop(oldest, None)
                self._counters["link_forgotten"] += 1
            bucket = TokenBucket(self._rate_s, self._burst)
        self._buckets[link] = bucket
        bucket.spend(size, now_s)
        open_s = bucket.ready_s(1, now_s)
        if open_s <= now_s:
            self._open_s.pop(link, None)
            return
        self._counters["link_exhausted"] += link not in self._open_s
        self._open_s[link] = open_s

    def closed(self, now_s: float) -> Mapping[Link, float]:
        """The links that have run out, and when they will be open again."""
        closed = self._open_s
        for link in [link for link, open_s in closed.items() if open_s <= now_s]:
            del closed[link]
        return closed
