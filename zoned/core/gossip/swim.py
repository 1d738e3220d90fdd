"""The gossip stage as the node sees it: join and leave, publish and spread, and the view of the pool.

The traffic is in ``endpoint.py``, the rules in the parts that it wires. Every entry takes ``now``; nothing
here reads a clock. After each entry the world takes ``take_actions`` and ``take_news``, and wakes us at
``next_deadline``.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from zoned.core.errors import PeerError, StateError
from zoned.core.gossip.endpoint import Endpoint
from zoned.core.gossip.messages import Dead, Standing
from zoned.core.gossip.settings import GossipSettings
from zoned.core.gossip.tags import Identity, address_text, parse_address
from zoned.core.gossip.wire import checked_name
from zoned.core.members import RESTARTING, Ages, Fact, Member, MemberState, Summary
from zoned.core.names import Address, Fingerprint, Instant, NodeName

_FAREWELLS = 64
_MAX_PEERS = 256


class Swim(Endpoint):
    """Membership and anti-entropy of one agent."""

    def __init__(self, settings: GossipSettings, me: Identity, rng: random.Random, now: Instant) -> None:
        super().__init__(settings, me, rng, now)
        self.leave_done_s: float | None = None
        """After ``leave``: when (mono) the pool has been told and we may end."""
        self.counted = self._reconciler.counts.counted
        self.paired = self._reconciler.pairs.paired

    # ---- membership ----

    def join(self, seeds: Sequence[Address], now: Instant) -> None:
        """Join the pool by these seeds; they are called for ever until members live there."""
        if self._wiring.leaving:
            self._wiring.leaving = False
            self.leave_done_s = None
            self._rumours.own.leaving = False
            self._rumours.own.enter(Standing.ALIVE, now)
            self._rumours.announce()
            self._serf.say_join()
        self._dialer.join(seeds, now)
        self._spreader.arm(now)

    def leave(self, now: Instant) -> None:
        """Give our place up: first the intent, then the fact; keep ticking until ``leave_done_s``."""
        if self._wiring.leaving:
            return
        settings = self._wiring.settings
        self._serf.say_leave(self._wiring.me.node)
        self._wiring.leaving = True
        before = self._rumours.own.state()
        self._rumours.own.leaving = True
        self._rumours.changed(self._rumours.own, before, now)
        self._spreader.burst(_FAREWELLS)
        gone_s = now.mono_s + settings.leave_intent_s
        self._wiring.timers.at(gone_s, partial(self._gone, self._wiring.me.node))
        self.leave_done_s = gone_s + settings.leave_linger_s
        self._spreader.arm(now)

    def back_soon(self, now: Instant) -> None:
        """We end for a moment and keep our place: the others need not find out by probing."""
        if not self._wiring.leaving:
            self._wiring.leaving = True
            self._gone(RESTARTING, now)
            self.leave_done_s = now.mono_s

    def _gone(self, accuser: NodeName, now: Instant) -> None:
        own = self._rumours.own
        if self._wiring.leaving and own.standing is Standing.ALIVE:
            self._rumours.dead(Dead(own.incarnation, own.node, accuser), now)
            self._wiring.table.changed(own)
            self._spreader.burst(_FAREWELLS)

    def forget(self, node: NodeName, now: Instant) -> None:
        """Drop a dead member from every view; refused for one that is up."""
        known = self._wiring.table.get(node)
        if known is None or not self._rumours.forget(node, now):
            self._wiring.note("warning", "forget_refused", f"not forgotten: {node} is unknown or up")
            return
        self._serf.say_leave(node, prune=True)
        self._dialer.forgotten(known.address)
        self._reconciler.forgotten(node)
        self._spreader.arm(now)

    def hold_keys(self, fingerprints: tuple[str, ...], now: Instant) -> None:
        """Gossip is sealed with the first of these keys and opened with any: said of us to all as a tag."""
        if fingerprints != self._wiring.me.keys:
            self._wiring.me = self._wiring.me._replace(keys=fingerprints)
            self._rumours.announce()
            self._spreader.arm(now)

    def lagged(self, loop_lag_s: float) -> None:
        """How late the event loop runs: a busy agent is slower to accuse others."""
        if loop_lag_s > self._wiring.settings.loop_lag_limit_s:
            self._wiring.count("lags")
            self._wiring.awareness.add(1)

    def members(self) -> tuple[Member, ...]:
        """Everyone, ourselves included, sorted by name; the same tuple while nothing changed."""
        return self._wiring.table.members()

    def rtt_s(self, node: NodeName) -> float | None:
        """Round trip to a member, measured or predicted from coordinates; None when unknown."""
        return self._prober.rtt_s(node)

    # ---- what zoned agents tell one another ----

    def publish(self, summary: Summary, now: Instant) -> None:
        """Our newest summary; goes out now or a little later (``summary_interval_s``)."""
        self._reconciler.summaries.publish(summary, now)

    def summaries(self) -> Mapping[NodeName, Summary]:
        """The newest summary of every other zoned agent that is up, by name."""
        return self._reconciler.summaries.view()

    def holding(self, held: Iterable[Fingerprint], dropped: Iterable[Fingerprint], now: Instant) -> None:
        """Our cache gained and lost these since the last call."""
        self._reconciler.digests.note(held, dropped, now)

    def ages(self, now: Instant) -> dict[NodeName, Ages]:
        """How old what we know may be: of each other zoned agent that is up, seconds since its summary, and
        its holdings, were confirmed (news of it came, or somebody was found to know the same)."""
        return self._reconciler.versions.ages(now.mono_s)

    def spread(self, fact: Fact, now: Instant) -> None:
        """All must come to know this."""
        self._reconciler.spread(fact)

    # ---- state and numbers ----

    @property
    def counters(self) -> dict[str, int | float]:
        """Everything counted since the start, and the gauges of now."""
        wiring = self._wiring
        counters = wiring.counters | wiring.traffic.counters()
        counters["queue_length"] = len(wiring.queue)
        counters["queue_dropped"] = wiring.queue.dropped
        counters["health_score"] = wiring.awareness.score
        counters["facts"] = len(self._reconciler.facts)
        counters["holdings"] = self._reconciler.digests.own.held
        for state in MemberState:
            counters["members_" + state.value] = 0
        for member in self.members():
            counters["members_" + member.state.value] += 1
        return counters

    def export_state(self) -> dict[str, Any]:
        """What makes the next start easier: whom we knew, and clocks that must not go back."""
        own = self._rumours.own
        others = [each for each in self._wiring.table.all() if each is not own]
        known = [each for each in others if each.standing < Standing.LEFT]
        known.sort(key=lambda each: (each.standing, each.node))
        return {
            "peers": [[each.node, address_text(each.address)] for each in known[:_MAX_PEERS]],
            "clock": self._serf.clock.time,
            "incarnation": own.incarnation,
        }

    def restore_state(self, saved: dict[str, Any], now: Instant) -> None:
        """Take up a saved state; StateError for nonsense."""
        try:
            peers = [(checked_name(node), parse_address(address)) for node, address in saved["peers"]]
            clock, incarnation = saved["clock"], saved["incarnation"]
        except (KeyError, TypeError, ValueError, AttributeError, PeerError) as error:
            raise StateError(f"gossip: {error!r}") from error
        whole = type(clock) is int and type(incarnation) is int
        if not whole or not 0 <= clock < 1 << 53 or not 0 <= incarnation < 0xFFFFFFFE:
            raise StateError("gossip: clock or incarnation out of range")
        own = self._rumours.own
        own.incarnation = max(own.incarnation, incarnation + 1)
        own.touched()
        self._wiring.table.changed()
        self._serf.clock.witness(clock)
        self._dialer.remember([address for _, address in peers if address is not None], now)
