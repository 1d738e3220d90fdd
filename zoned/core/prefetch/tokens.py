"""A token bucket: it keeps a burst of prefetches from hurting the reads that they are meant to help.

It does not look at a clock: time comes with each call.
"""

from __future__ import annotations

from math import inf

_SLACK = 1e-6  # a bucket refilled to within rounding of what is asked has it


class TokenBucket:
    """Tokens that come at a rate, up to a burst. Spending may overdraw; then all wait until it is paid."""

    __slots__ = ("_as_of_s", "_burst", "_rate_s", "_tokens")

    def __init__(self, rate_s: float, burst: float) -> None:
        assert rate_s > 0 and burst > 0
        self._rate_s = rate_s
        self._burst = burst
        self._tokens = burst
        self._as_of_s = -inf

    def has(self, tokens: float, now_s: float) -> bool:
        """Whether that many are there now (never more than the burst is asked for)."""
        self._refill(now_s)
        return self._tokens >= min(tokens, self._burst) - _SLACK

    def spend(self, tokens: float, now_s: float) -> None:
        """Take (or, negative, give back) tokens, whether they are there or not."""
        self._refill(now_s)
        self._tokens = min(self._burst, self._tokens - tokens)

    def ready_s(self, tokens: float, now_s: float) -> float:
        """When ``has`` will say yes; now, if it does."""
        self._refill(now_s)
        missing = min(tokens, self._burst) - self._tokens
        return now_s if missing <= _SLACK else now_s + missing / self._rate_s

    def _refill(self, now_s: float) -> None:
        if now_s > self._as_of_s:
            if self._as_of_s != -inf:
                self._tokens = min(self._burst, self._tokens + (now_s - self._as_of_s) * self._rate_s)
            self._as_of_s = now_s
