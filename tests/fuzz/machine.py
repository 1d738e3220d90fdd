"""A node, its sockets' side and the sea of garbage: one fuzz case a step, invariants in between.

A case is a packet or a stream, mutated before it is sealed or after, sealed with the pool's key, another or
none; it goes the way that it would go in an agent: seal, scanner, stage. Whatever comes, only PeerError may
leave a decoder, the node keeps its own row, never lowers its incarnation, and nothing that it keeps grows
over its limit. ``python -m tests.fuzz.machine CASES [SEED]`` runs as many as wanted (``make fuzz``).
"""

from __future__ import annotations

import random
import sys
import time
from itertools import count

from tests.core.gossip.pool import Pool
from tests.fuzz.mutations import damaged, garbage, good_packets, good_streams
from zoned.core.actions import StreamReply
from zoned.core.errors import PeerError
from zoned.core.gossip.endpoint import MAX_QUESTIONS
from zoned.core.gossip.stream import LIMIT_BYTES
from zoned.core.gossip.wire import MAX_MESSAGES
from zoned.core.members import MemberState
from zoned.daemon.gossip_seal import Seal
from zoned.daemon.keyring import Keyring

CHECK_EVERY = 500
_A, _B = b"a" * 16, b"b" * 32


class Machine:
    """A victim and its tormentor."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.pool = pool = Pool(seed=seed)
        self.swim = pool.start(4)[0].swim
        pool.run(2)
        self.swim.take_actions()
        self.node = self.swim._wiring.me.node
        self.incarnation = 0
        self.refused = 0
        self.seals = [Seal(Keyring(())), Seal(Keyring((_A, _B))), Seal(Keyring((_B,)), "shop")]
        self.others = [*self.seals, Seal(Keyring((b"c" * 24,)))]
        self.streams = count(1)

    def step(self) -> None:
        """One case."""
        rng, pool = self.rng, self.pool
        pool.now_s += 0.002
        ours = self.seals[0] if rng.random() < 0.7 else rng.choice(self.seals)
        theirs = ours if rng.random() < 0.9 else rng.choice(self.others)
        try:
            if rng.random() < 0.8:
                self._packet(ours, theirs)
            else:
                self._stream(ours, theirs)
        except PeerError as error:
            assert error.reason.replace("_", "").isalnum() and len(error.reason) < 32, error.reason
            self.refused += 1
        deadline_s = self.swim.next_deadline()
        if deadline_s is not None and deadline_s <= pool.now_s:
            self.swim.tick(pool.now())
        self.swim.take_news()
        sent = self.swim.take_actions()
        assert len(sent) <= 4 * (MAX_MESSAGES + MAX_QUESTIONS), len(sent)

    def _packet(self, ours: Seal, theirs: Seal) -> None:
        data = theirs.packet(garbage(self.rng, good_packets(), True))
        if self.rng.random() < 0.05:
            data = damaged(self.rng, data)
        plain = ours.open_packet(data)
        sender = (f"10.0.0.{self.rng.randrange(1, 9)}", 7946)
        self.swim.packet(plain, sender, self.pool.now(), self.rng.random() < 0.5)

    def _stream(self, ours: Seal, theirs: Seal) -> None:
        answer = self.rng.random() < 0.3
        data = theirs.stream(garbage(self.rng, good_streams(), False), answer)
        if self.rng.random() < 0.1:
            data = damaged(self.rng, data)
        reader, cut = ours.reader(LIMIT_BYTES, answer), self.rng.randrange(len(data) + 1)
        plain = None
        for piece in (data[:cut], data[cut:]):
            plain = plain or (reader.feed(piece) if piece else None)
        if plain is None:
            return
        now, number = self.pool.now(), next(self.streams)
        if answer:
            self.swim.answered(self.rng.randrange(1, 200), plain, now)
            return
        self.swim.stream(number, plain, ("10.0.0.2", 7946), now)
        replies = [each for each in self.swim.take_actions() if isinstance(each, StreamReply)]
        assert [each.stream for each in replies] == [number]

    def check(self) -> None:
        """What must hold whatever was heard."""
        settings, wiring = self.swim._wiring.settings, self.swim._wiring
        members = self.swim.members()
        own = next(each for each in members if each.node == self.node)
        assert own.state is MemberState.ALIVE and own.incarnation >= self.incarnation
        self.incarnation = own.incarnation
        assert len(members) <= settings.member_limit
        assert all(each.node.isprintable() for each in members)
        assert len(wiring.queue) <= settings.queue_limit
        assert len(wiring._calls) <= settings.call_limit
        assert wiring.table.up_count() == sum(known.is_up() for known in wiring.table.all())
        assert len(wiring.timers._heap) < 8 * settings.member_limit + 2048
        assert len(self.swim._reconciler.facts) <= 16 * settings.facts_limit
        assert len(self.swim.counters) < 256  # reasons are words of ours, never of the network
        for own_limit in (self.swim._serf._waiting, self.swim._queries._seen):
            assert len(own_limit) <= settings.intent_limit
        assert len(self.swim._prober._relays) <= settings.relay_limit
        assert len(self.swim._exchange.reached) <= settings.member_limit

    def run(self, cases: int) -> None:
        """So many cases."""
        for number in range(1, cases + 1):
            self.step()
            if number % CHECK_EVERY == 0 or number == cases:
                self.check()


def main(cases: int, seed: int) -> None:
    """Many cases, in machines of 50,000; says how to repeat the one that fails."""
    began_s, done, refused = time.monotonic(), 0, 0
    while done < cases:
        machine = Machine(seed)
        here = min(50_000, cases - done)
        try:
            machine.run(here)
        except BaseException:
            print(f"failed: python -m tests.fuzz.machine {here} {seed}", file=sys.stderr)
            raise
        rejected = [n for name, n in machine.swim.counters.items() if name.startswith("rejected_")]
        refused += machine.refused + int(sum(rejected))
        done, seed = done + here, seed + 1
        print(f"{done:>9,} cases, {refused:,} refusals, {time.monotonic() - began_s:.0f} s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
