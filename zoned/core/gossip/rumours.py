"""What is said about members, and what we make of it: SWIM's state rules.

Alive, suspect and dead messages come from packets, from push/pull rows and from our own prober. Each is held
against the precedence table; what wins changes the table and is passed on, which is the whole epidemic. News
about ourselves that we know to be wrong is refuted by a higher incarnation.

Beyond memberlist, with the issue that taught it: incarnations start from the wall clock, so a restarted agent
outranks its past (memberlist 311); a member that speaks while we hold it dead is told so, and can refute;
a name may move to another address as soon as its old owner left or is dead for ``reclaim_s`` (consul 6897);
a pool tag keeps apart pools whose seeds got crossed (mimir 6187).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from zoned.core.gossip.forgotten import Forgotten
from zoned.core.gossip.membership import Known, wins
from zoned.core.gossip.messages import Alive, Dead, Kind, Standing, Suspect
from zoned.core.gossip.strangers import Strangers
from zoned.core.gossip.suspicion import Suspicion
from zoned.core.gossip.tags import address_text, meta_of, parse_meta
from zoned.core.gossip.wire import VERSIONS, encode
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import RESTARTING, MemberChanged, MemberState
from zoned.core.names import Instant, NodeName

Listener = Callable[[Known, MemberState | None, Instant], None]

_FLAP_S = 60.0
"""A member that is back so soon after it was held failed has flapped, as Serf counts."""
_MAX_INCARNATION = 0xFFFFFFFF
_WORDS = {
    MemberState.ALIVE: ("info", "member_up", "member up"),
    MemberState.SUSPECT: ("warning", "member_suspect", "member suspect"),
    MemberState.FAILED: ("warning", "member_failed", "member failed"),
    MemberState.LEFT: ("info", "member_left", "member left"),
    MemberState.LEAVING: ("debug", "member_leaving", "member leaving"),
}


class Rumours:
    """The state rules of one member; ``listeners`` hear of each change of a public state."""

    def __init__(self, wiring: Wiring, now: Instant) -> None:
        self._wiring = wiring
        self._table = wiring.table
        self.listeners: list[Listener] = []
        self.strangers = Strangers(wiring)
        self.forgotten = Forgotten(wiring)
        me = wiring.me
        self.own = Known(me.node, me.gossip, meta_of(me), VERSIONS, now)
        self.own.incarnation = min(max(1, int(now.wall_s)), _MAX_INCARNATION - 1)
        self.own.enter(Standing.ALIVE, now)
        self._table.add(self.own)

    # ---- hearing ----

    def alive(self, heard: Alive, now: Instant) -> None:
        """``heard.node`` lives; PeerError when its tags are damaged."""
        known = self._table.get(heard.node)
        if known is self.own:
            self._alive_about_us(heard)
            return
        if self.strangers.has(heard, parse_meta(heard.meta)):
            return
        new = known is None
        if known is None:
            if self.forgotten.has(heard, now):
                return
            known = Known(heard.node, heard.address, heard.meta, heard.versions, now)
            if not self._table.add(known):
                self._wiring.reject("member_limit")
                return
        elif known.address != heard.address and not self._may_move(known, now):
            self._conflict(known, heard)
            return
        elif not wins(Kind.ALIVE, heard.incarnation, known.standing, known.incarnation):
            self._wiring.count("stale")
            self._tell_accused(known, now)
            return
        self._accept_alive(known, heard, None if new else known.state(), now)

    def _accept_alive(self, known: Known, heard: Alive, before: MemberState | None, now: Instant) -> None:
        known.describe(heard.meta, heard.versions)
        known.address = heard.address
        known.incarnation = heard.incarnation
        self._acquit(known)
        if not known.is_up():
            known.leaving = False
        if known.standing is not Standing.ALIVE:
            if before is MemberState.FAILED and now.mono_s - known.since_s < _FLAP_S:
                self._wiring.count("flaps")
            known.enter(Standing.ALIVE, now)
            known.accuser = ""
        self._pass_on(heard)
        self.changed(known, before, now)
        if known.state() is before:  # other tags, or it refutes something: no change of state, but news
            self._wiring.news.append(MemberChanged(known.member(), before))

    def suspect(self, heard: Suspect, now: Instant) -> None:
        """``heard.accuser`` had no answer from ``heard.node``; hearsay (a table) names the node itself."""
        accuser = heard.accuser if heard.accuser != heard.node else None
        known = self._table.get(heard.node)
        if known is None or not wins(Kind.SUSPECT, heard.incarnation, known.standing, known.incarnation):
            self._wiring.count("stale")
            return
        if known is self.own:
            self.refute(heard.incarnation)
            return
        suspicion = known.suspicion
        if suspicion is not None:
            if accuser is not None and suspicion.confirm(accuser):
                self._pass_on(heard)
                self._arm(known, suspicion)
            return
        before = known.state()
        known.incarnation = heard.incarnation
        known.accuser = accuser or ""
        known.enter(Standing.SUSPECT, now)
        known.suspicion = Suspicion(accuser, self._table.up_count(), self._wiring.settings, now.mono_s)
        self._arm(known, known.suspicion)
        self._pass_on(heard)
        self.changed(known, before, now)

    def dead(self, heard: Dead, now: Instant) -> None:
        """``heard.node`` is gone, or has left if it says so itself."""
        known = self._table.get(heard.node)
        if known is None or not wins(Kind.DEAD, heard.incarnation, known.standing, known.incarnation):
            self._wiring.count("stale")
            return
        if known is self.own and not self._wiring.leaving:
            self.refute(heard.incarnation)
            return
        before = known.state()
        known.incarnation = heard.incarnation
        known.accuser = heard.accuser
        self._acquit(known)
        known.enter(Standing.LEFT if heard.accuser == heard.node else Standing.DEAD, now)
        self._pass_on(heard)
        if known is not self.own:
            self.changed(known, before, now)

    # ---- ourselves ----

    def own_alive(self) -> Alive:
        """What we say of ourselves now."""
        own = self.own
        return Alive(own.incarnation, own.node, own.address, own.meta, own.versions)

    def refute(self, incarnation: int) -> None:
        """Somebody says we are not well at that incarnation: outrank it."""
        if self._wiring.leaving:
            return
        if incarnation >= _MAX_INCARNATION:
            self._wiring.reject("incarnation")
            return
        self.own.incarnation = max(self.own.incarnation, incarnation) + 1
        self.own.touched()
        self._table.shown_changed()
        self._wiring.count("refutes")
        self._wiring.awareness.add(1)
        self._pass_on(self.own_alive())

    def announce(self) -> None:
        """We are here again, or have other tags: everybody is told, at a higher incarnation."""
        self.own.incarnation += 1
        self.own.describe(meta_of(self._wiring.me), VERSIONS)
        self._table.changed(self.own)
        self._pass_on(self.own_alive())

    def _alive_about_us(self, heard: Alive) -> None:
        own = self.own
        if heard.address != own.address:
            self._conflict(own, heard)
        elif heard.incarnation > own.incarnation or (
            heard.incarnation == own.incarnation
            and (heard.meta != own.meta or heard.versions != own.versions)
        ):
            self.refute(heard.incarnation)

    # ---- others ----

    def changed(self, known: Known, before: MemberState | None, now: Instant) -> None:
        """Tell everyone who listens that a member's public state is no longer ``before``."""
        known.touched()
        self._table.changed(known)
        after = known.state()
        if after is before:
            return
        wiring = self._wiring
        self._keep_time(known, after, now)
        level, event, words = _WORDS[after]
        if after is MemberState.FAILED and known.accuser == RESTARTING:
            level, event, words = "info", "member_restarting", "member restarting"
        if after is MemberState.ALIVE and before in (MemberState.SUSPECT, MemberState.LEAVING):
            level, event, words = "debug", "member_refuted", "member refuted"
        wiring.count(event)
        wiring.note(level, event, f"{words} {known.node}", ("member", known.node), ("accuser", known.accuser))
        wiring.news.append(MemberChanged(known.member(), before))
        for listener in self.listeners:
            listener(known, before, now)

    def forget(self, node: NodeName, now: Instant, expired: bool = False) -> bool:
        """Drop a member that is not up, False for any other; and take no old news of it any more, unless its
        time has just ``expired``."""
        known = self._table.get(node)
        if known is None or known.is_up() or known is self.own:
            return False
        before = known.state()
        self._wiring.timers.cancel(known.forget_timer)
        self._wiring.queue.drop(("member", node))
        known.enter(Standing.LEFT, now)
        if before is not MemberState.LEFT:
            self.changed(known, before, now)
            self._wiring.timers.cancel(known.forget_timer)
        self._table.remove(node)
        if not expired:
            self.forgotten.add(node, known.incarnation, now)
        return True

    def _keep_time(self, known: Known, after: MemberState, now: Instant) -> None:
        timers = self._wiring.timers
        gone = after in (MemberState.FAILED, MemberState.LEFT)
        timers.cancel(known.forget_timer)
        known.forget_timer = None
        if gone:
            when_s = now.mono_s + self._wiring.settings.forget_after_s
            known.forget_timer = timers.at(when_s, partial(self._forget_due, known.node))

    def _forget_due(self, node: NodeName, now: Instant) -> None:
        self.forget(node, now, expired=True)

    def _arm(self, known: Known, suspicion: Suspicion) -> None:
        timers = self._wiring.timers
        timers.cancel(suspicion.timer)
        suspicion.timer = timers.at(
            suspicion.deadline_s(), partial(self._convict, known, suspicion), judges=True
        )

    def _acquit(self, known: Known) -> None:
        if known.suspicion is not None:
            self._wiring.timers.cancel(known.suspicion.timer)
            known.suspicion = None

    def _convict(self, known: Known, suspicion: Suspicion, now: Instant) -> None:
        if known.suspicion is suspicion:
            self.dead(Dead(known.incarnation, known.node, self.own.node), now)

    def _may_move(self, known: Known, now: Instant) -> bool:
        if known.is_up():
            return False
        return known.standing is Standing.LEFT or (
            now.mono_s - known.since_s >= self._wiring.settings.reclaim_s
        )

    def _conflict(self, known: Known, heard: Alive) -> None:
        self._wiring.count("name_conflicts")
        if not known.conflict_noted:
            known.conflict_noted = True
            here, there = address_text(known.address), address_text(heard.address)
            text = f"name conflict {known.node}: {here} and {there}"
            self._wiring.note("error", "name_conflict", text, ("member", known.node))

    def _tell_accused(self, known: Known, now: Instant) -> None:
        """It speaks though we hold it gone: tell it, so that it can refute (not more than once a second)."""
        if known.is_up() or now.mono_s - known.accused_s < max(1.0, self._wiring.settings.probe_interval_s):
            return
        known.accused_s = now.mono_s
        accuser = known.node if known.standing is Standing.LEFT else known.accuser
        self._wiring.send(known.address, Dead(known.incarnation, known.node, accuser))

    def _pass_on(self, heard: Alive | Suspect | Dead) -> None:
        self._wiring.queue.put(("member", heard.node), encode(heard))
