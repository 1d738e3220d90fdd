"""What a virtual machine and the world around it may ask of one another; values that both speak of.

The cluster makes hosts and a host acts on its cluster. Each side is told here what it may use of the other,
so that hosts know no cluster, and a test can put a smaller world around a single host.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.events import FetchOutcome
from zoned.core.names import Address, InstanceKey, Instant, NodeName, Zone
from zoned.core.node import Node
from zoned.core.records import FitJob, FitResult, Source
from zoned.core.settings import NodeSettings
from zoned.simulation.network import Network
from zoned.simulation.schedule import Schedule
from zoned.simulation.wires import Wires

Fitter: TypeAlias = Callable[[FitJob], FitResult]
"""Fits models in line, as the worker of an agent does beside it."""


class Answer(NamedTuple):
    """How a client's read ended. ``source`` None: it failed. ``late``: it waited for a prefetch under way."""

    node: NodeName
    key: InstanceKey
    source: Source | None
    latency_s: float
    late: bool


class OriginModel(Protocol):
    """Where instances come from in a simulation."""

    def size_of(self, key: InstanceKey) -> int:
        """Bytes of that instance."""

    def latency_s(self, key: InstanceKey) -> float:
        """How long the origin takes for it."""

    def outcome(self, key: InstanceKey) -> FetchOutcome:
        """Whether the origin gives it now."""

    def ttl_s(self, key: InstanceKey) -> float | None:
        """What the origin says of its freshness; None: nothing."""


@dataclass(slots=True)
class Transfers:
    """What was moved into a host's zone. ``late``: reads that waited for a prefetch on its way."""

    origin: int = 0
    peer: int = 0
    prefetched: int = 0
    prefetch_used: int = 0
    late: int = 0
    asked_in_vain: int = 0

    def add(self, other: Transfers) -> None:
        """Add up."""
        self.origin += other.origin
        self.peer += other.peer
        self.prefetched += other.prefetched
        self.prefetch_used += other.prefetch_used
        self.late += other.late
        self.asked_in_vain += other.asked_in_vain


class Machine(Protocol):
    """A host, as the world and other hosts see it. ``life`` counts its boots: what was begun in an earlier
    life reaches nobody."""

    settings: NodeSettings
    node: Node | None
    name: NodeName
    zone: Zone
    life: int
    inline_s: float
    """With instant fetches: how long the read being resolved would have waited so far."""

    def give(self, event: ev.Event) -> None:
        """Let the node take one event, and carry out what it wants."""

    def ask(self, event: Callable[[int], ev.PeerRead], reply: Callable[[act.AnswerPeer], None]) -> None:
        """Another agent asks for an instance; ``reply`` gets the answer, whenever it comes."""


class World(Protocol):
    """The cluster, as a host sees it."""

    schedule: Schedule
    network: Network
    wires: Wires
    origin: OriginModel
    hit_s: float
    instant_fetches: bool
    answered: Callable[[Answer], None]

    def instant(self) -> Instant:
        """Now, on the three clocks."""

    def at_peer_address(self, address: Address) -> Machine:
        """Whose transfer port that is."""

    def rtt_s(self, a: Zone, b: Zone) -> float:
        """A round trip of a fetch between two zones."""

    def offer(self, sender: Machine, action: act.Offer) -> None:
        """Carry an offer of copies."""

    def fit(self, machine: Machine, action: act.Fit) -> None:
        """Have models fitted, if this world does that."""
