"""The planner: once in a while, decide which copies this zone should have and which it should pass on.

    demand (own forecast, other zones' summaries)  x  prices (measured)  ->  wants worth their room
    the ring + each dependency's policy                                  ->  homes, and the lines to show
    facts (drain, pause)                                                 ->  hand-overs, or nothing at all

Each agent plans for its own zone only, from what it knows; nobody assigns work to others. Two agents may
both want a copy, but only for their own users, so disagreement costs a transfer and never a wrong answer.
Plans are values and keep no promises: the next one starts from the world as it is then.

The planner does nothing where prediction does not pay; that is most of its cleverness (``warmth.md``: naive
prefetching wins 0-22 % for up to 1.8 times the transfers). Rejected: one global optimum by a solver (needs
everyone's data at one place, and is stale when it arrives).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from types import MappingProxyType

from zoned.core.members import Member, Summary
from zoned.core.names import Dependency, InstanceKey, Instant, KeyHash, NodeName, Zone
from zoned.core.placement.cost import Prices, marginal_values, worth_their_room
from zoned.core.placement.demand import HOUR_S, Demand, HotLists
from zoned.core.placement.drain import Evacuation, drain_wants, evacuation, replication
from zoned.core.placement.explain import explain
from zoned.core.placement.migration import Offers
from zoned.core.placement.policy import Policies, adjust_dependencies, prediction_errors, sharding_lines
from zoned.core.placement.room import room_of
from zoned.core.placement.roster import Roster
from zoned.core.placement.settings import PlacementSettings
from zoned.core.placement.succession import succession
from zoned.core.placement.wants import Scene, elsewhere_wants, forecast_wants, home_wants
from zoned.core.records import (
    Contents,
    DependencyPolicy,
    Forecast,
    Plan,
    PlanLine,
    Reason,
    Source,
    Want,
)
from zoned.core.ring import Ring

_LEAST_STAY = 1e-6  # share of an hour: nothing is likely enough within it

NOBODY: Mapping[NodeName, int] = MappingProxyType({})

Thresholds = Mapping[tuple[Dependency, Reason], float]


class Planner:
    """Makes this agent's plans; remembers only what spares work or repetition."""

    def __init__(
        self,
        settings: PlacementSettings,
        me_node: NodeName,
        me_zone: Zone,
        policies: Mapping[Dependency, DependencyPolicy],
    ) -> None:
        """``policies`` by dependency; those not named are ``auto``."""
        self._settings = settings
        self._me = me_node
        self._zone = me_zone
        self._policies = Policies(policies, settings)
        self._lists = HotLists()
        self._offers = Offers(settings)
        self._passed_on = Offers(settings)  # to newcomers
        self._plan: Plan | None = None
        self._due_s = 0.0  # the earliest next plan
        self._replicate_s = 0.0  # the next look at replicated copies
        self._seen: tuple[object, ...] = ()  # what the last plan was made from, compared by identity
        self._lines: tuple[PlanLine, ...] = ()
        self._lines_of: tuple[str, tuple[Dependency, ...]] | None = None
        self._thresholds: Thresholds = {}
        self._overlaps: Mapping[Dependency, float] = {}
        self._over: tuple[Dependency, ...] = ()  # whose error was over the threshold at last
        self.counters: dict[str, int] = dict.fromkeys(
            (
                "plans",
                "wants",
                "wants_dropped",
                "wants_not_worth_room",
                "wants_doubted",
                "passed_on",
                "adjusted",
            ),
            0,
        )
        self.counters |= self._offers.counters

    def plan(
        self,
        forecast: Forecast,
        summaries: Mapping[NodeName, Summary],
        ring: Ring,
        contents: Contents,
        members: Sequence[Member],
        draining: Sequence[Zone],
        paused: bool,
        thresholds: Thresholds,
        prices: Callable[[Source], float],
        now: Instant,
        leaving: bool = False,
        awaited: Sequence[NodeName] = (),
        serving: Ring | None = None,
        warming: Mapping[NodeName, int] = NOBODY,
    ) -> Plan:
        """The plan to follow now. ``leaving``: this agent gives its copies up as if its zone drained.
        ``awaited``: who restarts, and will look after its part again in a moment. ``warming``: the newcomers'
        groups of shards that others still serve, and ``serving`` the ring as it serves because of that.

        While none is due the last one comes back, without its offers (they are made already), as the same
        object each time."""
        draining = tuple(draining)
        if not leaving and not self._is_due(forecast, summaries, ring, draining, paused, bool(warming), now):
            return self._again()
        settings = self._settings
        hurried = leaving or self._zone in draining or bool(warming)
        self._due_s = now.mono_s + (settings.drain_interval_s if hurried else settings.plan_interval_s)
        self._seen = (forecast, *(summaries[node] for node in sorted(summaries)))
        self._thresholds = thresholds
        room = room_of(summaries, contents.directory_sizes(), self._me, contents.capacity_left())
        roster = Roster(members, draining, self._me, self._zone, leaving, awaited, room)
        self._lists.forget_others(summaries)
        scene = Scene(
            demand=Demand(forecast, summaries, self._lists, self._zone, draining, len(roster.staying)),
            ring=serving or ring,
            owned=ring,
            warming=warming,
            contents=contents,
            roster=roster,
            prices=Prices(prices, settings),
            policies=self._policies,
            learnt=thresholds,
            settings=settings,
            stay=self._stay(contents, now),
        )
        return self._made(scene, paused, now)

    def _made(self, scene: Scene, paused: bool, now: Instant) -> Plan:
        """The plan for that scene; it is the last one from now on."""
        roster = scene.roster
        ours = roster.leaving or self._zone in roster.draining
        moves = self._hand_over(scene, paused, now)
        wants, doubtful = ((), ()) if paused or ours else self._wants(scene)
        self._plan = Plan(
            made=now,
            ring_id=scene.owned.ring_id,
            paused=paused,
            wants=wants,
            doubtful=doubtful,
            hand_over=moves.offers,
            lines=self._sharding(scene.owned, scene.demand),
            draining=roster.draining,
            drained_ratio=moves.ratio if ours else None,
            drained=ours and moves.done,
        )
        self._overlaps = scene.demand.overlaps()
        self.counters["plans"] += 1
        self.counters["wants"] += len(self._plan.wants)
        self.counters |= self._offers.counters
        self.counters["passed_on"] = self._passed_on.counters["offered"]
        return self._plan

    def adjust(self, forecast: Forecast) -> tuple[Dependency, ...]:
        """Whose prediction error has just risen over the threshold, worst first: to be refitted. The plan
        that follows is made by what the new models say. Each is named once, until its error falls again."""
        over = adjust_dependencies(prediction_errors(forecast), self._settings.adjust_above_error)
        fresh = tuple([name for name in over if name not in self._over])
        self._over = over
        self.counters["adjusted"] += len(fresh)
        return fresh

    def _again(self) -> Plan:
        """The last plan, without the offers that were made already."""
        assert self._plan is not None
        if self._plan.hand_over:
            self._plan = replace(self._plan, hand_over=())
        return self._plan

    def why(
        self,
        key: InstanceKey,
        key_hash: KeyHash,
        ring: Ring,
        contents: Contents,
        forecast: Forecast | None,
        plan: Plan | None,
    ) -> tuple[str, ...]:
        """Lines for ``zoned explain``: why the plan wants a copy here, or does not. Not for hot paths."""
        return explain(
            key, key_hash, ring, contents, forecast, plan, self._policies, self._thresholds, self._overlaps
        )

    # ---- inside ----------------------------------------------------------------------------------------

    def _is_due(
        self,
        forecast: Forecast,
        summaries: Mapping[NodeName, Summary],
        ring: Ring,
        draining: tuple[Zone, ...],
        paused: bool,
        warming: bool,
        now: Instant,
    ) -> bool:
        """What an operator waits for is planned at once; the rest when something changed, not too often."""
        last = self._plan
        if last is None or (last.ring_id, last.draining, last.paused) != (ring.ring_id, draining, paused):
            return True
        if now.mono_s < self._due_s:
            return False
        if draining or warming or (self._policies.replicated and now.mono_s >= self._replicate_s):
            return True
        seen = self._seen
        if len(seen) != len(summaries) + 1 or seen[0] is not forecast:
            return True
        return any(summaries[node] is not old for node, old in zip(sorted(summaries), seen[1:], strict=True))

    def _stay(self, contents: Contents, now: Instant) -> float:
        """For which share of an hour of the season a copy stays here that nobody uses: at most 1."""
        stay_s = contents.stay_s()
        if stay_s is None:
            return 1.0
        rate = 1.0  # of the season clock; a demo's runs faster
        if self._plan is not None and now.mono_s > self._plan.made.mono_s:
            made = self._plan.made
            rate = max(0.0, now.season_s - made.season_s) / (now.mono_s - made.mono_s)
        return min(1.0, max(_LEAST_STAY, stay_s * rate / HOUR_S))

    def _hand_over(self, scene: Scene, paused: bool, now: Instant) -> Evacuation:
        """What we offer now, and how far the evacuation of our own zone is, if it drains."""
        if scene.roster.leaving or self._zone in scene.roster.draining:
            return evacuation(scene, self._offers, now.mono_s, paused)
        if self._plan is not None and self._zone in self._plan.draining:
            self._offers.forget()  # called off: a later drain starts anew
        if paused:
            return Evacuation((), 1.0, False)
        passed_on = succession(scene, self._passed_on, self._me, now.mono_s)
        if not scene.warming:
            self._passed_on.forget()
        if not self._policies.replicated or now.mono_s < self._replicate_s:
            return Evacuation(passed_on, 1.0, False)
        made = replication(scene, self._offers, self._me, now.mono_s)
        full = sum(len(offer.keys) for offer in made) >= self._settings.max_hand_over_keys
        # A full plan means that there is more: go on with the next one rather than after the interval.
        self._replicate_s = now.mono_s + (0.0 if full else self._settings.replicate_interval_s)
        return Evacuation(passed_on + made, 1.0, False)

    def _wants(self, scene: Scene) -> tuple[tuple[Want, ...], tuple[Want, ...]]:
        """(what to fetch, the guesses that are only watched), by value."""
        settings = self._settings
        evidence = [drain_wants(scene)]
        if settings.enabled:
            evidence += [forecast_wants(scene), elsewhere_wants(scene)]
        found: dict[KeyHash, Want] = {}
        doubted: dict[KeyHash, Want] = {}
        ordered: list[Want] = []

        def sort_out(want: Want) -> None:
            trusted = want.chance >= scene.threshold(want.key.dependency, want.reason)
            # The first reason given is the one that is learnt from.
            (found if trusted else doubted).setdefault(want.key_hash, want)

        for want in chain.from_iterable(evidence):
            sort_out(want)
        if settings.enabled:
            for want, always in home_wants(scene):
                if always:
                    ordered.append(found.pop(want.key_hash, want))
                else:
                    sort_out(want)
        doubtful = [want for hashed, want in doubted.items() if hashed not in found]
        if found or doubtful:
            marginal = marginal_values(scene.contents, scene.demand.own, scene.prices, settings, scene.stay)
            wants = sorted(found.values(), key=_by_value)
            kept = worth_their_room(wants, marginal, settings)
            self.counters["wants_not_worth_room"] += len(wants) - len(kept)
            ordered += kept
            doubtful = worth_their_room(sorted(doubtful, key=_by_value), marginal, settings)
        ordered.sort(key=_by_value)
        self.counters["wants_dropped"] += max(0, len(ordered) - settings.max_wants)
        self.counters["wants_doubted"] += len(doubtful)
        return tuple(ordered[: settings.max_wants]), tuple(doubtful[: settings.max_wants])

    def _sharding(self, ring: Ring, demand: Demand) -> tuple[PlanLine, ...]:
        """The lines change with the ring and the set of dependencies only, so they are kept between plans."""
        names = tuple(sorted({*demand.hour_here, *demand.elsewhere}))
        if self._lines_of != (ring.ring_id, names):
            self._lines_of = (ring.ring_id, names)
            self._lines = sharding_lines(ring, self._policies, names, self._settings)
        return self._lines


def _by_value(want: Want) -> tuple[float, KeyHash]:
    return -want.value, want.key_hash
