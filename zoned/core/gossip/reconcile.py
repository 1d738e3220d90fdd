"""Versioned anti-entropy between zoned agents: summaries, cache holdings, facts.

Three things must reach every zoned agent, and none of them may ride on the rumour queue, where they would
starve membership or be starved by it (memberlist 299). News is pushed at once, to all other zoned agents
where they are few, else to a random few. Whatever got lost is repaired by comparison:

    A  SYN{root}                  ->  B  the same? silence. Else
    A  <-             TREE{hashes of 64 buckets of agents, of 16 parts of the facts}
    A  VECTOR{versions of the agents in buckets that differ}, FACTS{of parts that differ}  ->
    A  <-             what A lacks of these; VECTOR{of what B lacks}
    A  what B lacks               ->

one SYN every ``reconcile_interval_s`` to one other agent. The root hashes the versions of everything and the
facts (``versions.py``), so a pool at rest sends one 30-byte packet per agent and interval, and what differs
costs its own size whatever the pool's: chitchat's vectors of everybody filled a packet at 33 agents.
(Scuttlebutt: van Renesse et al. 2008.) Each message stands alone, so any may be lost. A newcomer is greeted
with a SYN at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import xxhash

from zoned.core.actions import StreamReply
from zoned.core.errors import PeerError
from zoned.core.gossip.channel import (
    COUNTS,
    DELTA,
    FACTS,
    HEAD,
    MARK,
    PAIRS,
    PIECE,
    PULL,
    SUMMARY,
    SYN,
    TREE,
    VECTOR,
    Channel,
    decode_body,
    whole,
)
from zoned.core.gossip.counts import Counts
from zoned.core.gossip.digests import Digests
from zoned.core.gossip.facts import FactMap, fact_from
from zoned.core.gossip.membership import Known
from zoned.core.gossip.missed import Missed
from zoned.core.gossip.pairs import Pairs
from zoned.core.gossip.summaries import Item, Summaries
from zoned.core.gossip.versions import BUCKETS, Versions
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import Fact, FactHeard, MemberState
from zoned.core.names import Address, Instant, NodeName

__all__ = ["MARK", "Reconciler"]

_LENGTHS = {
    SYN: 3, TREE: 4, VECTOR: 4, SUMMARY: 3, DELTA: 6, HEAD: 5, PULL: 4, PIECE: 4, FACTS: 4, COUNTS: 4,
    PAIRS: 3,
}  # fmt: skip
_ENTRY_BYTES = 40  # at most what a member's versions take in a vector, besides its name
_VECTOR_BYTES = 32
_MOST_PACKETS = 4  # a longer vector goes by stream: one lost packet of many is likely
_ASK_PAUSE_S = 1.0


class Reconciler:
    """Compares what we know with what others know, and routes our own kind of messages."""

    def __init__(self, wiring: Wiring, call: Callable[[Address], object], now: Instant) -> None:
        """``call`` exchanges tables of members with the one at that address."""
        self._wiring = wiring
        self.missed = Missed(wiring, call)
        self._channel = Channel(wiring)
        self.versions = Versions(wiring, self._channel)
        self.summaries = Summaries(wiring, self._channel, self.versions)
        self.digests = Digests(wiring, self._channel, self.versions, now)
        self.counts = Counts(wiring, self._channel)
        self.pairs = Pairs(wiring, self._channel)
        self.facts = FactMap(wiring.settings.facts_limit)
        self._asked_s: dict[NodeName, float] = {}  # when we last asked somebody for news of that agent
        self._phase = wiring.rng.random()  # so that agents do not all greet at the same moment
        wiring.timers.at(now.mono_s + self._wait_s(now), self._round)

    # ---- in ----

    def heard(self, body: bytes, now: Instant) -> None:
        """One of our messages from a packet; PeerError for nonsense."""
        fields, peer = self._opened(body)
        if peer is not None:
            self._route(fields, peer, now)

    def heard_on_stream(self, stream: int, body: bytes, now: Instant) -> None:
        """The same from a stream, where one of them wants an answer."""
        fields, peer = self._opened(body)
        answer = b""
        if peer is not None and fields[0] == PIECE:
            answer = self.digests.piece(fields)
        elif peer is not None:
            self._route(fields, peer, now)
        self._wiring.actions.append(StreamReply(stream=stream, data=answer))

    def _opened(self, body: bytes) -> tuple[list[Any], Known | None]:
        fields = decode_body(body)
        if len(fields) != _LENGTHS.get(fields[0]):
            raise PeerError("reconcile", "kind")
        peer = self._wiring.table.get(fields[1])
        if peer is None or not peer.is_zoned() or peer.node == self._wiring.me.node:
            self._wiring.count("strangers")  # it knows us before we know it: no harm
            peer = None
        return fields, peer

    def _route(self, fields: list[Any], peer: Known, now: Instant) -> None:
        kind = fields[0]
        if kind == DELTA:
            self.digests.delta(fields, now)
        elif kind == SUMMARY:
            self.summaries.hear(fields, now)
        elif kind == SYN:
            self._syn(fields, peer, now)
        elif kind == TREE:
            self._tree(fields, peer, now)
        elif kind == VECTOR:
            self._vector(fields, peer, now)
        elif kind == FACTS:
            self._hear_facts(fields, peer)
        elif kind == COUNTS:
            self.counts.hear(fields)
        elif kind == PAIRS:
            self.pairs.hear(fields)
        elif kind == HEAD:
            self.digests.head(fields, now)
        elif kind == PULL:
            self.digests.pull(fields, now)
        else:
            raise PeerError("reconcile", "kind")

    # ---- comparing ----

    def _round(self, now: Instant) -> None:
        """Greet one other agent: of a random permutation of the pool, another one in each interval.

        Agents choose by the number of the interval on the wall clock, so that with clocks about right each
        is greeted exactly once: left to chance, one in three would not be, and one in a thousand not for
        seven intervals. With wrong clocks it is a random choice."""
        self._wiring.timers.at(now.mono_s + self._wait_s(now), self._round)
        peers = self._channel.peers()
        if peers:
            step = xxhash.xxh3_64_intdigest(b"%d" % self._turn(now)) % len(peers)
            self.greet(self._channel.after_us(step), now)

    def _turn(self, now: Instant) -> int:
        """The number of the interval, which begins at a phase of our own."""
        return math.floor(now.wall_s / self._wiring.settings.reconcile_interval_s - self._phase)

    def _wait_s(self, now: Instant) -> float:
        """Until the next interval begins; at least half of one, or a step of the clock would do it twice."""
        interval_s = self._wiring.settings.reconcile_interval_s
        wait_s = (self._turn(now) + 1 + self._phase) * interval_s - now.wall_s
        return wait_s if wait_s > 0.5 * interval_s else wait_s + interval_s

    def greet(self, peer: Known, now: Instant) -> None:
        """Ask a peer to compare what we know with what it knows."""
        root = self.versions.root(self.facts.digest, now.mono_s)
        self._channel.tell(peer, (SYN, self._wiring.me.node, root))

    def _syn(self, fields: list[Any], peer: Known, now: Instant) -> None:
        """[kind, sender, root]: the same as ours? Then all is confirmed; else say where we stand."""
        now_s = now.mono_s
        if fields[2] == self.versions.root(self.facts.digest, now_s):
            self.versions.same(0, now_s)
            return
        self._wiring.count("reconciles")
        tree = self.versions.hashes(now_s), self.facts.parts()
        self._channel.tell(peer, (TREE, self._wiring.me.node, *tree))

    def _tree(self, fields: list[Any], peer: Known, now: Instant) -> None:
        """[kind, sender, buckets, parts]: tell what we have where theirs differ."""
        mask = self.versions.differing(fields[2], now.mono_s)
        self._tell_versions(peer, self.versions.within(mask), mask)
        parts = self.facts.differing(fields[3])
        if parts:
            self._tell_facts(peer, parts, self.facts.within(parts))

    def _tell_versions(self, peer: Known, nodes: Sequence[NodeName], mask: int) -> None:
        """The versions that we have of these, in packets, or by stream when they would be many. ``mask``: the
        buckets that differ, for one who is to answer with what it lacks."""
        me, settings = self._wiring.me.node, self._wiring.settings
        entries = [(node, *self.digests.entry(node), self.summaries.version(node)) for node in nodes]
        room = settings.room_bytes - len(me.encode()) - _VECTOR_BYTES
        sizes = [len(node.encode()) + _ENTRY_BYTES for node in nodes]
        if sum(sizes) > _MOST_PACKETS * room:
            self._channel.tell(peer, (VECTOR, me, entries, mask))
            return
        at = 0
        while at < len(entries):
            end, left = at, room
            while end < len(entries) and left >= sizes[end]:
                left -= sizes[end]
                end += 1
            end = max(end, at + 1)
            self._channel.tell(peer, (VECTOR, me, entries[at:end], mask))
            at = end

    def _vector(self, fields: list[Any], peer: Known, now: Instant) -> None:
        """[kind, sender, [[node, epoch, version, first, summary], ...], mask]: give what it lacks of these,
        and, with a mask of the buckets that differ, say of which we lack something."""
        entries, mask = fields[2:4]
        if type(entries) is not list or len(entries) > self._wiring.settings.member_limit:
            raise PeerError("vector")
        if type(mask) is not int or not 0 <= mask < 1 << BUCKETS:
            raise PeerError("vector", "mask")
        items: list[Item] = []
        behind: list[NodeName] = []
        for entry in entries:
            if type(entry) is not list or len(entry) != 5 or type(entry[0]) is not str:
                raise PeerError("vector")
            node = entry[0]
            mine = self.versions.of(node, now.mono_s)
            if mine is None:
                self.missed.named(node, peer, now)
                continue  # not up here: nothing of it is ours to give or to want
            theirs = whole(entry[1]), whole(entry[2]), whole(entry[3])
            summary = whole(entry[4])
            late = False
            if theirs[:2] == mine[:2]:
                self.versions.confirmed(node, True, now.mono_s)
            else:
                late = self.digests.compare(peer, node, theirs, now)
            if summary == mine[2]:
                self.versions.confirmed(node, False, now.mono_s)
            else:
                item = self.summaries.newer(node, summary, now)
                items += () if item is None else (item,)
                late |= item is None and node != self._wiring.me.node
            if late:
                behind.append(node)
        self.summaries.tell(peer, items)
        if mask:
            self.versions.same(mask, now.mono_s)
            self._tell_versions(peer, self._not_asked(behind, now), 0)

    def _not_asked(self, nodes: Sequence[NodeName], now: Instant) -> list[NodeName]:
        """Those of them whose news we did not ask anybody for just now: several may greet us at once."""
        before_s = now.mono_s - _ASK_PAUSE_S
        wanted = [node for node in nodes if self._asked_s.get(node, before_s) <= before_s]
        for node in wanted:
            self._asked_s[node] = now.mono_s
        return wanted

    # ---- facts ----

    def spread(self, fact: Fact) -> None:
        """Somebody here says this, or heard it: all must come to know."""
        if self.facts.hear(fact):
            self._channel.push((FACTS, self._wiring.me.node, 0, (fact,)))

    def _tell_facts(self, peer: Known, mask: int, facts: list[Fact]) -> None:
        self._channel.tell(peer, (FACTS, self._wiring.me.node, mask, facts))

    def _hear_facts(self, fields: list[Any], peer: Known) -> None:
        """[kind, sender, mask, facts]: some facts; with a mask, all that it knows in those parts, and then it
        wants to hear what it lacks there."""
        mask, facts = whole(fields[2]), fields[3]
        if type(facts) is not list or len(facts) > 16 * self._wiring.settings.facts_limit:
            raise PeerError("facts")
        heard = [fact_from(each) for each in facts]
        fresh = [fact for fact in heard if self.facts.hear(fact)]
        self._wiring.count("facts_heard", len(fresh))
        self._wiring.news.extend(FactHeard(fact) for fact in fresh)
        if fresh:
            self._channel.push((FACTS, self._wiring.me.node, 0, fresh), but=peer.node)
        if mask:
            theirs = {(fact.kind, fact.subject): fact for fact in heard}
            known = self.facts.within(mask)
            lacking = [fact for fact in known if theirs.get((fact.kind, fact.subject)) != fact]
            if lacking:
                self._tell_facts(peer, 0, lacking)

    # ---- members ----

    def on_change(self, known: Known, before: MemberState | None, now: Instant) -> None:
        """A member came or went."""
        if not known.is_up():
            self.forgotten(known.node)
        elif known.is_zoned() and before not in (MemberState.SUSPECT, MemberState.LEAVING, MemberState.ALIVE):
            self.counts.met(known.node, now)
            others = len(self._wiring.table) - 1
            if self._wiring.rng.random() * others < self._wiring.settings.greeters:
                self.greet(known, now)

    def forgotten(self, node: NodeName) -> None:
        """The member is not up, or not even known any more."""
        self.summaries.gone(node)
        self.digests.gone(node)
        self.versions.gone(node)
        self._asked_s.pop(node, None)
