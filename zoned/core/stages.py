"""The stages of one node, made and wired once. The composition root of the core.

Stages know nothing of one another; whoever carries records between them (``node``, ``reads``) or shows them
(``views``) is handed this value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from zoned.core.cache import CacheController, Elsewhere, Going
from zoned.core.chronicle import Chronicle
from zoned.core.eviction import Demand, Worth
from zoned.core.facts import FactBook
from zoned.core.flight import Duplicates
from zoned.core.forecast import Forecaster
from zoned.core.gossip import Identity, Swim
from zoned.core.graph import Analyzer
from zoned.core.learning import Tuner
from zoned.core.members import CountsHeard, HoldingsHeard
from zoned.core.names import Dependency, Instant, NodeName
from zoned.core.observe import Observer
from zoned.core.placement import Planner
from zoned.core.prefetch import Prefetcher
from zoned.core.records import DependencyPolicy, Source
from zoned.core.ring import Agreement, OwnWeight, capacity_weight
from zoned.core.settings import NodeSettings

_UNKNOWN_COPIES = 4096  # of a store bounded in bytes alone, until it is seen how many fit
_A_USE = 0.5  # counts that are told are rounded: less is none
_ROWS_A_COPY, _MIN_ROWS = 16, 65_536


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
    going: Going
    tuner: Tuner
    worth: Worth
    chronicle: Chronicle
    duplicates: Duplicates
    policies: Mapping[Dependency, DependencyPolicy]
    counted: bool  # whether the store's size is known beforehand, in copies

    def holdings_heard(self, news: HoldingsHeard, now: Instant) -> None:
        """Another agent's copies can be asked for from now on; those that are new it has just fetched."""
        lasting, needed = self.cache.directory.lasting, self.tuner.needed
        if not news.reset:
            for fingerprint in news.held:
                if not lasting(fingerprint):
                    needed(fingerprint, now, True)
            if self.duplicates:
                self.duplicates.claimed(news.node, news.held, now.mono_s)
        self.cache.heard(news)

    def counts_heard(self, news: CountsHeard, now: Instant) -> None:
        """Other zones' demand counts for the last copies that are here. What is used there, and claimed by
        nobody there, is fetched from here or from the origin each time."""
        lasting, needed, told = self.cache.directory.lasting, self.tuner.needed, self.worth.told
        for fingerprint, uses in self.elsewhere.heard(news, now):
            told(fingerprint, uses)
            if uses > _A_USE and not lasting(fingerprint):
                needed(fingerprint, now, False)

    def gives_up(self, node: NodeName, now: Instant) -> None:
        """That member says that it is going to give up what it holds, which is sooner than gossip tells."""
        self.going.said(node, now.mono_s)
        self.cache.directory.discount(self.going.nodes)

    def appraise(self, now: Instant) -> None:
        """Once a turn: what copies are worth follows the prices, how many of them the store holds, and who
        gives up what it holds (its zone drains, or it leaves): a copy beside one of theirs is the last."""
        draining, told = self.facts.draining(), self.swim.summaries()
        going = [m.node for m in self.swim.members() if m.zone in draining] if draining else []
        going += [node for node, one in told.items() if one.draining and one.zone not in draining]
        self.going.told(going, now.mono_s)
        self.cache.directory.discount(self.going.nodes)
        worth, price = self.worth, self.observer.price
        worth.shrunk(self.going.lost_share(self.cache.directory.sizes()))
        worth.prices(price(Source.LOCAL), price(Source.PEER), price(Source.ORIGIN))
        held = len(self.cache)
        full = self.cache.stay_s() is not None
        if not self.counted and full and not held / 2 < worth.demand.copies < held * 2:
            worth.demand.settle(held)


def build(settings: NodeSettings, now: Instant) -> Stages:
    """All stages of a node, each with its own settings and its own chance."""
    name, zone = settings.node, settings.zone
    policies = {policy.name: policy for policy in settings.policies}
    plain = [name for name, policy in policies.items() if policy.policy == "lru"]

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
    copies = store.max_objects or _UNKNOWN_COPIES
    worth = Worth(Demand(copies, max(_MIN_ROWS, _ROWS_A_COPY * copies), chance("demand").random))
    cache = CacheController(store, policies, worth)
    worth.elsewhere = cache.directory.lasting
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
        going=Going(),
        elsewhere=Elsewhere(settings.forecast.recent_half_life_s, store.max_counts, cache.counters),
        tuner=Tuner(
            settings.learning,
            store.max_objects,
            store.max_bytes,
            chance("learning"),
            worth,
            plain,
            settings.placement.transfer_price_s_per_mib,
        ),
        worth=worth,
        chronicle=Chronicle(),
        duplicates=Duplicates(settings.flight),
        policies=policies,
        counted=store.max_objects is not None,
    )
