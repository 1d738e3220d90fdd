"""What happened lately to which instance here, for whoever asks why.

Two rings of fixed size: the reads that were answered, and what became of copies (came from where, for what
reason; not kept; had to go; invalidated). ``explain`` picks out one instance's rows. Nothing decides by it.

Rejected: a list for each instance (its size is that of the traffic, not of what anybody asks about), and the
log (an agent that writes a line for each read is busy writing).
"""

from __future__ import annotations

from collections import Counter, deque

from zoned.core.names import Instant, KeyHash, NodeName
from zoned.core.records import Reason, Source

_READS, _FATES = 8192, 4096


class Chronicle:
    """The last reads and the last fates of copies. About 1 MB when both are full."""

    def __init__(self) -> None:
        self._reads: deque[tuple[KeyHash, float, Source, int]] = deque(maxlen=_READS)
        self._fates: deque[tuple[KeyHash, float, str]] = deque(maxlen=_FATES)

    def read(self, key_hash: KeyHash, source: Source, times: int, now: Instant) -> None:
        """[hot] So many reads were answered from there."""
        self._reads.append((key_hash, now[0], source, times))

    def came(
        self, key_hash: KeyHash, reason: Reason, source: Source, node: NodeName, kept: bool, now: Instant
    ) -> None:
        """A fetch brought a copy."""
        origin = f"the origin by way of {node}" if source is Source.HOME else "the origin"
        text = f"came from {node if source is Source.PEER else origin} for {reason.value}"
        if not kept:
            text += ", not kept: worth less than what would have had to go for it"
        self._fates.append((key_hash, now.mono_s, text))

    def failed(self, key_hash: KeyHash, reason: Reason, outcome: str, now: Instant) -> None:
        """A fetch brought nothing."""
        self._fates.append((key_hash, now.mono_s, f"could not be fetched for {reason.value}: {outcome}"))

    def went(self, key_hash: KeyHash, why: str, now: Instant) -> None:
        """A copy is gone."""
        self._fates.append((key_hash, now.mono_s, why))

    def of(self, key_hash: KeyHash, now: Instant) -> list[str]:
        """That instance's part, the oldest first; reads are summed up."""
        lines = [
            f"{now.mono_s - at_s:.0f} s ago: {text}" for one, at_s, text in self._fates if one == key_hash
        ]
        reads = [row for row in self._reads if row[0] == key_hash]
        if reads:
            counted: Counter[str] = Counter()
            for _, _, source, times in reads:
                counted[source.value] += times
            told = ", ".join(f"{times} from {name}" for name, times in sorted(counted.items()))
            first_s, last_s = now.mono_s - reads[0][1], now.mono_s - reads[-1][1]
            lines.append(f"read here in the last {first_s:.0f} s: {told}; the last time {last_s:.0f} s ago")
        return lines
