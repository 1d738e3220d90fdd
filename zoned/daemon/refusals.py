"""Says what gossip is refused and why, without filling the log.

A member with the wrong key sends five packets a second for as long as it lives, and each says the same. One
line per host and reason a minute is enough to see who and why; how many there were stands in the next line,
and all of them in the counters. Hosts are bounded: whoever floods us from many addresses gets no more lines.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from zoned.core.names import Address

EVERY_S = 60.0
MAX_HOSTS = 256
_WHY = {
    "no_key": "it is encrypted and we have no key (gossip.key_file)",
    "wrong_key": "it is encrypted with a key that is not in our keyring, or was altered",
    "plain": "it is not encrypted and we require that (gossip.verify_incoming)",
    "label": "its gossip.label is not ours: another pool's",
}


class Refusals:
    """Counts and tells. ``say`` is given level, event and text of a line."""

    def __init__(
        self, say: Callable[[str, str, str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._clock = clock
        self._told: dict[tuple[str, str], tuple[float, int]] = {}  # when we wrote a line, how many since
        self.counters: dict[str, int] = {}

    def refused(self, reason: str, sender: Address) -> None:
        """Something of ``sender`` was dropped."""
        name = "rejected_" + reason
        self.counters[name] = self.counters.get(name, 0) + 1
        now_s = self._clock()
        key = (sender[0], reason)
        told_s, since = self._told.get(key, (float("-inf"), 0))
        if now_s - told_s < EVERY_S:
            self._told[key] = (told_s, since + 1)
            return
        if key not in self._told and len(self._told) >= MAX_HOSTS:
            self._told = {old: told for old, told in self._told.items() if now_s - told[0] < EVERY_S}
            if len(self._told) >= MAX_HOSTS:
                return
        self._told[key] = (now_s, 0)
        again = f" ({since} more since the last such line)" if since else ""
        text = f"gossip from {sender[0]}:{sender[1]} refused: {_WHY[reason]}{again}"
        self._say("warning", f"gossip_{reason}", text)

    def text(self, reason: str) -> str:
        """What the other side of a stream is told."""
        return _WHY[reason]
