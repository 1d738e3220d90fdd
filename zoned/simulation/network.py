"""The virtual network: who reaches whom, how late, and what gets lost.

As strict as a real one: datagrams over 65,507 bytes do not go, a cut holds for streams and transfers too, and
every byte is counted. Faults are drawn from one seeded generator, in the order in which packets are sent.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from random import Random

from zoned.core.names import Zone

MAX_DATAGRAM_BYTES = 65_507


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """What the network does to packets between zones. Probabilities 0..1, times in seconds."""

    one_way_s: float = 0.008
    """Delay between two zones; a round trip is twice that."""
    jitter_s: float = 0.002
    """Added to each delay, uniform from 0: enough for packets to overtake one another."""
    loss: float = 0.0
    """Of datagrams. Streams and transfers are TCP: they get through, or fail when cut."""
    duplicate: float = 0.0
    """Of datagrams that arrive: they arrive again, later."""
    reorder: float = 0.0
    """Of datagrams that arrive: they take ``reorder_s`` longer, so that later ones overtake them."""
    reorder_s: float = 0.2


class Network:
    """Reachability, delays and losses between zones, and what was sent."""

    def __init__(self, settings: NetworkSettings, rng: Random) -> None:
        self._settings = self._usual = settings
        self._rng = rng
        self._cuts: dict[tuple[Zone, Zone], int] = {}
        self.sent: Counter[str] = Counter()  # packets, bytes, lost, duplicated, stream_bytes, ...

    def change(self, **settings: float) -> None:
        """From now on the network does other things to packets."""
        self._settings = replace(self._settings, **settings)

    def calm(self) -> None:
        """Back to what the network does as a rule."""
        self._settings = self._usual

    def cut(self, a: Zone, b: Zone, *, both_ways: bool = True) -> None:
        """Nothing goes from ``a`` to ``b`` any more (nor back)."""
        self._cuts[a, b] = self._cuts.get((a, b), 0) + 1
        if both_ways:
            self._cuts[b, a] = self._cuts.get((b, a), 0) + 1

    def mend(self, a: Zone, b: Zone, *, both_ways: bool = True) -> None:
        """One such cut ends; others of the same way go on."""
        for way in ((a, b), (b, a)) if both_ways else ((a, b),):
            left = self._cuts.pop(way, 0) - 1
            if left > 0:
                self._cuts[way] = left

    def heal(self) -> None:
        """All cuts end."""
        self._cuts.clear()

    def reaches(self, a: Zone, b: Zone) -> bool:
        """Whether something sent by ``a`` can get to ``b``."""
        return (a, b) not in self._cuts

    def delay_s(self, a: Zone, b: Zone) -> float:
        """How long one thing takes from ``a`` to ``b``; agents of one zone are near."""
        settings = self._settings
        base_s = settings.one_way_s if a != b else settings.one_way_s / 20
        return base_s + self._rng.random() * settings.jitter_s if settings.jitter_s else base_s

    def datagram(self, a: Zone, b: Zone, size: int) -> list[float]:
        """Send one datagram: the delays after which it arrives (none: lost; two: duplicated)."""
        settings, sent, rng = self._settings, self.sent, self._rng
        sent["packets"] += 1
        sent["bytes"] += size
        if size > MAX_DATAGRAM_BYTES or not self.reaches(a, b):
            sent["refused"] += 1
            return []
        if settings.loss and rng.random() < settings.loss:
            sent["lost"] += 1
            return []
        delays = [self.delay_s(a, b)]
        if settings.reorder and rng.random() < settings.reorder:
            sent["reordered"] += 1
            delays[0] += settings.reorder_s
        if settings.duplicate and rng.random() < settings.duplicate:
            sent["duplicated"] += 1
            delays.append(delays[0] + self.delay_s(a, b))
        return delays
