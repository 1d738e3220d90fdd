"""What gossip sends: bytes/s per agent at rest, under churn, and for an agent that comes new, by kind.

Real stages on the virtual network of the tests: 30 agents x 50 dependencies x 100,000 cached keys each, no
loss. Counted are the bytes that the stage gives out, in packets and in streams, without the headers of UDP,
TCP and IP. The budget at rest is twice what a Serf agent sends in a pool of 30: 333 B/s (lab/pool.py).

    PYTHONPATH=. .venv/bin/python tests/bench/bench_gossip.py [AGENTS]

It takes a minute of CPU time, most of it for 870 snapshots of 100,000 keys.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from dataclasses import replace

from tests.core.gossip.pool import Host, Pool
from zoned.core.actions import SendPacket, StreamCall
from zoned.core.gossip import GossipSettings, decode_stream
from zoned.core.gossip.channel import (
    COUNTS,
    DELTA,
    FACTS,
    HEAD,
    MARK,
    PIECE,
    PULL,
    SUMMARY,
    SYN,
    TREE,
    VECTOR,
    decode_body,
)
from zoned.core.gossip.messages import Ack, Alive, Dead, IndirectPing, Nack, Ping, PushPull, Suspect, User
from zoned.core.gossip.wire import decode_packet, encode
from zoned.core.members import DependencyDemand, HotInstance, Summary
from zoned.core.names import Address, InstanceKey
from zoned.core.records import Load

AGENTS, DEPENDENCIES, KEYS, HOT = 30, 50, 100_000, 128
SERF_B_S = 333
LOAD_INTERVAL_S = 29.0  # as NodeSettings.load_interval_s
CHANGES_PER_S = 100
_OURS = {
    SYN: "compare", TREE: "compare", VECTOR: "compare", SUMMARY: "summaries", DELTA: "flushes",
    HEAD: "snapshots", PULL: "snapshots", PIECE: "snapshots", FACTS: "facts", COUNTS: "counts",
}  # fmt: skip


def kind_of(message: object) -> str:
    """Under which heading a message is counted."""
    if isinstance(message, Ping | Ack | Nack | IndirectPing):
        return "probes"
    if isinstance(message, Alive | Suspect | Dead):
        return "rumours"
    if isinstance(message, PushPull):
        return "push/pull"
    if isinstance(message, User) and message.body[:1] == bytes((MARK,)):
        return _OURS[decode_body(message.body)[0]]
    return "serf"


class Counting(Pool):
    """Counts what is sent, by kind, and what reaches one host. News is not kept: a directory would be."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: Counter[str] = Counter()
        self.to: Counter[Address] = Counter()

    def after(self, host: Host) -> None:
        """Carry on; forget the news."""
        super().after(host)
        host.news.clear()

    def _send(self, host: Host, action: SendPacket) -> None:
        left = len(action.data)
        for message in decode_packet(action.data).messages:
            size = len(encode(message))
            self.sent[kind_of(message)] += size
            left -= size
        self.sent["framing"] += left
        self.to[action.address] += len(action.data)
        super()._send(host, action)

    def _call(self, host: Host, action: StreamCall) -> None:
        self.sent[kind_of(decode_stream(action.data))] += len(action.data)
        self.to[action.address] += len(action.data)
        super()._call(host, action)

    def _answer(self, host: Host, caller: Host, call: int, data: bytes) -> None:
        if data:
            self.sent[kind_of(decode_stream(data))] += len(data)
            self.to[caller.identity.gossip] += len(data)
        super()._answer(host, caller, call, data)


