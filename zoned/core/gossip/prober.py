"""Who answers: one member a round, directly, then through others and by TCP, before anyone is suspected.

    ping --(ack)--> well
      | no ack in probe_timeout_s
      +--> indirect pings through ``indirect_checks`` members, and a TCP ping
      | nothing by the end of the (health-scaled) interval, or soon after a refusal
      +--> suspect, and our own health worse by the nacks that did not come

A nack means: your helper is well and heard you, so it is the target that is silent; the lack of both ack and
nack says that we ourselves are cut off (Lifeguard 4.A).

Round robin bounds the time until each member is probed (SWIM 4.3). Beyond memberlist, the rounds of all
members fit together: everybody goes through one order, each from its own place in it, and the round's number
comes from the wall clock. Where clocks and tables agree, each member is then probed by exactly one other in
each interval, where chance leaves a third of them out; where they do not, it is any round robin.

Also beyond it: when the target's host refuses the TCP ping, the path there is well and only the process is
gone. Helpers have a moment to say otherwise (something on the way may refuse TCP for others' sake), then
it is suspected, and a killed agent is known half a second sooner. Our own health is not in question then.
"""

from __future__ import annotations

from functools import partial

import xxhash

from zoned.core.errors import PeerError
from zoned.core.gossip.coordinates import Vivaldi, distance_s, parse_payload
from zoned.core.gossip.membership import Known
from zoned.core.gossip.messages import Ack, IndirectPing, Nack, Ping, Standing, Suspect
from zoned.core.gossip.rumours import Rumours
from zoned.core.gossip.stream import decode_stream, encode_stream
from zoned.core.gossip.timers import Timer
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import MemberState
from zoned.core.names import Address, Instant, NodeName

_NACK_AFTER = 0.8
"""Of ``probe_timeout_s``, as in the paper. memberlist waits all of it: half a second until helpers are asked
and half a second more, so every nack comes just after the prober has blamed itself for its lack."""


def _place(known: Known) -> tuple[int, NodeName]:
    """A member's place in the order of probing, the same for all: no zone's members are neighbours there."""
    return xxhash.xxh3_64_intdigest(known.node.encode()), known.node


class _Probe:
    """The probe that is under way."""

    __slots__ = ("deadline", "known", "nacks", "nacks_due", "refused", "sent_s", "seq", "timeout")

    def __init__(self, seq: int, known: Known, sent_s: float) -> None:
        self.seq = seq
        self.known = known
        self.sent_s = sent_s
        self.nacks_due = 0
        self.nacks = 0
        self.refused = False
        self.timeout: Timer | None = None
        self.deadline: Timer | None = None


class _Relay:
    """A ping that we do for another member."""

    __slots__ = ("asker", "nack", "seq", "timer")

    def __init__(self, asker: Address, seq: int, nack: bool) -> None:
        self.asker = asker
        self.seq = seq
        self.nack = nack
        self.timer: Timer | None = None


