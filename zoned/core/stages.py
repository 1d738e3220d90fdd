"""The stages of one node, made and wired once. The composition root of the core.

Stages know nothing of one another; whoever carries records between them (``node``, ``reads``) or shows them
(``views``) is handed this value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from zoned.core.cache import CacheController, Elsewhere
from zoned.core.facts import FactBook
from zoned.core.forecast import Forecaster
from zoned.core.gossip import Identity, Swim
from zoned.core.graph import Analyzer
from zoned.core.learning import Tuner
from zoned.core.names import Dependency, Instant
from zoned.core.observe import Observer
from zoned.core.placement import Planner
from zoned.core.prefetch import Prefetcher
from zoned.core.records import DependencyPolicy
from zoned.core.ring import Agreement, OwnWeight, capacity_weight
from zoned.core.settings import NodeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """One of each, in the order of the loop."""

    observer: Observer
    analyzer: Analyzer
    forecaster: Forecaster
    swim: Swim
    weight: OwnWeight
    agreement: Agreement
    facts: FactBook
    planner: Planner
    prefetcher: Prefetcher
    cache: CacheController
    elsewhere: Elsewhere
    tuner: Tuner
    policies: Mapping[Dependency, DependencyPolicy]


def build(settings: NodeSettings, now: Instant) -> Stages:
    """All stages of a node, each with its own settings and its own chance."""
    name, zone = settings.node, settings.zone
    policies = {policy.name: policy for policy in settings.policies}

    def chance(stage: str) -> Random:
        return Random(f"{settings.seed}/{name}/{stage}")

    store = settings.cache
    weight = OwnWeight(settings.weight, capacity_weight(store.max_bytes, store.max_objects))
    me = Identity(
        node=name,
        zone=zone,
        weight=weight.weight,
        gossip=settings.gossip_address,
        peer=settings.peer_address,
        http=settings.http_address,
        resp=settings.resp_address,
        pool=settings.pool,
    )
    gossip = replace(settings.gossip, counts_half_life_s=settings.forecast.recent_half_life_s)
    cache = CacheController(store, policies)
    return Stages(
        observer=Observer(settings.observe, now),
        analyzer=Analyzer(settings.graph),
        forecaster=Forecaster(settings.forecast, chance("forecast")),
        swim=Swim(gossip, me, chance("gossip"), now),
        weight=weight,
        agreement=Agreement(settings.ring, name, settings.gossip.probe_interval_s),
        facts=FactBook(settings.facts, name),
        planner=Planner(settings.placement, name, zone, policies),
        prefetcher=Prefetcher(settings.prefetch, chance("prefetch")),
        cache=cache,
        elsewhere=Elsewhere(settings.forecast.recent_half_life_s, store.max_counts, cache.counters),
        tuner=Tuner(settings.learning, store.max_objects, store.max_bytes, chance("learning")),
        policies=policies,
    )
