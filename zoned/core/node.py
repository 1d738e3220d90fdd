"""One zone node as a function: an event and the time go in, actions come out.

    actions = node.handle(event, now)
    wake_at = node.next_deadline()        # the world sends a Tick then

This file is the router: it carries records from stage to stage and has no arithmetic. Read ``_turn``
first; it is the whole loop. Three things happen outside it because delay there does harm: gossip (a late
ack looks like death), reads (``reads.py``), and association prefetches (worthless a second later).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zoned.core import events as ev
from zoned.core import persistence
from zoned.core.actions import Action, Fit, Note
from zoned.core.facts import DRAIN, EVERYWHERE, INVALIDATE, OFF, ON, OUT, PAUSE, parse_subject, subject_of
from zoned.core.farewell import Farewell
from zoned.core.joining import Joining
from zoned.core.members import (
    CountsHeard,
    Fact,
    FactHeard,
    HoldingsHeard,
    MemberChanged,
    MemberState,
    News,
    PairsHeard,
    SummaryHeard,
)
from zoned.core.names import InstanceKey, Instant
from zoned.core.peers import Peers
from zoned.core.reads import Reads
from zoned.core.records import Advice, Forecast, Plan
from zoned.core.settings import NodeSettings
from zoned.core.settling import Settling
from zoned.core.snapshot import Snapshot
from zoned.core.stages import build
from zoned.core.summaries import Publisher, is_evacuating, jumped
from zoned.core.views import Location, View, explain, locate, snapshot


class Node:
    """One agent's whole mind. Not thread-safe; one event at a time."""

    def __init__(self, settings: NodeSettings, now: Instant, state: Mapping[str, Any] | None = None) -> None:
        self.settings = settings
        self.started = now
        stages = self.stages = build(settings, now)
        self.observer, self.analyzer, self.forecaster = stages.observer, stages.analyzer, stages.forecaster
        self.swim, self.agreement, self.facts = stages.swim, stages.agreement, stages.facts
        self.planner, self.prefetcher = stages.planner, stages.prefetcher
        self.cache, self.tuner = stages.cache, stages.tuner
        self.publisher = Publisher(settings)
        self.advice = Advice(eviction=self.cache.eviction)
        self.forecast: Forecast | None = None
        self.plan: Plan | None = None
        self.leaving = False
        self.farewell = Farewell(settings.node, stages.swim, settings.placement.leave_hand_over_s)
        ring = self.agreement.settle(self.swim.members(), (), now)
        self.peers = Peers(
            settings.node,
            settings.zone,
            settings.flight,
            stages.cache,
            stages.policies,
            ring,
            stages.duplicates.pays,
        )
        self.joining = Joining(settings, stages, self.peers, now)
        self.settling = Settling(settings, stages, self.peers, self.joining)
        self.reads = Reads(settings, stages, self.peers)
        self._handlers = self._table()
        timed = (stages.swim, self.reads.flights, stages.prefetcher, self.settling)
        self._deadlines = (*[stage.next_deadline for stage in timed], self.cache.sweep_due_s)
        self._last_turn_s = now.mono_s
        self._pace_s = settings.turn_interval_s
        self._moving_pace_s = min(settings.turn_interval_s, settings.placement.drain_interval_s)
        self._moving = False  # copies change zones: the loop turns as often as somebody waits for it
        self._dirty = True  # something happened that the next turn should look at
        if state is not None:
            persistence.restore_state(stages, state, now)
            self.joining.restore_state(state.get("joining"), now)

    # ---- the world's side -----------------------------------------------------------------------

    def handle(self, event: ev.Event, now: Instant) -> list[Action]:
        """Take one event; return what is to be done, in order."""
        actions = self._handlers[type(event)](event, now) or []
        now_s = now[0]
        if now_s >= self._last_turn_s + self._pace_s and now_s >= self._turn_due_s():
            actions += self._turn(now)
        held, dropped = self.cache.take_digest_changes()
        if held or dropped:
            self.swim.holding(held, dropped, now)
        news = self.swim.take_news()
        if news:
            actions += self._heard(news, now)
        sent = self.swim.take_actions()
        return actions + sent if sent else actions

    def next_deadline(self) -> float | None:
        """[hot] When the next Tick is due (mono seconds); None: nothing to do until something happens."""
        soonest_s = self._turn_due_s()
        for next_deadline in self._deadlines:
            due_s = next_deadline()
            if due_s is not None and due_s < soonest_s:
                soonest_s = due_s
        return soonest_s

    def export_state(self) -> dict[str, Any]:
        """What should survive a restart, msgpack-able."""
        return persistence.export_state(self.stages) | {"joining": self.joining.export_state()}

    def snapshot(self, now: Instant) -> Snapshot:
        """All that can be seen from outside, at this moment."""
        return snapshot(self.view(), now)

    def explain(self, key: InstanceKey, now: Instant) -> tuple[str, ...]:
        """Why a copy of that instance is, or is not, in this zone: lines for people."""
        return explain(self.view(), key, now)

    def locate(self, key: InstanceKey) -> Location:
        """The shard of an instance, its preference list, and who holds it as far as we know."""
        return locate(self.view(), key)

    # ---- the loop -------------------------------------------------------------------------------

    def _turn(self, now: Instant) -> list[Action]:
        """Once round the loop, at our own pace."""
        self._last_turn_s, self._dirty = now.mono_s, False
        actions = self.reads.sweep(now)
        window = self.observer.close_window(now)
        self.analyzer.update(now)
        self.forecast = self.forecaster.update(window, now)
        going = self.farewell.handing_over or self.settings.zone in self.facts.draining()
        begins = going and (self.plan is None or self.plan.drained_ratio is None)
        self.swim.counted(self.forecaster.take_counts(now), now, hurry=begins)
        self.swim.paired(self.analyzer.take_sightings(now))
        members = self.swim.members()
        actions += self.settling.turn(now) + self.joining.turn(now)
        ring = self.agreement.ring
        self.stages.appraise(now)
        self.advice = self.tuner.review(self.cache.outcomes(), self.observer.price, self.forecast, now)
        self.cache.advise(self.advice.eviction, self.advice.evictions, self.advice.recent)
        self.forecaster.refit(self.advice.refit + self.planner.adjust(self.forecast))
        self.reads.thresholds = self.advice.thresholds
        self.plan = self.planner.plan(
            self.forecast,
            self.swim.summaries(),
            ring,
            self.cache,
            members,
            self.facts.draining(),
            self.facts.paused,
            self.advice.thresholds,
            self.observer.price,
            now,
            leaving=self.farewell.handing_over,
            awaited=[m.node for m in members if self.agreement.awaited(m, now)],
            serving=self.peers.serving,
            warming=self.joining.pending,
        )
        self.farewell.review(self.plan, now)
        self.tuner.planned(self.plan, self.cache.keeps_guess, now)
        self.prefetcher.follow(self.plan, now)
        self.prefetcher.refresh(self.cache.expiring(now), now, self.advice.thresholds)
        self._publish(now)
        actions += self.reads.prefetches(now)
        actions += self.peers.offers(self.plan.hand_over)
        job = self.forecaster.fit_due(now)
        if job is not None:
            actions.append(Fit(job=job))
        zone, settings = self.settings.zone, self.settings
        evacuating = self.farewell.handing_over or is_evacuating(self.plan, zone, self.swim.summaries())
        self._moving = evacuating or self.joining.under_way
        self._pace_s = self._moving_pace_s if self._moving else settings.turn_interval_s
        return actions

    def _turn_due_s(self) -> float:
        busy = self._dirty or self.observer.pending or self._moving
        soonest_s = self._last_turn_s + self._pace_s
        if busy:
            return soonest_s
        return max(soonest_s, min(self._last_turn_s + self.settings.idle_turn_s, self.cache.next_refresh_s))

    def _publish(self, now: Instant) -> None:
        assert self.forecast is not None and self.plan is not None
        summary = self.publisher.summary(
            self.forecast,
            self.plan,
            self.observer,
            self.cache,
            self.agreement.ring.ring_id,
            now,
            self.farewell.handing_over,
            *self.joining.told,
        )
        if summary is not None:
            self.swim.publish(summary, now)

    # ---- gossip's news --------------------------------------------------------------------------

    def _heard(self, heard: list[News], now: Instant) -> list[Action]:
        """Carry what gossip learnt to whom it concerns."""
        actions: list[Action] = []
        for news in heard:
            if isinstance(news, HoldingsHeard):
                self.stages.holdings_heard(news, now)
            elif isinstance(news, CountsHeard):
                self.stages.counts_heard(news, now)
            elif isinstance(news, PairsHeard):
                self.analyzer.heard(news)
            elif isinstance(news, FactHeard):
                if self.facts.hear(news.fact):
                    actions += self._learnt(news.fact, now)
            elif isinstance(news, MemberChanged):
                self._dirty = True
                self.settling.changed(news.member, now)
                if news.member.state in (MemberState.FAILED, MemberState.LEFT):
                    self.stages.elsewhere.gone(news.member.node)
            elif isinstance(news, SummaryHeard):
                self._dirty = True
                self.agreement.heard(news.summary.node, news.summary.ring_id, now)
        if self.joining.is_urgent(heard, now):
            self._pace_s = self._moving_pace_s
        return actions

    def _learnt(self, fact: Fact, now: Instant) -> list[Action]:
        """A fact became known, from here or from elsewhere."""
        self._dirty = True
        if fact.kind == DRAIN:
            self._pace_s = self._moving_pace_s
        note = Note(level="info", event="fact", text=f"{fact.kind} {fact.subject} {fact.value}")
        if fact.kind == INVALIDATE:
            return self.reads.invalidate(*parse_subject(fact.subject), now)
        if fact.kind == OUT:
            self.settling.said_out(fact, now)
        return [note]

    def _say(self, kind: str, subject: str, value: str, now: Instant) -> list[Action]:
        fact = self.facts.say(kind, subject, value, now)
        self.swim.spread(fact, now)
        return self._learnt(fact, now)

    def view(self) -> View:
        """What the questions of ``views`` look at."""
        return View(
            settings=self.settings,
            stages=self.stages,
            reads=self.reads,
            started=self.started,
            leaving=self.leaving,
            plan=self.plan,
            forecast=self.forecast,
            joining=self.joining,
        )

    # ---- the table of events --------------------------------------------------------------------

    def _table(self) -> dict[type, Callable[[Any, Instant], list[Action] | None]]:
        swim, reads, observer = self.swim, self.reads, self.observer

        def invalidate(e: ev.Invalidate, now: Instant) -> list[Action]:
            return self._say(INVALIDATE, subject_of(e.dependency, e.key), "", now)

        def load(e: ev.LoadSampled, now: Instant) -> None:
            self._dirty |= jumped(e.load, observer.load)
            observer.loaded(e.load)
            swim.lagged(e.load.loop_lag_s)

        return {
            ev.Tick: lambda e, now: self._tick(now),
            ev.Read: reads.read,
            ev.PeerRead: reads.peer_read,
            ev.FetchDone: reads.fetch_done,
            ev.AccessBatch: reads.accesses,
            ev.LocalHits: reads.local_hits,
            ev.StoreLost: reads.store_lost,
            ev.Offered: lambda e, now: reads.offered(e, self.joining.offered(e, now), now),
            ev.Timed: lambda e, now: observer.timed(e.source, e.mean_s, e.count),
            ev.LoadSampled: load,
            ev.PacketReceived: lambda e, now: swim.packet(e.data, e.sender, now, e.private),
            ev.StreamReceived: lambda e, now: swim.stream(e.stream, e.data, e.sender, now),
            ev.StreamAnswered: lambda e, now: swim.answered(e.call, e.data, now, e.refused),
            ev.ModelsFitted: lambda e, now: self.forecaster.fitted(e.job, e.result, now),
            ev.Join: lambda e, now: swim.join(e.seeds, now),
            ev.Forget: lambda e, now: swim.forget(e.node, now),
            ev.KeysChanged: lambda e, now: swim.hold_keys(e.fingerprints, now),
            ev.KeyAnswered: lambda e, now: swim.keys.answered(e, now),
            ev.AskKeys: lambda e, now: swim.keys.ask(e, now),
            ev.Stop: lambda e, now: self._stop(e.kind, now),
            ev.Drain: lambda e, now: self._say(DRAIN, e.zone, ON, now),
            ev.Undrain: lambda e, now: self._say(DRAIN, e.zone, OFF, now),
            ev.Pause: lambda e, now: self._say(PAUSE, EVERYWHERE, ON if e.paused else OFF, now),
            ev.Invalidate: invalidate,
        }

    def _tick(self, now: Instant) -> list[Action]:
        self.swim.tick(now)
        actions = self.reads.expire(now) + self.settling.tick(now)
        if now.mono_s >= self.cache.sweep_due_s():
            actions += self.reads.let_go(now)
        return actions + self.reads.prefetches(now)

    def _stop(self, kind: ev.StopKind, now: Instant) -> None:
        self.leaving = True
        if kind is ev.StopKind.LEAVE:
            self.joining.left = True
            self.farewell.begin(len(self.cache), self.swim.members(), self.facts.paused, now)
            self._dirty, self._pace_s = True, self._moving_pace_s
        else:
            self.swim.back_soon(now)
