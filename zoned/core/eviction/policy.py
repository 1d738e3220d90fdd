"""What the store and the learner's shadows ask of an eviction policy.

An eviction policy is an ordered book of keys and sizes that says who has to go when room is needed. It
holds no values and knows no time, so the same class keeps the real store's order and plays a shadow in
``learning``; a shadow that used other code than the store would score something that does not exist.

Bounded in objects, in bytes, in both or in neither (None). With ``max_bytes=None`` the three policies are,
step by step, those of the reference simulator (tests hold them against naive twins). Rejected: one class
with a strategy object inside (a call more on every access), and a heap for all policies (log n where
queues are O(1)).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Protocol, TypeVar

K = TypeVar("K", bound=Hashable)


class Eviction(Protocol[K]):
    """An eviction order over keys. Sizes are bytes >= 0; nothing is stored beyond the two bounds."""

    used_bytes: int
    """Sum of the sizes held. Read only."""

    def __contains__(self, key: object) -> bool:
        """Whether ``key`` is held (ghosts are not)."""

    def __len__(self) -> int:
        """How many keys are held."""

    def hit(self, key: K) -> bool:
        """``key`` was used: move or mark it. False, and no change, when it is not held."""

    def put(self, key: K, size: int) -> list[K]:
        """Take in ``key`` (which must not be held) and return whom that pushed out, first gone first.

        A key larger than ``max_bytes`` is not taken: the answer is ``[key]``. S3-FIFO may also push out
        the newcomer itself, as the reference does, when it returns from the ghosts into a main queue
        where everyone else was used since: so a caller asks ``key in evicted`` to know if it stayed.
        """

    def remove(self, key: K) -> bool:
        """Forget ``key`` for another cause than room (expired, invalidated). False when it is not held."""

    def size_of(self, key: K) -> int:
        """The size that ``key`` was put with; KeyError when it is not held."""

    def order(self) -> Iterator[K]:
        """The keys held in the order they would go if nothing were used or taken in any more.

        Lazy: the first few are cheap. The policy must not change while the iterator is used.
        """

    def adopt(self, items: Iterable[tuple[K, int]]) -> list[K]:
        """Fill an empty policy with (key, size) pairs, next to go first (another policy's order).

        Returns whom that pushed out: none, when the bounds are those of the policy they come from.
        """


def check_bounds(max_objects: int | None, max_bytes: int | None) -> None:
    """Bounds are positive where given: a store for nothing is a wrong setting, not a policy."""
    assert max_objects is None or max_objects >= 1, f"max_objects must be >= 1, got {max_objects}"
    assert max_bytes is None or max_bytes >= 1, f"max_bytes must be >= 1, got {max_bytes}"
