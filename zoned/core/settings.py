"""Everything that one node is told at birth: who it is, and the settings of each stage.

One frozen value, made once (by ``zoned.config`` for the daemon, by hand in the simulation). A stage sees
only its own part.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from zoned.core.cache import CacheSettings
from zoned.core.facts import FactsSettings
from zoned.core.flight import FlightSettings
from zoned.core.forecast import ForecastSettings
from zoned.core.gossip import GossipSettings
from zoned.core.graph import GraphSettings
from zoned.core.learning import LearningSettings
from zoned.core.names import Address, NodeName, Zone
from zoned.core.observe import ObserveSettings
from zoned.core.placement import PlacementSettings
from zoned.core.prefetch import PrefetchSettings
from zoned.core.records import DependencyPolicy
from zoned.core.ring import RingSettings

ABLATIONS: dict[str, tuple[str, str, Any]] = {
    "digests": ("gossip", "digests", False),
    "forecast": ("forecast", "enabled", False),
    "association": ("graph", "association", False),
    "placement": ("placement", "enabled", False),
    "learning": ("learning", "enabled", False),
    "refresh": ("cache", "max_refreshes", 0),
}
"""What can be switched off to see what it is worth: (stage, field, the value that means "off")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """Settings of one node."""

    node: NodeName
    zone: Zone
    gossip_address: Address
    """Where the other members reach our gossip (advertised)."""
    peer_address: Address | None = None
    """Where other agents fetch copies from us."""
    http_address: Address | None = None
    """Our local HTTP endpoint, told to the others for their operators."""
    resp_address: Address | None = None
    """Where we read for clients of the Redis protocol, told likewise."""
    weight: int | None = None
    """Our share of the ring is weight / sum of weights. None: the class of our store's room (ring.weights);
    0: holds nothing. Give all agents numbers, or none."""
    pool: str = ""
    """Tag that keeps zoned agents of other pools out, should seeds get crossed. "": we take any."""
    seed: int = 0
    """Seeds every stage's own random generator, as ``Random(f"{seed}/{node}/{stage}")``."""
    turn_interval_s: float = 1.0
    """How often at most the loop of the stages turns. Longer: staler summaries and plans, less work."""
    idle_turn_s: float = 30.0
    """How often the loop turns when nothing was used and nobody said anything: the season goes on, so what
    will be asked next may have changed. Longer: a forecast rise after a quiet hour is met later."""
    summary_interval_s: float = 5.0
    """How often at most we tell the others our load, demand and hot instances."""
    load_interval_s: float = 29.0
    """A load that moved is told so often, if there is no other news. Every host's load moves all the time:
    told every 5 s it was three quarters of what a pool of 30 sent at rest. Just below ``idle_turn_s``. One
    that jumped by a quarter of the whole does not wait for it: others choose among holders by it."""
    summary_instances: int = 128
    """Hot instances in a summary (about 40 bytes each on the wire)."""
    policies: tuple[DependencyPolicy, ...] = ()
    observe: ObserveSettings = field(default_factory=ObserveSettings)
    graph: GraphSettings = field(default_factory=GraphSettings)
    forecast: ForecastSettings = field(default_factory=ForecastSettings)
    gossip: GossipSettings = field(default_factory=GossipSettings)
    ring: RingSettings = field(default_factory=RingSettings)
    facts: FactsSettings = field(default_factory=FactsSettings)
    placement: PlacementSettings = field(default_factory=PlacementSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    prefetch: PrefetchSettings = field(default_factory=PrefetchSettings)
    flight: FlightSettings = field(default_factory=FlightSettings)
    learning: LearningSettings = field(default_factory=LearningSettings)


def ablated(settings: NodeSettings, stages: Iterable[str]) -> NodeSettings:
    """The same node with these `ABLATIONS` switched off."""
    for name in stages:
        stage, attribute, off = ABLATIONS[name]
        settings = replace(settings, **{stage: replace(getattr(settings, stage), **{attribute: off})})
    return settings