class Prober:
    """The failure detector of one member, and its coordinate."""

    def __init__(self, wiring: Wiring, rumours: Rumours, now: Instant) -> None:
        self._wiring = wiring
        self._rumours = rumours
        self._order: list[Known] = []
        self._order_version = -1
        self._seq = 0
        self._probe: _Probe | None = None
        self._relays: dict[int, _Relay] = {}
        self.vivaldi = Vivaldi(wiring.rng)
        rumours.listeners.append(self._on_change)
        first_s = now.mono_s + wiring.rng.random() * wiring.settings.probe_interval_s
        wiring.timers.at(first_s, self._round)

    # ---- what others ask of us ----

    def ping(self, ping: Ping, sender: Address, now: Instant) -> None:
        """Answer if it is us who is meant."""
        if ping.node != self._wiring.me.node:
            self._wiring.reject("ping_for_another")
            return
        self._wiring.send(ping.source or sender, Ack(ping.seq, self.vivaldi.payload()))

    def indirect(self, ping: IndirectPing, sender: Address, now: Instant) -> None:
        """Ping somebody for somebody else."""
        wiring = self._wiring
        known = wiring.table.get(ping.node)
        if known is None or known.address != ping.target:
            wiring.reject("indirect_stranger")  # nobody may use us to ping hosts outside the pool
            return
        if len(self._relays) >= wiring.settings.relay_limit:
            wiring.reject("relay_limit")
            return
        seq = self._new_seq()
        relay = _Relay(ping.source or sender, ping.seq, ping.nack)
        nack_s = now.mono_s + _NACK_AFTER * wiring.settings.probe_timeout_s
        relay.timer = wiring.timers.at(nack_s, partial(self._relay_late, seq))
        self._relays[seq] = relay
        wiring.send(ping.target, Ping(seq, ping.node, wiring.me.gossip, wiring.me.node))

    def ack(self, ack: Ack, sender: Address, now: Instant) -> None:
        """The answer to our probe, or to one that we do for another."""
        relay = self._relays.get(ack.seq)
        if relay is not None:
            self._wiring.send(relay.asker, Ack(relay.seq, b""))
            self._wiring.timers.cancel(relay.timer)
            del self._relays[ack.seq]
            return
        probe = self._probe
        if probe is None or ack.seq != probe.seq:
            self._wiring.count("late_acks")
            return
        rtt_s = now.mono_s - probe.sent_s
        self._answered()
        self._located(probe.known, ack.payload, rtt_s)

    def nack(self, nack: Nack, sender: Address, now: Instant) -> None:
        """A helper is well, but had no answer either (yet)."""
        if self._probe is not None and nack.seq == self._probe.seq:
            self._probe.nacks += 1

    # ---- our own probe ----

    def _round(self, now: Instant) -> None:
        settings = self._wiring.settings
        self._wiring.timers.at(now.mono_s + settings.probe_interval_s, self._round)
        if self._probe is not None or self._wiring.leaving:
            return  # a slow one is still under way: that is how bad local health slows us down
        known = self._choose(now)
        if known is None:
            return
        wiring, me = self._wiring, self._wiring.me
        probe = _Probe(self._new_seq(), known, now.mono_s)
        self._probe = probe
        wiring.count("probes")
        ping = Ping(probe.seq, known.node, me.gossip, me.node)
        accused = known.standing is Standing.SUSPECT
        also = Suspect(known.incarnation, known.node, me.node) if accused else None
        wiring.send(known.address, ping, also)
        timers, whole_s = wiring.timers, wiring.awareness.scaled(settings.probe_interval_s)
        probe.timeout = timers.at(now.mono_s + settings.probe_timeout_s, self._ask_others, judges=True)
        probe.deadline = timers.at(now.mono_s + whole_s, self._give_up, judges=True)

    def _choose(self, now: Instant) -> Known | None:
        """Whose turn it is: so many places after ours in the order as this round's number says."""
        table, own = self._wiring.table, self._rumours.own
        if self._order_version != table.version:
            self._order_version = table.version
            self._order = sorted((each for each in table.all() if each.is_up() or each is own), key=_place)
        others = len(self._order) - 1
        if not others:
            return None
        number = int(now.wall_s / self._wiring.settings.probe_interval_s)
        # Each time round starts elsewhere: an agent that takes every third round only must not meet every
        # third member only.
        begin = xxhash.xxh3_64_intdigest(b"%d" % (number // others))
        step = 1 + (begin + number) % others
        return self._order[(self._order.index(own) + step) % len(self._order)]

    def _ask_others(self, now: Instant) -> None:
        probe, wiring = self._probe, self._wiring
        if probe is None:
            return
        wiring.count("probe_timeouts")
        target, settings = probe.known, wiring.settings
        others = [
            each
            for each in wiring.table.all()
            if each.standing is Standing.ALIVE and each is not target and each is not self._rumours.own
        ]
        for helper in wiring.rng.sample(others, min(settings.indirect_checks, len(others))):
            knows_nack = len(helper.versions) == 6 and helper.versions[1] >= 4
            probe.nacks_due += knows_nack
            me = wiring.me
            ask = IndirectPing(probe.seq, target.address, target.node, knows_nack, me.gossip, me.node)
            wiring.send(helper.address, ask)
        if settings.tcp_fallback:
            left_s = wiring.awareness.scaled(settings.probe_interval_s) - settings.probe_timeout_s
            ping = encode_stream(Ping(probe.seq, target.node, wiring.me.gossip, wiring.me.node))
            answered, refused = partial(self._by_tcp, probe), partial(self._refused, probe)
            wiring.call(target.address, ping, answered, max(left_s, 0.05), refused=refused)

    def _by_tcp(self, probe: _Probe, data: bytes | None, now: Instant) -> None:
        if data is None or self._probe is not probe:
            return
        try:
            answer = decode_stream(data)
        except PeerError as error:
            self._wiring.reject(error.reason)
            return
        self._wiring.traffic.came(answer)
        if not isinstance(answer, Ack) or answer.seq != probe.seq:
            return
        self._answered()
        self._wiring.table.answered(probe.known, udp=False, tcp=True)
        self._wiring.count("udp_lost_tcp_well")
        if self._wiring.seldom.may_say("udp_blocked", probe.known.node, now):
            host, port = probe.known.address
            text = f"member {probe.known.node} answers by TCP but not by UDP: is {host}:{port}/udp blocked?"
            self._wiring.note("warning", "udp_blocked", text, ("member", probe.known.node))

    def _refused(self, probe: _Probe, now: Instant) -> None:
        """Nothing listens there any more: we wait for our helpers, but not for long."""
        if self._probe is not probe:
            return
        probe.refused = True
        soon_s = now.mono_s + self._wiring.settings.probe_timeout_s / 4
        assert probe.deadline is not None, "a probe without its deadline"
        if soon_s < probe.deadline.when_s:
            self._wiring.timers.cancel(probe.deadline)
            probe.deadline = self._wiring.timers.at(soon_s, self._give_up, judges=True)

    def _answered(self) -> None:
        self._end_probe()
        self._wiring.awareness.add(-1)

    def _give_up(self, now: Instant) -> None:
        probe, wiring = self._probe, self._wiring
        if probe is None:
            return
        self._end_probe()
        wiring.count("probe_failures")
        if probe.refused:
            wiring.count("probes_refused")
        else:
            silent = probe.nacks_due - probe.nacks
            wiring.awareness.add(max(0, silent) if probe.nacks_due else 1)
        known = probe.known
        self._rumours.suspect(Suspect(known.incarnation, known.node, wiring.me.node), now)

    def _end_probe(self) -> None:
        probe = self._probe
        assert probe is not None, "no probe is under way"
        self._wiring.timers.cancel(probe.timeout)
        self._wiring.timers.cancel(probe.deadline)
        self._probe = None

    def _relay_late(self, seq: int, now: Instant) -> None:
        """No ack so far: say so in time for the asker's verdict; should one come yet, it is passed on."""
        relay, wiring = self._relays[seq], self._wiring
        if relay.nack:
            wiring.send(relay.asker, Nack(relay.seq))
        left_s = (1 - _NACK_AFTER) * wiring.settings.probe_timeout_s
        relay.timer = wiring.timers.at(now.mono_s + left_s, partial(self._relay_over, seq))

    def _relay_over(self, seq: int, now: Instant) -> None:
        del self._relays[seq]

    def _located(self, known: Known, payload: bytes, rtt_s: float) -> None:
        try:
            coordinate = parse_payload(payload)
        except PeerError as error:
            self._wiring.reject(error.reason)
            return
        if coordinate is None:
            return  # relayed: the time says nothing about the target
        known.coordinate = coordinate
        self._wiring.table.answered(known, udp=True)
        self.vivaldi.measured(known.node, coordinate, rtt_s)
        if known.measured(rtt_s):
            self._wiring.table.shown_changed()

    def rtt_s(self, node: NodeName) -> float | None:
        """Measured round trip to a member, else what coordinates predict, else None."""
        known = self._wiring.table.get(node)
        if known is None:
            return None
        if known.rtt_s is not None or known.coordinate is None:
            return known.rtt_s
        return distance_s(self.vivaldi.own, known.coordinate)

    def _new_seq(self) -> int:
        self._seq = (self._seq + 1) & 0xFFFFFFFF
        return self._seq

    def _on_change(self, known: Known, before: MemberState | None, now: Instant) -> None:
        if not known.is_up():
            self.vivaldi.forget(known.node)
            if self._probe is not None and self._probe.known is known:
                self._end_probe()