class Agent:
    """What one zone would say: demand, hot instances, load; and its changes."""

    def __init__(self, pool: Pool, host: Host, rng: random.Random) -> None:
        self.pool, self.host, self.rng = pool, host, rng
        demand = tuple(
            DependencyDemand(f"service-{at:02d}", (rng.random(), 1e3 * rng.random(), 3e3 * rng.random()), 9e4)
            for at in range(DEPENDENCIES)
        )
        self.summary = Summary(
            node=host.identity.node, zone=host.identity.zone, made_wall_s=0.0, ring_id="0123456789abcdef",
            load=Load(), capacity_bytes=1 << 30, capacity_objects=0, used_ratio=1.0, hit_ratio=0.8,
            demand=demand, hot=self._hot([(rng.randrange(KEYS), rng.random() * 100) for _ in range(HOT)]),
        )  # fmt: skip
        self.held = random.Random(host.identity.node).sample(range(1 << 32), KEYS)

    def _hot(self, uses: list[tuple[int, float]]) -> tuple[HotInstance, ...]:
        hot = [
            HotInstance(InstanceKey(f"service-{at % DEPENDENCIES:02d}", b"/v1/item/%06d" % at), count, 2048)
            for at, count in uses
        ]
        return tuple(sorted(hot, key=lambda one: (-one.uses, one.key)))

    def load_moves(self) -> None:
        """Another load, nothing else."""
        load = Load(cpu=self.rng.randrange(20) / 20, memory=0.5, network=self.rng.randrange(20) / 20)
        self._publish(replace(self.summary, load=load))

    def demand_moves(self) -> None:
        """A tenth of the dependencies and of the hot instances are expected otherwise."""
        rng = self.rng
        demand = tuple(
            d if rng.random() > 0.1 else d._replace(day=rng.random() * 1e5) for d in self.summary.demand
        )
        kept = [h for h in self.summary.hot if rng.random() > 0.1]
        fresh = [(rng.randrange(KEYS), rng.random() * 100) for _ in range(HOT - len(kept))]
        hot = sorted({h.key: h for h in (*kept, *self._hot(fresh))}.values(), key=lambda h: (-h.uses, h.key))
        self._publish(replace(self.summary, demand=demand, hot=tuple(hot)))

    def cache_moves(self, changes: int) -> None:
        """So many changes: half of them new, half of them gone."""
        fresh = [self.rng.randrange(1 << 32) for _ in range(changes // 2)]
        gone, self.held = self.held[: changes // 2], self.held[changes // 2 :] + fresh
        self.pool.do(self.host, "holding", fresh, gone)

    def count_moves(self, instances: int) -> None:
        """So many instances were used."""
        counts = [(each, 1.0 + self.rng.random() * 20) for each in self.rng.sample(self.held, instances)]
        self.pool.do(self.host, "counted", counts)

    def _publish(self, summary: Summary) -> None:
        self.summary = replace(summary, made_wall_s=self.pool.now().wall_s)
        self.pool.do(self.host, "publish", self.summary)


def show(title: str, sent: Counter[str], agents: int, seconds: float) -> float:
    """Print bytes/s per agent by kind; return their sum."""
    rates = {kind: count / agents / seconds for kind, count in sent.items()}
    parts = ", ".join(
        f"{kind} {rate:.0f}" for kind, rate in sorted(rates.items(), key=lambda p: -p[1]) if rate >= 1
    )
    print(f"{title}: {sum(rates.values()):.0f} B/s per agent ({parts})")
    return sum(rates.values())


def main(count: int) -> None:
    """Print the three figures."""
    pool, rng = Counting(), random.Random(1)
    settings = GossipSettings()
    agents = [Agent(pool, host, rng) for host in pool.start(count, settings)]
    for agent in agents:
        held = list(agent.held)
        for at in range(0, KEYS, KEYS // (settings.holdings_log + 100)):  # the log is too short for all of it
            pool.do(agent.host, "holding", held[at : at + KEYS // (settings.holdings_log + 100)], [])
        agent.load_moves()
    pool.run(120)

    def passing(seconds: int, busy: bool) -> Counter[str]:
        pool.sent.clear()
        for tenth in range(10 * seconds):
            for at, agent in enumerate(agents):
                if (tenth + 7 * at) % int(10 * LOAD_INTERVAL_S) == 0:
                    agent.load_moves()
                if busy:
                    agent.cache_moves(CHANGES_PER_S // 10)
                    if (tenth + 7 * at) % 50 == 0:
                        agent.demand_moves()
                    if (tenth + 7 * at) % 600 == 0:
                        agent.count_moves(1500)
            pool.run(0.1)
        return pool.sent.copy()

    print(f"{count} agents x {DEPENDENCIES} dependencies x {KEYS} keys")
    rest = show("at rest, loads move", passing(58, False), count, 58)
    print(f"  = {rest / SERF_B_S:.2f} x Serf's {SERF_B_S} B/s at 30; the budget is 2")
    show(f"busy: {CHANGES_PER_S} cache changes/s, a tenth of demand every 5 s", passing(30, True), count, 30)
    came_new(pool, agents, count)


def came_new(pool: Counting, agents: list[Agent], count: int) -> None:
    """One agent stops and comes back with an empty memory."""
    old = agents[-1].host
    old.up = False
    pool.run(2.0)
    began_s, before = pool.now_s, pool.to[old.identity.gossip]
    new = pool.add(count - 1, GossipSettings())
    pool.do(new, "join", [agents[0].host.identity.gossip])

    def complete() -> bool:
        known = new.swim._reconciler.versions
        return all(
            known.of(each.host.identity.node, pool.now_s)
            == each.host.swim._reconciler.versions.of(each.host.identity.node, pool.now_s)
            for each in agents[:-1]
        )

    done = pool.run(120.0, complete)
    took_s, received = pool.now_s - began_s, pool.to[old.identity.gossip] - before
    floor = (count - 1) * KEYS * 4
    print(
        f"an agent comes back with nothing: {'complete' if done else 'NOT complete'} after {took_s:.1f} s, "
        f"{received / 1e6:.1f} MB received ({received / floor:.2f} x the fingerprints alone)"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else AGENTS)
