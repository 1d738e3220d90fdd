"""The prefetcher: which copies are fetched before anyone asks, in which order, and within which budget.

Wants come from the plan (each turn), from associations (after each read), from copies about to expire,
from another zone that drains, and from the list of what was hot before a restart. They wait in one queue by
value; ``orders`` starts as many as the budget lets go now. Associations have a lane of their own in front
of it: a page's parts are asked for within a second or not at all, so they go at once or are dropped.

Whether a want still makes sense is asked at the last moment: the copy may have come by itself, the plan
may have dropped it, its time may be over. Nothing here knows where copies are or how they travel; a
``source`` is passed on as the planner named it. Where links are
limited, who asks for orders says who would be asked first, and a want waits for that link in its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from types import MappingProxyType

from zoned.core.names import Dependency, InstanceKey, Instant, KeyHash, NodeName, key_hash
from zoned.core.prefetch.budget import Budget, Travelling
from zoned.core.prefetch.failures import Failures
from zoned.core.prefetch.inheritance import Inheritance
from zoned.core.prefetch.links import Link, link_to
from zoned.core.prefetch.queue import OPEN_KINDS, Queued, WantQueue, kinds_of
from zoned.core.prefetch.settings import PrefetchSettings
from zoned.core.promises import Association
from zoned.core.records import Entry, Order, Plan, Reason, Want

Thresholds = Mapping[tuple[Dependency, Reason], float]
Keeps = Callable[[InstanceKey, KeyHash, int], bool]
Nearest = Callable[[InstanceKey, KeyHash, float], NodeName]
_NO_THRESHOLDS: Thresholds = MappingProxyType({})
_ASSOCIATION = Reason.ASSOCIATION
_MIB = float(1 << 20)
_LANE = kinds_of(_ASSOCIATION) & OPEN_KINDS  # associations are guesses, and name no holder
_COUNTERS = (
    "dropped_full", "expired", "withdrawn", "already_held", "below_threshold", "failed_lately",
    "not_worth_keeping", "too_risky", "lane_dropped", "given_up", "refused", "waits_for_link",
    "link_exhausted", "link_forgotten",
    *(f"{what}_{reason.value}" for reason in Reason if reason is not Reason.DEMAND
      for what in ("ordered", "fetched", "failed", "used")),
)  # fmt: skip


def _always(key: InstanceKey, key_hash: KeyHash, size: int) -> bool:
    """A store that keeps whatever it gets."""
    return True


def _origin(key: InstanceKey, key_hash: KeyHash, now_s: float) -> NodeName:
    """Nobody else holds anything."""
    return ""


class Prefetcher:
    """``rng`` is not used: ties go by age. It is taken because all stages are built alike."""

    def __init__(self, settings: PrefetchSettings, rng: Random) -> None:
        self._settings = settings
        self._queue = WantQueue(settings.max_queue)
        self._lane: dict[InstanceKey, Association] = {}  # oldest first; lead_s here: when it ends
        self._later: tuple[float, tuple[Queued, ...]] | None = None  # what a restart warms up, and when
        self._in_flight: dict[InstanceKey, Travelling] = {}  # oldest first
        self._failures = Failures(settings.retry_after_s, settings.max_failed)
        self.counters: dict[str, int] = dict.fromkeys(_COUNTERS, 0)
        self._budget = Budget(settings, self.counters)
        self._plan: Plan | None = None
        self._now_s = 0.0
        self.paused = False
        self.missed = self._budget.allowance.missed  # [hot] a read missed: no call in between
        self.inheritance = Inheritance(self._queue, self._in_flight, self.counters)

    @property
    def active(self) -> bool:
        """Whether anything is fetched ahead of demand now: switched on, and nobody paused the pool."""
        return self._settings.enabled and not self.paused

    # ---- wants come in --------------------------------------------------------------------------

    def follow(self, plan: Plan, now: Instant) -> None:
        """The newest plan: what it wants is queued, what it no longer wants is not. A same plan: nothing."""
        if plan is self._plan:
            return
        self._plan, self.paused = plan, plan.paused
        now_s = self._now_s = now.mono_s
        wanted = {want.key for want in plan.wants}
        for queued in list(self._queue):
            if queued.until_s <= now_s:
                self._queue.remove(queued.key)
                self.counters["expired"] += 1
            elif queued.planned and queued.key not in wanted:
                self._queue.remove(queued.key)
                self.counters["withdrawn"] += 1
        if not self._settings.enabled:
            return
        until_s, floor_bytes = now_s + self._settings.queue_ttl_s, self._settings.value_floor_bytes
        for want in plan.wants:
            self._put(_planned(want, until_s, floor_bytes), now_s)

    def associated(self, associations: Sequence[Association], thresholds: Thresholds, now: Instant) -> None:
        """[hot] What usually follows the read just served, the surest first. ``orders`` then starts it."""
        if not self.active:
            return
        lane, settings = self._lane, self._settings
        now_s, until_s = now[0], now[0] + settings.association_ttl_s
        allowance = self._budget.allowance
        stake = settings.max_stake * max(1.0, allowance.tokens) if allowance.short else 1.0
        for key, hashed, confidence, *_ in associations[: settings.max_at_once]:
            if confidence < thresholds.get((key[0], _ASSOCIATION), 0.0):
                self.counters["below_threshold"] += 1
            elif 1.0 - confidence > stake:
                self.counters["too_risky"] += 1
            elif key not in self._in_flight and not self._failures.lately(key, now_s):
                lane.pop(key, None)
                if len(lane) >= settings.max_associations:
                    del lane[next(iter(lane))]
                    self.counters["lane_dropped"] += 1
                lane[key] = Association(key, hashed, confidence, until_s)

    def refresh(
        self, entries: Iterable[Entry], now: Instant, thresholds: Thresholds = _NO_THRESHOLDS
    ) -> None:
        """Copies in use that expire soon, the most used first. Past their expiry it is too late for this."""
        now_s = self._now_s = now.mono_s
        if not (self.active and self._settings.refresh):
            return
        probability = self._settings.refresh_probability
        for entry in entries:
            if thresholds.get((entry.key.dependency, Reason.REFRESH), 0.0) > probability:
                self.counters["below_threshold"] += 1
                continue
            until_s = now_s + self._settings.queue_ttl_s
            self._ask(
                entry.key, entry.key_hash, entry.size, Reason.REFRESH, probability, "", now_s,
                until_s if entry.expires_s is None else min(until_s, entry.expires_s),
            )  # fmt: skip

    def offered(
        self,
        keys: Sequence[InstanceKey],
        sizes: Sequence[int],
        sender: NodeName,
        now: Instant,
        reason: Reason = Reason.DRAIN,
    ) -> None:
        """Another agent hands over copies, hottest first; the last is worth half as much as the first."""
        now_s = self._now_s = now.mono_s
        if not self.active:
            self.counters["refused"] += len(keys)
            return
        for place, (key, size) in enumerate(zip(keys, sizes, strict=True)):
            worth = 1.0 - 0.5 * place / len(keys)
            until_s = now_s + self._settings.queue_ttl_s
            self._ask(key, key_hash(key), size, reason, worth, sender, now_s, until_s)

    def restart(self, heat: Sequence[tuple[InstanceKey, KeyHash, int, int]], now: Instant) -> None:
        """(key, hash, uses, size) of what was held before the restart; what was used again is queued a little
        later."""
        now_s = self._now_s = now.mono_s
        heat = [one for one in heat if one[2] >= self._settings.restart_min_uses]
        if not heat or not self._settings.enabled:
            return
        start_s = now_s + self._settings.restart_delay_s
        most = 1 + max(uses for _, _, uses, _ in heat)
        wants = tuple(
            Queued(
                key=key,
                key_hash=hashed,
                size=size,
                reason=Reason.RESTART,
                value=self._value((uses + 1) / most, size),
                source="",
                until_s=start_s + self._settings.queue_ttl_s,
            )
            for key, hashed, uses, size in heat[: self._settings.max_queue]
        )
        self.counters["dropped_full"] += len(heat) - len(wants)
        self._later = start_s, wants

    # ---- orders go out --------------------------------------------------------------------------

    def orders(
        self,
        now: Instant,
        holds: Callable[[InstanceKey], bool],
        keeps: Keeps = _always,
        nearest: Nearest = _origin,
    ) -> list[Order]:
        """What to start now: associations first, then by value, as far as the budget reaches. ``keeps``:
        whether the store would keep a copy of that many bytes; a guess that it would not is not fetched.
        ``nearest``: which member would be asked first ("": the origin); asked where links are limited."""
        if self._later is not None:
            self._begin_restart(now[0])
        if not (self._lane or self._queue.waiting) or not self.active:
            return []
        now_s = self._now_s = now.mono_s
        self._give_up(now_s)
        orders = self._from_lane(now_s, holds, keeps, nearest) if self._lane else []
        mean, closed = int(self._budget.mean_size), self._budget.links.closed(now_s)
        while len(self._in_flight) < self._settings.max_in_flight:
            want = self._queue.best(self._budget.kinds(now_s), closed)
            if want is None:
                break
            self._queue.remove(want.key)
            if want.until_s <= now_s:
                self.counters["expired"] += 1
            elif want.key in self._in_flight or (want.reason is not Reason.REFRESH and holds(want.key)):
                self.counters["already_held"] += 1
            elif _may_be_refused(want) and not keeps(want.key, want.key_hash, want.size or mean):
                self.counters["not_worth_keeping"] += 1
            elif not self._start(want, nearest, now_s, orders):
                self._put(want, now_s)
        return orders

    def settled(self, key: InstanceKey, ok: bool, size: int, now: Instant, source: NodeName = "") -> None:
        """An order ended; ``size`` is what travelled, from that member ("": from the origin). Others' fetches
        are none of our business: no effect."""
        travelling = self._in_flight.pop(key, None)
        if travelling is None:
            return
        now_s = self._now_s = now.mono_s
        self._budget.settle(travelling, ok, size, link_to(source, key.dependency), now_s)
        what = "fetched" if ok else "failed"
        self.counters[f"{what}_{travelling.reason.value}"] += 1
        if not ok:
            self._failures.add(key, now_s)

    def used(self, reason: Reason, count: int = 1) -> None:
        """So many prefetched copies were asked for, for the first time: guesses get their tokens back."""
        if reason is Reason.DEMAND:
            return
        self.counters[f"used_{reason.value}"] += count
        self._budget.allowance.used(reason, count)

    def next_deadline(self) -> float | None:
        """[hot] When ``orders`` may start something that only time holds back (mono seconds)."""
        waiting = self._queue.waiting | (_LANE if self._lane else 0)
        if not waiting and self._later is None:
            return None
        if not self.active:
            return None
        later_s = None if self._later is None else self._later[0]
        ready_s = self._budget.ready_s(waiting, self._links, self._now_s)
        if ready_s is None:
            return later_s
        if len(self._in_flight) >= self._settings.max_in_flight:
            ready_s = next(iter(self._in_flight.values())).started_s + self._settings.in_flight_timeout_s
        return ready_s if later_s is None else min(ready_s, later_s)

    def queue(self) -> tuple[Want, ...]:
        """What waits: associations, then the rest by value."""
        lane = [
            Want(one.key, one.key_hash, 0, _ASSOCIATION, self._value(one.confidence, 0), "")
            for one in self._lane.values()
        ]
        return (*lane, *(queued.want() for queued in self._queue.sorted()))

    # ---- inside ---------------------------------------------------------------------------------

    def _from_lane(
        self, now_s: float, holds: Callable[[InstanceKey], bool], keeps: Keeps, nearest: Nearest
    ) -> list[Order]:
        """Associations that may go now. Most are held already, so that is asked before the budget. What would
        have to wait for a link is let go."""
        orders: list[Order] = []
        lane = self._lane
        while lane:
            key = next(iter(lane))
            association = lane[key]
            if association.lead_s <= now_s:
                self.counters["expired"] += 1
            elif key in self._in_flight or holds(key):
                self.counters["already_held"] += 1
            elif not keeps(key, association.key_hash, int(self._budget.mean_size)):
                self.counters["not_worth_keeping"] += 1
            elif len(self._in_flight) < self._settings.max_in_flight and self._budget.kinds(now_s) & _LANE:
                want = Queued(
                    key=key, key_hash=association.key_hash, size=0, reason=_ASSOCIATION, value=1.0, source="",
                    until_s=association.lead_s,
                )  # fmt: skip
                self._start(want, nearest, now_s, orders)
            else:
                self._budget.allowance.lacked()
                break
            del lane[key]
        return orders

    def _start(self, want: Queued, nearest: Nearest, now_s: float, orders: list[Order]) -> bool:
        """Order it, unless the link to who would be asked for it is closed: then the want names that member,
        and False."""
        links, source = self._budget.links, want.source
        if links.limited and not source:
            source = nearest(want.key, want.key_hash, now_s)
        link = link_to(source, want.key.dependency)
        if link in links.closed(now_s):
            self.counters["waits_for_link"] += 1
            want.source = source
            return False
        self._in_flight[want.key] = self._budget.start(want, link, now_s)
        self.counters[f"ordered_{want.reason.value}"] += 1
        orders.append(Order(want.key, want.key_hash, want.reason, source))
        return True

    def _links(self, kind: int) -> Iterable[Link]:
        """What wants of that kind wait for, but for associations in the lane: those wait for no link."""
        return () if self._lane and _LANE >> kind & 1 else self._queue.links(kind)

    def _ask(
        self,
        key: InstanceKey,
        hashed: KeyHash,
        size: int,
        reason: Reason,
        worth: float,
        source: NodeName,
        now_s: float,
        until_s: float,
    ) -> None:
        value = self._value(worth, size)
        want = Queued(
            key=key, key_hash=hashed, size=size, reason=reason, value=value, source=source, until_s=until_s
        )
        self._put(want, now_s)

    def _put(self, want: Queued, now_s: float) -> None:
        if want.key in self._in_flight or not want.value > 0:
            return
        if self._failures.lately(want.key, now_s):
            self.counters["failed_lately"] += 1
        elif self._queue.put(want) is not None:
            self.counters["dropped_full"] += 1

    def _value(self, probability: float, size: int) -> float:
        """Expected seconds saved per MiB moved; small sizes count as the floor, unknown ones as the mean."""
        moved = max(
            float(size) if size > 0 else self._budget.mean_size, float(self._settings.value_floor_bytes)
        )
        return probability * self._settings.saved_s * _MIB / moved

    def _begin_restart(self, now_s: float) -> None:
        assert self._later is not None
        start_s, wants = self._later
        if now_s >= start_s:
            self._later = None
            for want in wants:
                self._put(want, now_s)

    def _give_up(self, now_s: float) -> None:
        """Orders that nobody settled lose their place, oldest first."""
        timeout_s = self._settings.in_flight_timeout_s
        while self._in_flight:
            key = next(iter(self._in_flight))
            if self._in_flight[key].started_s + timeout_s > now_s:  # as in next_deadline, to the last bit
                return
            del self._in_flight[key]
            self.counters["given_up"] += 1


def _may_be_refused(want: Queued) -> bool:
    """Whether the store is asked first: for guesses; what is refreshed has its place already."""
    return want.is_guess and want.reason is not Reason.REFRESH


def _planned(want: Want, until_s: float, floor_bytes: int) -> Queued:
    """A want of the plan; a value per MiB of an instance below the floor is scaled to what the floor says."""
    value = want.value * want.size / floor_bytes if 0 < want.size < floor_bytes else want.value
    return Queued(
        key=want.key,
        key_hash=want.key_hash,
        size=want.size,
        reason=want.reason,
        value=value,
        source=want.source,
        until_s=until_s,
        planned=True,
        guess=want.guess,
    )
