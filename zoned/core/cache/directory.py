"""Which other members hold what: their gossiped cache digests, turned round (Summary Cache, Fan 1998).

On a miss the question is "who has this?", so claims are kept by fingerprint, as a mask with a bit per member:
one look-up finds all holders, however many members there are. Masks are a column that is as wide as the
highest bit given out: a byte for up to eight members, so a claim takes 10 to 16 B.

A member that fails must not stop the agent while a million claims are cleaned up, so it only loses its bit in
the mask of the living; ``tidy`` then wipes one of 256 partitions, and after a full round the bit can be given
to another member. A digest that starts afresh (``reset``) does the same: new bit, old one retired. A
partition is every 256th row. Rejected: a set of fingerprints per member beside the masks (twice the memory,
to make the rare case fast), and asking every member's set on each miss (linear in members).

32-bit fingerprints make one claim in four billion per copy false; ``false_positive`` counts those, with the
far more common claims that were true a second ago.
"""

from __future__ import annotations

from collections.abc import Sequence

from zoned.core.cache.claims import PARTITIONS, Claims
from zoned.core.cache.false_claims import FalseClaims
from zoned.core.members import HoldingsHeard
from zoned.core.names import Fingerprint, KeyHash, NodeName

_FINGERPRINT = 0xFFFFFFFF
_MAX_DECODED = 4096  # masks whose holders are remembered as names
_MAX_RETIRED = 64  # more members gone (or reset) than that within a round of tidy are wiped at once


