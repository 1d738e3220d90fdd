"""From a clear pool to a sealed one, agent by agent, on real sockets: nobody loses anybody at any step."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from tests.interop.members import Gossiper, gossiper, join, now
from zoned.daemon.gossip_seal import Seal
from zoned.daemon.keyring import Keyring

KEY = b"k" * 32
NODES = ("z-1", "z-2", "z-3")
STEPS = (
    (False, False),  # everybody has the key, and takes both
    (False, True),  # everybody seals
    (True, True),  # nobody takes what is clear any more
)


@pytest.mark.asyncio
async def test_from_clear_to_sealed_without_an_outage() -> None:
    running: dict[str, tuple[AsyncExitStack, Gossiper]] = {}

    async def start(node: str, seal: Seal, before: Gossiper | None = None) -> Gossiper:
        stack = AsyncExitStack()
        address = None if before is None else before.address
        one = await stack.enter_async_context(gossiper(node, node, address, seal=seal))
        running[node] = (stack, one)
        seeds = [other.address for _, other in running.values() if other is not one]
        if seeds:
            join(one, seeds[0])
        return one

    async def together() -> None:
        for _, one in running.values():
            await one.until(lambda one=one: all(one.state(node) == "alive" for node in NODES))

    try:
        for node in NODES:
            await start(node, Seal(Keyring()))
        await together()
        for incoming, outgoing in STEPS:
            for node in NODES:
                stack, before = running.pop(node)
                before.swim.back_soon(now())
                before.after()
                await stack.aclose()
                await start(node, Seal(Keyring([KEY]), "", incoming, outgoing), before)
                await together()
                if node == NODES[0]:  # half way: the new ping the old, who must understand and be understood
                    one = running[node][1]
                    await one.until(lambda one=one: all(one.swim.rtt_s(each) for each in NODES[1:]))
        for _, one in running.values():
            assert not [line for line in one.notes if line.startswith("member suspect")]
            refused = [line for line in one.notes if "refused" in line]
            assert refused == [] and one.io.refusals.counters == {}
    finally:
        for stack, _ in running.values():
            await stack.aclose()
