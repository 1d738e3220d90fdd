"""Warnings that would repeat with every probe or call: each is said once, and again after a while.

What goes wrong between two agents goes wrong again a second later, for as long as nobody mends it. A line
each time buries everything else and says nothing new (consul 19965); a single line for ever is gone from
the log by the time that somebody looks. The counters have them all.
"""

from __future__ import annotations

from collections import OrderedDict

from zoned.core.names import Instant

AGAIN_S = 600.0
LIMIT = 1024


class Seldom:
    """When what was last said of whom; the latest ``LIMIT``."""

    def __init__(self) -> None:
        self._said: OrderedDict[tuple[str, str], float] = OrderedDict()

    def may_say(self, event: str, subject: str, now: Instant) -> bool:
        """Whether it is time to say this of that subject; True counts as said."""
        key = event, subject
        if now.mono_s - self._said.get(key, float("-inf")) < AGAIN_S:
            return False
        self._said[key] = now.mono_s
        self._said.move_to_end(key)
        if len(self._said) > LIMIT:
            self._said.popitem(last=False)
        return True
