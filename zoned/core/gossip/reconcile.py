"""Versioned anti-entropy between zoned agents: summaries, cache holdings, facts.

Three things must reach every zoned agent, and none of them may ride on the rumour queue, where they would
starve membership or be starved by it (memberlist 299). News is pushed at once, to all other zoned agents
where they are few, else to a random few. Whatever got lost is repaired by comparison:

    SYN{root} ->  same? silence.  else  <- VECTOR{versions} ->  what they lack; VECTOR back for what we lack

one SYN every ``reconcile_interval_s`` to one random agent. The root is a hash over the versions of everything
and the digest of the facts, so a pool at rest sends one 30-byte packet per agent and interval. (Scuttlebutt:
van Renesse et al. 2008; the rounds are chitchat's.) A newcomer is greeted with a SYN at once.
"""

from __future__ import annotations

from typing import Any

import msgpack
import xxhash

from zoned.core.actions import StreamReply
from zoned.core.errors import PeerError
from zoned.core.gossip.channel import (
    DELTA,
    FACTS,
    HEAD,
    MARK,
    PIECE,
    PULL,
    SUMMARY,
    SYN,
    VECTOR,
    Channel,
    decode_body,
    whole,
)
from zoned.core.gossip.digests import Digests
from zoned.core.gossip.facts import FactMap, fact_from
from zoned.core.gossip.membership import Known
from zoned.core.gossip.summaries import Summaries
from zoned.core.gossip.wiring import Wiring
from zoned.core.members import Fact, FactHeard, MemberState
from zoned.core.names import Instant, NodeName

__all__ = ["MARK", "Reconciler"]

_LENGTHS = {SYN: 3, VECTOR: 5, SUMMARY: 5, DELTA: 6, HEAD: 5, PULL: 4, PIECE: 4, FACTS: 4}


class Reconciler:
    """Compares what we know with what others know, and routes our own kind of messages."""

    def __init__(self, wiring: Wiring, now: Instant) -> None:
        self._wiring = wiring
        self._channel = Channel(wiring)
        self.summaries = Summaries(wiring, self._channel)
        self.digests = Digests(wiring, self._channel, now)
        self.facts = FactMap(wiring.settings.facts_limit)
        wiring.timers.at(now.mono_s + self._interval_s(), self._round)

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
            self._syn(fields, peer)
        elif kind == VECTOR:
            self._vector(fields, peer, now)
        elif kind == FACTS:
            self._hear_facts(fields, peer)
        elif kind == HEAD:
            self.digests.head(fields, now)
        elif kind == PULL:
            self.digests.pull(fields, now)
        else:
            raise PeerError("reconcile", "kind")

    # ---- comparing ----

    def _round(self, now: Instant) -> None:
        self._wiring.timers.at(now.mono_s + self._interval_s(), self._round)
        peers = self._channel.peers()
        if peers:
            self._greet(self._wiring.rng.choice(peers))

    def _greet(self, peer: Known) -> None:
        self._channel.tell(peer, (SYN, self._wiring.me.node, self._root(self._entries())))

    def _syn(self, fields: list[Any], peer: Known) -> None:
        entries = self._entries()
        if fields[2] != self._root(entries):
            self._wiring.count("reconciles")
            self._tell_vector(peer, entries, True)

    def _tell_vector(self, peer: Known, entries: list[tuple[Any, ...]], reply: bool) -> None:
        self._channel.tell(peer, (VECTOR, self._wiring.me.node, self.facts.digest, entries, reply))

    def _vector(self, fields: list[Any], peer: Known, now: Instant) -> None:
        digest, entries, reply = fields[2:5]
        if type(entries) is not list or len(entries) > self._wiring.settings.member_limit:
            raise PeerError("vector")
        ours = {entry[0]: entry for entry in self._entries()}
        behind = False
        for entry in entries:
            if type(entry) is not list or len(entry) != 5 or type(entry[0]) is not str:
                raise PeerError("vector")
            node, epoch, version, first, summary = entry
            mine = ours.get(node)
            if mine is None:
                continue  # not up here: nothing of it is ours to give or to want
            if (epoch, version) != mine[1:3]:
                theirs = whole(epoch), whole(version), whole(first)
                behind |= self.digests.compare(peer, node, theirs, now)
            if summary != mine[4]:
                behind |= self.summaries.compare(peer, node, whole(summary), now)
        if reply is True and digest != self.facts.digest:
            self._tell_facts(peer, self.facts.all(), True)
        if reply is True and behind:
            self._tell_vector(peer, self._entries(), False)

    def _entries(self) -> list[tuple[Any, ...]]:
        """(agent, epoch, version and first of its log, version of its summary) of every zoned agent up."""
        nodes = [each.node for each in self._channel.peers()]
        nodes.append(self._wiring.me.node)
        nodes.sort()
        return [(node, *self.digests.entry(node), self.summaries.version(node)) for node in nodes]

    def _root(self, entries: list[tuple[Any, ...]]) -> int:
        """One hash of it all. How far a log reaches back may differ between equals, so it is left out."""
        facts = [(node, epoch, version, summary) for node, epoch, version, _, summary in entries]
        return xxhash.xxh3_64_intdigest(msgpack.packb((facts, self.facts.digest)))

    # ---- facts ----

    def spread(self, fact: Fact) -> None:
        """Somebody here says this, or heard it: all must come to know."""
        if self.facts.hear(fact):
            self._channel.push((FACTS, self._wiring.me.node, (fact,), False))

    def _tell_facts(self, peer: Known, facts: list[Fact], reply: bool) -> None:
        self._channel.tell(peer, (FACTS, self._wiring.me.node, facts, reply))

    def _hear_facts(self, fields: list[Any], peer: Known) -> None:
        facts, reply = fields[2:4]
        if type(facts) is not list or len(facts) > 16 * self._wiring.settings.facts_limit:
            raise PeerError("facts")
        heard = [fact_from(each) for each in facts]
        fresh = [fact for fact in heard if self.facts.hear(fact)]
        self._wiring.count("facts_heard", len(fresh))
        self._wiring.news.extend(FactHeard(fact) for fact in fresh)
        if fresh:
            self._channel.push((FACTS, self._wiring.me.node, fresh, False), but=peer.node)
        if reply is True:
            theirs = {(fact.kind, fact.subject): fact for fact in heard}
            lacking = [fact for fact in self.facts.all() if theirs.get((fact.kind, fact.subject)) != fact]
            if lacking:
                self._tell_facts(peer, lacking, False)

    # ---- members ----

    def on_change(self, known: Known, before: MemberState | None, now: Instant) -> None:
        """A member came or went."""
        if not known.is_up():
            self.summaries.gone(known.node)
            self.digests.gone(known.node)
        elif known.is_zoned() and before not in (MemberState.SUSPECT, MemberState.LEAVING, MemberState.ALIVE):
            others = len(self._channel.peers())
            if self._wiring.rng.random() * others < self._wiring.settings.greeters:
                self._greet(known)

    def forgotten(self, node: NodeName) -> None:
        """The member was dropped from the table."""
        self.summaries.gone(node)
        self.digests.gone(node)

    def _interval_s(self) -> float:
        """Jittered, so that agents started together do not stay in step."""
        return self._wiring.settings.reconcile_interval_s * (0.8 + 0.4 * self._wiring.rng.random())