class Directory:
    """Claims of the other members, bounded over all of them."""

    def __init__(self, max_claims: int, counters: dict[str, int], false_wait_s: float = 30.0) -> None:
        """``false_wait_s``: see ``FalseClaims``."""
        self._max_claims = max_claims
        self._masks = Claims()
        self._bit: dict[NodeName, int] = {}  # of those we have claims from
        self._node: dict[int, NodeName] = {}  # and back
        self._count: dict[NodeName, int] = {}
        self._living = 0  # mask of the bits in use
        self._giving_up: tuple[NodeName, ...] = ()
        self.lasting = self._masks.lasting
        self._next_bit = 0
        self._spare: list[int] = []  # bits that can be given out again
        self._retired = 0  # mask of bits that partitions may still have
        self._wiping = 0  # those of them that the running round removes
        self._cursor = 0
        self._claims = 0  # in use and retired
        self._decoded: dict[int, tuple[NodeName, ...]] = {}
        self._counters = counters  # of the whole stage
        counters.update(claims_dropped=0, false_positives=0, directory_resets=0)
        self._false = FalseClaims(false_wait_s, counters)
        self.judge = self._false.judge

    def heard(self, news: HoldingsHeard) -> None:
        """A member's digest changed, or (reset) starts afresh."""
        self._false.heard(news)
        if news.reset:
            self._counters["directory_resets"] += 1
            self.gone(news.node)
        bit = self._bit.get(news.node)
        if bit is None:
            if not news.held:
                return
            bit = self._take_bit(news.node)
        removed = self._remove(news.dropped, bit)
        self._claims -= removed
        self._count[news.node] += self._add(news.held, bit) - removed

    def gone(self, node: NodeName) -> None:
        """The member failed or left: it holds nothing as far as we are concerned."""
        self._false.gone(node)
        bit = self._bit.pop(node, None)
        if bit is None:
            return
        del self._node[bit], self._count[node]
        self._living &= ~(1 << bit)
        self._masks.staying &= ~(1 << bit)
        self._retired |= 1 << bit
        self._decoded.clear()

    def holders(self, hashed: KeyHash) -> tuple[NodeName, ...]:
        """The members that claim a copy, sorted by name."""
        mask = self._masks.of(hashed & _FINGERPRINT) & self._living
        if not mask:
            return ()
        names = self._decoded.get(mask)
        return self._decode(mask) if names is None else names

    def discount(self, nodes: Sequence[NodeName]) -> None:
        """These members are going to give up what they hold: they serve it still, but nobody counts on it."""
        self._giving_up = tuple(nodes)
        self._masks.staying = self._living & ~self._mask_of(self._giving_up)

    def false_positive(self, node: NodeName, hashed: KeyHash, now_s: float) -> None:
        """That member was asked, and had no copy. Its claim stays: its digest will say when it is gone, and
        whether it was late or never true (``false_claims.py``)."""
        self._counters["false_positives"] += 1
        self._false.met(node, hashed & _FINGERPRINT, node in self.holders(hashed), now_s)

    def tidy(self) -> None:
        """Wipe the bits of members that are gone from one partition: a 256th of the work each time."""
        if self._cursor == 0:
            self._wiping = self._retired
        if not self._wiping:
            return
        self._wipe(self._cursor)
        self._cursor = (self._cursor + 1) % PARTITIONS
        if self._cursor == 0:
            self._free_bits()

    def claims(self, node: NodeName) -> int:
        """How many instances that member claims, as far as we have heard."""
        return self._count.get(node, 0)

    def sizes(self) -> dict[NodeName, int]:
        """How many instances each member claims, by name."""
        return dict(sorted(self._count.items()))

    def alone(
        self, nodes: Sequence[NodeName], safe: Sequence[NodeName], most: int
    ) -> tuple[int, int, list[Fingerprint]]:
        """(claims of ``nodes`` in all, how many of them were looked at, those of the latter that no member
        of ``safe`` claims). Partitions are looked at whole until ``most`` claims were: fingerprints are
        spread evenly over them, so they are a fair sample. An instance that two of ``nodes`` hold is one."""
        theirs, others = self._mask_of(nodes), self._mask_of(safe)
        seen, alone = 0, []
        claims = self._masks
        for partition in range(PARTITIONS):
            if seen >= most:
                break
            held = [(name, mask) for name, mask in claims.partition(partition) if mask & theirs]
            seen += len(held)
            alone += [name for name, mask in held if not mask & others]
        return max(seen, sum(self._count.get(node, 0) for node in nodes)), seen, alone

    # ---- inside ---------------------------------------------------------------------------------

    def _mask_of(self, nodes: Sequence[NodeName]) -> int:
        return sum(1 << self._bit[node] for node in nodes if node in self._bit)

    def _add(self, held: tuple[int, ...], bit: int) -> int:
        masks, flag, added = self._masks, 1 << bit, 0
        for place, fingerprint in enumerate(held):
            if masks.of(fingerprint) & flag:
                continue
            if self._claims >= self._max_claims and not self._reclaim():
                self._counters["claims_dropped"] += len(held) - place
                break
            masks.add(fingerprint, flag)
            self._claims += 1
            added += 1
        return added

    def _remove(self, dropped: tuple[int, ...], bit: int) -> int:
        masks, flag = self._masks, 1 << bit
        return sum([masks.clear(fingerprint, flag) for fingerprint in dropped])

    def _take_bit(self, node: NodeName) -> int:
        if not self._spare and self._retired.bit_count() >= _MAX_RETIRED:
            self._reclaim()
        if self._spare:
            bit = self._spare.pop()
        else:
            bit = self._next_bit
            self._next_bit += 1
            self._masks.widen(bit)
        self._bit[node] = bit
        self._node[bit] = node
        self._count[node] = 0
        self._living |= 1 << bit
        self.discount(self._giving_up)
        return bit

    def _decode(self, mask: int) -> tuple[NodeName, ...]:
        left, names = mask, []
        while left:
            low = left & -left
            names.append(self._node[low.bit_length() - 1])
            left ^= low
        if len(self._decoded) >= _MAX_DECODED:
            self._decoded.clear()
        decoded = self._decoded[mask] = tuple(sorted(names))
        return decoded

    def _wipe(self, partition: int) -> None:
        masks, wiping = self._masks, self._wiping
        for name, mask in masks.partition(partition):
            if mask & wiping:
                self._claims -= masks.clear(name, wiping)

    def _free_bits(self) -> None:
        left = self._wiping
        while left:
            low = left & -left
            self._spare.append(low.bit_length() - 1)
            left ^= low
        self._retired &= ~self._wiping
        self._wiping = 0

    def _reclaim(self) -> bool:
        """At the limit, what the dead still occupy is wiped at once. True if that made room."""
        if not self._retired:
            return False
        self._wiping = self._retired
        for partition in range(PARTITIONS):
            self._wipe(partition)
        self._free_bits()
        self._cursor = 0
        return self._claims < self._max_claims
