"""Bytes that one agent keeps per instance that it tracks, by the part that keeps them.

    PYTHONPATH=. .venv/bin/python tests/bench/bench_memory.py [COPIES INSTANCES READS]

A node with four others' claims in its directory reads by Zipf's law (about 1 in popularity) in sessions of
eight, through ``Node.handle`` as in life: each fetch, ahead of time or not, ends; turns come once a second.
*Tracked* are the instances of which anything is known by name or hash: held, counted or claimed by others.
Bytes are tracemalloc's, by the module that asked for them, over what an empty node takes. The names are the
caller's, and what a store would hold is no part of the core: neither is counted.

Every part has a cap, beyond which it forgets what it needs least: 16 rows of demand a copy, 8,192 rated
instances, 16,384 antecedents with 4,096 trails, 2,000,000 claims. So small stores track many more instances
than they hold, and the fixed tables weigh on the few; the caps are made for large ones.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections import Counter, deque
from itertools import accumulate
from random import Random

from zoned.core.actions import FetchOrigin
from zoned.core.cache import CacheSettings
from zoned.core.events import FetchDone, FetchOutcome, Read
from zoned.core.members import HoldingsHeard
from zoned.core.names import InstanceKey, Instant, fingerprint_of, key_hash
from zoned.core.node import Node
from zoned.core.settings import NodeSettings

GOAL = 250
NEIGHBOURS = 4
READS_A_SECOND = 100.0
SESSION = 8


def node_of(copies: int) -> Node:
    """A node that nobody else talks to."""
    settings = NodeSettings(
        node="a-1",
        zone="a",
        gossip_address=("127.0.0.1", 7946),
        peer_address=("127.0.0.1", 7947),
        cache=CacheSettings(max_objects=copies, max_bytes=None),
    )
    return Node(settings, Instant(0.0, 1.7e9, 1.7e9))


def live(node: Node, keys: list[InstanceKey], first: int, reads: int) -> None:
    """So many reads, the next ones from number ``first`` on."""
    rng = Random(first)
    weights = list(accumulate(1.0 / (rank + 10) for rank in range(len(keys))))
    picked = rng.choices(keys, cum_weights=weights, k=reads)
    for number, key in enumerate(picked, first):
        at_s = number / READS_A_SECOND
        now = Instant(at_s, 1.7e9 + at_s, 1.7e9 + at_s)
        client = b"%d" % (number // SESSION)
        actions = deque(node.handle(Read(request=number, key=key, client=client), now))
        while actions:
            action = actions.popleft()
            if isinstance(action, FetchOrigin):
                size = 300 + number % 40_000
                done = FetchDone(fetch=action.fetch, outcome=FetchOutcome.OK, size=size, latency_s=0.2)
                actions += node.handle(done, now)
        node.next_deadline()


def claims(node: Node, keys: list[InstanceKey], copies: int) -> None:
    """Others hold this and that."""
    prints = [fingerprint_of(key_hash(key)) for key in keys]
    for member in range(NEIGHBOURS):
        held = tuple(prints[member * copies : (member + 1) * copies])
        node.cache.heard(HoldingsHeard(f"b-{member}", held, (), True))


def tracked(node: Node, claimed: list[InstanceKey]) -> dict[str, int]:
    """How many instances each part knows, and how many they are together."""
    demand, index = node.stages.worth.demand, node.cache.entries()
    known = {*demand.rows, *(fingerprint_of(key_hash(key)) for key in claimed)}
    known |= {fingerprint_of(entry.key_hash) for entry in index}
    return {
        "copies": len(node.cache),
        "shadowed": len(node.cache) * len(node.tuner.arms()),
        "demand": len(demand.rows),
        "rated": int(node.forecaster.counters["instances"]),
        "antecedents": int(node.analyzer.counters["antecedents"]),
        "claims": sum(node.cache.directory.sizes().values()),
        "tracked": len(known),
    }


# (what, modules whose allocations it is, the count that it goes by)
PARTS = (
    ("cache: index, digest, freshness", ("cache/",), "copies"),
    ("eviction order and shadows, an arm", ("eviction/", "learning/"), "shadowed"),
    ("demand: counts and rates of use", ("eviction/demand", "eviction/worth"), "demand"),
    ("forecast: rates by hour of day", ("forecast/",), "rated"),
    ("associations, trails, evidence", ("graph/",), "antecedents"),
    ("directory: the others' claims", ("cache/directory", "cache/claims"), "claims"),
    ("hashes and rows of names, all parts", ("names", "fingerprints", "eviction/table"), "tracked"),
    ("all else: gossip, ring, flights", ("",), "tracked"),
)


def by_part() -> Counter[str]:
    """Bytes by the name of the part."""
    parts: Counter[str] = Counter()
    for one in tracemalloc.take_snapshot().statistics("filename"):
        path = one.traceback[0].filename.rpartition("/core/")[2]
        fitting = [(len(prefix), name) for name, prefixes, _ in PARTS for prefix in prefixes
                   if path.startswith(prefix)]  # fmt: skip
        parts[max(fitting)[1]] += one.size
    return parts


def main(arguments: list[str]) -> None:
    """Live, count, print."""
    copies, instances, reads = (int(one) for one in arguments) if arguments else (4_000, 60_000, 120_000)
    keys = [InstanceKey("pricing-api", b"/v1/prices/%d" % number) for number in range(instances)]
    live(node_of(64), keys[:500], 0, 2_000)  # what is made once and kept by modules
    tracemalloc.start()
    node = node_of(copies)
    empty = by_part()
    claims(node, keys, copies)
    live(node, keys, 0, reads)
    full = by_part()
    full.subtract(empty)
    known = tracked(node, keys[: NEIGHBOURS * copies])
    print(f"{instances:,} instances in the world, {known['tracked']:,} tracked, {copies:,} copies held")
    for name, _, unit in PARTS:
        count = known[unit]
        print(f"  {name:36} {full[name] / 1e6:6.2f} MB, {full[name] / count:5.0f} B each of {count:,} {unit}")
    total = sum(full.values())
    each = total / known["tracked"]
    met = "met" if each <= GOAL else "not met"
    print(f"  all {total / 1e6:.1f} MB, {each:.0f} B a tracked instance (goal {GOAL}: {met})")


if __name__ == "__main__":
    main(sys.argv[1:])
