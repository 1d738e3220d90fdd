"""What just failed is not tried again at once, though every plan names it."""

from __future__ import annotations

from zoned.core.names import InstanceKey


class Failures:
    """Instances whose prefetch failed, for a while; bounded, the oldest is forgotten first."""

    __slots__ = ("_most", "_retry_after_s", "_until_s")

    def __init__(self, retry_after_s: float, most: int) -> None:
        self._retry_after_s = retry_after_s
        self._most = most
        self._until_s: dict[InstanceKey, float] = {}

    def add(self, key: InstanceKey, now_s: float) -> None:
        """Its prefetch failed now."""
        self._until_s.pop(key, None)
        if len(self._until_s) >= self._most:
            del self._until_s[next(iter(self._until_s))]
        self._until_s[key] = now_s + self._retry_after_s

    def lately(self, key: InstanceKey, now_s: float) -> bool:
        """Whether it is too early to try that one again."""
        until_s = self._until_s.get(key)
        if until_s is None:
            return False
        if until_s > now_s:
            return True
        del self._until_s[key]
        return False
