"""Cost: what a copy is worth, and what the copies that it would push out are worth.

    value of a copy = (P(use) x (seconds that its source takes - seconds that our store takes)
                       - transfer price x MiB) / MiB

in seconds per MiB, so that small and large compete fairly for the same room. Only the first use counts:
after it, the copy would be here by demand anyway. A store with room takes whatever gains; a full one takes
the best wants only while they are worth more, with a margin, than what goes next *on the average so far*
(a single precious copy near the end of the queue must not block the rest; eviction may well skip it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from zoned.core.names import KeyHash
from zoned.core.placement.demand import chance_within
from zoned.core.placement.settings import PlacementSettings
from zoned.core.records import Contents, InstanceDemand, Source, Want

MIB = float(1 << 20)


class Prices:
    """Measured mean latencies of one moment, as what a local copy saves."""

    __slots__ = ("_min_size", "between_s", "from_origin_s", "from_peer_s", "transfer_s_per_mib")

    def __init__(self, price: Callable[[Source], float], settings: PlacementSettings) -> None:
        """Reads the prices once. A peer that is slower than the origin is no reason to count twice."""
        local_s, origin_s = price(Source.LOCAL), price(Source.ORIGIN)
        peer_s = min(price(Source.PEER), origin_s)
        self.from_origin_s = max(0.0, origin_s - local_s)
        self.from_peer_s = max(0.0, peer_s - local_s)
        self.between_s = max(0.0, origin_s - peer_s)  # what a holder anywhere saves the other zones
        self._min_size = settings.min_size_bytes
        self.transfer_s_per_mib = settings.transfer_price_s_per_mib

    def mib(self, size: int) -> float:
        """Size as it counts."""
        return (size if size > self._min_size else self._min_size) / MIB


def marginal_values(
    contents: Contents,
    own: Mapping[KeyHash, InstanceDemand],
    prices: Prices,
    settings: PlacementSettings,
    stay: float = 1.0,
) -> list[float] | None:
    """Values, in eviction order, of the copies that go next; None while the store has room. ``stay``: the
    share of the forecast's horizon that counts, the same as for the wants that they compete with."""
    if contents.capacity_left() >= settings.full_below_free_ratio:
        return None
    # A copy that the forecast does not list is used less than the least that it lists.
    floor = min((item.probability for item in own.values()), default=0.0) / 2
    values = []
    for entry in islice(contents.entries(), settings.marginal_sample):
        known = own.get(entry.key_hash)
        chance = known.probability if known is not None else floor
        saved_s = prices.from_peer_s if contents.holders(entry.key_hash) else prices.from_origin_s
        values.append(chance_within(chance, stay) * saved_s / prices.mib(entry.size))
    return values


def worth_their_room(
    wants: Iterable[Want], marginal: list[float] | None, settings: PlacementSettings
) -> list[Want]:
    """Of wants by value, highest first, those that gain more than what they push out."""
    if marginal is None:
        return list(wants)
    taken: list[Want] = []
    displaced = 0.0
    for want in wants:
        if not marginal:
            break
        displaced += marginal[min(len(taken), len(marginal) - 1)]
        if want.value <= settings.displacement_margin * displaced / (len(taken) + 1):
            break
        taken.append(want)
    return taken
