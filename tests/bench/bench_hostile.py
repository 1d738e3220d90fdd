"""How long the costliest packets hold the event loop (the limit is 50 ms), against an ordinary one.

Each packet of ``tests/fuzz/hostile.py`` goes to a node that knows 300 members, three times; the least time
counts, since the machine may be shared. Ends with an error where one takes longer than the limit.
"""

from __future__ import annotations

import random
import sys
import time

from tests.fuzz.hostile import HOME, PACKETS, THERE, VICTIM
from zoned.core.gossip import GossipSettings, Identity, Swim
from zoned.core.gossip.messages import Alive, Ping
from zoned.core.gossip.tags import meta_of
from zoned.core.gossip.wire import VERSIONS, encode
from zoned.core.names import Instant

LIMIT_MS = 50.0
MEMBERS = 300


def at(seconds: float) -> Instant:
    return Instant(seconds, 1.7e9 + seconds, 1.7e9 + seconds)


def victim() -> Swim:
    swim = Swim(GossipSettings(), Identity(VICTIM, "z", 1, HOME), random.Random(1), at(0))
    for number in range(1, MEMBERS):
        address = THERE if number == 1 else (f"10.1.{number >> 8}.{number & 255}", 7946)
        meta = meta_of(Identity(f"n{number:03d}", "z", 1, address))
        swim.packet(encode(Alive(5, f"n{number:03d}", address, meta, VERSIONS)), address, at(0.1))
        swim.take_actions()
        swim.take_news()
    return swim


def cost_ms(data: bytes, times: int = 3) -> float:
    """The least of some tries, each at a fresh node."""
    least = float("inf")
    for _ in range(times):
        swim = victim()
        began_s = time.process_time()
        swim.packet(data, THERE, at(10))
        swim.take_actions()
        swim.take_news()
        swim.next_deadline()
        least = min(least, 1000 * (time.process_time() - began_s))
    return least


def main() -> None:
    ordinary = cost_ms(encode(Ping(1, VICTIM, None, "")))
    print(f"{'a ping':24} {ordinary:8.2f} ms")
    slow = False
    for name, make in PACKETS.items():
        data = make()
        ms = cost_ms(data)
        slow |= ms > LIMIT_MS
        print(f"{name:24} {ms:8.2f} ms {len(data):7} B{'   TOO LONG' if ms > LIMIT_MS else ''}")
    sys.exit(slow)


if __name__ == "__main__":
    main()
