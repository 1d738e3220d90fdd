"""The fetches of one virtual machine: from the origin and from other machines, each ending exactly once.

With instant fetches (see ``host``) the answer comes within the same call and its time is added to what the
read at hand would have waited. Otherwise, and for prefetches always, it comes later in virtual time: after a
round trip, at the timeout when the way is cut, at once when there is nobody at the other end.
"""

from __future__ import annotations

from collections.abc import Callable

from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.events import FetchOutcome, Purpose
from zoned.core.names import InstanceKey
from zoned.core.records import Source
from zoned.simulation.world import Machine, World

Arrived = Callable[[InstanceKey, ev.FetchDone, Source, bool], None]
"""(key, how it ended, from where, whether nobody had asked for it)"""

Later = Callable[[float, Callable[[], None]], None]
"""Call that after so many seconds, unless the machine was switched off meanwhile."""


class Fetches:
    """Carries out ``FetchOrigin`` and ``FetchPeer``."""

    def __init__(self, machine: Machine, world: World, later: Later, arrived: Arrived) -> None:
        self._machine = machine
        self._world = world
        self._later = later
        self._arrived = arrived

    def origin(self, action: act.FetchOrigin) -> None:
        """Ask the origin."""
        origin = self._world.origin
        latency_s = origin.latency_s(action.key)
        done = ev.FetchDone(
            fetch=action.fetch,
            outcome=origin.outcome(action.key),
            size=origin.size_of(action.key),
            ttl_s=origin.ttl_s(action.key),
            latency_s=latency_s,
        )
        self._end(latency_s, action.key, done, Source.ORIGIN, action.prefetch)

    def peer(self, action: act.FetchPeer) -> None:
        """Ask another machine."""
        world, me = self._world, self._machine
        target = world.at_peer_address(action.address)
        rtt_s = world.rtt_s(me.zone, target.zone)
        there, back = world.network.reaches(me.zone, target.zone), world.network.reaches(target.zone, me.zone)
        if not (there and back):
            done = ev.FetchDone(fetch=action.fetch, outcome=FetchOutcome.TIMEOUT, latency_s=action.timeout_s)
            self._later(action.timeout_s, lambda: me.give(done))
        elif target.node is None:
            done = ev.FetchDone(
                fetch=action.fetch, outcome=FetchOutcome.FAILED, latency_s=rtt_s, detail="refused"
            )
            self._later(rtt_s, lambda: me.give(done))
        else:
            self._ask(target, action, rtt_s)

    def _ask(self, target: Machine, action: act.FetchPeer, rtt_s: float) -> None:
        world, prefetch = self._world, action.purpose is Purpose.PREFETCH
        instant = world.instant_fetches and not prefetch
        asked_s = world.schedule.now_s

        def request(number: int) -> ev.PeerRead:
            return ev.PeerRead(
                request=number,
                key=action.key,
                sender=self._machine.name,
                purpose=action.purpose,
                ring_id=action.ring_id,
            )

        def replied(answer: act.AnswerPeer) -> None:
            there_s = target.inline_s if instant else world.schedule.now_s - asked_s
            done = ev.FetchDone(
                fetch=action.fetch,
                outcome=answer.outcome,
                size=world.origin.size_of(action.key),
                version=answer.version,
                ttl_s=answer.ttl_s,
                latency_s=rtt_s + there_s,
                detail=answer.detail,
                ring_id=answer.ring_id,
            )
            waits_s = rtt_s + there_s if instant else rtt_s  # otherwise the rest has passed already
            self._end(waits_s, action.key, done, Source.PEER, prefetch)

        if instant:
            target.inline_s = 0.0
        target.ask(request, replied)

    def _end(
        self, delay_s: float, key: InstanceKey, done: ev.FetchDone, source: Source, prefetch: bool
    ) -> None:
        if self._world.instant_fetches and not prefetch:
            self._machine.inline_s += delay_s
            self._arrived(key, done, source, False)
        else:
            self._later(delay_s, lambda: self._arrived(key, done, source, prefetch))
