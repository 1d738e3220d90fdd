"""A zoned agent's gossip in one pool with Debian's real ``serf agent``: each sees the other come, go, die."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.members import gossiper, join, needs_serf, now, serf_agent

pytestmark = needs_serf


@pytest.mark.asyncio
async def test_serf_lists_us_with_our_tags_and_we_list_it() -> None:
    async with serf_agent("stock") as serf, gossiper("z-1", "eu-1") as one:
        join(one, serf.address)
        await one.until(lambda: one.state("stock") == "alive")
        row = await serf.lists("z-1", "alive", "zone=eu-1", "role=zoned")
        assert f"127.0.0.1:{one.address[1]}" in row
        assert "weight=2" in row and "peer=127.0.0.1:7947" in row
        stock = next(each for each in one.swim.members() if each.node == "stock")
        assert (stock.zone, stock.role, stock.weight, stock.gossip) == ("stock", "", 0, serf.address)
        assert one.notes.count("member up stock") == 1 and "joined 1 members" in one.notes


@pytest.mark.asyncio
async def test_go_reads_our_lzw() -> None:
    async with serf_agent("stock") as serf, gossiper("z-1", "eu-1", compress=True) as one:
        join(one, serf.address)
        await one.until(lambda: one.state("stock") == "alive")
        await serf.lists("z-1", "alive", "zone=eu-1")
        one.swim.leave(now())
        one.after()
        await serf.lists("z-1", "left")
        assert [line for line in serf.lines if "[WARN]" in line or "[ERR]" in line] == []


@pytest.mark.asyncio
async def test_serf_reaches_us_measures_us_and_has_no_complaints() -> None:
    async with serf_agent("stock") as serf, gossiper("z-1", "eu-1") as one, gossiper("z-2", "eu-2") as two:
        join(one, serf.address)
        join(two, serf.address)
        await one.until(lambda: one.state("stock") == one.state("z-2") == "alive")
        await serf.lists("z-1", "alive")
        await serf.lists("z-2", "alive")
        code, output = await serf.call("reachability")
        assert code == 0 and "Successfully contacted all live nodes" in output, output
        await one.until(lambda: one.swim.rtt_s("stock") is not None)
        async with asyncio.timeout(20):
            while (await serf.call("rtt", "z-1"))[0]:
                pass
        await serf.call("event", "deploy", "v1")
        await one.until(lambda: one.swim.counters.get("events_heard", 0) == 1)
        complaints = [line for line in serf.lines if "[WARN]" in line or "[ERR]" in line]
        assert complaints == []
        odd = {name: n for name, n in one.swim.counters.items() if name.startswith("rejected") and n}
        assert odd == {}


@pytest.mark.asyncio
async def test_our_leave_is_a_leave_to_serf_and_we_may_come_back() -> None:
    async with serf_agent("stock") as serf, gossiper("z-1", "eu-1") as one:
        join(one, serf.address)
        await serf.lists("z-1", "alive")
        one.swim.leave(now())
        one.after()
        await serf.lists("z-1", "left")
        join(one, serf.address)
        await serf.lists("z-1", "alive")


@pytest.mark.asyncio
async def test_our_death_is_a_failure_to_serf_and_a_restart_heals_it() -> None:
    async with serf_agent("stock") as serf, gossiper("z-1", "eu-1") as one, gossiper("z-2", "eu-2") as two:
        join(one, serf.address)
        join(two, serf.address)
        await serf.lists("z-1", "alive")
        await one.until(lambda: one.state("z-2") == "alive")
        await two.stop()
        await serf.lists("z-2", "failed", seconds=40)
        await one.until(lambda: one.state("z-2") == "failed", seconds=40)
        async with gossiper("z-2", "eu-2", two.address) as again:
            join(again, one.address)
            await serf.lists("z-2", "alive")
            await one.until(lambda: one.state("z-2") == "alive")
            assert again.state("stock") == "alive"


@pytest.mark.asyncio
async def test_a_serf_agent_that_dies_or_leaves() -> None:
    async with gossiper("z-1", "eu-1") as one:
        async with serf_agent("dies") as dies, serf_agent("leaves") as leaves:
            join(one, dies.address)
            join(one, leaves.address)
            await one.until(lambda: one.state("dies") == one.state("leaves") == "alive")
            await dies.lists("leaves", "alive")
            await leaves.call("leave")
            await one.until(lambda: one.state("leaves") == "left")
            dies.process.kill()
            await one.until(lambda: one.state("dies") == "failed", seconds=40)
        assert "member left leaves" in one.notes and "member failed dies" in one.notes


@pytest.mark.asyncio
async def test_a_restart_says_so_instead_of_being_found_out() -> None:
    async with serf_agent("stock") as serf, gossiper("z-1", "eu-1") as one:
        join(one, serf.address)
        await serf.lists("z-1", "alive")
        one.swim.back_soon(now())
        one.after()
        await serf.lists("z-1", "failed", seconds=3)


@pytest.mark.asyncio
async def test_force_leave_prune_reaches_us() -> None:
    async with serf_agent("stock") as serf, gossiper("z-1", "eu-1") as one, gossiper("z-2", "eu-2") as two:
        join(one, serf.address)
        join(two, serf.address)
        await one.until(lambda: one.state("z-2") == "alive")
        await serf.lists("z-2", "alive")
        await two.stop()
        await serf.lists("z-2", "failed", seconds=40)
        await one.until(lambda: one.state("z-2") == "failed", seconds=40)
        code, output = await serf.call("force-leave", "-prune", "z-2")
        assert code == 0, output
        await one.until(lambda: one.state("z-2") == "")
