"""Several eviction policies in one store: a book for each, whose copies share the room.

A copy is in the book of its dependency's policy. What is to be settled is who gives way when room is
needed, for the policies cannot be compared: the next to go by LRU and the next to go by S3-FIFO have
nothing in common. So the room is divided (``shares``), and the book that is most over its share lets its
own next one go.

With one book it decides exactly as that policy does by itself. A copy changes books when its dependency
changes policies; it keeps its rank: who was in the middle of its old order is in the middle of the new one.

Rejected: letting the copy go that is worth least by what we know of demand (``value`` names the least of
eight, so it would always give way to LRU, which names one), and fixed shares (who sets them, and when?).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence

from zoned.core.eviction.policy import Book, Slot
from zoned.core.eviction.shares import NONE, Shares
from zoned.core.eviction.value import Value
from zoned.core.eviction.worth import Worth
from zoned.core.names import KeyHash

_NO_BOOK = 255

ArmOf = Callable[[int], str]
"""The policy of a dependency, by its number in the owner's table."""


class Books:
    """An `Eviction` made of others. ``numbers``: the owner's column of the slots' dependencies."""

    __slots__ = (
        "_arm_of",
        "_books",
        "_by_bytes",
        "_hashes",
        "_held",
        "_max_bytes",
        "_max_objects",
        "_names",
        "_numbers",
        "_of",
        "_open",
        "_shares",
        "_slots",
        "used_bytes",
    )

    def __init__(
        self,
        max_objects: int | None,
        max_bytes: int | None,
        open_book: Callable[[str], Book],
        hashes: Sequence[KeyHash],
        numbers: array[int],
        arm_of: ArmOf,
        worth: Worth | None = None,
    ) -> None:
        """``open_book``: an empty policy by its name, with all the room; ``worth``: prices, where known."""
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        self._max_bytes = sys.maxsize if max_bytes is None else max_bytes
        self._by_bytes = max_bytes is not None
        self._open, self._arm_of = open_book, arm_of
        self._hashes, self._numbers = hashes, numbers
        self._names: list[str] = []
        self._books: list[Book] = []
        self._shares = Shares(max_objects, max_bytes, worth)
        self._of = bytearray()  # by slot: the book that holds it
        self._slots = self._held = self.used_bytes = 0

    def __contains__(self, slot: Slot) -> bool:
        return self._of[slot] != _NO_BOOK

    def __len__(self) -> int:
        return self._held

    def reserve(self, slots: int) -> None:
        """Room for the slots below that number."""
        self._slots = max(self._slots, slots)
        self._of.extend(bytes((_NO_BOOK,)) * (self._slots - len(self._of)))
        for book in self._books:
            book.reserve(slots)

    def hit(self, slot: Slot) -> bool:
        """[hot] As its book has it."""
        number = self._of[slot]
        return number != _NO_BOOK and self._books[number].hit(slot)

    def put(self, slot: Slot, size: int) -> list[Slot]:
        """Take it into its dependency's book; who goes for it may be of any. See ``Eviction.put``."""
        assert self._of[slot] == _NO_BOOK, "put of a slot that is held"
        if size > self._max_bytes:
            return [slot]
        number = self._book(self._arm_of(self._numbers[slot]))
        evicted: list[Slot] = []
        if len(self._books) > 1:
            self._shares.asked(number, self._hashes[slot])
            evicted = self._make_room(number, size)
        own = self._books[number]
        free, free_bytes = self._max_objects - self._held, self._max_bytes - self.used_bytes
        own.bound(len(own) + free, max(1, own.used_bytes + free_bytes))
        self._of[slot] = number
        self._held += 1
        self.used_bytes += size
        for gone in own.put(slot, size):
            self._went(number, gone, size if gone == slot else own.size_of(gone))
            evicted.append(gone)
        return evicted

    def takes(self, name: str, hashed: KeyHash, size: int) -> bool | None:
        """Whether the book of that name would take a newcomer, as far as one candidate tells; None: it takes
        whatever comes."""
        number = self._book(name)
        own = self._books[number]
        if not isinstance(own, Value):
            return None
        if self._held < self._max_objects and self.used_bytes + size <= self._max_bytes:
            return True
        if size > self._max_bytes:
            return False
        if self._fullest(number, size) != number:
            return True
        self._fit(own)
        return own.takes(hashed, size)

    def remove(self, slot: Slot) -> bool:
        """Forget the slot."""
        number = self._of[slot]
        if number == _NO_BOOK:
            return False
        book = self._books[number]
        self._of[slot] = _NO_BOOK
        self._held -= 1
        self.used_bytes -= book.size_of(slot)
        return book.remove(slot)

    def size_of(self, slot: Slot) -> int:
        """The size it was put with."""
        return self._books[self._of[slot]].size_of(slot)

    def order(self) -> Iterator[Slot]:
        """Each book in its order, all at the same pace: who is at the same rank goes at the same time."""
        walks = [(book.order(), 1.0 / len(book)) for book in self._books if len(book)]
        passed = [0.0] * len(walks)
        while walks:
            least = min(range(len(walks)), key=passed.__getitem__)
            slot = next(walks[least][0], None)
            if slot is None:
                del walks[least], passed[least]
            else:
                passed[least] += walks[least][1]
                yield slot

    def adopt(self, items: Iterable[tuple[Slot, int]]) -> list[Slot]:
        """Divide them among the books, in their order. See ``Eviction.adopt``."""
        assert not self._held, "adopt into books that hold something"
        parts: dict[int, list[tuple[Slot, int]]] = {}
        for slot, size in items:
            parts.setdefault(self._book(self._arm_of(self._numbers[slot])), []).append((slot, size))
        for number, part in parts.items():
            self._rewrite(number, part)
            self._held += len(part)
            self.used_bytes += sum([size for _, size in part])
        self._shares.aim(self._amounts())
        evicted: list[Slot] = []
        while self._held > self._max_objects or self.used_bytes > self._max_bytes:
            evicted.append(self._shed(self._fullest(NONE, 0)))
        return evicted

    def assign(self, arm_of: ArmOf) -> None:
        """Dependencies go by other policies from now on; copies change books, and keep their rank."""
        self._arm_of = arm_of
        ranked: dict[int, list[tuple[float, Slot, int]]] = {}
        joined: list[int] = []
        for number, book in enumerate(self._books):
            share = 1.0 / max(1, len(book))
            for place, slot in enumerate(list(book.order())):
                to = self._book(arm_of(self._numbers[slot]))
                ranked.setdefault(to, []).append((place * share, slot, book.size_of(slot)))
                if to != number:
                    book.remove(slot)
                    joined.append(to)
        for to in sorted(set(joined)):
            self._rewrite(to, [(slot, size) for _, slot, size in sorted(ranked[to])])
        self._shares.aim(self._amounts())

    # ---- inside -------------------------------------------------------------------------------------

    def _book(self, name: str) -> int:
        """The book of a policy; opened when it is needed first."""
        if name in self._names:
            return self._names.index(name)
        book = self._open(name)
        book.reserve(self._slots)
        self._names.append(name)
        self._books.append(book)
        self._shares.open()
        return len(self._books) - 1

    def _rewrite(self, number: int, items: list[tuple[Slot, int]]) -> None:
        """The book begins anew, with just these, the next to go first."""
        book = self._open(self._names[number])
        book.reserve(self._slots)
        used = sum([size for _, size in items])
        book.bound(*((self._max_objects, max(1, used)) if self._by_bytes else (len(items), self._max_bytes)))
        lost = book.adopt(items)
        assert not lost, "there is room for what was held before"
        self._books[number] = book
        for slot, _ in items:
            self._of[slot] = number

    def _amounts(self) -> list[int]:
        """How much of the room each book takes."""
        return [book.used_bytes if self._by_bytes else len(book) for book in self._books]

    def _make_room(self, number: int, size: int) -> list[Slot]:
        """Let other books give way until it is that book's turn, or there is room."""
        evicted: list[Slot] = []
        most, room = self._max_objects, self._max_bytes - size
        while self._held >= most or self.used_bytes > room:
            fullest = self._fullest(number, size)
            if fullest == number:
                break
            evicted.append(self._shed(fullest))
        return evicted

    def _fullest(self, number: int, size: int) -> int:
        """Who has to give way for a newcomer of that size to that book; itself only if that is enough."""
        may = [len(book) > 0 for book in self._books]
        if number != NONE:
            may[number] &= self.used_bytes - self._books[number].used_bytes <= self._max_bytes - size
        return self._shares.fullest(self._amounts(), may, number, size if self._by_bytes else 1)

    def _shed(self, number: int) -> Slot:
        """The next of that book goes."""
        book = self._books[number]
        self._fit(book)
        slot = book.shed()
        self._went(number, slot, book.size_of(slot))
        return slot

    def _fit(self, book: Book) -> None:
        """Its room is what it holds."""
        if self._by_bytes:
            book.bound(self._max_objects, max(1, book.used_bytes))
        else:
            book.bound(max(1, len(book)), self._max_bytes)

    def _went(self, number: int, slot: Slot, size: int) -> None:
        self._of[slot] = _NO_BOOK
        self._held -= 1
        self.used_bytes -= size
        if len(self._books) > 1:
            self._shares.went(number, self._hashes[slot], size)
