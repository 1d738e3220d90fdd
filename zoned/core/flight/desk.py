"""The desk of all fetches under way: starts them, coalesces readers on them, moves them on, times them out.

At most one flight per instance, so a hundred readers of one cold key make one fetch. Decisions are made
here, synchronously; the world only carries out ``FetchPeer`` and ``FetchOrigin`` and reports ``FetchDone``.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from zoned.core.actions import Action, FetchOrigin, FetchPeer
from zoned.core.events import FetchDone, FetchOutcome, Purpose
from zoned.core.flight.flight import TO_ORIGIN, Attempt, Flight, Landing, Step, StepKind, Waiter
from zoned.core.flight.settings import FlightSettings
from zoned.core.names import Address, InstanceKey, KeyHash, NodeName
from zoned.core.records import Reason, Source

_STALE_TIMERS = 256  # of attempts that are over, before they are looked for
_FINAL = (FetchOutcome.NOT_FOUND, FetchOutcome.TOO_LARGE)


class FlightDesk:
    """All flights of one node. ``address_of`` gives a member's transfer address, None when it has none."""

    def __init__(self, settings: FlightSettings, address_of: Callable[[NodeName], Address | None]) -> None:
        self._settings = settings
        self._address_of = address_of
        self._by_key: dict[InstanceKey, Flight] = {}
        self._by_fetch: dict[int, Flight] = {}
        self._timers: list[tuple[float, int]] = []  # (when, fetch); stale ones are skipped when they come up
        self._next_fetch = 1
        self.counters = {
            "started": 0,
            "holders_asked": 0,
            "coalesced": 0,
            "hedged": 0,
            "timeouts": 0,
            "fallbacks": 0,
            "failed": 0,
            "refused_flights": 0,
            "refused_waiters": 0,
        }

    def __len__(self) -> int:
        return len(self._by_key)

    def find(self, key: InstanceKey) -> Flight | None:
        """The flight of that instance, if one is under way."""
        return self._by_key.get(key)

    def start(
        self,
        key: InstanceKey,
        hashed: KeyHash,
        steps: tuple[Step, ...],
        reason: Reason,
        ring_id: str,
        now_s: float,
    ) -> tuple[Flight | None, list[Action]]:
        """Start a flight (None when there are too many). No flight of that instance may be under way."""
        assert key not in self._by_key and steps
        if len(self._by_fetch) >= self._settings.max_flights:
            self.counters["refused_flights"] += 1
            return None, []
        flight = Flight(key, hashed, reason, now_s, list(steps), ring_id)
        self._by_key[key] = flight
        self.counters["started"] += 1
        return flight, self._attempt(flight, now_s)

    def wait(self, flight: Flight, waiter: Waiter) -> bool:
        """Let one more read wait for it; False when too many do. A prefetch that somebody comes to wait for
        is a read from then on, and may try the origin as often."""
        if len(flight.waiters) >= self._settings.max_waiters:
            self.counters["refused_waiters"] += 1
            return False
        if flight.waiters:
            self.counters["coalesced"] += 1
        elif flight.reason is not Reason.DEMAND:
            flight.steps.extend([TO_ORIGIN] * (self._settings.origin_tries - 1))
        flight.waiters.append(waiter)
        return True

    def asked(self, fetch: int) -> NodeName:
        """Whom that attempt asks; "" for the origin, and for an attempt that was abandoned."""
        flight = self._by_fetch.get(fetch)
        if flight is None:
            return ""
        return _attempt_of(flight, fetch).step.node

    def done(self, event: FetchDone, now_s: float) -> tuple[Landing | None, list[Action]]:
        """An attempt ended: the landing if its flight did too, or the next attempts."""
        flight = self._by_fetch.get(event.fetch)
        if flight is None:
            return None, []  # an attempt that was abandoned
        attempt = _attempt_of(flight, event.fetch)
        if event.outcome is FetchOutcome.OK:
            return self._land(flight, attempt, event), []
        if event.outcome in _FINAL and attempt.step.kind in (StepKind.ORIGIN, StepKind.OWNER):
            return self._land(flight, attempt, event), []
        if event.outcome is FetchOutcome.NOT_HELD:
            flight.false_holders.append(attempt.step.node)
        self._close(flight, attempt)
        flight.spent_s += event.latency_s
        if flight.steps:
            self.counters["fallbacks"] += 1
            return None, self._attempt(flight, now_s)
        if flight.attempts:
            return None, []
        return self._land(flight, attempt, event), []

    def expire(self, now_s: float) -> tuple[list[Landing], list[Action]]:
        """Move on the attempts whose time is up, and start hedges for the slow ones."""
        landings: list[Landing] = []
        actions: list[Action] = []
        while self._timers and self._timers[0][0] <= now_s:
            _, fetch = heappop(self._timers)
            flight = self._by_fetch.get(fetch)
            if flight is None:
                continue
            attempt = _attempt_of(flight, fetch)
            if now_s >= attempt.deadline_s:
                self.counters["timeouts"] += 1
                detail = f"no answer from {attempt.step.node or 'the origin'}"
                late = FetchDone(fetch=fetch, outcome=FetchOutcome.TIMEOUT, detail=detail)
                landing, more = self.done(late, now_s)
                actions += more
                if landing is not None:
                    landings.append(landing)
            elif flight.steps and len(flight.attempts) == 1 and flight.steps[0] != attempt.step:
                self.counters["hedged"] += 1
                actions += self._attempt(flight, now_s)
        return landings, actions

    def next_deadline(self) -> float | None:
        """When ``expire`` must be called next (mono seconds)."""
        while self._timers and self._timers[0][1] not in self._by_fetch:
            heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def poison(self, matches: Callable[[InstanceKey], bool]) -> None:
        """They were invalidated under way: what these flights bring may be answered with to those who wait
        already, but neither kept nor given to who asks from now on."""
        for key in [key for key in self._by_key if matches(key)]:
            self._by_key.pop(key).poisoned = True

    def _attempt(self, flight: Flight, now_s: float) -> list[Action]:
        """Start the next step; a member without an address is passed over."""
        while flight.steps:
            step = flight.steps.pop(0)
            address = None if step.kind is StepKind.ORIGIN else self._address_of(step.node)
            if step.kind is not StepKind.ORIGIN and address is None:
                continue
            break
        else:
            raise AssertionError("a route ends with the origin")
        if step.kind in (StepKind.HOLDER, StepKind.PREFETCH):
            self.counters["holders_asked"] += 1
        fetch = self._next_fetch
        self._next_fetch += 1
        timeout = self._timeout(step.kind)
        attempt = Attempt(fetch, step, now_s + timeout, now_s + self._settings.hedge_after_s)
        flight.attempts.append(attempt)
        self._by_fetch[fetch] = flight
        heappush(self._timers, (attempt.deadline_s, fetch))
        if flight.steps and attempt.hedge_s < attempt.deadline_s:
            heappush(self._timers, (attempt.hedge_s, fetch))
        if len(self._timers) > _STALE_TIMERS + 4 * len(self._by_fetch):
            self._tidy()
        if address is None:
            prefetch = not flight.waiters and flight.reason is not Reason.DEMAND
            return [FetchOrigin(fetch=fetch, key=flight.key, timeout_s=timeout, prefetch=prefetch)]
        return [
            FetchPeer(
                fetch=fetch,
                key=flight.key,
                node=step.node,
                address=address,
                purpose=_purpose(step.kind),
                ring_id=flight.ring_id,
                timeout_s=timeout,
            )
        ]

    def _timeout(self, kind: StepKind) -> float:
        settings = self._settings
        if kind is StepKind.ORIGIN:
            return settings.origin_timeout_s
        if kind is StepKind.OWNER:  # the owner may have to go to the origin for us
            return settings.peer_timeout_s + settings.origin_timeout_s
        return settings.peer_timeout_s

    def _tidy(self) -> None:
        """Let go of the timers of attempts that are over: they would stay until their time, those of all that
        was fetched within a timeout. An attempt has two timers at most, so half of them go each time."""
        self._timers = [timer for timer in self._timers if timer[1] in self._by_fetch]
        heapify(self._timers)

    def _close(self, flight: Flight, attempt: Attempt) -> None:
        flight.attempts.remove(attempt)
        del self._by_fetch[attempt.fetch]

    def _land(self, flight: Flight, attempt: Attempt, event: FetchDone) -> Landing:
        for one in flight.attempts:
            del self._by_fetch[one.fetch]
        flight.attempts.clear()
        if not flight.poisoned:
            del self._by_key[flight.key]
        if event.outcome is not FetchOutcome.OK:
            self.counters["failed"] += 1
        return Landing(
            flight=flight,
            outcome=event.outcome,
            fetch=event.fetch,
            source=_source(attempt.step.kind, event.detail),
            node=attempt.step.node,
            size=event.size,
            version=event.version,
            ttl_s=event.ttl_s,
            latency_s=flight.spent_s + event.latency_s,
            detail=event.detail,
        )


def _attempt_of(flight: Flight, fetch: int) -> Attempt:
    """[hot] The attempt of that number, which is open; most often there is one."""
    for attempt in flight.attempts:
        if attempt.fetch == fetch:
            return attempt
    raise AssertionError(f"fetch {fetch} is none of its flight's")


def _purpose(kind: StepKind) -> Purpose:
    """[hot] What another agent is asked for. By identity: a dictionary would hash the Enum."""
    if kind is StepKind.HOLDER:
        return Purpose.COPY
    return Purpose.OWNER if kind is StepKind.OWNER else Purpose.PREFETCH


def _source(kind: StepKind, detail: str) -> Source:
    """Where the bytes came from; an owner says in ``detail`` when it had to go to the origin itself."""
    if kind is StepKind.ORIGIN:
        return Source.ORIGIN
    return Source.HOME if detail == "origin" else Source.PEER
