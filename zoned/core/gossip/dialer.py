"""Dialling those we have lost, for ever: seeds, members last seen, members that failed.

Bare memberlist forgets the dead after 30 s, and a partition that lasts longer never heals; Serf re-dials for
24 hours (memberlist 222, serf 605). Here the pool as a whole dials each lost member about once a second while
the loss is fresh, so that a healed network is whole again within a second or two. "As a whole": each agent's
interval grows with the number of agents that are up, or a hundred agents would knock at one dead host a
hundred times a second. After ten minutes each agent dials one of the lost every 30 s.

A seed counts as lost while nobody we know is up at its address; before any seed has answered, dialling
it is joining. Members that left or were forgotten are not dialled.
"""

from __future__ import annotations

from collections.abc import Sequence

from zoned.core.gossip.exchange import Exchange
from zoned.core.gossip.membership import Known
from zoned.core.gossip.messages import Standing
from zoned.core.gossip.timers import Timer
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import MemberState
from zoned.core.names import Address, Instant

_MAX_SEEDS = 256


class Dialer:
    """Keeps calling seeds and lost members."""

    def __init__(self, wiring: Wiring, exchange: Exchange) -> None:
        self._wiring = wiring
        self._exchange = exchange
        self._seeds: dict[Address, float] = {}  # address -> when we were told of it (mono)
        self._seen: dict[Address, None] = {}  # members of our life before the restart
        self._joining = False  # no seed has answered yet
        self._timer: Timer | None = None
        self._arming: Timer | None = None

    def join(self, seeds: Sequence[Address], now: Instant) -> None:
        """Call all of these now, and again until they are members."""
        for seed in seeds:
            if seed != self._wiring.me.gossip and len(self._seeds) < _MAX_SEEDS:
                self._seeds[seed] = now.mono_s
        fresh = [seed for seed in self._seeds if seed in seeds]
        self._joining = self._joining or bool(fresh)
        self._exchange.joining = self._exchange.joining or bool(fresh)
        for seed in fresh:
            self._exchange.reached.pop(seed, None)
            self._exchange.call(seed, join=True)
        self.arm(now)

    def remember(self, addresses: Sequence[Address], now: Instant) -> None:
        """Addresses of members last seen before a restart."""
        for address in addresses[:_MAX_SEEDS]:
            if address != self._wiring.me.gossip:
                self._seen[address] = None
        self.arm(now)

    def on_change(self, known: Known, before: MemberState | None, now: Instant) -> None:
        """A member came or went."""
        if known.is_up() or known.standing is Standing.LEFT:
            self._seen.pop(known.address, None)
        if known.standing is Standing.LEFT and known.address not in self._seeds:
            self._exchange.reached.pop(known.address, None)
        if not known.is_up() and self._arming is None:
            self._arming = self._wiring.timers.at(now.mono_s, self._losses)

    def _losses(self, now: Instant) -> None:
        """However many were lost in one packet: look through the table once."""
        self._arming = None
        self.arm(now)

    def forgotten(self, address: Address) -> None:
        """The operator says that there is nobody there any more."""
        self._seen.pop(address, None)
        self._exchange.reached.pop(address, None)

    def arm(self, now: Instant) -> None:
        """Make sure that the next call will be made, if there is anybody to call."""
        lost = self._lost(now)
        fast = self._joining and any(self._fresh(at_s, now) for at_s in self._seeds.values())
        fast = fast or any(fresh for _, fresh in lost)
        if not lost or self._wiring.leaving:
            return
        settings, rng = self._wiring.settings, self._wiring.rng
        wait_s = settings.dial_slow_s
        if fast:
            wait_s = settings.dial_fast_s * max(1.0, self._wiring.table.up_count() / len(lost))
        wait_s *= 0.75 + rng.random() / 2
        if self._timer is not None and self._timer.live:
            if self._timer.when_s <= now.mono_s + wait_s:
                return
            self._wiring.timers.cancel(self._timer)
        self._timer = self._wiring.timers.at(now.mono_s + wait_s, self._round)

    def _round(self, now: Instant) -> None:
        self._timer = None
        self._joining = self._joining and not any(seed in self._exchange.reached for seed in self._seeds)
        lost = [address for address, _ in self._lost(now) if not self._wiring.calling(address)]
        if lost and not self._wiring.leaving:
            address = self._wiring.rng.choice(lost)
            self._wiring.count("dials")
            joins = self._joining and address in self._seeds
            self._exchange.call(address, join=joins, lost=True)
        self.arm(now)

    def _lost(self, now: Instant) -> list[tuple[Address, bool]]:
        """Whom to call, and whether the loss is fresh."""
        own = self._wiring.me.gossip
        lost: dict[Address, bool] = {}
        up: set[Address] = set()
        for known in self._wiring.table.all():
            if known.is_up():
                up.add(known.address)
            elif known.state() is MemberState.FAILED:
                lost[known.address] = self._fresh(known.since_s, now)
        for seed, since_s in self._seeds.items():
            never = seed not in self._exchange.reached
            lost.setdefault(seed, never and self._fresh(since_s, now))
        for address in self._seen:
            lost.setdefault(address, False)
        return [(address, fresh) for address, fresh in lost.items() if address not in up and address != own]

    def _fresh(self, since_s: float, now: Instant) -> bool:
        return now.mono_s - since_s < self._wiring.settings.dial_fast_for_s
