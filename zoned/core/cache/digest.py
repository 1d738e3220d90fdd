"""What our digest has to say next: which fingerprints were gained and lost since it last spoke.

Net of what came and went in between, so a burst of evictions does not become gossip. Never larger than
what the store holds plus what it held when the digest last spoke. Dictionaries, not sets: they are taken
in the order of the changes, which a simulation can repeat.

Two instances here with the same 32-bit fingerprint (one pair among 100,000 copies) share a claim; when one
goes, the claim goes, and the other zones merely do not ask us for the second. Counting claims would cost
every copy memory to avoid that.
"""

from __future__ import annotations

from zoned.core.names import Fingerprint

_NOTHING: tuple[tuple[Fingerprint, ...], tuple[Fingerprint, ...]] = ((), ())


class DigestChanges:
    """Fingerprints gained and lost since ``take``."""

    __slots__ = ("_dropped", "_held")

    def __init__(self) -> None:
        self._held: dict[Fingerprint, None] = {}
        self._dropped: dict[Fingerprint, None] = {}

    def gain(self, fingerprint: Fingerprint) -> None:
        """We hold it now."""
        if fingerprint in self._dropped:
            del self._dropped[fingerprint]
        else:
            self._held[fingerprint] = None

    def lose(self, fingerprint: Fingerprint) -> None:
        """We no longer hold it."""
        if fingerprint in self._held:
            del self._held[fingerprint]
        else:
            self._dropped[fingerprint] = None

    def take(self) -> tuple[tuple[Fingerprint, ...], tuple[Fingerprint, ...]]:
        """(gained, lost) since last time. Asked after every event, so quick when there is nothing."""
        if not self._held and not self._dropped:
            return _NOTHING
        changes = tuple(self._held), tuple(self._dropped)
        self._held.clear()
        self._dropped.clear()
        return changes
