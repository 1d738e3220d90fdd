"""How the room of a store is divided among books that cannot be compared: who is to give way.

Each book has a target, and the one that is most over its target gives way. Targets follow what more room
would have been worth: each book's ghosts are the names of those that it let go lately, as many as fill a
quarter of the room, so that all books are asked the same question. When a ghost is asked for again, its
book's target grows by a little, and those of the others shrink; by less, where another zone serves the
miss. In the long run a bit of room is worth the same in each book.

Paper: Cidon et al., Cliffhanger, NSDI 2016; ghosts that move a boundary are ARC's idea (Megiddo and Modha,
FAST 2003).
"""

from __future__ import annotations

from collections.abc import Sequence

from zoned.core.eviction.ghosts import Ghosts
from zoned.core.eviction.worth import Worth
from zoned.core.names import KeyHash

GHOST_SHARE = 4  # each book remembers a quarter of the room of what it let go
_STEPS = 128  # a ghost that is asked for moves the boundary by so small a part of the room
_LEAST_SHARE = 64  # no target goes below that part of the room, or its book would learn nothing more
NONE = -1


class Shares:
    """Targets and ghosts of books, by their position; in bytes where those are bounded, else in copies."""

    __slots__ = ("_by_bytes", "_divided", "_ghosts", "_max_objects", "_room", "_worth", "targets")

    def __init__(self, max_objects: int | None, max_bytes: int | None, worth: Worth | None) -> None:
        self._max_objects = max_objects
        self._by_bytes = max_bytes is not None
        self._room = max_bytes if max_bytes is not None else max_objects
        self._worth = worth
        self._ghosts: list[Ghosts] = []
        self._divided = False  # the store was full once: targets mean something
        self.targets: list[float] = []
        """How much of the room each book should have."""

    def open(self) -> None:
        """There is one more book."""
        objects = None if self._max_objects is None else max(1, self._max_objects // GHOST_SHARE)
        size = max(1, self._room // GHOST_SHARE) if self._by_bytes and self._room else None
        self._ghosts.append(Ghosts(objects, size))
        self.targets.append(0.0)

    def aim(self, held: Sequence[int]) -> None:
        """What each book holds now is what it should hold, until ghosts say otherwise."""
        self.targets = [float(amount) for amount in held]

    def fullest(self, held: Sequence[int], may: Sequence[bool], newcomer: int = NONE, size: int = 0) -> int:
        """The book that would be most over its target if that one had ``size`` more, of those that ``may``
        give way; `NONE` if none may."""
        if not self._divided:
            self._divided = True
            self.aim(held)
        best, most = NONE, 0.0
        for one, amount in enumerate(held):
            over = amount - self.targets[one] + (size if one == newcomer else 0)
            if may[one] and (best == NONE or over > most):
                best, most = one, over
        return best

    def went(self, book: int, hashed: KeyHash, size: int) -> None:
        """That book let a copy go, or refused it."""
        ghosts = self._ghosts[book]
        ghosts.take(hashed)  # who is refused may have one
        ghosts.add(hashed, size)

    def asked(self, book: int, hashed: KeyHash) -> None:
        """A copy that is not held is asked for. If the book let it go lately, it should have more room."""
        if not self._ghosts[book].take(hashed) or not self._divided or self._room is None:
            return
        worth, step, least = self._worth, self._room / _STEPS, self._room / _LEAST_SHARE
        if worth is not None and worth.elsewhere(hashed):
            step *= worth.near_s / (worth.near_s + worth.far_s)
        targets = self.targets
        givers = [one for one, target in enumerate(targets) if one != book and target > least]
        for one in givers:
            given = min(step / len(givers), targets[one] - least)
            targets[one] -= given
            targets[book] += given
